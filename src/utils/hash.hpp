// hash.hpp: BLAKE2b (RFC 7693), by libsodium.
#pragma once

#include <array>
#include <cstdint>

#include "distri/utils/bytes.hpp"

namespace distri {

using Hash256 = std::array<unsigned char, 32>;

Hash256 blake2b_256(BytesView bytes);

}  // namespace distri
