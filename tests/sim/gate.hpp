// gate.hpp: what membership has to say in a simulated world: which machines may start and link, and what nodes tell
// each other about it. members.hpp is the one that there is; a world without a gate is a cluster without keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "distri/utils/ids.hpp"

namespace distri::sim {

class Gate {
 public:
  virtual ~Gate() = default;
  // It is a member, as far as it knows.
  virtual bool may_start(std::size_t i) = 0;
  // The members that the table of this machine names.
  virtual std::vector<NodeId> members(std::size_t i) const = 0;
  // Nobody is kept by a removal of whom it knows nothing else.
  virtual bool knows_all_kept(std::size_t i) const = 0;
  // Whoever wrote as this actor is a member, whether all have heard of it or not.
  virtual bool writer_is_member(const ActorId& actor) const = 0;
  // One of them knows where the other listens, and both let the other one in.
  virtual bool may_link(std::size_t a, std::size_t b) = 0;
  // These have happened.
  virtual void started(std::size_t i) = 0;
  virtual void crashed(std::size_t i) = 0;
  virtual void ticked(std::size_t i) = 0;
  virtual void linked(std::size_t a, std::size_t b) = 0;
  // A message of membership, on a link that is up.
  virtual void heard(std::size_t from, std::size_t to, std::uint16_t kind, BytesView payload) = 0;
};

}  // namespace distri::sim
