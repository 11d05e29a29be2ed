// low_bits.hpp: bytes hidden in the low bits of a picture's channels.
//
// Pixels are a run of channel bytes (red, green, blue, red, ...; rows from the top). The lowest bit of the first 72
// channels (24 pixels) holds a 9-byte header, most significant bit first: "dLSB", bits per channel (1 to 4), payload
// length (4 bytes, little-endian). The payload follows from channel 72 on, most significant bit first, `bits` of it in
// the low bits of each channel. Threads: none; pure functions.
#pragma once

#include <cstdint>

#include "distri/utils/bytes.hpp"

namespace distri::services {

inline constexpr unsigned kLowBitsMax = 4;
inline constexpr std::uint64_t kLowBitsHeaderChannels = 72;

// The fewest pixels that take a payload of this size at `bits` per channel.
std::uint64_t low_bits_pixels_needed(std::uint64_t payload_bytes, unsigned bits);

// Hides the payload with as few bits per channel as will do. kTooLarge (and unchanged channels) when not even
// kLowBitsMax will.
Result<> hide_in_low_bits(Bytes& channels, BytesView payload);

// The payload. kNotFound when there is none, or its header makes no sense.
Result<Bytes> find_in_low_bits(BytesView channels);

}  // namespace distri::services
