#include "distri/membership/token_line.hpp"

#include "distri/membership/line_text.hpp"

namespace distri::membership {

namespace {

constexpr LineKind kKind{"distri-token-", "token", "distri token create", kTokenLineBytesMax};
constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string print(const TokenLine& line) {
  Bytes payload;
  wire::Writer out(payload);
  out.u8(kVersion);
  out.raw(line.cluster.view());
  out.raw(line.token.view());
  out.raw(line.secret);
  return print_line(kKind, std::move(payload));
}

Result<TokenLine> parse_token_line(std::string_view text) {
  DISTRI_TRY(const Bytes payload, parse_line(kKind, text));
  wire::Reader in(payload);
  const std::uint8_t version = in.u8();
  if (version != kVersion) {
    return fail(Code::kInvalidArgument, "token: its version is {}, this program knows {}", version, kVersion);
  }
  TokenLine line;
  line.cluster = in.id<ClusterId>();
  line.token = in.id<TokenId>();
  line.secret = in.raw(kTokenSecretBytes);
  if (!in.ok() || !in.at_end()) {
    return fail(Code::kInvalidArgument, "token: its content is not that of a token");
  }
  return line;
}

}  // namespace distri::membership
