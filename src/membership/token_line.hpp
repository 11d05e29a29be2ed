// token_line.hpp: an access token as one line: what a client without a key shows to be let in.
//
// It holds which cluster it is for, so that its holder can tell a node of that cluster from anybody else before showing
// it; the token's name, under which nodes keep a hash of the secret; and the secret. One word of letters, digits, '-'
// and '_', with a checksum. Whoever reads it has the token's rights: it is as secret as a password.
#pragma once

#include <string>

#include "distri/membership/statements.hpp"

namespace distri::membership {

using TokenId = Id<struct TokenIdTag, 8>;
inline constexpr std::size_t kTokenSecretBytes = 32;
inline constexpr std::size_t kTokenLineBytesMax = 256;

struct TokenLine {
  ClusterId cluster;
  TokenId token;
  Bytes secret;  // kTokenSecretBytes
};

std::string print(const TokenLine& line);
// Blanks around it do not matter. Error kInvalidArgument; the message never quotes the line.
Result<TokenLine> parse_token_line(std::string_view text);

}  // namespace distri::membership
