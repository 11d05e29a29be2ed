#include "distri/replication/op.hpp"

#include <algorithm>
#include <limits>

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"
#include "distri/replication/counter.hpp"
#include "distri/replication/op_codec.hpp"

namespace distri::replication {

namespace {

// In the kind's byte: a request id follows.
constexpr std::uint8_t kRequestFlag = 0x80;
// Kind, stamp and the length of the collection's name: no op is smaller.
constexpr std::size_t kOpBytesMin = 1 + 8 + 1;

Result<bson::Document> read_document(wire::Reader& in, std::string_view what) {
  const BytesView bytes = in.bytes32();
  if (!in.ok()) return fail(Code::kProtocolError, "op: its {} ends early", what);
  auto view = bson::validate(bytes);
  if (!view) return fail(Code::kProtocolError, "op: its {} is not a valid document: {}", what, view.error().message);
  return bson::Document(*view);
}

Result<> read_insert(wire::Reader& in, Op& op) {
  DISTRI_TRY(op.document, read_document(in, "document"));
  if (auto checked = db::check_document(op.document); !checked) {
    return fail(Code::kProtocolError, "op: its document may not be stored: {}", checked.error().message);
  }
  op.key = bson::order_key(op.document.view().begin()->value);
  if (op.kind == OpKind::kDelete && op.document.view().count() != 1) {
    return fail(Code::kProtocolError, "op: a delete has fields beside _id");
  }
  return {};
}

Result<> read_update(wire::Reader& in, Op& op) {
  op.key = in.bytes32();
  op.target.hlc = in.u64();
  op.target.actor = in.id<ActorId>();
  if (!in.ok() || op.key.empty()) return fail(Code::kProtocolError, "op: an update ends early or has no key");
  DISTRI_TRY(op.document, read_document(in, "set of fields"));
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / 4)
    return fail(Code::kProtocolError, "op: its list of unset fields ends early");
  op.unset.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) op.unset.emplace_back(in.bytes32());
  if (!in.ok()) return fail(Code::kProtocolError, "op: its list of unset fields ends early");
  if (op.stamp <= op.target)
    return fail(Code::kProtocolError, "op: an update is not newer than the generation it names");
  if (auto checked = check_update_fields(op.document, op.unset); !checked) {
    return fail(Code::kProtocolError, "op: {}", checked.error().message);
  }
  return {};
}

Result<> read_increment(wire::Reader& in, Op& op) {
  // Name, base, kind and bits of the delta.
  constexpr std::size_t kIncrementBytesMin = 4 + 8 + ActorId::kSize + 1 + 8;
  op.key = in.bytes32();
  op.target.hlc = in.u64();
  op.target.actor = in.id<ActorId>();
  const std::uint32_t count = in.u32();
  if (!in.ok() || op.key.empty() || count == 0 || count > in.remaining() / kIncrementBytesMin)
    return fail(Code::kProtocolError, "op: an increment ends early, or has no key or no field");
  if (op.stamp <= op.target)
    return fail(Code::kProtocolError, "op: an increment is not newer than the generation it names");
  bson::Builder fields;
  op.increments.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Increment increment;
    increment.field = in.bytes32();
    increment.base.hlc = in.u64();
    increment.base.actor = in.id<ActorId>();
    DISTRI_TRY(increment.delta, decode_number(in));
    if (increment.delta.kind == Number::Kind::kNone) return fail(Code::kProtocolError, "op: an increment by nothing");
    if (op.stamp <= increment.base || increment.base < op.target) {
      return fail(Code::kProtocolError, "op: the base of field '{}' does not lie between generation and increment",
                  increment.field);
    }
    if (increment.field.find('\0') != std::string::npos)
      return fail(Code::kProtocolError, "op: the name of an incremented field holds a zero byte");
    fields.append_null(increment.field);
    op.increments.push_back(std::move(increment));
  }
  const bson::Document names = std::move(fields).finish();
  if (!bson::validate(names.bytes())) return fail(Code::kProtocolError, "op: the name of a field is not UTF-8");
  if (auto checked = check_increment_fields(names); !checked)
    return fail(Code::kProtocolError, "op: {}", checked.error().message);
  return {};
}

Result<> read_resolve(wire::Reader& in, Op& op) {
  op.key = in.bytes32();
  op.loser.actor = in.id<ActorId>();
  op.loser.counter = in.u64();
  op.since = in.u64();
  if (!in.ok() || op.key.empty() || op.loser.counter == 0)
    return fail(Code::kProtocolError, "op: the name of a resolved conflict ends early or is empty");
  if (op.since > op.loser.counter)
    return fail(Code::kProtocolError, "op: a resolved sum of increments begins at {}, after its end", op.since);
  return {};
}

}  // namespace

Result<> check_increment_fields(bson::View deltas) {
  if (deltas.empty()) return fail(Code::kInvalidArgument, "increment: no field is named");
  return check_update_fields(deltas, {});
}

Result<> check_update_fields(bson::View set, const std::vector<std::string>& unset) {
  std::vector<std::string_view> names;
  for (const bson::Element& element : set) {
    if (element.key.starts_with('$'))
      return fail(Code::kInvalidArgument, "update: a field name starts with '$': '{}'", element.key);
    names.push_back(element.key);
  }
  for (const std::string& name : unset) {
    if (name.find('\0') != std::string::npos)
      return fail(Code::kInvalidArgument, "update: the name of an unset field holds a zero byte");
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return fail(Code::kInvalidArgument, "update: field '{}' is named twice", *twice);
  }
  if (std::binary_search(names.begin(), names.end(), std::string_view("_id"))) {
    return fail(Code::kInvalidArgument, "update: _id cannot be changed");
  }
  return {};
}

void encode(wire::Writer& out, const Op& op) {
  out.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(op.kind) | (op.request.empty() ? 0 : kRequestFlag)));
  if (!op.request.empty()) out.raw(op.request.view());
  out.u64(op.stamp.hlc);
  out.bytes8(op.collection);
  switch (op.kind) {
    case OpKind::kInsert:
    case OpKind::kDelete:
      out.bytes32(op.document.bytes());
      break;
    case OpKind::kUpdate:
      out.bytes32(op.key);
      out.u64(op.target.hlc);
      out.raw(op.target.actor.view());
      out.bytes32(op.document.bytes());
      out.u32(static_cast<std::uint32_t>(op.unset.size()));
      for (const std::string& name : op.unset) out.bytes32(name);
      break;
    case OpKind::kIncrement:
      out.bytes32(op.key);
      out.u64(op.target.hlc);
      out.raw(op.target.actor.view());
      out.u32(static_cast<std::uint32_t>(op.increments.size()));
      for (const Increment& increment : op.increments) {
        out.bytes32(increment.field);
        out.u64(increment.base.hlc);
        out.raw(increment.base.actor.view());
        encode(out, increment.delta);
      }
      break;
    case OpKind::kResolve:
      out.bytes32(op.key);
      out.raw(op.loser.actor.view());
      out.u64(op.loser.counter);
      out.u64(op.since);
      break;
    case OpKind::kFold:
      out.raw(op.folded.actor.view());
      out.u64(op.folded.counter);
      break;
    case OpKind::kCreateCollection:
    case OpKind::kDropCollection:
    case OpKind::kNote:
      break;
  }
}

Result<Op> decode_op(wire::Reader& in, const ActorId& actor) {
  Op op;
  const std::uint8_t first = in.u8();
  const auto kind = static_cast<std::uint8_t>(first & ~kRequestFlag);
  if ((first & kRequestFlag) != 0) {
    op.request = in.id<RequestId>();
    if (in.ok() && op.request.empty()) return fail(Code::kProtocolError, "op: its request id is zero");
  }
  op.stamp = {in.u64(), actor};
  op.collection = in.bytes8();
  if (!in.ok()) return fail(Code::kProtocolError, "op: it ends early");
  if (kind < 1 || kind > static_cast<std::uint8_t>(OpKind::kNote)) {
    return fail(Code::kProtocolError, "op: unknown kind {}", kind);
  }
  op.kind = static_cast<OpKind>(kind);
  if (op.stamp.hlc == 0) return fail(Code::kProtocolError, "op: its stamp is zero");
  if (op.kind == OpKind::kNote) {
    if (!op.collection.empty()) return fail(Code::kProtocolError, "op: a note has a collection");
    return op;
  }
  if (op.kind == OpKind::kFold) {
    op.folded.actor = in.id<ActorId>();
    op.folded.counter = in.u64();
    if (!in.ok() || op.folded.counter == 0 || op.folded.actor == actor || !op.collection.empty()) {
      return fail(Code::kProtocolError, "op: a fold names no other actor, no write or a collection");
    }
    return op;
  }
  if (auto checked = db::check_stored_collection_name(op.collection); !checked) {
    return fail(Code::kProtocolError, "op: {}", checked.error().message);
  }
  if (op.kind == OpKind::kInsert || op.kind == OpKind::kDelete) DISTRI_TRY_VOID(read_insert(in, op));
  if (op.kind == OpKind::kUpdate) DISTRI_TRY_VOID(read_update(in, op));
  if (op.kind == OpKind::kIncrement) DISTRI_TRY_VOID(read_increment(in, op));
  if (op.kind == OpKind::kResolve) DISTRI_TRY_VOID(read_resolve(in, op));
  return op;
}

void encode_batch_head(wire::Writer& out, const Batch& batch, std::size_t ops) {
  out.raw(batch.actor.view());
  out.u64(batch.first_counter);
  batch.before.encode(out);
  out.u32(static_cast<std::uint32_t>(ops));
}

void encode(wire::Writer& out, const Batch& batch) {
  encode_batch_head(out, batch, batch.ops.size());
  for (const Op& op : batch.ops) encode(out, op);
}

Result<Batch> decode_batch(wire::Reader& in, const OpLimits& limits) {
  if (in.remaining() > limits.batch_bytes_max) {
    return fail(Code::kProtocolError, "batch: {} bytes, at most {} are allowed (batch_bytes_max)", in.remaining(),
                limits.batch_bytes_max);
  }
  Batch batch;
  batch.actor = in.id<ActorId>();
  batch.first_counter = in.u64();
  DISTRI_TRY(batch.before, VersionVector::decode(in));
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / kOpBytesMin) return fail(Code::kProtocolError, "batch: it ends early");
  if (count == 0 || count > limits.batch_ops_max) {
    return fail(Code::kProtocolError, "batch: {} ops, 1 to {} are allowed (batch_ops_max)", count,
                limits.batch_ops_max);
  }
  if (batch.actor.empty()) return fail(Code::kProtocolError, "batch: its actor is zero");
  if (batch.first_counter == 0 || batch.first_counter > std::numeric_limits<std::uint64_t>::max() - count) {
    return fail(Code::kProtocolError, "batch: its first counter {} is out of range", batch.first_counter);
  }
  if (batch.before.get(batch.actor) >= batch.first_counter) {
    return fail(Code::kProtocolError, "batch: it claims to come after itself (counter {})", batch.first_counter);
  }
  batch.ops.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    DISTRI_TRY(Op op, decode_op(in, batch.actor));
    batch.ops.push_back(std::move(op));
  }
  if (!in.at_end()) return fail(Code::kProtocolError, "batch: {} bytes after its last op", in.remaining());
  return batch;
}

}  // namespace distri::replication
