// hash.hpp: BLAKE2b (RFC 7693) for identity and digests, SipHash-2-4 (Aumasson, Bernstein, 2012) for checksums; by
// libsodium.
#pragma once

#include <array>
#include <cstdint>

#include "distri/utils/bytes.hpp"

namespace distri {

using Hash256 = std::array<unsigned char, 32>;

Hash256 blake2b_256(BytesView bytes);

// SipHash-2-4 with a fixed key: a fast checksum of what is stored, against accidents, not against an attacker.
std::uint64_t checksum_64(BytesView bytes);

}  // namespace distri
