#include "distri/replication/messages.hpp"

#include <limits>

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"

namespace distri::replication {

namespace {

// What follows in a collection of a state chunk.
enum class Item : std::uint8_t { kEnd = 0, kDocument = 1, kTombstone = 2 };

void encode(wire::Writer& out, const Stamp& stamp) {
  out.u64(stamp.hlc);
  out.raw(stamp.actor.view());
}

void encode(wire::Writer& out, const Dot& dot) {
  out.raw(dot.actor.view());
  out.u64(dot.counter);
}

Stamp read_stamp(wire::Reader& in) {
  Stamp stamp;
  stamp.hlc = in.u64();
  stamp.actor = in.id<ActorId>();
  return stamp;
}

Dot read_dot(wire::Reader& in) {
  Dot dot;
  dot.actor = in.id<ActorId>();
  dot.counter = in.u64();
  return dot;
}

// A merged document may exceed the size that validate() accepts, so it travels in parts, each a document of whole
// fields.
void encode_document(wire::Writer& out, bson::View document) {
  if (document.bytes().size() <= bson::kDocumentBytesMax) {
    out.u32(1);
    out.bytes32(document.bytes());
    return;
  }
  std::vector<bson::Document> parts;
  bson::Builder part;
  std::size_t bytes = 5;
  for (const bson::Element& element : document) {
    if (bytes + element.raw.size() > bson::kDocumentBytesMax) {
      parts.push_back(std::move(part).finish());
      part = bson::Builder();
      bytes = 5;
    }
    part.append_element(element);
    bytes += element.raw.size();
  }
  parts.push_back(std::move(part).finish());
  out.u32(static_cast<std::uint32_t>(parts.size()));
  for (const bson::Document& one : parts) out.bytes32(one.bytes());
}

Result<bson::Document> read_document(wire::Reader& in) {
  const std::uint32_t parts = in.u32();
  bson::Document whole;
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < parts; ++i) {
    const BytesView part = in.bytes32();
    if (!in.ok()) break;
    bytes += part.size();
    if (bytes > kMergedDocumentBytesMax)
      return fail(Code::kProtocolError, "state: a document exceeds {} bytes", kMergedDocumentBytesMax);
    auto view = bson::validate(part);
    if (!view) return fail(Code::kProtocolError, "state: {}", view.error().message);
    if (parts == 1) return bson::Document(*view);
    bson::Builder joined(bytes);
    for (const bson::Element& element : whole.view()) joined.append_element(element);
    for (const bson::Element& element : *view) joined.append_element(element);
    whole = std::move(joined).finish();
  }
  return whole;
}

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
    field.unset = in.u8() != 0;
    fields.push_back(std::move(field));
  }
  return {};
}

Result<std::pair<Bytes, State>> read_state(wire::Reader& in, Item item) {
  std::pair<Bytes, State> result;
  auto& [key, state] = result;
  state.revision.stamp = read_stamp(in);
  state.revision.dot = read_dot(in);
  if (item == Item::kTombstone) {
    key = in.bytes32();
    if (key.empty()) return fail(Code::kProtocolError, "state: a tombstone has no key");
  } else {
    DISTRI_TRY_VOID(read_fields(in, state.revision.fields));
    DISTRI_TRY(state.document, read_document(in));
  }
  if (!in.ok()) return fail(Code::kProtocolError, "state: it ends early");
  DISTRI_TRY_VOID(check_state(state));
  if (item == Item::kDocument) key = bson::order_key(state.document->view().begin()->value);
  return result;
}

Result<CollectionChunk> read_collection(wire::Reader& in) {
  CollectionChunk chunk;
  chunk.name = in.bytes8();
  chunk.stamps = decode_stamps(in);
  if (!in.ok()) return fail(Code::kProtocolError, "state chunk: it ends early");
  if (auto checked = db::check_collection_name(chunk.name); !checked) {
    return fail(Code::kProtocolError, "state chunk: {}", checked.error().message);
  }
  for (;;) {
    const std::uint8_t item = in.u8();
    if (!in.ok() || item > 2) return fail(Code::kProtocolError, "state chunk: collection '{}' ends early", chunk.name);
    if (static_cast<Item>(item) == Item::kEnd) return chunk;
    DISTRI_TRY(auto state, read_state(in, static_cast<Item>(item)));
    chunk.states.push_back(std::move(state));
  }
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
  out.bytes8(chunk.cursor.collection);
  out.bytes32(chunk.cursor.key);
}

void encode_collection_head(wire::Writer& out, std::string_view name, const CollectionStamps& stamps) {
  out.bytes8(name);
  encode(out, stamps);
}

void encode(wire::Writer& out, const CollectionStamps& stamps) {
  for (const auto* event : {&stamps.created, &stamps.dropped}) {
    encode(out, event->stamp);
    encode(out, event->dot);
  }
}

CollectionStamps decode_stamps(wire::Reader& in) {
  CollectionStamps stamps;
  for (auto* event : {&stamps.created, &stamps.dropped}) {
    event->stamp = read_stamp(in);
    event->dot = read_dot(in);
  }
  return stamps;
}

void encode_state(wire::Writer& out, BytesView key, StateRef state) {
  out.u8(static_cast<std::uint8_t>(state.document != nullptr ? Item::kDocument : Item::kTombstone));
  encode(out, state.revision->stamp);
  encode(out, state.revision->dot);
  if (state.document == nullptr) {
    out.bytes32(key);
    return;
  }
  out.u32(static_cast<std::uint32_t>(state.revision->fields.size()));
  for (const db::FieldRevision& field : state.revision->fields) {
    out.bytes32(field.name);
    encode(out, field.stamp);
    encode(out, field.dot);
    out.u32(field.ordinal);
    out.u8(field.unset ? 1 : 0);
  }
  encode_document(out, *state.document);
}

Result<std::pair<Bytes, State>> decode_state(wire::Reader& in) {
  const std::uint8_t item = in.u8();
  if (item != static_cast<std::uint8_t>(Item::kDocument) && item != static_cast<std::uint8_t>(Item::kTombstone)) {
    return fail(Code::kProtocolError, "state: unknown kind {}", item);
  }
  return read_state(in, static_cast<Item>(item));
}

void encode_collection_end(wire::Writer& out) {
  out.u8(static_cast<std::uint8_t>(Item::kEnd));
}

Result<StateChunk> decode_state_chunk(wire::Reader& in) {
  StateChunk chunk;
  chunk.id = in.u64();
  const std::uint8_t flags = in.u8();
  chunk.first = (flags & 1) != 0;
  chunk.last = (flags & 2) != 0;
  DISTRI_TRY(chunk.vector, VersionVector::decode(in));
  chunk.cursor.collection = in.bytes8();
  chunk.cursor.key = in.bytes32();
  if (!in.ok()) return fail(Code::kProtocolError, "state chunk: it ends early");
  while (!in.at_end()) {
    DISTRI_TRY(auto collection, read_collection(in));
    chunk.collections.push_back(std::move(collection));
  }
  return chunk;
}

}  // namespace distri::replication
