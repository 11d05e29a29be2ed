// relays.hpp: what stands between the nodes and peers of a test, so that it can cut them off from each other.
//
// Every end (a node, a peer) tells others the address of its relay instead of its own. A node says in its first bytes
// at which address it is reached itself, so a relay knows which node is calling; whoever says nothing of the kind is
// kAnybody. Clients that are not to be cut off are given the addresses behind the relays.
//
// Threads: one of its own; methods from one thread. A cut holds when cut() has returned.
#pragma once

#include <cstddef>
#include <memory>

#include "distri/utils/address.hpp"

namespace distri::test {

class Relays {
 public:
  static constexpr std::size_t kAnybody = static_cast<std::size_t>(-1);
  enum class Cut : std::uint8_t {
    kClosed,  // connections end, and new ones at once
    kSilent,  // nothing passes any more, and nobody is told, as with a cable that is cut far away
  };

  explicit Relays(std::size_t ends);
  ~Relays();
  Relays(const Relays&) = delete;
  Relays& operator=(const Relays&) = delete;

  // What an end is to tell others.
  const Address& address(std::size_t end) const;
  // Where it listens.
  void forward(std::size_t end, const Address& to);
  // Between two nodes, in both directions; or kAnybody and an end: nobody unknown reaches it.
  void cut(std::size_t one, std::size_t other, Cut how);
  // What was silent goes on.
  void mend(std::size_t one, std::size_t other);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::test
