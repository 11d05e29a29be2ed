// The part of Dispatcher that executes document services and holds the replies of writes until they may be given.
#include <tuple>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/request_text.hpp"

namespace distri::cloud {

Dispatcher::Outcome Dispatcher::run_document(const DocumentCall& call, const RequestId& id) {
  Outcome outcome;
  if (!is_write(call.service)) {
    outcome.result = parts_.documents.execute(call);
  } else if (auto result = run_write(call, id, outcome); !result) {
    outcome.result = fail(std::move(result).error());
  }
  return outcome;
}

Result<> Dispatcher::run_write(const DocumentCall& call, const RequestId& id, Outcome& outcome) {
  if (!call.params.empty()) {
    DISTRI_TRY(const bson::Document params, parse_document(call.params, call.format, "parameters"));
    DISTRI_TRY(outcome.concern, write_concern_of(params, parts_.members));
  }
  if (!id.empty()) {
    if (const auto* entry = memory_.find(id)) {
      if (!entry->finished) {
        return fail(Code::kInvalidArgument, "the request id {} is in use by a request that is still running", id.hex());
      }
      outcome.result = entry->result;
      outcome.written = entry->written;
      return {};
    }
    memory_.begin(id);
    if (const auto* elsewhere = parts_.replica.find_request(id)) return repeat_elsewhere(call, id, *elsewhere, outcome);
  }
  parts_.replica.set_request(id);
  outcome.result = parts_.documents.execute(call);
  parts_.replica.set_request({});
  // A write that changed nothing tells what earlier ones did, so it waits for those.
  if (outcome.result) outcome.written = parts_.replica.newest_own_dot().counter;
  if (!id.empty()) std::ignore = memory_.finish(id, outcome.result, outcome.written);
  return {};
}

// Another node executed it and its writes have come here. A note of our own stands for them: whoever holds the note
// holds what we had seen before it.
Result<> Dispatcher::repeat_elsewhere(const DocumentCall& call, const RequestId& id,
                                      const replication::Replica::AppliedRequest& applied, Outcome& outcome) {
  outcome.result = parts_.documents.repeat(call, applied);
  if (auto noted = parts_.replica.note(parts_.clock.wall_ms()); !noted) outcome.result = fail(std::move(noted).error());
  outcome.written = parts_.replica.newest_own_dot().counter;
  std::ignore = memory_.finish(id, outcome.result, outcome.written);
  return {};
}

bool Dispatcher::settled(std::uint64_t counter, std::uint32_t needed) const {
  if (counter > durable_counter_) return false;
  return needed <= 1 || parts_.replica.holders({parts_.replica.actor(), counter}) >= needed;
}

bool Dispatcher::settled(const Outcome& outcome) const {
  return outcome.written == 0 || !outcome.result || settled(outcome.written, outcome.concern.needed);
}

void Dispatcher::hold(const std::shared_ptr<Request>& request, Outcome outcome) {
  request->stage = Request::Stage::kHeld;
  request->body = Bytes();
  request->held_reply = *std::move(outcome.result);
  request->held_counter = outcome.written;
  request->concern = outcome.concern;
  charge(*request, request->held_reply.size());
  held_.add(outcome.concern.needed, outcome.written, request);
  if (outcome.concern.needed > 1) parts_.replica.want_holders({parts_.replica.actor(), outcome.written});
}

void Dispatcher::stop_holding(Request& request) {
  if (request.held_counter == 0) return;
  held_.remove(request.concern.needed, request.held_counter, request);
  if (request.concern.needed > 1) parts_.replica.forget_holders({parts_.replica.actor(), request.held_counter});
  request.held_counter = 0;
}

void Dispatcher::release_held() {
  const auto ready =
      held_.take([this](std::uint32_t needed, std::uint64_t counter) { return settled(counter, needed); });
  for (const auto& request : ready) {
    if (request->concern.needed > 1) parts_.replica.forget_holders({parts_.replica.actor(), request->held_counter});
    request->held_counter = 0;
    finish(request, std::move(request->held_reply));
  }
}

Error Dispatcher::held_too_long(const Request& request) const {
  const std::int64_t waited_ms = (request.deadline_ns - request.arrived_ns) / 1'000'000;
  const std::string concern = request.concern.text();
  if (request.held_counter > durable_counter_) {
    return {Code::kIndeterminate,
            fmt::format("{}: the write was executed, but this node's disk has not taken it after {} ms", concern,
                        waited_ms)};
  }
  const std::uint32_t holders = parts_.replica.holders({parts_.replica.actor(), request.held_counter});
  return {Code::kIndeterminate,
          fmt::format("{}: {} of {} members hold it after {} ms", concern, holders, request.concern.needed, waited_ms)};
}

}  // namespace distri::cloud
