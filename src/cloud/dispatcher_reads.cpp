// The part of Dispatcher that carries out long reads, a slice at a time.
#include <algorithm>
#include <utility>

#include "distri/cloud/dispatcher.hpp"

namespace distri::cloud {
namespace {

// Of a slice. A run may overdraw it by what it does in one piece: a page of the documents that it reads, a document.
constexpr std::uint64_t kSliceSteps = 10'000;
// Reads that take turns. Those behind them hold no more than their first slice has gathered.
constexpr std::size_t kReadingsAtOnce = 8;

}  // namespace

// The first slice at once: for most it is the last.
void Dispatcher::run_reading(const DocumentCall& call, Outcome& outcome) {
  auto reading = parts_.documents.begin(call);
  if (!reading) {
    outcome.result = fail(std::move(reading).error());
    return;
  }
  outcome.reading = *std::move(reading);
  run_slice(outcome);
}

void Dispatcher::run_slice(Outcome& outcome) {
  ++read_slices_;
  std::uint64_t budget = kSliceSteps;
  auto reply = outcome.reading->step(budget);
  if (reply && !*reply) return;
  const std::uint64_t commit = outcome.reading->commit_shown();
  outcome.reading.reset();
  if (!reply) {
    outcome.result = fail(std::move(reply).error());
    return;
  }
  outcome.result = **std::move(reply);
  wait_for_shown(outcome, commit, false);
}

void Dispatcher::start_reading(const std::shared_ptr<Request>& request, std::unique_ptr<Reading> reading) {
  request->stage = Request::Stage::kRunning;
  request->reading = std::move(reading);
  charge(*request, request->reading->bytes());
  request->reading_bytes = request->reading->bytes();
  readings_.push_back(request);
  parts_.loop.post([] {});
}

// One slice of one of them, and another turn soon: what has come meanwhile is served between.
void Dispatcher::go_on_reading() {
  std::erase_if(readings_, [](const auto& request) { return request->stage != Request::Stage::kRunning; });
  if (readings_.empty()) return;
  const auto request = readings_[readings_next_++ % std::min(readings_.size(), kReadingsAtOnce)];
  Outcome outcome;
  outcome.reading = std::move(request->reading);
  run_slice(outcome);
  const std::size_t bytes = outcome.reading ? outcome.reading->bytes() : 0;
  buffered_bytes_ = buffered_bytes_ - request->reading_bytes + bytes;
  request->charged_bytes = request->charged_bytes - request->reading_bytes + bytes;
  request->reading_bytes = bytes;
  if (outcome.reading) {
    request->reading = std::move(outcome.reading);
  } else if (settled(outcome)) {
    finish(request, outcome.result);
  } else {
    hold(request, std::move(outcome));
  }
  parts_.loop.post([] {});
}

}  // namespace distri::cloud
