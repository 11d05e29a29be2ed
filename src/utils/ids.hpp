// ids.hpp: identifiers, each a type of its own, so that one cannot be passed where another is meant.
//
// All are fixed-size byte strings, ordered and hashed by their bytes, printed as hexadecimal.
#pragma once

#include <absl/hash/hash.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "distri/utils/bytes.hpp"

namespace distri {

template <class Tag, std::size_t kSizeBytes>
struct Id {
  static constexpr std::size_t kSize = kSizeBytes;
  std::array<unsigned char, kSizeBytes> bytes{};

  auto operator<=>(const Id&) const = default;

  // All zero: "none".
  bool empty() const { return *this == Id{}; }
  BytesView view() const { return {reinterpret_cast<const char*>(bytes.data()), kSizeBytes}; }
  std::string hex() const { return to_hex(view()); }
  // The first eight hexadecimal digits, for logs.
  std::string short_hex() const { return hex().substr(0, 8); }

  // Precondition: view.size() == kSize (the caller has checked the length).
  static Id from_view(BytesView view) {
    Id id;
    std::memcpy(id.bytes.data(), view.data(), kSizeBytes);
    return id;
  }

  template <class H>
  friend H AbslHashValue(H state, const Id& id) {
    return H::combine_contiguous(std::move(state), id.bytes.data(), kSizeBytes);
  }
};

// A node: 32 bytes, the size of an Ed25519 public key. Random until nodes hold keys.
using NodeId = Id<struct NodeIdTag, 32>;

// One life of a node's replica: derived from (node id, incarnation). Owner of a dense sequence of write counters.
using ActorId = Id<struct ActorIdTag, 16>;

// One request of a client, the same in every retry of it. All zero: the request may be executed more than once.
using RequestId = Id<struct RequestIdTag, 16>;

// BLAKE2b-128 of the node id followed by the incarnation (little-endian).
ActorId make_actor_id(const NodeId& node, std::uint64_t incarnation);

}  // namespace distri
