// store_states.cpp: states leaving for a peer, states coming from one, and tombstones that have done their work.

#include <algorithm>

#include "distri/db/collection.hpp"
#include "distri/replication/store.hpp"

namespace distri::replication {

Store::Scan Store::scan(const StateCursor& after, std::size_t bytes_max) const {
  Scan result;
  result.cursor = after;
  wire::Writer out(result.encoded);
  static const db::Records kNoRecords;
  bool progress = false;
  const auto full = [&] { return progress && result.encoded.size() >= bytes_max; };
  for (auto at = shelves_.lower_bound(after.collection); at != shelves_.end(); ++at) {
    if (full()) {
      result.end = false;
      return result;
    }
    const auto& [name, contents] = *at;
    const Bytes from = name == after.collection ? after.key : Bytes();
    const db::Collection* documents = database_.find(name);
    const auto& records = documents == nullptr ? kNoRecords : documents->records();
    auto record = records.upper_bound(from);
    auto dead = contents->tombstones.upper_bound(from);
    auto conflict = conflicts_.after(name, from);
    const auto has_conflict = [&] {
      return conflict != conflicts_.entries().end() && conflict->first.collection == name;
    };
    encode_collection_head(out, name, contents->stamps, from);
    result.cursor = {name, from};
    progress = progress || name != after.collection;
    while (record != records.end() || dead != contents->tombstones.end() || has_conflict()) {
      if (full()) {
        encode_collection_end(out, result.cursor.key, false);
        result.end = false;
        return result;
      }
      // The conflicts of a key travel with its state, so that a cursor never falls between them.
      const bool live = record != records.end() && (dead == contents->tombstones.end() || record->first < dead->first);
      const bool some = live || dead != contents->tombstones.end();
      const std::string_view state_key = live ? record->first : some ? std::string_view(dead->first) : "";
      const bool state_next = some && (!has_conflict() || state_key <= conflict->first.key);
      const Bytes next_key(state_next ? state_key : conflict->first.key);
      for (; has_conflict() && conflict->first.key == next_key; ++conflict) encode_conflict(out, conflict->second);
      result.cursor.key = next_key;
      progress = true;
      if (!state_next) continue;
      if (live) {
        encode_state(out, next_key, ref(record->second));
        ++record;
      } else {
        const db::Revision revision{dead->second.stamp, dead->second.dot, {}};
        encode_state(out, next_key, {&revision, std::nullopt});
        ++dead;
      }
    }
    encode_collection_end(out, {}, true);
  }
  return result;
}

// Walks over what the chunk says and what is here, side by side.
void Store::merge(CollectionChunk chunk, const VersionVector& mine, const VersionVector& theirs, Absence absence,
                  const VersionVector* start) {
  Shelf& target = open(chunk.name);
  const CollectionStamps ours = target.stamps;
  if (absence == Absence::kDeleted) merge_conflicts(target, chunk, mine, theirs);
  if (absence == Absence::kDeleted && plant_ != Plant::kIgnoreCoveredDots)
    forget_absent(
        target, chunk, [&](const db::Revision& revision) { return theirs.covers(revision.dot()); }, Seen(theirs));
  // The delete that it gave way to is known to nobody any more, nor whether its writer had seen this: rather a conflict
  // too many than a write that is gone without a word.
  const VersionVector nothing;
  if (absence == Absence::kDoubtful)
    forget_absent(
        target, chunk,
        [&](const db::Revision& revision) {
          return revision.stamp() <= std::max(chunk.stamps.purged, chunk.stamps.dropped.stamp);
        },
        Seen(nothing));
  // In doubt the stamps are the same but for `purged`, by which the other side judges what we lack.
  if (absence == Absence::kDoubtful) chunk.stamps.purged = ours.purged;
  const auto in_stream = [start](const CollectionStamps::Event& event) {
    return start == nullptr || event.dot.counter == 0 || start->covers(event.dot);
  };
  if (!in_stream(chunk.stamps.created)) chunk.stamps.created = {};
  if (!in_stream(chunk.stamps.dropped)) chunk.stamps.dropped = {};
  if (start == nullptr) {
    merge_stamps(target, chunk.stamps, Seen(theirs));
  } else {
    // Each stretch is judged with what its chunk says of it.
    target.stamps.merge(chunk.stamps);
    touch(target, {});
    bury_dead(target, chunk.from, chunk.to_end ? nullptr : &chunk.to, Seen(theirs));
    settle_existence(target, chunk.name);
  }
  for (auto& [key, state] : chunk.states) {
    Losers losers;
    const db::Record* record = find(chunk.name, key);
    const bool differ =
        absence == Absence::kDeleted && record != nullptr && record->revision.dot() != state.revision.dot();
    // Who has seen the newer of two generations and holds the older one has deleted the newer, and has dropped its
    // tombstone since.
    const bool seen_here = differ && mine.covers(state.revision.dot());
    const bool seen_there = differ && theirs.covers(record->revision.dot());
    const bool ended = seen_there && state.revision.stamp() < record->revision.stamp();
    const bool theirs_ended = seen_here && state.document && state.revision.stamp() > record->revision.stamp();
    if (state.revision.stamp() <= target.stamps.dropped.stamp) {
      losers.lost_state(ref(state), target.stamps.dropped.dot, {}, Seen(mine));
      if (!losers.empty()) keep_losers(chunk.name, key, losers);
      // As if it were absent.
      if (ended) {
        forget(target, key, *record, {}, Seen(theirs));
        settle_existence(target, chunk.name);
      }
      continue;
    }
    std::optional<State> next;
    if (seen_here && seen_there && state.document) {
      // The newer of the two was deleted, and that delete is newer than the older one, too.
      losers.lost_state(ref(state), Dot{}, {}, Seen(mine));
      if (!losers.empty()) keep_losers(chunk.name, key, losers);
      forget(target, key, *record, {}, Seen(theirs));
      settle_existence(target, chunk.name);
      continue;
    }
    if (ended) {
      losers.lost_state(ref(*record), Dot{}, {}, Seen(theirs));
      next = std::move(state);
    } else if (theirs_ended) {
      losers.lost_state(ref(state), Dot{}, {}, Seen(mine));
    } else if (record != nullptr) {
      next = absence == Absence::kDoubtful ? settle_damage(*record, state) : std::nullopt;
      if (!next) {
        next = replication::merge(ref(*record), std::move(state), Seen(mine), Seen(theirs), losers);
      }
    } else {
      const auto dead = target.tombstones.find(key);
      const bool buried = dead != target.tombstones.end();
      // Seen and gone: it was deleted here, and its tombstone has been removed since. (An older one may be there
      // again.)
      const bool newer = !buried || state.revision.stamp() > dead->second.stamp;
      const bool gone = absence == Absence::kDoubtful
                            ? !buried && state.revision.stamp() <= std::max(ours.purged, ours.dropped.stamp)
                            : newer && mine.covers(state.revision.dot()) && plant_ != Plant::kIgnoreCoveredDots;
      if (gone) {
        // Of what is gone, updates that were not seen here remain as conflicts.
        losers.lost_state(ref(state), Dot{}, {}, Seen(mine));
      } else if (buried) {
        const db::Revision revision{dead->second.stamp, dead->second.dot, {}};
        next = replication::merge({&revision, std::nullopt}, std::move(state), Seen(mine), Seen(theirs), losers);
      } else {
        next = std::move(state);
      }
    }
    if (!losers.empty()) keep_losers(chunk.name, key, losers);
    if (next) put(target, chunk.name, key, record, std::move(*next));
  }
}

// Removes the documents in the chunk's range that the chunk does not have and `gone` condemns. No tombstone is needed:
// the sender's vector covers the delete, and soon ours does too.
void Store::forget_absent(Shelf& target, const CollectionChunk& chunk,
                          const std::function<bool(const db::Revision&)>& gone, const Seen& seen) {
  const db::Collection* documents = database_.find(chunk.name);
  if (documents == nullptr) return;
  std::vector<std::string> absent;
  auto sent = chunk.states.begin();
  const auto& records = documents->records();
  for (auto at = records.upper_bound(chunk.from); at != records.end() && (chunk.to_end || at->first <= chunk.to);
       ++at) {
    while (sent != chunk.states.end() && sent->first < at->first) ++sent;
    if (sent != chunk.states.end() && sent->first == at->first) continue;
    if (gone(at->second.revision)) absent.emplace_back(at->first);
  }
  const Dot& drop = chunk.stamps.dropped.dot;
  for (const std::string& key : absent) {
    const db::Record* record = documents->find(key);
    forget(target, key, *record, record->revision.stamp() <= chunk.stamps.dropped.stamp ? drop : Dot{}, seen);
  }
  if (!absent.empty()) settle_existence(target, chunk.name);
}

// Leaves an empty collection to settle_existence().
void Store::forget(Shelf& target, const std::string& key, const db::Record& record, const Dot& winner,
                   const Seen& seen) {
  keep_what_ends(target, key, record, winner, seen);
  target.digest.remove(member_hash(target.name, record.document, record.revision));
  database_.erase_document(target.name, key);
}

// What `winner` had not seen of a document that ends.
void Store::keep_what_ends(const Shelf& target, const std::string& key, const db::Record& record, const Dot& winner,
                           const Seen& seen) {
  Losers losers;
  losers.lost_state(ref(record), winner, {}, seen);
  if (!losers.empty()) keep_losers(target.name, key, losers);
  touch(target, key);
}

// Both sides hold the same revision, but not the same bytes: one of them was damaged. Which, nobody can know; that both
// choose the same is what matters.
std::optional<State> Store::settle_damage(const db::Record& record, const State& other) {
  if (!other.document || record.revision != other.revision) return std::nullopt;
  if (record.document.bytes() >= other.document->bytes()) return std::nullopt;
  return other;
}

Store::Range Store::range(std::string_view collection, std::string_view from, std::size_t documents_max) const {
  Range result;
  const db::Collection* documents = database_.find(collection);
  if (documents == nullptr) return result;
  const auto& records = documents->records();
  for (auto at = records.upper_bound(from); at != records.end(); ++at) {
    if (result.documents == documents_max) {
      result.to_end = false;
      return result;
    }
    result.digest.add(member_hash(collection, at->second.document, at->second.revision));
    result.to = at->first;
    ++result.documents;
  }
  return result;
}

Store::Range Store::range_to(std::string_view collection, std::string_view from, std::string_view to,
                             bool to_end) const {
  Range result;
  result.to = to;
  result.to_end = to_end;
  const db::Collection* documents = database_.find(collection);
  if (documents == nullptr) return result;
  const auto& records = documents->records();
  for (auto at = records.upper_bound(from); at != records.end() && (to_end || at->first <= to); ++at) {
    result.digest.add(member_hash(collection, at->second.document, at->second.revision));
    ++result.documents;
  }
  return result;
}

void Store::encode_range(wire::Writer& out, std::string_view collection, std::string_view from, std::string_view to,
                         bool to_end) const {
  encode_collection_head(out, collection, stamps(collection), from);
  static const db::Records kNoRecords;
  static const Tombstones kNoTombstones;
  const db::Collection* documents = database_.find(collection);
  const Shelf* known = shelf(collection);
  const auto& records = documents == nullptr ? kNoRecords : documents->records();
  const auto& tombstones = known == nullptr ? kNoTombstones : known->tombstones;
  auto record = records.upper_bound(from);
  auto dead = tombstones.upper_bound(from);
  const auto inside = [&](const auto& at, const auto& all) { return at != all.end() && (to_end || at->first <= to); };
  while (inside(record, records) || inside(dead, tombstones)) {
    if (!inside(dead, tombstones) || (inside(record, records) && record->first < dead->first)) {
      encode_state(out, record->first, ref(record->second));
      ++record;
    } else {
      const db::Revision revision{dead->second.stamp, dead->second.dot, {}};
      encode_state(out, dead->first, {&revision, std::nullopt});
      ++dead;
    }
  }
  encode_collection_end(out, to, to_end);
}

// ---- Tombstones.

std::size_t Store::purge_tombstones(const std::function<bool(const Tombstone&)>& done, std::size_t examined_max) {
  std::size_t removed = 0;
  std::size_t examined = 0;
  auto shelf = shelves_.lower_bound(purge_cursor_.collection);
  for (; shelf != shelves_.end(); ++shelf) {
    Shelf& target = *shelf->second;
    auto at = target.name == purge_cursor_.collection ? target.tombstones.upper_bound(purge_cursor_.key)
                                                      : target.tombstones.begin();
    while (at != target.tombstones.end()) {
      if (examined++ == examined_max) return removed;
      purge_cursor_ = {target.name, at->first};
      if (!done(at->second)) {
        ++at;
        continue;
      }
      target.stamps.purged = std::max(target.stamps.purged, at->second.stamp);
      touch(target, at->first);
      at = target.tombstones.erase(at);
      ++removed;
    }
  }
  purge_cursor_ = {};
  return removed;
}

Stamp Store::stamp_of_oldest_tombstones(std::size_t count) const {
  std::vector<Stamp> stamps;
  for (const auto& [name, shelf] : shelves_) {
    for (const auto& [key, dead] : shelf->tombstones) stamps.push_back(dead.stamp);
  }
  if (stamps.empty() || count == 0) return {};
  const auto nth = stamps.begin() + static_cast<std::ptrdiff_t>(std::min(count, stamps.size()) - 1);
  std::nth_element(stamps.begin(), nth, stamps.end());
  return *nth;
}

}  // namespace distri::replication
