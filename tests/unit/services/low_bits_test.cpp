#include "distri/services/low_bits.hpp"

#include <doctest/doctest.h>

#include "distri/utils/random.hpp"

namespace distri::services {
namespace {

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random.next()));
  return bytes;
}

TEST_CASE("payloads of every size come back from the smallest picture that takes them") {
  Random random(1);
  for (unsigned bits = 1; bits <= kLowBitsMax; ++bits) {
    for (std::size_t size = 0; size < 120; ++size) {
      Bytes channels = random_bytes(random, low_bits_pixels_needed(size, bits) * 3);
      const Bytes before = channels;
      const Bytes payload = random_bytes(random, size);
      REQUIRE(hide_in_low_bits(channels, payload));
      CHECK(find_in_low_bits(channels).value() == payload);
      for (std::size_t i = 0; i < channels.size(); ++i) {
        const int changed = static_cast<unsigned char>(channels[i] ^ before[i]);
        CHECK(changed < 1 << (i < kLowBitsHeaderChannels ? 1 : bits));
      }
    }
  }
}

TEST_CASE("a picture one pixel too small stays as it was") {
  Bytes channels((low_bits_pixels_needed(100, kLowBitsMax) - 1) * 3, 'x');
  const Bytes before = channels;
  CHECK(hide_in_low_bits(channels, Bytes(100, 'p')).error().code == Code::kTooLarge);
  CHECK(channels == before);
}

TEST_CASE("pictures without a payload are told") {
  Random random(2);
  CHECK_FALSE(find_in_low_bits("").has_value());
  CHECK_FALSE(find_in_low_bits(Bytes(71, 'x')).has_value());
  for (int i = 0; i < 50; ++i) CHECK(find_in_low_bits(random_bytes(random, 900)).error().code == Code::kNotFound);
  Bytes channels(900, '\0');
  REQUIRE(hide_in_low_bits(channels, Bytes(90, 'p')));
  CHECK_FALSE(find_in_low_bits(BytesView(channels).substr(0, 300)).has_value());
}

}  // namespace
}  // namespace distri::services
