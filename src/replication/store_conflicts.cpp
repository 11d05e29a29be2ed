// store_conflicts.cpp: what lost, on its way into the conflicts, into a journal and out of one.

#include <algorithm>

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
    const Dot dot = loser.dot;
    keep_conflict({{std::string(collection), Bytes(key), dot}, std::move(loser)});
  }
}

void Store::keep_conflict(Conflict conflict) {
  const ConflictName name = conflict.name;
  const Dot winner = conflict.loser.winner;
  if (!conflicts_.add(std::move(conflict))) return;
  if (effect_ != nullptr && effect_->conflicts.size() < Effect::kConflictsMax)
    effect_->conflicts.push_back({name.loser, winner, name.key});
  if (new_conflicts_.size() == kNewConflictsMax) new_conflicts_.erase(new_conflicts_.begin());
  new_conflicts_.push_back(*conflicts_.find(name));
}

// Conflicts of a stretch of a collection, before its states are joined. A write that somebody has seen, that does not
// show in his state and that is none of his conflicts is not news to him: it was replaced by somebody who knew it, or
// its conflict has been resolved, or had to go for want of room.
void Store::merge_conflicts(const Shelf& target, CollectionChunk& chunk, const VersionVector& mine,
                            const VersionVector& theirs) {
  std::vector<Conflict> ours;
  for (auto at = conflicts_.after(chunk.name, chunk.from); at != conflicts_.entries().end(); ++at) {
    if (at->first.collection != chunk.name || !(chunk.to_end || at->first.key <= chunk.to)) break;
    if (theirs.covers(at->first.loser)) ours.push_back(at->second);
  }
  const auto by_name = [](const Conflict& a, const Conflict& b) { return a.name < b.name; };
  for (Conflict& conflict : ours) {
    if (std::binary_search(chunk.conflicts.begin(), chunk.conflicts.end(), conflict, by_name)) continue;
    const auto sent = std::lower_bound(chunk.states.begin(), chunk.states.end(), conflict.name.key,
                                       [](const auto& entry, const Bytes& key) { return entry.first < key; });
    const bool there = sent != chunk.states.end() && sent->first == conflict.name.key;
    auto news = replication::shown_in(there ? ref(sent->second) : StateRef{}, conflict.loser);
    if (news == conflict.loser) continue;
    conflicts_.erase(conflict.name);
    if (news) conflicts_.load({conflict.name, std::move(*news), conflict.arrival});
  }
  for (Conflict& conflict : chunk.conflicts) {
    if (mine.covers(conflict.name.loser) && conflicts_.find(conflict.name) == nullptr) {
      auto news = shown_in(target, conflict.name.key, conflict.loser);
      if (!news) continue;
      conflict.loser = std::move(*news);
    }
    keep_conflict(std::move(conflict));
  }
}

std::optional<Loser> Store::shown_in(const Shelf& target, const Bytes& key, const Loser& loser) const {
  if (const db::Record* record = find(target.name, key)) return replication::shown_in(ref(*record), loser);
  const auto dead = target.tombstones.find(key);
  if (dead == target.tombstones.end()) return std::nullopt;
  const db::Revision revision{dead->second.stamp, dead->second.dot, {}};
  return replication::shown_in({&revision, std::nullopt}, loser);
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
