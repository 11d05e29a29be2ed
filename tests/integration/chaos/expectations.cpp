#include "expectations.hpp"

#include <algorithm>

#include "distri/utils/check.hpp"

namespace chaos {

using distri::Code;

std::string to_string(const State& state) {
  if (!state) return "no document";
  return fmt::format("{{v:{} a:{} b:{} n:{}}}", state->v, state->a, state->b, state->n);
}

std::string Expected::text() const {
  return maybe ? to_string(certain) + " or " + to_string(*maybe) : to_string(certain);
}

void Expectations::wrote(const Call& call, const State& after) {
  Expected& key = keys_[call.key];
  DISTRI_CHECK(key.settled());
  switch (call.outcome()) {
    case Outcome::kAcknowledged:
      key.certain = after;
      break;
    case Outcome::kIndeterminate:
      key.maybe = after;
      break;
    case Outcome::kFailed:
      if (call.error->code == Code::kAlreadyExists && !key.certain) {
        recorder_.found({"an add met a document that must not be there", call.key, to_string(key.certain),
                         distri::to_string(*call.error), call.node});
      }
      break;
  }
}

void Expectations::read(const Call& call, const State& observed) {
  if (call.error) return;
  Expected& key = keys_[call.key];
  if (key.maybe && observed == *key.maybe) {
    // A delete that was asked twice, or the like: both are the same, and nothing has been learned.
    if (observed != key.certain) {
      key.certain = observed;
      key.maybe.reset();
    }
    return;
  }
  if (observed == key.certain) return;
  recorder_.found({fmt::format("session {} read something else than it has written", session_), call.key, key.text(),
                   to_string(observed), call.node});
}

void Expectations::incremented(const Call& call, std::int64_t amount) {
  CounterShare& share = counters_[call.key];
  if (call.outcome() == Outcome::kAcknowledged) {
    share.acknowledged += amount;
    share.floor += amount;
  } else if (call.outcome() == Outcome::kIndeterminate) {
    share.indeterminate += amount;
  }
}

void Expectations::read_counter(const Call& call, std::int64_t value) {
  if (call.error) return;
  CounterShare& share = counters_[call.key];
  if (value < share.floor) {
    recorder_.found({fmt::format("session {} read a counter below what it has seen and added", session_), call.key,
                     fmt::format("at least {}", share.floor), std::to_string(value), call.node});
  }
  share.floor = std::max(share.floor, value);
}

}  // namespace chaos
