#include "distri/cloud/attempts.hpp"

#include <algorithm>

namespace distri::cloud {

std::int64_t Attempts::wait_ms(const std::string& address, std::int64_t now_ms) const {
  const auto found = failures_.find(address);
  return found == failures_.end() ? 0 : std::max<std::int64_t>(0, found->second.until_ms - now_ms);
}

void Attempts::failed(const std::string& address, std::int64_t now_ms) {
  if (failures_.size() >= kAddressesMax && !failures_.contains(address)) {
    failures_.erase(std::ranges::min_element(failures_, {}, [](const auto& entry) { return entry.second.last_ms; }));
  }
  Failures& failures = failures_[address];
  if (now_ms - failures.last_ms > kForgetMs) failures = {};
  failures.last_ms = now_ms;
  const int waits = ++failures.count - kFreeFailures;
  if (waits <= 0) return;
  constexpr int kDoublingsMax = 6;
  failures.until_ms = now_ms + std::min(kLongestWaitMs, kFirstWaitMs << std::min(waits - 1, kDoublingsMax));
}

}  // namespace distri::cloud
