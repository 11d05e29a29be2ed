// latency.hpp: how long calls took, kept one by one, so that percentiles are exact. Threads: one at a time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace example {

using Moment = std::chrono::steady_clock::time_point;
inline Moment now() {
  return std::chrono::steady_clock::now();
}
inline std::int64_t us_since(Moment start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now() - start).count();
}
inline double seconds_since(Moment start) {
  return static_cast<double>(us_since(start)) / 1e6;
}

class Latencies {
 public:
  void add(std::int64_t us) { samples_.push_back(us); }
  std::size_t count() const { return samples_.size(); }

  // {"p50","p99","p999","max"} in microseconds; zeros without samples.
  nlohmann::json summary() const {
    std::vector<std::int64_t> sorted = samples_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double share) {
      return sorted.empty() ? 0
                            : sorted[std::min(sorted.size() - 1,
                                              static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
    };
    return {{"p50", at(0.5)}, {"p99", at(0.99)}, {"p999", at(0.999)}, {"max", sorted.empty() ? 0 : sorted.back()}};
  }

 private:
  std::vector<std::int64_t> samples_;
};

}  // namespace example
