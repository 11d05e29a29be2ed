// hash.hpp: BLAKE2b (RFC 7693) for identity, SipHash-2-4 (Aumasson, Bernstein, 2012) for checksums, both by libsodium;
// XXH3 (Collet, xxHash 0.8) for fingerprints of what changes often.
#pragma once

#include <array>
#include <cstdint>

#include "distri/utils/bytes.hpp"

namespace distri {

using Hash256 = std::array<unsigned char, 32>;

Hash256 blake2b_256(BytesView bytes);

// Two XXH3-128 of different seeds: as good as BLAKE2b against accidents and a tenth of its work, but no more than that:
// who wants to can make two inputs that have the same.
Hash256 fingerprint_256(BytesView bytes);

// SipHash-2-4 with a fixed key: a fast checksum of what is stored, against accidents, not against an attacker.
std::uint64_t checksum_64(BytesView bytes);

}  // namespace distri
