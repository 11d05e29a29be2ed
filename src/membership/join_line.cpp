#include "distri/membership/join_line.hpp"

#include <algorithm>

#include "distri/utils/check.hpp"

namespace distri::membership {

namespace {

constexpr std::string_view kPrefix = "distri-join-";
constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kBlanks = " \t\r\n";

std::uint64_t checksum(BytesView payload) {
  return checksum_64(payload);
}

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
  out.u64(checksum(payload));
  // base64url without padding (RFC 4648 section 5).
  std::string text = to_base64(payload);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return std::string(kPrefix) + text;
}

Result<JoinLine> parse_join_line(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  text = first == std::string_view::npos ? std::string_view{} : text.substr(first);
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  if (!text.starts_with(kPrefix)) {
    return fail(Code::kInvalidArgument,
                "join line: it does not begin with '{}'; copy the whole line that 'distri invite' printed", kPrefix);
  }
  if (text.size() > kJoinLineBytesMax) {
    return fail(Code::kInvalidArgument, "join line: it has {} characters, at most {} are allowed", text.size(),
                kJoinLineBytesMax);
  }
  text.remove_prefix(kPrefix.size());
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  };
  if (const auto bad = std::ranges::find_if_not(text, allowed); bad != text.end()) {
    return fail(Code::kInvalidArgument, "join line: character {} cannot be in it",
                kPrefix.size() + static_cast<std::size_t>(bad - text.begin()) + 1);
  }
  std::string standard(text);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  while (standard.size() % 4 != 0) standard.push_back('=');
  const auto mistyped = [] {
    return fail(Code::kInvalidArgument,
                "join line: its checksum is wrong: a character is mistyped, missing or too much");
  };
  const auto payload = from_base64(standard);
  if (!payload || payload->size() < 8) return mistyped();
  const BytesView content = BytesView(*payload).substr(0, payload->size() - 8);
  if (wire::Reader(BytesView(*payload).substr(content.size())).u64() != checksum(content)) return mistyped();

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
