#include "distri/bson/compare.hpp"
#include "distri/replication/op_codec.hpp"
#include "distri/replication/replica_impl.hpp"
#include "distri/utils/check.hpp"

namespace distri::replication {

namespace {

// Kept free in a batch for its head, whose vector may grow.
constexpr std::size_t kBatchHeadBytesMax = 4u << 20;

// Documents that an insert into a capped collection may push out; what is left goes with the next ones or is swept.
constexpr std::size_t kTrimmedMax = 100;

bson::Document without_id(bson::View fields) {
  bson::Builder builder(fields.bytes().size());
  for (const bson::Element& element : fields) {
    if (element.key != "_id") builder.append_element(element);
  }
  return std::move(builder).finish();
}

Bytes key_of(bson::View document) {
  return bson::order_key(document.begin()->value);
}

}  // namespace

Result<Stamp> Replica::Impl::next_stamp(const Stamp& floor, std::int64_t now_ms) {
  const auto reading = clock.next(now_ms, config.plant == Plant::kStampByWallClock ? 0 : floor.hlc);
  if (!reading)
    return fail(Code::kInvalidArgument,
                "what this write replaces is stamped at the end of time: no stamp lies above it");
  return Stamp{*reading, self};
}

// Names the op, applies it here and adds it to the turn's batch. A local op always takes effect.
Result<> Replica::Impl::write(Op op) {
  if (refusal) return fail(*refusal);
  if (config.plant == Plant::kRefuseInMinority && connected.size() + 1 <= config.members / 2)
    return fail(Code::kUnavailable, "too few members are here");
  if (config.plant == Plant::kSkipCounter && next_counter % 50 == 0) ++next_counter;
  op.request = current_request;
  Bytes encoded;
  wire::Writer out(encoded);
  encode(out, op);
  const std::size_t room =
      config.limits.batch_bytes_max - std::min(kBatchHeadBytesMax, config.limits.batch_bytes_max / 2);
  if (encoded.size() > room)
    return fail(Code::kTooLarge, "the write takes {} bytes, at most {} are allowed", encoded.size(), room);
  if (pending_ops > 0 && (pending.size() + encoded.size() > room || pending_ops >= config.limits.batch_ops_max)) seal();
  if (pending_ops == 0) {
    pending_first = next_counter;
    pending_before = vector;
  }
  const Dot dot{self, next_counter++};
  vector.advance(self, dot.counter);
  pending += encoded;
  ++pending_ops;
  ++counters.local_ops;
  remember_request(op);
  Effect effect;
  if (op.kind == OpKind::kFold) {
    apply_fold(op, dot);
    vector.drop_folded();
  } else if (op.kind != OpKind::kNote) {
    effect = store.apply(std::move(op), dot);
    DISTRI_CHECK(effect.took_effect || config.plant == Plant::kStampByWallClock);
  }
  pending_effects.add(effect);
  return {};
}

void Replica::Impl::seal() {
  if (pending_ops == 0) return;
  Batch batch;
  batch.actor = self;
  batch.first_counter = pending_first;
  batch.before = std::move(pending_before);
  auto payload = std::make_shared<Bytes>();
  payload->reserve(pending.size() + 64 + 24 * batch.before.entries().size());
  wire::Writer out(*payload);
  encode_batch_head(out, batch, pending_ops);
  out.raw(pending);
  log.append({self, pending_first, pending_first + pending_ops - 1, payload, pending_effects.take()});
  publish({self, pending_first + pending_ops - 1}, payload);
  pending.clear();
  pending_ops = 0;
}

Result<> Replica::Impl::ensure_collection(std::string_view name, std::int64_t now_ms) {
  if (store.exists(name)) return {};
  const CollectionStamps stamps = store.stamps(name);
  Op op;
  op.kind = OpKind::kCreateCollection;
  op.collection = name;
  DISTRI_TRY(op.stamp, next_stamp(std::max(stamps.created.stamp, stamps.dropped.stamp), now_ms));
  return write(std::move(op));
}

Result<> Replica::Impl::put_document(std::string_view collection, Bytes key, bson::Document document,
                                     const db::Record* record, std::int64_t now_ms) {
  DISTRI_TRY_VOID(ensure_collection(collection, now_ms));
  Op op;
  op.kind = OpKind::kInsert;
  op.collection = collection;
  op.key = std::move(key);
  op.document = std::move(document);
  const Stamp floor = std::max(store.floor_of(collection, op.key, record), newest_inserted(collection));
  DISTRI_TRY(op.stamp, next_stamp(floor, now_ms));
  DISTRI_TRY_VOID(write(std::move(op)));
  std::size_t budget = kTrimmedMax;
  trim(collection, budget, now_ms);
  return {};
}

Result<> Replica::Impl::remove_document(const db::Record& record, std::string_view collection, BytesView key,
                                        std::int64_t now_ms) {
  Op op;
  op.kind = OpKind::kDelete;
  op.collection = collection;
  op.key = key;
  bson::Builder id_only;
  id_only.append_element(*record.document.view().begin());
  op.document = std::move(id_only).finish();
  DISTRI_TRY(op.stamp, next_stamp(store.floor_of(collection, key, &record), now_ms));
  return write(std::move(op));
}

Result<> Replica::Impl::update_document(const db::Record& record, std::string_view collection, BytesView key,
                                        bson::View set, const std::vector<std::string>& unset, std::int64_t now_ms) {
  Op op;
  op.kind = OpKind::kUpdate;
  op.collection = collection;
  op.key = key;
  op.document = without_id(set);
  op.unset = unset;
  op.target = record.revision.stamp();
  DISTRI_TRY_VOID(check_update_fields(op.document, op.unset));
  if (op.document.view().empty() && op.unset.empty()) return {};
  DISTRI_TRY(op.stamp, next_stamp(newest_stamp(record.revision), now_ms));
  // An upper bound of the size settles nearly every case without building the document twice.
  if (record.document.bytes().size() + op.document.bytes().size() > bson::kDocumentBytesMax) {
    const auto next = replication::apply(ref(record), op, Dot{self, next_counter});
    if (!next || next->document->bytes().size() > bson::kDocumentBytesMax) {
      return fail(Code::kTooLarge, "the updated document would exceed {} bytes", bson::kDocumentBytesMax);
    }
  }
  return write(std::move(op));
}

Result<> Replica::insert(std::string_view collection, bson::Document document, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(collection));
  DISTRI_TRY_VOID(db::check_document(document));
  Bytes key = key_of(document);
  if (impl_->store.find(collection, key) != nullptr) {
    return fail(Code::kAlreadyExists, "collection '{}' has a document with that _id already", collection);
  }
  return impl_->put_document(collection, std::move(key), std::move(document), nullptr, now_ms);
}

Result<> Replica::replace(std::string_view collection, bson::Document document, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(collection));
  DISTRI_TRY_VOID(db::check_document(document));
  Bytes key = key_of(document);
  const db::Record* record = impl_->store.find(collection, key);
  return impl_->put_document(collection, std::move(key), std::move(document), record, now_ms);
}

Result<bool> Replica::upsert_fields(std::string_view collection, bson::View fields, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(collection));
  DISTRI_TRY_VOID(db::check_document(fields));
  const Bytes key = key_of(fields);
  const db::Record* record = impl_->store.find(collection, key);
  if (record == nullptr) {
    DISTRI_TRY_VOID(impl_->put_document(collection, key, bson::Document(fields), nullptr, now_ms));
    return true;
  }
  DISTRI_TRY_VOID(impl_->update_document(*record, collection, key, fields, {}, now_ms));
  return false;
}

Result<> Replica::update(std::string_view collection, BytesView key, bson::View set,
                         const std::vector<std::string>& unset, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(collection));
  const db::Record* record = impl_->store.find(collection, key);
  if (record == nullptr) return fail(Code::kNotFound, "collection '{}' has no document with that _id", collection);
  if (const auto id = set.find("_id"); id && bson::order_key(*id) != key) {
    return fail(Code::kInvalidArgument, "update: _id cannot be changed");
  }
  return impl_->update_document(*record, collection, key, set, unset, now_ms);
}

Result<bool> Replica::remove(std::string_view collection, BytesView key, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(collection));
  const db::Record* record = impl_->store.find(collection, key);
  if (record == nullptr) return false;
  DISTRI_TRY_VOID(impl_->remove_document(*record, collection, key, now_ms));
  return true;
}

Result<bool> Replica::create_collection(std::string_view name, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(name));
  if (impl_->store.exists(name)) return false;
  DISTRI_TRY_VOID(impl_->ensure_collection(name, now_ms));
  return true;
}

Result<bool> Replica::drop_collection(std::string_view name, std::int64_t now_ms) {
  DISTRI_TRY_VOID(db::check_stored_collection_name(name));
  if (!impl_->store.exists(name)) return false;
  Op op;
  op.kind = OpKind::kDropCollection;
  op.collection = name;
  DISTRI_TRY(op.stamp, impl_->next_stamp(impl_->store.floor_of_all(name), now_ms));
  DISTRI_TRY_VOID(impl_->write(std::move(op)));
  return true;
}

}  // namespace distri::replication
