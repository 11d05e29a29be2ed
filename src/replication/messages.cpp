#include "distri/replication/messages.hpp"

#include <limits>

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"
#include "distri/replication/document_parts.hpp"

namespace distri::replication {

namespace {

// What follows in a collection of a state chunk.
enum class Item : std::uint8_t { kEnd = 0, kDocument = 1, kTombstone = 2, kConflict = 3 };

// Flags of a register.
constexpr std::uint8_t kUnset = 1;
constexpr std::uint8_t kCounter = 2;

Result<> read_fields(wire::Reader& in, std::vector<db::FieldRevision>& fields) {
  constexpr std::size_t kFieldBytesMin = 4 + 24 + 24 + 4 + 1;
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / kFieldBytesMin)
    return fail(Code::kProtocolError, "state: its field registers end early");
  fields.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    db::FieldRevision field;
    field.name = in.bytes32();
    field.stamp = read_stamp(in);
    field.dot = read_dot(in);
    field.ordinal = in.u32();
    const std::uint8_t flags = in.u8();
    if (flags > kCounter) return fail(Code::kProtocolError, "state: a register has unknown flags {}", flags);
    field.unset = flags == kUnset;
    if (flags == kCounter) {
      DISTRI_TRY(Counter counter, decode_counter(in));
      field.counter = std::make_shared<const Counter>(std::move(counter));
    }
    fields.push_back(std::move(field));
  }
  return {};
}

Result<std::pair<Bytes, State>> read_state(wire::Reader& in, Item item) {
  std::pair<Bytes, State> result;
  auto& [key, state] = result;
  const Stamp stamp = read_stamp(in);
  const Dot dot = read_dot(in);
  if (stamp.actor != dot.actor) return fail(Code::kProtocolError, "state: its stamp and its dot are of two actors");
  std::vector<db::FieldRevision> fields;
  if (item == Item::kTombstone) {
    key = in.bytes32();
    if (key.empty()) return fail(Code::kProtocolError, "state: a tombstone has no key");
  } else {
    DISTRI_TRY_VOID(read_fields(in, fields));
    DISTRI_TRY(state.document, decode_parts(in));
  }
  if (!in.ok()) return fail(Code::kProtocolError, "state: it ends early");
  state.revision = db::Revision(stamp, dot, std::move(fields));
  DISTRI_TRY_VOID(check_state(state));
  if (item == Item::kDocument) key = bson::order_key(state.document->view().begin()->value);
  return result;
}

Result<CollectionChunk> read_collection(wire::Reader& in) {
  CollectionChunk chunk;
  chunk.name = in.bytes8();
  chunk.stamps = decode_stamps(in);
  chunk.from = in.bytes32();
  if (!in.ok()) return fail(Code::kProtocolError, "state chunk: it ends early");
  if (auto checked = db::check_stored_collection_name(chunk.name); !checked) {
    return fail(Code::kProtocolError, "state chunk: {}", checked.error().message);
  }
  for (;;) {
    const std::uint8_t item = in.u8();
    if (!in.ok() || item > static_cast<std::uint8_t>(Item::kConflict))
      return fail(Code::kProtocolError, "state chunk: collection '{}' ends early", chunk.name);
    if (static_cast<Item>(item) == Item::kEnd) break;
    if (static_cast<Item>(item) == Item::kConflict) {
      DISTRI_TRY(Conflict conflict, decode_conflict(in));
      if (conflict.name.collection != chunk.name)
        return fail(Code::kProtocolError, "state chunk: a conflict belongs to another collection");
      chunk.conflicts.push_back(std::move(conflict));
      continue;
    }
    DISTRI_TRY(auto state, read_state(in, static_cast<Item>(item)));
    if (state.first <= (chunk.states.empty() ? chunk.from : chunk.states.back().first)) {
      return fail(Code::kProtocolError, "state chunk: the keys of collection '{}' do not ascend", chunk.name);
    }
    chunk.states.push_back(std::move(state));
  }
  chunk.to_end = in.u8() != 0;
  if (!chunk.to_end) chunk.to = in.bytes32();
  if (!in.ok()) return fail(Code::kProtocolError, "state chunk: collection '{}' ends early", chunk.name);
  if (!chunk.to_end && (chunk.to < chunk.from || (!chunk.states.empty() && chunk.to < chunk.states.back().first))) {
    return fail(Code::kProtocolError, "state chunk: collection '{}' has a state beyond its range", chunk.name);
  }
  return chunk;
}

}  // namespace

void encode(wire::Writer& out, const PullRequest& request) {
  out.u64(request.id);
  request.vector.encode(out);
  out.u8(request.states ? 1 : 0);
  if (!request.states) return;
  out.bytes8(request.after.collection);
  out.bytes32(request.after.key);
}

Result<PullRequest> decode_pull_request(wire::Reader& in) {
  PullRequest request;
  request.id = in.u64();
  DISTRI_TRY(request.vector, VersionVector::decode(in));
  request.states = in.u8() != 0;
  if (request.states) {
    request.after.collection = in.bytes8();
    request.after.key = in.bytes32();
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "pull: wrong length");
  return request;
}

void encode_pull_reply(wire::Writer& out, std::uint64_t id, const OpLog::Missing& missing) {
  out.u64(id);
  out.u8(missing.more ? 1 : 0);
  out.u32(static_cast<std::uint32_t>(missing.entries.size()));
  for (const OpLog::Entry* entry : missing.entries) out.bytes32(*entry->batch);
}

Result<PullReply> decode_pull_reply(wire::Reader& in) {
  PullReply reply;
  reply.id = in.u64();
  reply.more = in.u8() != 0;
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / 4) return fail(Code::kProtocolError, "pull reply: it ends early");
  reply.batches.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) reply.batches.push_back(in.bytes32());
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "pull reply: wrong length");
  return reply;
}

void encode_state_head(wire::Writer& out, const StateChunk& chunk) {
  out.u64(chunk.id);
  out.u8(static_cast<std::uint8_t>((chunk.first ? 1 : 0) | (chunk.last ? 2 : 0)));
  chunk.vector.encode(out);
  out.u32(static_cast<std::uint32_t>(chunk.folds.size()));
  for (const auto& [actor, fold] : chunk.folds) {
    out.raw(actor.view());
    out.u64(fold.counter);
    encode(out, fold.by);
  }
  out.bytes8(chunk.cursor.collection);
  out.bytes32(chunk.cursor.key);
}

void encode_collection_head(wire::Writer& out, std::string_view name, const CollectionStamps& stamps, BytesView from) {
  out.bytes8(name);
  encode(out, stamps);
  out.bytes32(from);
}

void encode(wire::Writer& out, const CollectionStamps& stamps) {
  for (const auto* event : {&stamps.created, &stamps.dropped}) {
    encode(out, event->stamp);
    encode(out, event->dot);
  }
  encode(out, stamps.purged);
}

CollectionStamps decode_stamps(wire::Reader& in) {
  CollectionStamps stamps;
  for (auto* event : {&stamps.created, &stamps.dropped}) {
    event->stamp = read_stamp(in);
    event->dot = read_dot(in);
  }
  stamps.purged = read_stamp(in);
  return stamps;
}

void encode_state(wire::Writer& out, BytesView key, StateRef state) {
  out.u8(static_cast<std::uint8_t>(state.document ? Item::kDocument : Item::kTombstone));
  encode(out, state.revision->stamp());
  encode(out, state.revision->dot());
  if (!state.document) {
    out.bytes32(key);
    return;
  }
  out.u32(static_cast<std::uint32_t>(state.revision->fields().size()));
  for (const db::FieldRevision& field : state.revision->fields()) {
    out.bytes32(field.name);
    encode(out, field.stamp);
    encode(out, field.dot);
    out.u32(field.ordinal);
    out.u8(field.counter ? kCounter : field.unset ? kUnset : std::uint8_t{0});
    if (field.counter) encode(out, *field.counter);
  }
  encode_parts(out, *state.document);
}

Result<std::pair<Bytes, State>> decode_state(wire::Reader& in) {
  const std::uint8_t item = in.u8();
  if (item != static_cast<std::uint8_t>(Item::kDocument) && item != static_cast<std::uint8_t>(Item::kTombstone)) {
    return fail(Code::kProtocolError, "state: unknown kind {}", item);
  }
  return read_state(in, static_cast<Item>(item));
}

void encode_conflict(wire::Writer& out, const Conflict& conflict) {
  out.u8(static_cast<std::uint8_t>(Item::kConflict));
  encode(out, conflict);
}

void encode_collection_end(wire::Writer& out, BytesView to, bool to_end) {
  out.u8(static_cast<std::uint8_t>(Item::kEnd));
  out.u8(to_end ? 1 : 0);
  if (!to_end) out.bytes32(to);
}

Result<StateChunk> decode_state_chunk(wire::Reader& in) {
  StateChunk chunk;
  chunk.id = in.u64();
  const std::uint8_t flags = in.u8();
  chunk.first = (flags & 1) != 0;
  chunk.last = (flags & 2) != 0;
  DISTRI_TRY(chunk.vector, VersionVector::decode(in));
  const std::uint32_t folds = in.u32();
  if (!in.ok() || folds > in.remaining() / (ActorId::kSize + 8 + ActorId::kSize + 8)) {
    return fail(Code::kProtocolError, "state chunk: its folds end early");
  }
  for (std::uint32_t i = 0; i < folds; ++i) {
    const auto actor = in.id<ActorId>();
    const std::uint64_t counter = in.u64();
    chunk.folds.emplace_back(actor, Fold{counter, read_dot(in)});
  }
  chunk.cursor.collection = in.bytes8();
  chunk.cursor.key = in.bytes32();
  if (!in.ok()) return fail(Code::kProtocolError, "state chunk: it ends early");
  while (!in.at_end()) {
    DISTRI_TRY(auto collection, read_collection(in));
    chunk.collections.push_back(std::move(collection));
  }
  return chunk;
}

void encode(wire::Writer& out, const RangeDigests& message) {
  out.u64(message.id);
  message.vector.encode(out);
  out.bytes8(message.collection);
  out.bytes32(message.from);
  out.u32(static_cast<std::uint32_t>(message.ranges.size()));
  for (const RangeDigests::Range& range : message.ranges) {
    out.u8(range.to_end ? 1 : 0);
    out.bytes32(range.to);
    out.u64(range.documents);
    out.raw(range.digest.bytes());
  }
}

Result<RangeDigests> decode_range_digests(wire::Reader& in) {
  RangeDigests message;
  message.id = in.u64();
  DISTRI_TRY(message.vector, VersionVector::decode(in));
  message.collection = in.bytes8();
  message.from = in.bytes32();
  const std::uint32_t count = in.u32();
  if (!in.ok() || count == 0 || count > kRangesMax) {
    return fail(Code::kProtocolError, "range digests: {} ranges, 1 to {} are allowed", count, kRangesMax);
  }
  if (auto checked = db::check_stored_collection_name(message.collection); !checked) {
    return fail(Code::kProtocolError, "range digests: {}", checked.error().message);
  }
  BytesView last = message.from;
  message.ranges.reserve(count);  // `last` looks into them
  for (std::uint32_t i = 0; i < count; ++i) {
    RangeDigests::Range& range = message.ranges.emplace_back();
    range.to_end = in.u8() != 0;
    range.to = in.bytes32();
    range.documents = in.u64();
    const BytesView digest = in.raw(32);
    if (!in.ok()) return fail(Code::kProtocolError, "range digests: they end early");
    if (range.to_end ? i + 1 != count : range.to <= last) {
      return fail(Code::kProtocolError, "range digests: the ranges do not ascend");
    }
    range.digest = Digest::from_bytes(digest);
    last = range.to;
  }
  if (!in.at_end()) return fail(Code::kProtocolError, "range digests: wrong length");
  return message;
}

void encode_range_states_head(wire::Writer& out, const RangeStates& message) {
  out.u64(message.id);
  out.u8(static_cast<std::uint8_t>((message.answer ? 1 : 0) | (message.to_end ? 2 : 0)));
  message.vector.encode(out);
  out.bytes32(message.to);
}

Result<RangeStates> decode_range_states(wire::Reader& in) {
  RangeStates message;
  message.id = in.u64();
  const std::uint8_t flags = in.u8();
  message.answer = (flags & 1) != 0;
  message.to_end = (flags & 2) != 0;
  DISTRI_TRY(message.vector, VersionVector::decode(in));
  message.to = in.bytes32();
  if (!in.ok()) return fail(Code::kProtocolError, "range states: they end early");
  while (!in.at_end()) {
    DISTRI_TRY(auto collection, read_collection(in));
    message.collections.push_back(std::move(collection));
  }
  return message;
}

}  // namespace distri::replication
