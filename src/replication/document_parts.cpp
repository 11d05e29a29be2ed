#include "distri/replication/document_parts.hpp"

#include "distri/replication/merge.hpp"

namespace distri::replication {

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

void encode_parts(wire::Writer& out, bson::View document) {
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

Result<bson::Document> decode_parts(wire::Reader& in) {
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

}  // namespace distri::replication
