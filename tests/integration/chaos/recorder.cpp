#include "recorder.hpp"

#include <algorithm>
#include <numeric>

namespace chaos {

using distri::Code;

std::string_view name_of(Concern w) {
  switch (w) {
    case Concern::kOne:
      return "1";
    case Concern::kTwo:
      return "2";
    case Concern::kMajority:
      return "majority";
    case Concern::kAll:
      return "all";
  }
  return "?";
}

Outcome outcome_of(const std::optional<distri::Error>& error) {
  if (!error) return Outcome::kAcknowledged;
  switch (error->code) {
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
    case Code::kProtocolError:
    case Code::kDataLoss:
    case Code::kIndeterminate:
    case Code::kConnectionLost:
    case Code::kInternal:
    case Code::kStorageFailed:
      return Outcome::kIndeterminate;
    default:
      return Outcome::kFailed;
  }
}

std::string to_string(const Finding& finding) {
  std::string text = finding.what;
  if (!finding.key.empty()) text += fmt::format("; key {}", finding.key);
  if (!finding.expected.empty()) text += fmt::format("; expected {}", finding.expected);
  if (!finding.found.empty()) text += fmt::format("; found {}", finding.found);
  if (!finding.node.empty()) text += fmt::format("; node {}", finding.node);
  return text;
}

std::uint64_t Tally::acknowledged_sum() const {
  return std::accumulate(acknowledged.begin(), acknowledged.end(), std::uint64_t{0});
}

Recorder::Recorder(std::FILE* history, std::function<void(const std::string&)> say)
    : history_(history), say_(std::move(say)) {}

void Recorder::ended(const Call& call) {
  const std::int64_t past_deadline_ms = call.end_ms - call.start_ms - call.timeout_ms;
  {
    const std::lock_guard lock(mutex_);
    tally_.slowest_past_deadline_ms = std::max(tally_.slowest_past_deadline_ms, past_deadline_ms);
    if (call.read) {
      ++(call.error ? tally_.failed_reads[std::string(code_name(call.error->code))] : tally_.reads);
    } else if (call.outcome() == Outcome::kAcknowledged) {
      ++tally_.acknowledged[static_cast<std::size_t>(call.w)];
    } else if (call.outcome() == Outcome::kIndeterminate) {
      ++tally_.indeterminate;
    } else {
      ++tally_.failed[std::string(code_name(call.error->code))];
    }
    if (history_ != nullptr) {
      fmt::print(history_, "{} +{} s{} {} {} {} w={} {} {}\n", call.start_ms, call.end_ms - call.start_ms, call.session,
                 call.what, call.key, call.value, name_of(call.w), call.node,
                 call.error ? distri::to_string(*call.error) : "ok");
    }
  }
  if (past_deadline_ms > kLateMs) {
    found({"a call ended late", call.key, fmt::format("an answer within {} ms + {} ms", call.timeout_ms, kLateMs),
           fmt::format("{} of session {} took {} ms", call.what, call.session, call.end_ms - call.start_ms),
           call.node});
  }
}

void Recorder::found(Finding finding) {
  const std::lock_guard lock(mutex_);
  ++tally_.findings;
  if (history_ != nullptr) fmt::print(history_, "FOUND {}\n", to_string(finding));
  if (say_ && tally_.findings <= kFindingsSaid) say_("FOUND: " + to_string(finding));
  if (findings_.size() < kFindingsMax) findings_.push_back(std::move(finding));
}

void Recorder::note(std::int64_t at_ms, std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (history_ != nullptr) fmt::print(history_, "{} # {}\n", at_ms, text);
}

Tally Recorder::tally() const {
  const std::lock_guard lock(mutex_);
  return tally_;
}

std::vector<Finding> Recorder::findings() const {
  const std::lock_guard lock(mutex_);
  return findings_;
}

}  // namespace chaos
