// The part of Dispatcher that executes document services and holds the replies of writes until they may be given.
#include <tuple>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/request_text.hpp"

namespace distri::cloud {

Dispatcher::Outcome Dispatcher::run_document(const DocumentCall& call, const RequestId& id) {
  Outcome outcome;
  if (DocumentServices::may_be_long(call)) {
    run_reading(call, id, outcome);
  } else if (!is_write(call)) {
    outcome.result = parts_.documents.execute(call);
    if (outcome.result) wait_for_shown(outcome, {parts_.documents.commit_shown()});
  } else if (auto result = run_write(call, id, outcome, nullptr); !result) {
    outcome.result = fail(std::move(result).error());
  }
  return outcome;
}

namespace {

// What waits in HeldReplies for a commit instead of for members.
constexpr std::uint32_t kForCommit = 0;

Error not_durable(const Error& refusal) {
  return {refusal.code, fmt::format("a document's newest write is not durable here and cannot become so now ({}); "
                                    "another node may have it",
                                    refusal.message)};
}

}  // namespace

// A caller is not shown what a crash would take back: its session would read backwards. While the disk takes nothing,
// reads go on; then only who asks for just such a document is told why not.
void Dispatcher::wait_for_shown(Outcome& outcome, const Shown& shown) const {
  if (shown.commit <= parts_.replica.durable_commit()) return;
  outcome.by_id = shown.by_id;
  if (const Error* refusal = parts_.replica.refusal()) {
    if (outcome.by_id) outcome.result = fail(not_durable(*refusal));
    return;
  }
  outcome.written = shown.commit;
  outcome.concern.needed = kForCommit;
}

Result<> Dispatcher::run_write(const DocumentCall& call, const RequestId& id, Outcome& outcome, Preparation* prepared) {
  if (!call.params.empty()) {
    DISTRI_TRY(const bson::Document params, parse_document(call.params, call.format, "parameters"));
    DISTRI_TRY(outcome.concern, write_concern_of(params, parts_.members()));
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
    if (const auto* elsewhere = parts_.replica.find_request(id)) {
      memory_.begin(id);
      return repeat_elsewhere(call, id, *elsewhere, outcome);
    }
  }
  if (prepared == nullptr) {
    DISTRI_TRY(outcome.reading, parts_.documents.prepare(call));
    if (outcome.reading) {
      run_slice(call, id, outcome);
      return {};
    }
  }
  if (!id.empty()) memory_.begin(id);
  const std::uint64_t before = parts_.replica.newest_own_dot().counter;
  parts_.replica.set_request(id);
  outcome.result = parts_.documents.execute(call, prepared);
  parts_.replica.set_request({});
  // A write that changed nothing shows what was there (a find-and-modify even the document), and that may be a peer's
  // change that is not durable here. A note of our own comes after it. A disk that takes nothing does not stop reads.
  if (outcome.result && parts_.replica.newest_own_dot().counter == before &&
      parts_.documents.commit_shown() > parts_.replica.durable_commit()) {
    std::ignore = parts_.replica.note(parts_.clock.wall_ms());
  }
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
  if (needed == kForCommit) return counter <= parts_.replica.durable_commit();
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
  request->held_by_id = outcome.by_id;
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
  const Error* refusal = parts_.replica.refusal();
  const auto ready = held_.take([&](std::uint32_t needed, std::uint64_t counter) {
    return settled(counter, needed) || (needed == kForCommit && refusal != nullptr);
  });
  for (const auto& request : ready) {
    const bool done = settled(request->held_counter, request->concern.needed);
    if (request->concern.needed > 1) parts_.replica.forget_holders({parts_.replica.actor(), request->held_counter});
    request->held_counter = 0;
    if (!done && request->held_by_id) {
      finish(request, fail(not_durable(*refusal)));
      continue;
    }
    finish(request, std::move(request->held_reply));
  }
}

Error Dispatcher::held_too_long(const Request& request) const {
  const std::int64_t waited_ms = (request.deadline_ns - request.arrived_ns) / 1'000'000;
  if (request.concern.needed == kForCommit) {
    return {Code::kDeadlineExceeded,
            fmt::format("the reply shows a write that this node's disk has not taken after {} ms", waited_ms)};
  }
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
