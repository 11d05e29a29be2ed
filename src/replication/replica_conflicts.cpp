#include "distri/replication/key_id.hpp"
#include "distri/replication/op_codec.hpp"
#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

std::unexpected<Error> no_document(std::string_view collection) {
  return fail(Code::kNotFound, "collection '{}' has no document with that _id", collection);
}

std::unexpected<Error> no_conflict(std::string_view collection) {
  return fail(Code::kNotFound, "collection '{}' has no such conflict (any more)", collection);
}

// The same writes as sets of the sums: what a counter must not be.
bson::Document sums(bson::View document, const std::vector<Increment>& increments) {
  bson::Document set;
  for (const Increment& increment : increments) {
    Counter counter;
    if (const auto value = document.find(increment.field)) counter.base = *number_of(*value);
    add(counter, Dot{{}, 1}, increment.delta);
    set = bson::merge_fields(set, element_of(increment.field, value_of(counter)));
  }
  return set;
}

}  // namespace

Result<> Replica::Impl::increment_document(const db::Record& record, std::string_view collection, BytesView key,
                                           std::vector<Increment> increments, std::int64_t now_ms) {
  Op op;
  op.kind = OpKind::kIncrement;
  op.collection = collection;
  op.key = key;
  op.target = record.revision.stamp();
  if (config.plant == Plant::kIncrementAsSet) {
    op.kind = OpKind::kUpdate;
    op.document = sums(record.document, increments);
  } else {
    op.increments = std::move(increments);
  }
  DISTRI_TRY(op.stamp, next_stamp(newest_stamp(record.revision), now_ms));
  return write(std::move(op));
}

Result<> Replica::increment(std::string_view collection, BytesView key, bson::View deltas, std::int64_t now_ms) {
  return update_and_increment(collection, key, {}, {}, deltas, now_ms);
}

Result<> Replica::update_and_increment(std::string_view collection, BytesView key, bson::View set,
                                       const std::vector<std::string>& unset, bson::View deltas, std::int64_t now_ms) {
  Impl& impl = *impl_;
  const bool updates = !set.empty() || !unset.empty();
  if (deltas.empty() && updates) return update(collection, key, set, unset, now_ms);
  DISTRI_TRY_VOID(db::check_stored_collection_name(collection));
  // All checks come first: the two ops are written together or not at all.
  DISTRI_TRY_VOID(check_increment_fields(deltas));
  const db::Record* record = impl.store.find(collection, key);
  if (record == nullptr) return no_document(collection);
  bson::Builder all(set.bytes().size() + deltas.bytes().size());
  for (const bson::Element& element : set) {
    if (element.key != "_id") all.append_element(element);
  }
  for (const bson::Element& element : deltas) all.append_element(element);
  const bson::Document named = std::move(all).finish();
  DISTRI_TRY_VOID(check_update_fields(named, unset));
  // At most this much larger; a document near the limit is not worth building it twice.
  const std::size_t bytes = record->document.bytes().size() + named.bytes().size() + 8 * deltas.count();
  if (bytes > bson::kDocumentBytesMax)
    return fail(Code::kTooLarge, "the updated document may exceed {} bytes", bson::kDocumentBytesMax);
  DISTRI_TRY(auto increments, plan_increments(ref(*record), deltas, impl.self));
  if (updates) {
    DISTRI_TRY_VOID(update(collection, key, set, unset, now_ms));
    record = impl.store.find(collection, key);
  }
  return impl.increment_document(*record, collection, key, std::move(increments), now_ms);
}

const Conflicts& Replica::conflicts() const {
  return impl_->store.conflicts();
}

std::vector<Conflict> Replica::take_conflict_events() {
  auto events = impl_->store.take_new_conflicts();
  if (impl_->config.plant == Plant::kHideConflictEvents) events.clear();
  return events;
}

Result<> Replica::restore_conflict(std::string_view collection, BytesView key, const Dot& loser, std::int64_t now_ms) {
  const Conflict* found = impl_->store.conflicts().find({std::string(collection), Bytes(key), loser});
  if (found == nullptr) return no_conflict(collection);
  const Loser lost = found->loser;
  switch (lost.kind) {
    case ConflictKind::kDocument:
      DISTRI_TRY_VOID(replace(collection, lost.content, now_ms));
      break;
    case ConflictKind::kDelete:
      DISTRI_TRY_VOID(remove(collection, key, now_ms));
      break;
    case ConflictKind::kFields:
    case ConflictKind::kIncrement:
      if (impl_->store.find(collection, key) != nullptr) {
        DISTRI_TRY_VOID(update_and_increment(collection, key, lost.content, lost.unset, lost.increments, now_ms));
      } else {
        const auto id = id_of_key(key);
        if (lost.content.view().empty() || !id) return no_document(collection);
        const bson::Document fields = bson::merge_fields(lost.content, lost.increments);
        DISTRI_TRY_VOID(insert(collection, bson::merge_fields(*id, fields), now_ms));
      }
      break;
  }
  return dismiss_conflict(collection, key, loser, now_ms);
}

Result<> Replica::dismiss_conflict(std::string_view collection, BytesView key, const Dot& loser, std::int64_t now_ms) {
  const Conflict* found = impl_->store.conflicts().find({std::string(collection), Bytes(key), loser});
  if (found == nullptr) return no_conflict(collection);
  Op op;
  op.kind = OpKind::kResolve;
  op.collection = collection;
  op.key = key;
  op.loser = loser;
  op.since = found->loser.since;
  DISTRI_TRY(op.stamp, impl_->next_stamp({}, now_ms));
  return impl_->write(std::move(op));
}

}  // namespace distri::replication
