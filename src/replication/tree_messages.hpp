// tree_messages.hpp: what nodes say to each other about the broadcast tree (broadcast_tree.hpp). Decoders are total and
// bounded.
//
// TreeBatch is u8 hops and then the bytes of a Batch, as its writer made them: over how many links it has come, the one
// that it is on included; 0: it was asked for.
// Threads: values.
#pragma once

#include <cstdint>
#include <vector>

#include "distri/replication/version_vector.hpp"

namespace distri::replication {

// Actors that one Have or Graft may name.
inline constexpr std::size_t kTreeActorsMax = 1'024;

// "I hold these writes, and all earlier ones of their actors." At least one.
void encode_have(wire::Writer& out, const std::vector<Dot>& held);
Result<std::vector<Dot>> decode_have(BytesView payload);

// "Push to me from now on, and send me these."
struct Graft {
  struct Stretch {
    ActorId actor;
    std::uint64_t after = 0;  // this write excluded
    std::uint64_t to = 0;     // this one included
    bool operator==(const Stretch&) const = default;
  };
  bool chosen = false;  // the receiver is one of the neighbours that the sender has chosen for itself
  std::vector<Stretch> wanted;
  bool operator==(const Graft&) const = default;
};
void encode(wire::Writer& out, const Graft& graft);
Result<Graft> decode_graft(BytesView payload);

enum class PruneReason : std::uint8_t {
  kRedundant = 0,  // what you push has come to me from others: only announce it
  kReleased = 1,   // I choose others for my neighbours now
  kRefused = 2,    // I have neighbours enough
};
Bytes encode_prune(PruneReason reason);
Result<PruneReason> decode_prune(BytesView payload);

}  // namespace distri::replication
