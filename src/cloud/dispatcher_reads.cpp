// The part of Dispatcher that carries out long reads, a slice at a time.
#include <algorithm>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/server_connection.hpp"

namespace distri::cloud {
namespace {

// A slice is over after so many steps, or so long. A step may overdraw either by what is done in one piece.
constexpr std::uint64_t kSliceSteps = 10'000;
constexpr std::int64_t kSliceNs = 500'000;
// Between two looks at the clock.
constexpr std::uint64_t kStepsAtOnce = 1'000;
// Reads that take turns. Those behind them hold no more than their first slice has gathered.
constexpr std::size_t kReadingsAtOnce = 8;

}  // namespace

// The first slice at once: for most it is the last.
void Dispatcher::run_reading(const DocumentCall& call, const RequestId& id, Outcome& outcome) {
  auto begun = parts_.documents.begin(call);
  if (!begun) {
    outcome.result = fail(std::move(begun).error());
    return;
  }
  if (begun->reading) {
    outcome.reading = std::move(begun->reading);
    return run_slice(call, id, outcome);
  }
  outcome.result = std::move(begun->reply);
  wait_for_shown(outcome, begun->shown);
}

void Dispatcher::run_slice(const DocumentCall& call, const RequestId& id, Outcome& outcome) {
  ++read_slices_;
  const std::int64_t end_ns = parts_.clock.monotonic_ns() + kSliceNs;
  Result<std::optional<Bytes>> reply;
  for (std::uint64_t steps = 0; reply && !*reply; steps += kStepsAtOnce) {
    if (steps == kSliceSteps || (steps > 0 && parts_.clock.monotonic_ns() >= end_ns)) return;
    std::uint64_t budget = kStepsAtOnce;
    reply = outcome.reading->step(budget);
  }
  const auto reading = std::move(outcome.reading);
  if (!reply) {
    outcome.result = fail(std::move(reply).error());
  } else if (Preparation* prepared = reading->preparation()) {
    if (auto written = run_write(call, id, outcome, prepared); !written)
      outcome.result = fail(std::move(written).error());
  } else {
    outcome.result = **std::move(reply);
    wait_for_shown(outcome, reading->shown());
  }
}

void Dispatcher::start_reading(const std::shared_ptr<Request>& request, std::unique_ptr<Reading> reading) {
  request->stage = Request::Stage::kRunning;
  request->reading = std::move(reading);
  set_reading_bytes(*request, request->reading->bytes());
  readings_.push_back(request);
  parts_.loop.post([] {});
}

void Dispatcher::set_reading_bytes(Request& request, std::size_t bytes) {
  buffered_bytes_ = buffered_bytes_ - request.reading_bytes + bytes;
  request.charged_bytes = request.charged_bytes - request.reading_bytes + bytes;
  request.connection->set_reading_bytes(request, bytes);
}

// One slice of one of them, and another turn soon: what has come meanwhile is served between. A turn that has already
// been long leaves it to the next one, but not twice; after turns that were cut short, others have had a slice's time.
void Dispatcher::go_on_reading() {
  std::erase_if(readings_, [](const auto& request) { return request->stage != Request::Stage::kRunning; });
  if (readings_.empty()) return;
  parts_.loop.post([] {});
  others_ns_ += parts_.loop.turn_ns();
  if (parts_.loop.turn_was_cut() && others_ns_ < kSliceNs) return;
  readings_waited_ = !readings_waited_ && parts_.loop.turn_ns() > kSliceNs;
  if (readings_waited_) return;
  others_ns_ = 0;
  const auto request = readings_[readings_next_++ % std::min(readings_.size(), kReadingsAtOnce)];
  // Its reply would pile up, too.
  if (const auto busy = overload(request->connection->unsent_reply_bytes())) {
    request->reading.reset();
    return finish(request, fail(*busy));
  }
  Outcome outcome;
  outcome.reading = std::move(request->reading);
  run_slice(call_of(*request), request->id, outcome);
  set_reading_bytes(*request, outcome.reading ? outcome.reading->bytes() : 0);
  if (outcome.reading) {
    request->reading = std::move(outcome.reading);
  } else if (settled(outcome)) {
    finish(request, outcome.result);
  } else {
    hold(request, std::move(outcome));
  }
}

}  // namespace distri::cloud
