#include "distri/utils/hash.hpp"

#include <sodium.h>
#include <xxhash.h>

#include "distri/utils/check.hpp"
#include "distri/utils/ids.hpp"

namespace distri {

Hash256 blake2b_256(BytesView bytes) {
  Hash256 hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     nullptr, 0);
  return hash;
}

Hash256 fingerprint_256(BytesView bytes) {
  Hash256 hash;
  static_assert(sizeof hash == 2 * sizeof(XXH128_canonical_t));
  for (std::size_t half = 0; half < 2; ++half) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(bytes.data(), bytes.size(), half));
    std::memcpy(hash.data() + half * sizeof canonical, &canonical, sizeof canonical);
  }
  return hash;
}

std::uint64_t checksum_64(BytesView bytes) {
  static constexpr unsigned char kKey[crypto_shorthash_KEYBYTES] = {'d', 'i', 's', 't', 'r', 'i'};
  unsigned char hash[crypto_shorthash_BYTES];
  crypto_shorthash(hash, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), kKey);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof hash; ++i) value |= std::uint64_t{hash[i]} << (8 * i);
  return value;
}

ActorId make_actor_id(const NodeId& node, std::uint64_t incarnation) {
  std::array<unsigned char, NodeId::kSize + 8> input{};
  std::memcpy(input.data(), node.bytes.data(), NodeId::kSize);
  for (std::size_t i = 0; i < 8; ++i) input[NodeId::kSize + i] = static_cast<unsigned char>(incarnation >> (8 * i));
  ActorId id;
  crypto_generichash(id.bytes.data(), id.bytes.size(), input.data(), input.size(), nullptr, 0);
  return id;
}

}  // namespace distri
