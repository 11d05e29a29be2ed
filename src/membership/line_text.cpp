#include "distri/membership/line_text.hpp"

#include <algorithm>

#include "distri/utils/hash.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::membership {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kChecksumBytes = 8;

}  // namespace

std::string print_line(const LineKind& kind, Bytes payload) {
  const std::uint64_t checksum = checksum_64(payload);
  wire::Writer(payload).u64(checksum);
  // base64url without padding (RFC 4648 section 5).
  std::string text = to_base64(payload);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return std::string(kind.prefix) + text;
}

Result<Bytes> parse_line(const LineKind& kind, std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  text = first == std::string_view::npos ? std::string_view{} : text.substr(first);
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  if (!text.starts_with(kind.prefix)) {
    return fail(Code::kInvalidArgument, "{}: it does not begin with '{}'; copy the whole line that '{}' printed",
                kind.what, kind.prefix, kind.made_by);
  }
  if (text.size() > kind.bytes_max) {
    return fail(Code::kInvalidArgument, "{}: it has {} characters, at most {} are allowed", kind.what, text.size(),
                kind.bytes_max);
  }
  text.remove_prefix(kind.prefix.size());
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  };
  if (const auto bad = std::ranges::find_if_not(text, allowed); bad != text.end()) {
    return fail(Code::kInvalidArgument, "{}: character {} cannot be in it", kind.what,
                kind.prefix.size() + static_cast<std::size_t>(bad - text.begin()) + 1);
  }
  std::string standard(text);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  while (standard.size() % 4 != 0) standard.push_back('=');
  auto payload = from_base64(standard);
  const std::size_t size = payload && payload->size() >= kChecksumBytes ? payload->size() - kChecksumBytes : 0;
  if (size == 0 || wire::Reader(BytesView(*payload).substr(size)).u64() != checksum_64(payload->substr(0, size))) {
    return fail(Code::kInvalidArgument, "{}: its checksum is wrong: a character is mistyped, missing or too much",
                kind.what);
  }
  payload->resize(size);
  return *std::move(payload);
}

}  // namespace distri::membership
