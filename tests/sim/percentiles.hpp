// percentiles.hpp: the middle, the slowest hundredth and the slowest of many times. Threads: values.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "network.hpp"

namespace distri::sim {

struct Percentiles {
  explicit Percentiles(std::vector<Millis> times) {
    if (times.empty()) return;
    std::sort(times.begin(), times.end());
    const auto at = [&times](std::size_t percent) { return times[(times.size() - 1) * percent / 100]; };
    p50 = at(50), p99 = at(99), max = times.back();
  }
  std::string json() const { return fmt::format("{{\"p50\":{},\"p99\":{},\"max\":{}}}", p50, p99, max); }
  Millis p50 = 0;
  Millis p99 = 0;
  Millis max = 0;
};

}  // namespace distri::sim
