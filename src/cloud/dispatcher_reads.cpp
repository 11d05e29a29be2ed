// The part of Dispatcher that carries out long reads, a slice at a time.
#include <algorithm>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/server_connection.hpp"

namespace distri::cloud {
namespace {

// Of a slice. A run may overdraw it by what it does in one piece.
constexpr std::uint64_t kSliceSteps = 10'000;
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
  std::uint64_t budget = kSliceSteps;
  auto reply = outcome.reading->step(budget);
  if (reply && !*reply) return;
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

// One slice of one of them, and another turn soon: what has come meanwhile is served between.
void Dispatcher::go_on_reading() {
  std::erase_if(readings_, [](const auto& request) { return request->stage != Request::Stage::kRunning; });
  if (readings_.empty()) return;
  const auto request = readings_[readings_next_++ % std::min(readings_.size(), kReadingsAtOnce)];
  parts_.loop.post([] {});
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
