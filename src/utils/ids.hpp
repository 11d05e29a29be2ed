// ids.hpp: identifiers, each a type of its own, so that one cannot be passed where another is meant.
//
// All are fixed-size byte strings, ordered and hashed by their bytes, printed as hexadecimal.
#pragma once

#include <absl/hash/hash.h>

#include <array>
#include <bit>
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
  static_assert(kSizeBytes % 8 == 0);
  static constexpr std::size_t kSize = kSizeBytes;
  std::array<unsigned char, kSizeBytes> bytes{};

  // Both by whole words: they are in every map of the hot path.
  bool operator==(const Id& other) const {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < kSize; i += 8) difference |= word(i) ^ other.word(i);
    return difference == 0;
  }
  std::strong_ordering operator<=>(const Id& other) const {
    for (std::size_t i = 0; i < kSize; i += 8) {
      if (word(i) != other.word(i)) return big_endian(word(i)) <=> big_endian(other.word(i));
    }
    return std::strong_ordering::equal;
  }

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
    for (std::size_t i = 0; i < kSize; i += 8) state = H::combine(std::move(state), id.word(i));
    return state;
  }

 private:
  std::uint64_t word(std::size_t at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, 8);
    return value;
  }
  static std::uint64_t big_endian(std::uint64_t word) {
    return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
  }
};

// A node: its Ed25519 public key (signing.hpp), or 32 random bytes where nodes hold no keys.
using NodeId = Id<struct NodeIdTag, 32>;

// One life of a node's replica: derived from (node id, incarnation). Owner of a dense sequence of write counters.
using ActorId = Id<struct ActorIdTag, 16>;

// One request of a client, the same in every retry of it. All zero: the request may be executed more than once.
using RequestId = Id<struct RequestIdTag, 16>;

// BLAKE2b-128 of the node id followed by the incarnation (little-endian).
ActorId make_actor_id(const NodeId& node, std::uint64_t incarnation);

}  // namespace distri
