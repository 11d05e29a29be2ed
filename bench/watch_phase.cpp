#include "watch_phase.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "figures.hpp"
#include "node_process.hpp"

namespace bench {
namespace {

using distri::Code;
using distri::Result;

constexpr std::uint64_t kWarmup_ns = 1'000'000'000;
constexpr std::uint64_t kDrained_ns = 60'000'000'000;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(monotonic_ns());
}

nlohmann::json to_json(const distri::Histogram& times) {
  return {{"p50", times.percentile(0.5)}, {"p99", times.percentile(0.99)}, {"max", times.max()}};
}

}  // namespace

WatchPhase::WatchPhase(const WatchLoad& load, WatchServer& server)
    : load_(load), server_(server), next_(load.watchers, 0) {}

Result<nlohmann::json> WatchPhase::run() {
  DISTRI_TRY_VOID(server_.open(*this, load_.watchers));
  begin_ns_ = now_ns();
  start_ns_ = begin_ns_ + kWarmup_ns;
  end_ns_ = start_ns_ + load_.seconds * 1'000'000'000;
  double cpu_start = 0;
  double cpu_end = 0;
  for (std::uint64_t now = begin_ns_; outcome_; now = now_ns()) {
    if (now < start_ns_) cpu_start = cpu_seconds();
    if (now < end_ns_) {
      cpu_end = cpu_seconds();
      send_due();
    } else if (all_told()) {
      break;
    } else if (now > end_ns_ + kDrained_ns) {
      return distri::fail(Code::kDeadlineExceeded, "a watcher has not been told of everything after {} s",
                          kDrained_ns / 1'000'000'000);
    }
    DISTRI_TRY_VOID(server_.turn());
  }
  if (!outcome_) return distri::fail(outcome_.error());
  return figures((cpu_end - cpu_start) / static_cast<double>(load_.seconds));
}

void WatchPhase::send_due() {
  const std::uint64_t now = now_ns();
  if (now >= end_ns_) return;
  const std::uint64_t due = load_.rate_per_s == 0 ? answered_ns_.size() + load_.in_flight
                                                  : (now - begin_ns_) * load_.rate_per_s / 1'000'000'000 + 1;
  while (outcome_ && asked_ns_.size() < due && asked_ns_.size() < answered_ns_.size() + load_.in_flight) {
    asked_ns_.push_back(now);
    outcome_ = server_.add(asked_ns_.size() - 1);
  }
}

void WatchPhase::answered() {
  if (answered_ns_.size() == asked_ns_.size()) {
    outcome_ = distri::fail(Code::kInternal, "an answer came that nobody waits for");
    return;
  }
  const std::uint64_t now = now_ns();
  answered_ns_.push_back(now);
  if (measuring(now)) ++adds_;
  drained_ns_ = now;
  if (load_.rate_per_s == 0) send_due();
}

void WatchPhase::told(std::uint64_t watcher, std::uint64_t number) {
  if (number != next_[watcher] || number >= asked_ns_.size()) {
    outcome_ = distri::fail(Code::kInternal, "watcher {} is told of document {} instead of {}", watcher, number,
                            next_[watcher]);
    return;
  }
  ++next_[watcher];
  const std::uint64_t now = now_ns();
  if (!measuring(now)) return;
  ++events_;
  from_request_us_.add((now - asked_ns_[number]) / 1'000);
  // Both leave in one turn of the server, and the event may be read first.
  const std::uint64_t answered = number < answered_ns_.size() ? answered_ns_[number] : now;
  from_answer_us_.add((now - answered) / 1'000);
}

bool WatchPhase::all_told() const {
  return answered_ns_.size() == asked_ns_.size() &&
         std::all_of(next_.begin(), next_.end(), [this](std::uint64_t next) { return next == asked_ns_.size(); });
}

nlohmann::json WatchPhase::figures(double cpu_share) const {
  const auto seconds = static_cast<double>(load_.seconds);
  const auto events_per_s = static_cast<double>(events_) / seconds;
  return {{"adds_per_s", static_cast<double>(adds_) / seconds},
          {"events_per_s", events_per_s},
          {"watcher_events_per_s", load_.watchers == 0 ? 0.0 : events_per_s / static_cast<double>(load_.watchers)},
          {"from_answer_us", to_json(from_answer_us_)},
          {"from_request_us", to_json(from_request_us_)},
          {"drained_ms", (now_ns() - drained_ns_) / 1'000'000},
          {"client_cpu_share", cpu_share}};
}

}  // namespace bench
