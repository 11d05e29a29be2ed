#include <algorithm>
#include <cstring>

#include "distri/membership/member_table.hpp"
#include "distri/membership/table_codec.hpp"

namespace distri::membership {

namespace {

// What stands for a statement in a summary.
std::uint64_t short_digest(const Hash256& digest) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value |= std::uint64_t{digest[i]} << (8 * i);
  return value;
}

template <class Registers>
std::size_t encode_list(wire::Writer& out, const Registers& registers, const std::vector<std::uint64_t>& known) {
  std::vector<const Bytes*> chosen;
  for (const auto& [key, held] : registers) {
    if (!std::ranges::binary_search(known, short_digest(held.digest))) chosen.push_back(&held.bytes);
  }
  out.u16(static_cast<std::uint16_t>(chosen.size()));
  for (const Bytes* bytes : chosen) out.bytes16(*bytes);
  return chosen.size();
}

}  // namespace

Bytes MemberTable::encode_missing(const Known& known) const {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kTableVersion);
  out.raw(founding_.root.view());
  out.raw(founding_.next.view());
  out.u16(static_cast<std::uint16_t>(links_.size()));
  for (const RootLink& link : links_) membership::encode(out, link);
  const bool with_roll = known.epoch < epoch();
  out.u8(with_roll ? 1 : 0);
  if (with_roll) membership::encode(out, roll_);
  encode_list(out, admissions_, known.digests);
  encode_list(out, revocations_, known.digests);
  encode_list(out, addresses_, known.digests);
  return bytes;
}

std::size_t MemberTable::statements() const {
  return links_.size() + admissions_.size() + revocations_.size() + addresses_.size();
}

Bytes MemberTable::summary() const {
  std::vector<std::uint64_t> digests;
  digests.reserve(statements());
  for (const auto& [key, held] : admissions_) digests.push_back(short_digest(held.digest));
  for (const auto& [key, held] : revocations_) digests.push_back(short_digest(held.digest));
  for (const auto& [key, held] : addresses_) digests.push_back(short_digest(held.digest));
  std::ranges::sort(digests);
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kSummaryVersion);
  out.u32(epoch());
  for (const std::uint64_t digest : digests) out.u64(digest);
  return bytes;
}

Result<std::uint32_t> MemberTable::epoch_of_summary(BytesView summary) {
  wire::Reader in(summary);
  const std::uint8_t version = in.u8();
  const std::uint32_t epoch = in.u32();
  if (!in.ok() || version != kSummaryVersion)
    return fail(Code::kProtocolError, "member summary: unknown version or wrong length");
  return epoch;
}

Result<Bytes> MemberTable::missing(BytesView summary) const {
  constexpr std::size_t kDigestsMax = 3 * kAdmissionsMax + kRevocationsMax;
  wire::Reader in(summary);
  const std::uint8_t version = in.u8();
  Known known;
  known.epoch = in.u32();
  if (!in.ok() || version != kSummaryVersion || in.remaining() % 8 != 0 || in.remaining() / 8 > kDigestsMax) {
    return fail(Code::kProtocolError, "member summary: unknown version or wrong length");
  }
  while (!in.at_end()) known.digests.push_back(in.u64());
  std::ranges::sort(known.digests);
  const auto lacks = [&](const auto& registers) {
    return std::ranges::any_of(registers, [&](const auto& entry) {
      return !std::ranges::binary_search(known.digests, short_digest(entry.second.digest));
    });
  };
  // Who is at a later epoch has no use for our admissions and revocations.
  const bool ours_count = known.epoch <= epoch();
  const bool any =
      known.epoch < epoch() || (ours_count && (lacks(admissions_) || lacks(revocations_))) || lacks(addresses_);
  if (!any) return Bytes{};
  return encode_missing(known);
}

Result<Bytes> MemberTable::proof_of(const NodeId& node) const {
  if (!is_member(node)) return fail(Code::kNotFound, "node {} is no member of the cluster", node.short_hex());
  Known others;
  for (const auto& [slot, held] : admissions_) {
    if (held.statement.node != node || !counts(held.statement)) others.digests.push_back(short_digest(held.digest));
  }
  for (const auto& [announced, held] : addresses_) others.digests.push_back(short_digest(held.digest));
  std::ranges::sort(others.digests);
  return encode_missing(others);
}

Result<MemberTable> MemberTable::load(BytesView bytes) {
  DISTRI_TRY(const TableParts parts, decode_table(bytes));
  MemberTable table(parts.founding);
  DISTRI_TRY_VOID(table.merge(bytes));
  return table;
}

}  // namespace distri::membership
