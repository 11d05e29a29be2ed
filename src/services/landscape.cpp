#include "distri/services/landscape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "distri/utils/random.hpp"

namespace distri::services {
namespace {

struct Colour {
  float r, g, b;
};

struct Mood {
  Colour zenith, horizon, haze, near_ground;
};

constexpr std::array<Mood, 4> kMoods{{
    {{52, 98, 168}, {233, 214, 190}, {172, 188, 204}, {28, 52, 46}},   // morning
    {{38, 44, 92}, {248, 160, 104}, {196, 126, 118}, {34, 24, 44}},    // sunset
    {{84, 140, 200}, {222, 234, 240}, {168, 194, 206}, {42, 70, 40}},  // noon
    {{30, 46, 74}, {150, 168, 186}, {110, 132, 154}, {16, 28, 38}},    // dusk
}};

Colour mix(const Colour& a, const Colour& b, float t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

// Smooth one-dimensional noise: octaves of sines with random phases, in about [-1, 1].
class RidgeLine {
 public:
  explicit RidgeLine(Random& random) {
    for (std::size_t i = 0; i < waves_.size(); ++i) {
      const double octave = std::pow(1.9, static_cast<double>(i));
      waves_[i] = {octave * (2.0 + random.unit()), random.unit() * 6.2832, 0.55 / std::pow(octave, 0.9)};
    }
  }
  double height(double x) const {
    double sum = 0;
    for (const auto& wave : waves_) sum += wave.amplitude * std::sin(wave.frequency * x + wave.phase);
    return sum;
  }

 private:
  struct Wave {
    double frequency, phase, amplitude;
  };
  std::array<Wave, 7> waves_{};
};

constexpr int kRidges = 5;

// For every column, the rows at which each ridge begins, far to near.
std::vector<std::array<float, kRidges>> ridge_rows(std::uint32_t width, std::uint32_t height, Random& random) {
  std::vector<std::array<float, kRidges>> rows(width);
  for (int ridge = 0; ridge < kRidges; ++ridge) {
    const RidgeLine line(random);
    const double base = 0.50 + 0.11 * ridge;
    const double relief = 0.07 + 0.012 * ridge;
    for (std::uint32_t x = 0; x < width; ++x) {
      const double share = base - relief * line.height(static_cast<double>(x) / width);
      rows[x][static_cast<std::size_t>(ridge)] = static_cast<float>(share * height);
    }
  }
  return rows;
}

}  // namespace

Picture make_landscape(std::uint64_t pixels, std::uint64_t seed) {
  Random random(seed);
  const auto width = static_cast<std::uint32_t>(std::ceil(std::sqrt(static_cast<double>(pixels) * 1.5)));
  const auto height = static_cast<std::uint32_t>((pixels + width - 1) / width);
  const Mood mood = kMoods[random.below(kMoods.size())];
  const auto rows = ridge_rows(width, height, random);
  const float sun_x = static_cast<float>(width) * (0.2f + 0.6f * static_cast<float>(random.unit()));
  const float sun_y = static_cast<float>(height) * (0.18f + 0.2f * static_cast<float>(random.unit()));
  const float reach = static_cast<float>(height) * 0.35f;

  Picture picture{width, height, {}};
  picture.rgb.resize(std::size_t{width} * height * 3);
  std::uint64_t grain = 0;
  auto* out = reinterpret_cast<unsigned char*>(picture.rgb.data());
  for (std::uint32_t y = 0; y < height; ++y) {
    const auto row = static_cast<float>(y);
    const float down = std::min(row / (static_cast<float>(height) * 0.6f), 1.0f);
    const Colour sky = mix(mood.zenith, mood.horizon, down * down);
    for (std::uint32_t x = 0; x < width; ++x) {
      int ridge = kRidges - 1;
      while (ridge >= 0 && row < rows[x][static_cast<std::size_t>(ridge)]) --ridge;
      Colour colour = sky;
      if (ridge < 0) {
        const float dx = (static_cast<float>(x) - sun_x) / reach;
        const float dy = (row - sun_y) / reach;
        const float glow = 1.0f / (1.0f + 14.0f * (dx * dx + dy * dy));
        colour = mix(sky, {255, 246, 220}, glow);
      } else {
        const float depth = (static_cast<float>(ridge) + 1.0f) / kRidges;
        const float below = (row - rows[x][static_cast<std::size_t>(ridge)]) / static_cast<float>(height);
        colour = mix(mix(mood.haze, mood.near_ground, depth), mood.haze, std::min(below * 1.6f, 0.35f));
      }
      if (x % 8 == 0) grain = random.next();
      const float offset = static_cast<float>(grain & 7) - 3.5f;
      grain >>= 8;
      for (const float value : {colour.r, colour.g, colour.b}) {
        *out++ = static_cast<unsigned char>(std::clamp(value + offset, 0.0f, 255.0f));
      }
    }
  }
  return picture;
}

}  // namespace distri::services
