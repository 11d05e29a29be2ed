#include "distri/replication/hlc.hpp"

#include <algorithm>
#include <limits>

namespace distri::replication {

std::uint64_t HybridClock::from_ms(std::int64_t wall_ms) {
  constexpr std::int64_t kMsMax = (std::int64_t{1} << 47) - 1;
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(wall_ms, 0, kMsMax)) << kLogicalBits;
}

bool HybridClock::too_far(std::uint64_t reading, std::int64_t wall_ms) const {
  const std::int64_t wall = to_ms(from_ms(wall_ms));
  return to_ms(reading) - wall > ahead_max_ms_;
}

std::optional<std::uint64_t> HybridClock::next(std::int64_t wall_ms, std::uint64_t floor) {
  const std::uint64_t ours = std::max(from_ms(wall_ms), last_ + 1);
  if (floor < ours) return last_ = ours;
  if (floor == std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  const std::uint64_t reading = floor + 1;
  last_ = too_far(reading, wall_ms) ? ours : reading;
  return reading;
}

bool HybridClock::observe(std::uint64_t reading, std::int64_t wall_ms) {
  if (reading <= last_) return true;
  if (too_far(reading, wall_ms)) return false;
  last_ = reading;
  return true;
}

}  // namespace distri::replication
