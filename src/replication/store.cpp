#include "distri/replication/store.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/replication/key_id.hpp"

namespace distri::replication {

Hash256 member_hash(std::string_view collection, bson::View document, const db::Revision& revision) {
  Bytes bytes;
  constexpr std::size_t kRevisionBytes = 64;  // without what counters hold
  std::size_t size = collection.size() + document.bytes().size() + kRevisionBytes;
  for (const db::FieldRevision& field : revision.fields()) size += field.name.size() + kRevisionBytes;
  bytes.reserve(size);
  wire::Writer out(bytes);
  const auto put = [&out](const Stamp& stamp, const Dot& dot) {
    out.u64(stamp.hlc);
    out.raw(stamp.actor.view());
    out.raw(dot.actor.view());
    out.u64(dot.counter);
  };
  out.bytes8(collection);
  out.bytes32(document.bytes());
  put(revision.stamp(), revision.dot());
  for (const db::FieldRevision& field : revision.fields()) {
    out.bytes32(field.name);
    put(field.stamp, field.dot);
    out.u32(field.ordinal);
    out.u8(field.unset ? 1 : 0);
    if (field.counter) encode(out, *field.counter);
  }
  return fingerprint_256(bytes);
}

Store::Shelf& Store::open(std::string_view collection) {
  if (last_asked_ != nullptr && last_asked_->name == collection) return *last_asked_;
  auto found = shelves_.find(collection);
  if (found == shelves_.end()) {
    found = shelves_.emplace(std::string(collection), std::make_unique<Shelf>()).first;
    found->second->name = collection;
    touch(*found->second, {});
  }
  last_asked_ = found->second.get();
  return *last_asked_;
}

const Store::Shelf* Store::shelf(std::string_view collection) const {
  if (last_asked_ != nullptr && last_asked_->name == collection) return last_asked_;
  const auto found = shelves_.find(collection);
  if (found == shelves_.end()) return nullptr;
  last_asked_ = found->second.get();
  return last_asked_;
}

const db::Record* Store::find(std::string_view collection, std::string_view key) const {
  const db::Collection* documents = database_.find(collection);
  return documents == nullptr ? nullptr : documents->find(key);
}

Digest Store::digest(std::string_view collection) const {
  const Shelf* found = shelf(collection);
  return found == nullptr ? Digest{} : found->digest;
}

std::optional<Store::Tombstone> Store::tombstone(std::string_view collection, std::string_view key) const {
  const Shelf* found = shelf(collection);
  if (found == nullptr) return std::nullopt;
  const auto at = found->tombstones.find(key);
  if (at == found->tombstones.end()) return std::nullopt;
  return at->second;
}

CollectionStamps Store::stamps(std::string_view collection) const {
  const Shelf* found = shelf(collection);
  return found == nullptr ? CollectionStamps{} : found->stamps;
}

Stamp Store::floor_of(std::string_view collection, std::string_view key, const db::Record* record) const {
  Stamp floor;
  if (record != nullptr) floor = newest_stamp(record->revision);
  const Shelf* known = shelf(collection);
  if (known == nullptr) return floor;
  floor = std::max({floor, known->stamps.dropped.stamp, known->stamps.purged});
  if (known->tombstones.empty()) return floor;
  const auto dead = known->tombstones.find(key);
  return dead == known->tombstones.end() ? floor : std::max(floor, dead->second.stamp);
}

Stamp Store::floor_of_all(std::string_view collection) const {
  const Shelf* found = shelf(collection);
  if (found == nullptr) return {};
  Stamp floor = std::max({found->stamps.created.stamp, found->stamps.dropped.stamp, found->stamps.purged});
  for (const auto& [key, dead] : found->tombstones) floor = std::max(floor, dead.stamp);
  if (const db::Collection* documents = database_.find(collection)) {
    for (const auto& [key, record] : documents->records()) floor = std::max(floor, newest_stamp(record.revision));
  }
  return floor;
}

namespace {

// What an update left of the fields that it names: those that `losers` has of it did not get through.
void note_lost_fields(const Losers& losers, const Dot& dot, Effect& effect) {
  for (const Loser& loser : losers.all()) {
    if (loser.dot != dot) continue;
    for (const bson::Element& element : loser.content.view()) effect.lost_fields.emplace_back(element.key);
    effect.lost_fields.insert(effect.lost_fields.end(), loser.unset.begin(), loser.unset.end());
    for (const bson::Element& element : loser.increments.view()) effect.lost_fields.emplace_back(element.key);
  }
}

}  // namespace

Effect Store::apply(Op op, const Dot& dot, const Seen& seen) {
  Effect effect;
  effect_ = &effect;
  Shelf& target = open(op.collection);
  if (op.kind == OpKind::kCreateCollection || op.kind == OpKind::kDropCollection) {
    apply_to_collection(target, op, dot, seen, effect);
  } else if (op.kind == OpKind::kResolve) {
    conflicts_.resolve({op.collection, op.key, op.loser}, op.since);
    effect.took_effect = true;
  } else {
    apply_to_document(target, std::move(op), dot, seen, effect);
  }
  effect_ = nullptr;
  return effect;
}

void Store::apply_to_collection(Shelf& target, const Op& op, const Dot& dot, const Seen& seen, Effect& effect) {
  const auto documents = [&] {
    const db::Collection* found = database_.find(target.name);
    return found == nullptr ? 0 : found->size();
  };
  CollectionStamps stamps;
  (op.kind == OpKind::kCreateCollection ? stamps.created : stamps.dropped) = {op.stamp, dot};
  const CollectionStamps stamps_before = target.stamps;
  const bool existed = exists(target.name);
  const std::size_t documents_before = documents();
  merge_stamps(target, stamps, seen);
  effect.took_effect = !(target.stamps == stamps_before);
  if (!effect.took_effect) return;
  const bool there = exists(target.name);
  if (op.kind == OpKind::kCreateCollection) {
    if (there) effect.kind = existed ? Effect::Kind::kCreatedAgain : Effect::Kind::kCreated;
  } else if (!there) {
    effect.kind = existed ? Effect::Kind::kDropped : Effect::Kind::kDroppedNothing;
  } else {
    effect.kind = documents() < documents_before ? Effect::Kind::kDroppedPartly : Effect::Kind::kDroppedNothing;
  }
}

void Store::apply_to_document(Shelf& target, Op op, const Dot& dot, const Seen& seen, Effect& effect) {
  const std::string key = op.key;
  const OpKind kind = op.kind;
  const db::Record* record = find(target.name, key);
  Losers losers;
  std::optional<State> next = apply_to(target, record, std::move(op), dot, seen, losers);
  if (next && kind != OpKind::kInsert && kind != OpKind::kDelete) {
    effect.kind = Effect::Kind::kUpdated;
    note_lost_fields(losers, dot, effect);
    const bson::Element id = *record->document.view().begin();
    if (!is_told_by_key(id.value)) {
      bson::Builder only_id;
      only_id.append_element(id);
      effect.id = std::move(only_id).finish();
    }
  } else if (next) {
    const bool there = record != nullptr;
    if (kind == OpKind::kInsert) effect.kind = there ? Effect::Kind::kReplaced : Effect::Kind::kInserted;
    if (kind == OpKind::kDelete) effect.kind = there ? Effect::Kind::kDeleted : Effect::Kind::kDeletedNothing;
  }
  effect.took_effect = next.has_value();
  if (!losers.empty()) keep_losers(target.name, key, losers);
  if (next) put(target, target.name, key, record, std::move(*next));
}

std::optional<State> Store::apply_to(const Shelf& target, const db::Record* record, Op op, const Dot& dot,
                                     const Seen& seen, Losers& losers) const {
  if (record != nullptr) {
    if (plant_ == Plant::kUpdateAnyGeneration && op.kind == OpKind::kUpdate) op.target = record->revision.stamp();
    if ((op.kind == OpKind::kInsert || op.kind == OpKind::kDelete) && op.stamp <= target.stamps.dropped.stamp) {
      lose(ref(*record), op, dot, record->revision.dot(), losers);
      return std::nullopt;
    }
    return replication::apply(ref(*record), std::move(op), dot, seen, losers);
  }
  if (const auto dead = target.tombstones.find(op.key); dead != target.tombstones.end()) {
    const db::Revision revision{dead->second.stamp, dead->second.dot, {}};
    return replication::apply({&revision, std::nullopt}, std::move(op), dot, seen, losers);
  }
  // Below the drop, or inside a generation that is no longer here: the drop, or a delete whose tombstone is gone.
  if (op.stamp <= target.stamps.dropped.stamp || op.kind == OpKind::kUpdate || op.kind == OpKind::kIncrement) {
    const bool dropped = target.stamps.dropped.stamp >= (op.target == Stamp{} ? op.stamp : op.target);
    lose({}, op, dot, dropped ? target.stamps.dropped.dot : Dot{}, losers);
    return std::nullopt;
  }
  return replication::apply({}, std::move(op), dot, seen, losers);
}

void Store::put(Shelf& target, std::string_view collection, std::string_view key, const db::Record* old, State state) {
  touch(target, key);
  if (old != nullptr) target.digest.remove(member_hash(collection, old->document, old->revision));
  if (state.document) {
    target.digest.add(member_hash(collection, *state.document, state.revision));
    target.tombstones.erase(key);
    database_.put(collection, key, db::Record{std::move(*state.document), std::move(state.revision)}, old);
    return;
  }
  target.tombstones.insert_or_assign(std::string(key), Tombstone{state.revision.stamp(), state.revision.dot()});
  if (old != nullptr) {
    database_.erase_document(collection, key);
    settle_existence(target, collection);
  }
}

void Store::merge_stamps(Shelf& target, const CollectionStamps& stamps, const Seen& seen) {
  const Stamp dropped_before = target.stamps.dropped.stamp;
  target.stamps.merge(stamps);
  touch(target, {});
  if (target.stamps.dropped.stamp > dropped_before) bury_dead(target, {}, nullptr, seen);
  settle_existence(target, target.name);
}

// Removes every generation that the drop stamp kills, of the keys after `from`, up to `to` (nullptr: to the end). No
// tombstone is needed: the drop stamp itself keeps them from coming back. What the drop's writer had not seen becomes a
// conflict. Leaves an empty collection to settle_existence().
void Store::bury_dead(Shelf& target, std::string_view from, const Bytes* to, const Seen& seen) {
  const Stamp dropped = target.stamps.dropped.stamp;
  const auto inside = [to](std::string_view key) { return to == nullptr || key <= *to; };
  for (auto at = target.tombstones.upper_bound(from); at != target.tombstones.end() && inside(at->first);) {
    if (at->second.stamp > dropped) {
      ++at;
      continue;
    }
    touch(target, at->first);
    at = target.tombstones.erase(at);
  }
  const db::Collection* documents = database_.find(target.name);
  if (documents == nullptr) return;
  std::vector<std::string> dead;
  const auto& records = documents->records();
  for (auto at = records.upper_bound(from); at != records.end() && inside(at->first); ++at) {
    if (at->second.revision.stamp() <= dropped) dead.emplace_back(at->first);
  }
  const Dot winner = target.stamps.dropped.dot;
  if (dead.size() < documents->size()) {
    for (const std::string& key : dead) forget(target, key, *documents->find(key), winner, seen);
    return;
  }
  // Of nothing the digest is known: then no document has to be hashed.
  for (const std::string& key : dead) keep_what_ends(target, key, *documents->find(key), winner, seen);
  target.digest = Digest{};
  database_.erase(target.name);
}

void Store::settle_existence(const Shelf& target, std::string_view collection) {
  const db::Collection* documents = database_.find(collection);
  if (target.stamps.created_last()) {
    if (documents == nullptr) database_.open(collection);
  } else if (documents != nullptr && documents->size() == 0) {
    database_.erase(collection);
  }
}

std::optional<std::string> Store::check(const VersionVector& vector) const {
  for (const auto& [name, contents] : shelves_) {
    if (auto broken = check_collection(name, *contents, vector)) return broken;
  }
  if (auto broken = conflicts_.check()) return broken;
  if (auto broken = database_.check_indexes()) return broken;
  for (const auto& [name, conflict] : conflicts_.entries()) {
    if (!vector.covers(name.loser) || !vector.covers(conflict.loser.winner))
      return fmt::format("'{}': a conflict's dot is not covered by the vector", name.collection);
  }
  for (const auto& [name, documents] : database_.collections()) {
    if (shelf(name) == nullptr)
      return fmt::format("collection '{}' is in the database, but replication does not know it", name);
  }
  return std::nullopt;
}

std::optional<std::string> Store::check_collection(const std::string& name, const Shelf& target,
                                                   const VersionVector& vector) const {
  const db::Collection* documents = database_.find(name);
  const bool has_documents = documents != nullptr && documents->size() > 0;
  if ((documents != nullptr) != (has_documents || target.stamps.created_last())) {
    return fmt::format("collection '{}' is in the database without existing, or exists without being there", name);
  }
  const auto covered = [&vector](const Dot& dot) { return dot.counter == 0 || vector.covers(dot); };
  if (!covered(target.stamps.created.dot) || !covered(target.stamps.dropped.dot)) {
    return fmt::format("collection '{}': a stamp's dot is not covered by the vector", name);
  }
  for (const auto& [key, dead] : target.tombstones) {
    if (dead.stamp <= target.stamps.dropped.stamp)
      return fmt::format("collection '{}': a tombstone is older than the drop", name);
    if (!covered(dead.dot)) return fmt::format("collection '{}': a tombstone's dot is not covered by the vector", name);
    if (documents != nullptr && documents->find(key) != nullptr)
      return fmt::format("collection '{}': a document and its tombstone", name);
  }
  Digest digest;
  if (documents != nullptr) {
    for (const auto& [key, record] : documents->records()) {
      if (auto valid = check_state({record.revision, bson::Document(record.document.view())}); !valid)
        return fmt::format("'{}': {}", name, valid.error().message);
      if (bson::order_key(record.document.view().begin()->value) != key)
        return fmt::format("'{}': a key is not that of its _id", name);
      if (record.revision.stamp() <= target.stamps.dropped.stamp)
        return fmt::format("'{}': a document is older than the drop", name);
      bool known = covered(record.revision.dot());
      for (const db::FieldRevision& field : record.revision.fields()) known = known && is_covered(field, vector);
      if (!known) return fmt::format("'{}': a document's dot is not covered by the vector", name);
      digest.add(member_hash(name, record.document, record.revision));
    }
  }
  if (!(digest == target.digest)) return fmt::format("collection '{}': the digest does not fit the documents", name);
  return std::nullopt;
}

}  // namespace distri::replication
