// random.hpp: randomness that is handed in, so that a run can be replayed from its seed.
//
// xoshiro256** by Blackman and Vigna (2018), seeded through splitmix64. Good for simulation, sampling, identifiers and
// jitter; never for keys or nonces (those come from libsodium). Threads: none; give each thread its own.
#pragma once

#include <array>
#include <cstdint>

namespace distri {

class Random {
 public:
  using result_type = std::uint64_t;

  explicit Random(std::uint64_t seed);

  // A generator seeded by the operating system.
  static Random from_system();

  std::uint64_t next();

  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);

  // Uniform in [0, 1).
  double unit();

  // True with the given probability.
  bool chance(double probability) { return unit() < probability; }

  // Fills a fixed-size Id (ids.hpp).
  template <class IdType>
  IdType id() {
    IdType result;
    for (std::size_t i = 0; i < result.bytes.size(); ++i) {
      if (i % 8 == 0) buffer_ = next();
      result.bytes[i] = static_cast<unsigned char>(buffer_ >> (8 * (i % 8)));
    }
    return result;
  }

  // UniformRandomBitGenerator, for std::shuffle and the distributions.
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  std::uint64_t operator()() { return next(); }

 private:
  std::array<std::uint64_t, 4> state_{};
  std::uint64_t buffer_ = 0;
};

}  // namespace distri
