#include "distri/services/low_bits.hpp"

#include <limits>

namespace distri::services {
namespace {

constexpr BytesView kMagic = "dLSB";
constexpr std::size_t kHeaderBytes = 9;
static_assert(kHeaderBytes * 8 == kLowBitsHeaderChannels);

// Writes `bytes` into the low `bits` of the channels from `first` on. The caller has checked that they fit.
void write_bits(Bytes& channels, std::size_t first, unsigned bits, BytesView bytes) {
  const unsigned mask = (1u << bits) - 1;
  unsigned pending = 0;
  unsigned pending_bits = 0;
  std::size_t at = first;
  const auto put = [&](unsigned value) {
    const auto old = static_cast<unsigned char>(channels[at]);
    channels[at++] = static_cast<char>((old & ~mask) | value);
  };
  for (const char byte : bytes) {
    pending = (pending << 8 | static_cast<unsigned char>(byte)) & 0xffff;
    pending_bits += 8;
    while (pending_bits >= bits) {
      pending_bits -= bits;
      put(pending >> pending_bits & mask);
    }
  }
  if (pending_bits > 0) put(pending << (bits - pending_bits) & mask);
}

Bytes read_bits(BytesView channels, std::size_t first, unsigned bits, std::size_t size) {
  const unsigned mask = (1u << bits) - 1;
  Bytes bytes;
  bytes.reserve(size);
  unsigned pending = 0;
  unsigned pending_bits = 0;
  for (std::size_t at = first; bytes.size() < size; ++at) {
    pending = (pending << bits | (static_cast<unsigned char>(channels[at]) & mask)) & 0xffff;
    pending_bits += bits;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      bytes.push_back(static_cast<char>(pending >> pending_bits & 0xff));
    }
  }
  return bytes;
}

}  // namespace

std::uint64_t low_bits_pixels_needed(std::uint64_t payload_bytes, unsigned bits) {
  const std::uint64_t channels = kLowBitsHeaderChannels + (payload_bytes * 8 + bits - 1) / bits;
  return (channels + 2) / 3;
}

Result<> hide_in_low_bits(Bytes& channels, BytesView payload) {
  unsigned bits = 1;
  while (bits <= kLowBitsMax && low_bits_pixels_needed(payload.size(), bits) > channels.size() / 3) ++bits;
  if (bits > kLowBitsMax || payload.size() > std::numeric_limits<std::uint32_t>::max()) {
    return fail(Code::kTooLarge, "{} bytes do not fit into the low bits of {} pixels", payload.size(),
                channels.size() / 3);
  }
  Bytes header(kMagic);
  header.push_back(static_cast<char>(bits));
  for (unsigned i = 0; i < 4; ++i) header.push_back(static_cast<char>(payload.size() >> (8 * i) & 0xff));
  write_bits(channels, 0, 1, header);
  write_bits(channels, kLowBitsHeaderChannels, bits, payload);
  return {};
}

Result<Bytes> find_in_low_bits(BytesView channels) {
  const auto nothing = [] { return fail(Code::kNotFound, "nothing is hidden in the low bits"); };
  if (channels.size() < kLowBitsHeaderChannels) return nothing();
  const Bytes header = read_bits(channels, 0, 1, kHeaderBytes);
  const auto bits = static_cast<unsigned char>(header[4]);
  if (!header.starts_with(kMagic) || bits < 1 || bits > kLowBitsMax) return nothing();
  std::uint64_t size = 0;
  for (std::size_t i = 4; i > 0; --i) size = size << 8 | static_cast<unsigned char>(header[4 + i]);
  if (low_bits_pixels_needed(size, bits) > channels.size() / 3) return nothing();
  return read_bits(channels, kLowBitsHeaderChannels, bits, size);
}

}  // namespace distri::services
