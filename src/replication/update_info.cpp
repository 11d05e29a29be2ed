#include <algorithm>

#include "distri/db/collection.hpp"
#include "distri/replication/replica.hpp"

namespace distri::replication {

namespace {

constexpr std::size_t kAddressBytesMax = 255;
constexpr std::size_t kServiceBytesMax = 255;
constexpr std::size_t kCollectionBytesMin = 2 + 8 + 32;

BytesView cut(BytesView text, std::size_t bytes_max) {
  return text.substr(0, bytes_max);
}

// A list of short texts: count, then each with its length.
void encode_texts(wire::Writer& out, const std::vector<std::string>& texts, std::size_t bytes_max) {
  out.u32(static_cast<std::uint32_t>(texts.size()));
  for (const std::string& text : texts) out.bytes8(cut(text, bytes_max));
}

Result<std::vector<std::string>> decode_texts(wire::Reader& in, std::string_view what) {
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining()) return fail(Code::kProtocolError, "update info: its {} end early", what);
  std::vector<std::string> texts;
  texts.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) texts.emplace_back(in.bytes8());
  if (!in.ok()) return fail(Code::kProtocolError, "update info: its {} end early", what);
  return texts;
}

Result<std::vector<CollectionSummary>> decode_summaries(wire::Reader& in) {
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / kCollectionBytesMin)
    return fail(Code::kProtocolError, "update info: its collections end early");
  std::vector<CollectionSummary> summaries;
  summaries.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CollectionSummary summary;
    summary.name = in.bytes8();
    summary.documents = in.u64();
    const BytesView digest = in.raw(32);
    if (!in.ok()) return fail(Code::kProtocolError, "update info: its collections end early");
    summary.digest = Digest::from_bytes(digest);
    if (auto checked = db::check_stored_collection_name(summary.name); !checked) {
      return fail(Code::kProtocolError, "update info: {}", checked.error().message);
    }
    if (!summaries.empty() && summaries.back().name >= summary.name) {
      return fail(Code::kProtocolError, "update info: its collections are not sorted by name");
    }
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

}  // namespace

void encode(wire::Writer& out, const UpdateInfo& info) {
  out.raw(info.node.view());
  out.u64(info.incarnation);
  out.raw(info.actor.view());
  out.bytes8(cut(info.address, kAddressBytesMax));
  out.u32(info.load.queued);
  out.u32(info.load.running);
  out.u32(info.load.workers);
  out.u32(info.load.loop_lag_us);
  encode_texts(out, info.services, kServiceBytesMax);
  info.vector.encode(out);
  out.u32(static_cast<std::uint32_t>(info.collections.size()));
  for (const CollectionSummary& summary : info.collections) {
    out.bytes8(summary.name);
    out.u64(summary.documents);
    out.raw(summary.digest.bytes());
  }
  encode_texts(out, info.known_addresses, kAddressBytesMax);
  if (info.wall_ms) out.u64(static_cast<std::uint64_t>(*info.wall_ms));
  if (info.newcomer) out.u8(1);
}

Result<UpdateInfo> decode_update_info(wire::Reader& in) {
  UpdateInfo info;
  info.node = in.id<NodeId>();
  info.incarnation = in.u64();
  info.actor = in.id<ActorId>();
  info.address = in.bytes8();
  info.load.queued = in.u32();
  info.load.running = in.u32();
  info.load.workers = in.u32();
  info.load.loop_lag_us = in.u32();
  DISTRI_TRY(info.services, decode_texts(in, "services"));
  DISTRI_TRY(info.vector, VersionVector::decode(in));
  DISTRI_TRY(info.collections, decode_summaries(in));
  DISTRI_TRY(info.known_addresses, decode_texts(in, "known addresses"));
  if (!in.at_end()) {
    info.wall_ms = static_cast<std::int64_t>(in.u64());
    if (!in.ok()) return fail(Code::kProtocolError, "update info: its time ends early");
  }
  if (!in.at_end()) {
    info.newcomer = in.u8() == 1;
    if (!info.newcomer) return fail(Code::kProtocolError, "update info: its mark of a newcomer is not 1");
  }
  if (!in.at_end()) return fail(Code::kProtocolError, "update info: {} bytes after its end", in.remaining());
  if (info.actor != make_actor_id(info.node, info.incarnation)) {
    return fail(Code::kProtocolError, "update info: its actor is not that of its node and incarnation");
  }
  return info;
}

}  // namespace distri::replication
