#include "distri/net/connection_rate.hpp"

#include <algorithm>

namespace distri::net {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::size_t kAddressesUnlooked = 1'024;

}  // namespace

ConnectionRate::ConnectionRate(std::uint64_t per_second, std::uint64_t at_once)
    : interval_us_(per_second == 0 ? 0 : std::max<std::int64_t>(kSecondUs / static_cast<std::int64_t>(per_second), 1)),
      lasts_us_(static_cast<std::int64_t>(std::max<std::uint64_t>(at_once, 1) - 1) * interval_us_),
      look_at_(kAddressesUnlooked) {}

std::int64_t ConnectionRate::wait_ms(const std::string& address, std::int64_t now_us) {
  if (!limited()) return 0;
  if (full_at_us_.size() >= look_at_) forget_full(now_us);
  std::int64_t& full_at_us = full_at_us_.try_emplace(address, now_us).first->second;
  full_at_us = std::max(full_at_us, now_us);
  if (const std::int64_t early_us = full_at_us - now_us - lasts_us_; early_us > 0) return (early_us + 999) / 1'000;
  full_at_us += interval_us_;
  return 0;
}

void ConnectionRate::forget_full(std::int64_t now_us) {
  absl::erase_if(full_at_us_, [now_us](const auto& entry) { return entry.second <= now_us; });
  look_at_ = std::max(kAddressesUnlooked, 2 * full_at_us_.size());
}

}  // namespace distri::net
