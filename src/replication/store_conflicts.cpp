// store_conflicts.cpp: what lost, on its way into the conflicts, into a journal and out of one.

#include "distri/replication/journal_record.hpp"
#include "distri/replication/store.hpp"

namespace distri::replication {

namespace {

Bytes conflict_key(const ConflictName& name) {
  Bytes id;
  wire::Writer out(id);
  out.raw(name.loser.actor.view());
  out.u64(name.loser.counter);
  out.raw(name.key);
  return record_key(kConflictRecord, name.collection, id);
}

}  // namespace

void Store::keep_losers(std::string_view collection, std::string_view key, Losers& losers) {
  if (plant_ == Plant::kForgetConflict) return;
  for (Loser& loser : losers.take()) {
    const Dot winner = loser.winner;
    Conflict conflict{{std::string(collection), Bytes(key), loser.dot}, std::move(loser)};
    if (holding_conflicts_) {
      held_conflicts_[winner].push_back(std::move(conflict));
    } else {
      keep_conflict(std::move(conflict));
    }
  }
}

void Store::keep_conflict(Conflict conflict) {
  const ConflictName name = conflict.name;
  if (!conflicts_.add(std::move(conflict))) return;
  if (new_conflicts_.size() == kNewConflictsMax) new_conflicts_.erase(new_conflicts_.begin());
  new_conflicts_.push_back(*conflicts_.find(name));
}

// The op `dot` has come. What lost to it although its writer had seen it was replaced, and no conflict.
void Store::settle_held(const Dot& dot, const Seen& seen) {
  const auto held = held_conflicts_.find(dot);
  if (held == held_conflicts_.end()) return;
  std::erase_if(held->second, [&](const Conflict& conflict) { return seen.covers(conflict.name.loser); });
}

void Store::resolve(const ConflictName& name) {
  conflicts_.erase(name);
  for (auto& [winner, conflicts] : held_conflicts_) {
    std::erase_if(conflicts, [&](const Conflict& conflict) { return conflict.name == name; });
  }
}

void Store::release_conflicts() {
  holding_conflicts_ = false;
  for (auto& [winner, conflicts] : std::exchange(held_conflicts_, {})) {
    for (Conflict& conflict : conflicts) keep_conflict(std::move(conflict));
  }
}

void Store::take_conflict_changes(JournalChanges& changes) {
  for (const ConflictName& name : conflicts_.take_touched()) {
    const Bytes key = conflict_key(name);
    const Conflict* conflict = conflicts_.find(name);
    if (conflict == nullptr) {
      changes.emplace_back(key, std::nullopt);
      continue;
    }
    Bytes body;
    wire::Writer out(body);
    encode(out, *conflict);
    changes.emplace_back(key, sealed(key, std::move(body)));
  }
}

Result<> Store::load_conflict(BytesView key, BytesView body) {
  wire::Reader in(body);
  auto conflict = decode_conflict(in);
  if (!conflict || !in.at_end() || conflict_key(conflict->name) != key) {
    return fail(Code::kDataLoss, "a conflict is damaged{}{}", conflict ? "" : ": ",
                conflict ? "" : conflict.error().message);
  }
  conflicts_.load(std::move(*conflict));
  return {};
}

}  // namespace distri::replication
