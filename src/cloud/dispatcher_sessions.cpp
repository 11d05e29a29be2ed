// The part of Dispatcher that knows what callers have seen: requests wait here until this node has seen it, too, and
// replies tell them what they have seen now.
#include <algorithm>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/wire/primitives.hpp"
#include "distri/wire/session_token.hpp"

namespace distri::cloud {
namespace {

// How long a request waits here for what its caller has seen elsewhere.
constexpr std::int64_t kParkedMs = 2'000;
// Fewer than fit into a request's token, so that a caller can keep what it had and add these.
constexpr std::size_t kReplyTokenEntriesMax = 200;

}  // namespace

void Dispatcher::end_of_turn() {
  if (!readings_.empty()) go_on_reading();
  if (!held_.empty()) release_held();
  if (parked_.empty()) return;
  const std::uint64_t seen = parts_.replica.vector().total() + parts_.replica.durable_commit();
  std::erase_if(parked_, [](const auto& request) { return request->stage != Request::Stage::kParked; });
  if (seen == parked_seen_) return;
  parked_seen_ = seen;
  const auto waiting = std::exchange(parked_, {});
  for (const auto& request : waiting) {
    request->stage = Request::Stage::kReceiving;
    body_complete(request);
  }
}

bool Dispatcher::doubtful(const DocumentCall& call, const RequestId& id) {
  return call.attempt > 0 && !id.empty() && is_write(call) && !is_repeatable(call) && memory_.find(id) == nullptr &&
         parts_.replica.find_request(id) == nullptr;
}

bool Dispatcher::covered(BytesView token) const {
  if (token.empty()) return true;
  const auto seen = wire::SessionToken::decode(token);
  if (!seen) return true;
  const auto& entries = seen->entries();
  return std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
    const std::uint64_t here = parts_.replica.vector().get(entry.first);
    return here >= entry.second ||
           here >= parts_.replica.newest_before_lost({entry.first, entry.second}).value_or(entry.second);
  });
}

// What this node has durably and the caller, by its token, has not: with it the caller will not be shown less
// elsewhere. This node's own writes come first, the caller's may be among them.
Bytes Dispatcher::reply_token(BytesView seen) const {
  const auto& vector = parts_.replica.durable();
  const auto known = wire::SessionToken::decode(seen).value_or(wire::SessionToken());
  const auto known_counter = [&](const ActorId& actor) -> std::uint64_t {
    for (const auto& [each, counter] : known.entries()) {
      if (each == actor) return counter;
    }
    return 0;
  };
  Bytes token;
  wire::Writer out(token);
  std::size_t entries = 0;
  const auto add = [&](const ActorId& actor, std::uint64_t counter) {
    if (entries == kReplyTokenEntriesMax || counter <= known_counter(actor)) return;
    out.raw(actor.view());
    out.u64(counter);
    ++entries;
  };
  for (const auto& [actor, counter] : known.entries()) {
    if (entries == kReplyTokenEntriesMax || vector.get(actor) >= counter) continue;
    const auto left = parts_.replica.newest_before_lost({actor, counter});
    if (!left) continue;
    out.raw(actor.view());
    out.u64(*left | wire::SessionToken::kLowers);
    ++entries;
  }
  const ActorId self = parts_.replica.actor();
  add(self, vector.get(self));
  for (const auto& [actor, counter] : vector.entries()) {
    if (actor != self) add(actor, counter);
  }
  return token;
}

// A caller that names writes which do not arrive here is sent to another node, which may have them.
void Dispatcher::give_up_parked(std::int64_t now_ns) {
  const auto waiting = parked_;
  for (const auto& request : waiting) {
    if (request->stage != Request::Stage::kParked || now_ns - request->arrived_ns < kParkedMs * 1'000'000) continue;
    if (may_run(*request)) {  // what it waited for is lost, as we know now
      request->stage = Request::Stage::kReceiving;
      body_complete(request);
      continue;
    }
    if (request->kind == Request::Kind::kAccess ||
        (request->kind == Request::Kind::kDocument && covered(request->token))) {
      finish(request, fail(Code::kIndeterminate,
                           "an earlier try of this write may have been executed by another node, whose writes have "
                           "not come here within {} ms; it was not executed again",
                           kParkedMs));
      continue;
    }
    finish(request,
           fail(Code::kBehind, "for {} ms this node has not received a write that the caller has seen", kParkedMs));
  }
}

}  // namespace distri::cloud
