#include "distri/membership/table_codec.hpp"

namespace distri::membership {

namespace {

// A list of statements, each behind its length.
template <class Statement, class Decode>
Result<> decode_list(wire::Reader& in, std::string_view what, std::size_t count_max, const Decode& decode,
                     std::vector<Statement>& list) {
  const std::size_t count = in.u16();
  if (count > count_max) {
    return fail(Code::kTooLarge, "member table: {} {}, at most {} are allowed", count, what, count_max);
  }
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    wire::Reader statement(in.bytes16());
    if (!in.ok()) break;
    DISTRI_TRY(auto decoded, decode(statement));
    if (!statement.at_end()) {
      return fail(Code::kProtocolError, "member table: bytes behind number {} of the {}", i + 1, what);
    }
    list.push_back(std::move(decoded));
  }
  if (!in.ok()) return fail(Code::kProtocolError, "member table: the {} end early", what);
  return {};
}

}  // namespace

Result<TableParts> decode_table(BytesView bytes) {
  if (bytes.size() > kTableBytesMax) {
    return fail(Code::kTooLarge, "member table: it has {} bytes, at most {} are allowed", bytes.size(), kTableBytesMax);
  }
  wire::Reader in(bytes);
  TableParts parts;
  const std::uint8_t version = in.u8();
  if (in.ok() && version != kTableVersion) {
    return fail(Code::kProtocolError, "member table: its version is {}, this program knows {}", version, kTableVersion);
  }
  parts.founding.root = in.id<PublicKey>();
  parts.founding.next = in.id<KeyDigest>();
  const std::size_t links = in.u16();
  if (links > kRootChangesMax) {
    return fail(Code::kTooLarge, "member table: {} root changes, at most {} are allowed", links, kRootChangesMax);
  }
  for (std::size_t i = 0; i < links && in.ok(); ++i) parts.links.push_back(decode_root_link(in));
  const std::uint8_t has_roll = in.u8();
  if (!in.ok()) return fail(Code::kProtocolError, "member table: it ends early");
  if (has_roll > 1) return fail(Code::kProtocolError, "member table: unknown flags {}", has_roll);
  if (has_roll == 1) {
    DISTRI_TRY(parts.roll, decode_roll(in));
  }
  DISTRI_TRY_VOID(decode_list(in, "admissions", kAdmissionsMax, decode_admission, parts.admissions));
  DISTRI_TRY_VOID(decode_list(in, "revocations", kRevocationsMax, decode_revocation, parts.revocations));
  DISTRI_TRY_VOID(
      decode_list(in, "address records", kAdmissionsMax + kAdmissionsMax, decode_address_record, parts.addresses));
  if (!in.at_end()) return fail(Code::kProtocolError, "member table: bytes behind its end");
  return parts;
}

}  // namespace distri::membership
