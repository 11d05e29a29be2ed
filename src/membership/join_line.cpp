#include "distri/membership/join_line.hpp"

#include <algorithm>

#include "distri/membership/line_text.hpp"
#include "distri/utils/check.hpp"

namespace distri::membership {

namespace {

constexpr LineKind kKind{"distri-join-", "join line", "distri invite", kJoinLineBytesMax};
constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string print(const JoinLine& line) {
  DISTRI_CHECK(check_addresses(line.addresses));
  Bytes payload;
  wire::Writer out(payload);
  out.u8(kVersion);
  out.raw(line.cluster.view());
  out.raw(line.sponsor.view());
  out.raw(line.invitation.seed());
  out.u8(static_cast<std::uint8_t>(line.addresses.size()));
  for (const Address& address : line.addresses) {
    out.bytes8(address.host);
    out.u16(address.port);
  }
  return print_line(kKind, std::move(payload));
}

Result<JoinLine> parse_join_line(std::string_view text) {
  DISTRI_TRY(const Bytes content, parse_line(kKind, text));
  wire::Reader in(content);
  const std::uint8_t version = in.u8();
  if (version != kVersion) {
    return fail(Code::kInvalidArgument, "join line: its version is {}, this program knows {}", version, kVersion);
  }
  const auto cluster = in.id<ClusterId>();
  const auto sponsor = in.id<NodeId>();
  const BytesView seed = in.raw(kSeedBytes);
  const std::size_t count = in.u8();
  std::vector<Address> addresses;
  for (std::size_t i = 0; i < std::min(count, kAddressesMax) && in.ok(); ++i) {
    Address& address = addresses.emplace_back();
    address.host = in.bytes8();
    address.port = in.u16();
  }
  if (!in.ok() || !in.at_end() || !check_addresses(addresses)) {
    return fail(Code::kInvalidArgument, "join line: its content is not that of a join line");
  }
  return JoinLine{cluster, sponsor, std::move(addresses), SigningKey::from_seed(seed)};
}

}  // namespace distri::membership
