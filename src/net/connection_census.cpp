#include "distri/net/connection_census.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "distri/utils/address.hpp"

namespace distri::net {
namespace {

constexpr std::size_t kGroupBytes = 8;  // of an IPv6 address: its /64
constexpr std::array<unsigned char, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::string text_of(int family, const unsigned char* address) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, address, text, sizeof text);
  return text;
}

}  // namespace

std::string address_group(std::string_view host) {
  const std::string text(host.substr(0, host.find('%')));  // without the interface of a link-local address
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return text;
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    return text_of(AF_INET, bytes.data() + kMappedPrefix.size());
  }
  if (is_loopback({text_of(AF_INET6, bytes.data()), 0})) return text_of(AF_INET6, bytes.data());
  std::fill(bytes.begin() + kGroupBytes, bytes.end(), static_cast<unsigned char>(0));
  return text_of(AF_INET6, bytes.data()) + "/64";
}

Result<> ConnectionCensus::may_enter(std::string_view host, std::int64_t now_us) {
  if (connections_ >= limits_.connections_max) {
    ++counters_.refused_in_all;
    return fail(Code::kBusy, "this node has {} connections, its limit connections_max; try another node or later",
                connections_);
  }
  const std::string group = address_group(host);
  const bool loopback = is_loopback({group, 0});
  const std::size_t most = loopback ? limits_.per_loopback_address_max : limits_.per_address_max;
  const auto found = by_group_.find(group);
  if (found == by_group_.end() || (loopback && most == 0) || found->second < most) {
    return may_come_now(group, loopback, now_us);
  }
  ++counters_.refused_per_address;
  return fail(Code::kBusy, "this node has {} connections from {}, the limit {}; close some, or raise it there",
              found->second, group, loopback ? "connections_per_loopback_address_max" : "connections_per_address_max");
}

Result<> ConnectionCensus::may_come_now(const std::string& group, bool loopback, std::int64_t now_us) {
  const std::int64_t wait_ms = (loopback ? loopback_rate_ : rate_).wait_ms(group, now_us);
  if (wait_ms == 0) return {};
  ++counters_.refused_by_rate;
  return fail(Code::kBusy,
              "{} makes connections faster than {} a second, the limit {} after the first {} (connection_burst_max); "
              "try again in {} ms, or raise it there",
              group, loopback ? limits_.loopback_rate_max : limits_.rate_max,
              loopback ? "connection_loopback_rate_max" : "connection_rate_max", limits_.burst_max, wait_ms);
}

ConnectionCensus::Visit ConnectionCensus::enter(std::string_view host, Displace displace) {
  std::string group = address_group(host);
  ++connections_;
  ++by_group_[group];
  const std::uint64_t number = next_number_++;
  strangers_.emplace(number, std::move(displace));
  if (strangers_.size() > limits_.strangers_max) displace_oldest();
  return {*this, number, std::move(group)};
}

void ConnectionCensus::displace_oldest() {
  const auto oldest = strangers_.begin();
  const Displace displace = std::move(oldest->second);
  strangers_.erase(oldest);
  ++counters_.displaced;
  displace(
      Error{Code::kBusy, fmt::format("this node has more than {} connections that have not shown that they may be here "
                                     "(strangers_max), and this is the oldest of them; try again",
                                     limits_.strangers_max)});
}

ConnectionCensus::Visit::Visit(Visit&& other) noexcept
    : census_(std::exchange(other.census_, nullptr)),
      number_(other.number_),
      group_(std::move(other.group_)),
      asked_(other.asked_) {}

ConnectionCensus::Visit& ConnectionCensus::Visit::operator=(Visit&& other) noexcept {
  if (this == &other) return *this;
  leave();
  census_ = std::exchange(other.census_, nullptr);
  number_ = other.number_;
  group_ = std::move(other.group_);
  asked_ = other.asked_;
  return *this;
}

bool ConnectionCensus::Visit::is_stranger() const {
  return census_ != nullptr && census_->strangers_.contains(number_);
}

void ConnectionCensus::Visit::trusted() {
  if (census_ != nullptr) census_->strangers_.erase(number_);
}

void ConnectionCensus::Visit::timed_out() {
  if (!is_stranger()) return;
  ++census_->counters_.timed_out;
  census_->strangers_.erase(number_);
}

bool ConnectionCensus::Visit::may_ask() {
  if (census_ == nullptr) return false;
  if (asked_ < census_->limits_.stranger_streams_max) {
    ++asked_;
    return true;
  }
  ++census_->counters_.over_streams;
  return false;
}

void ConnectionCensus::Visit::closed(const Error& reason, bool too_many_frames) {
  if (reason.code == Code::kDeadlineExceeded) timed_out();
  if (reason.code == Code::kTooLarge && is_stranger()) {
    auto& counters = census_->counters_;
    ++(too_many_frames ? counters.over_frames : counters.over_bytes);
  }
  leave();
}

void ConnectionCensus::Visit::leave() {
  if (census_ == nullptr) return;
  census_->strangers_.erase(number_);
  --census_->connections_;
  const auto found = census_->by_group_.find(group_);
  if (--found->second == 0) census_->by_group_.erase(found);
  census_ = nullptr;
}

}  // namespace distri::net
