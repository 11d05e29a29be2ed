// The line of a token, and what is no such line.
#include <doctest/doctest.h>

#include "distri/membership/token_line.hpp"

using namespace distri;
using namespace distri::membership;

namespace {

TokenLine sample() {
  TokenLine line;
  line.cluster.bytes.fill(1);
  line.token.bytes.fill(2);
  line.secret = Bytes(kTokenSecretBytes, '\3');
  return line;
}

std::string told(std::string_view text) {
  const auto parsed = parse_token_line(text);
  REQUIRE(!parsed);
  CHECK(parsed.error().code == Code::kInvalidArgument);
  return parsed.error().message;
}

}  // namespace

TEST_CASE("A token's line gives back what it was made of, with blanks around it or not") {
  const std::string line = print(sample());
  CHECK(line.size() <= kTokenLineBytesMax);
  for (const std::string& text : {line, " " + line + "\r\n"}) {
    const auto parsed = parse_token_line(text);
    REQUIRE(parsed);
    CHECK(parsed->cluster == sample().cluster);
    CHECK(parsed->token == sample().token);
    CHECK(parsed->secret == sample().secret);
  }
}

TEST_CASE("Whatever is wrong with a token's line is said without quoting it") {
  const std::string line = print(sample());
  CHECK(told("") ==
        "token: it does not begin with 'distri-token-'; copy the whole line that 'distri token create' "
        "printed");
  CHECK(told("distri-join-" + line.substr(13)).find("does not begin with") != std::string::npos);
  CHECK(told(line + std::string(300, 'A')) ==
        fmt::format("token: it has {} characters, at most 256 are allowed", line.size() + 300));
  CHECK(told(line.substr(0, 20) + "!" + line.substr(21)) == "token: character 21 cannot be in it");
  for (std::size_t i = 13; i < line.size(); ++i) {
    std::string mistyped = line;
    mistyped[i] = mistyped[i] == 'x' ? 'y' : 'x';
    CHECK(told(mistyped).find(line.substr(13, 8)) == std::string::npos);
  }
  for (std::size_t size = 13; size < line.size(); ++size) told(line.substr(0, size));
}
