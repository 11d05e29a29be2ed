// Tokens and rights against strangers and peers: any text as a token's line, also one whose checksum was mended; any
// document as what a token grants. Properties: no crash; a line that is taken prints to one that is taken as the same;
// an error never quotes the line's content; grants that are taken never reach a collection of the system, and may() and
// require() agree.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "distri/bson/document.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/membership/token_line.hpp"
#include "distri/utils/hash.hpp"

namespace {

using namespace distri;
using cloud::Rights;
using cloud::Role;

void require(bool condition) {
  if (!condition) std::abort();
}

// A word of the line as long as a secret is in the message. (No message has such a word of its own.)
bool quotes(std::string_view message, std::string_view text) {
  constexpr std::size_t kWordBytes = 40;
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (text.size() < kWordBytes) return false;
  const std::string_view word = text.substr(text.size() - kWordBytes);
  return word.find_first_not_of(kLetters) == std::string_view::npos && message.find(word) != std::string_view::npos;
}

void try_line(std::string_view text) {
  const auto line = membership::parse_token_line(text);
  if (!line) {
    require(line.error().code == Code::kInvalidArgument);
    require(!quotes(line.error().message, text));
    return;
  }
  require(line->secret.size() == membership::kTokenSecretBytes);
  const auto again = membership::parse_token_line(print(*line));
  require(again && again->cluster == line->cluster && again->token == line->token && again->secret == line->secret);
}

// As somebody would make one who knows how: any payload with the checksum that it needs.
std::string mended(std::string_view payload) {
  Bytes bytes(payload);
  const std::uint64_t checksum = checksum_64(bytes);
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(checksum >> (8 * i)));
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return "distri-token-" + text;
}

void try_grants(std::string_view bytes) {
  const auto document = bson::Document::parse(Bytes(bytes));
  if (!document) return;
  const auto rights = Rights::parse(*document, "who");
  if (!rights) {
    require(rights.error().code == Code::kInvalidArgument && !rights.error().message.empty());
    return;
  }
  for (const Role role : {Role::kRead, Role::kWrite, Role::kAdmin, Role::kCall}) {
    for (const std::string_view name : {"a", "robots.arm", "system.access", "*", "", "system."}) {
      require(rights->may(role, name) == rights->require(role, name).has_value());
      require(role == Role::kCall || !name.starts_with("system.") || !rights->may(role, name));
    }
  }
  require(rights->may_everything() == rights->require_everything("do it").has_value());
  require(!rights->text().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      try_line(rest);
      return 0;
    case 1:
      try_line(mended(rest));
      return 0;
    default:
      try_grants(rest);
      return 0;
  }
}
