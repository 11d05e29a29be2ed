#include "distri/peer/names.hpp"

#include <algorithm>
#include <cstdint>

#include "distri/peer/limits.hpp"

namespace distri::peer {

namespace {

// The code point that `text` begins with, which is taken off it; kBad for what is not UTF-8 in its shortest form.
constexpr std::uint32_t kBad = 0xffffffff;

std::uint32_t take_code_point(std::string_view& text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = at(0);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size == 0 || text.size() < size) return kBad;
  std::uint32_t point = size == 1 ? first : first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return kBad;
    point = point << 6 | (at(i) & 0x3f);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return kBad;
  text.remove_prefix(size);
  return point;
}

bool is_control(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

// Line and paragraph separators, marks and overrides of direction, zero-width space and byte order mark. Joiners
// (U+200C, U+200D) belong to words of some languages and to pictographs.
bool is_unseen(std::uint32_t point) {
  return point == 0x200b || point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2060 && point <= 0x206f) || point == 0x61c || point == 0xfeff;
}

// What both kinds of names have in common.
Result<> check_text(std::string_view what, std::string_view name, std::size_t bytes_max) {
  if (name.empty()) return fail(Code::kInvalidArgument, "{}: it is empty; 1 to {} bytes are allowed", what, bytes_max);
  if (name.size() > bytes_max) {
    return fail(Code::kTooLarge, "{}: it has {} bytes, at most {} are allowed; choose a shorter one", what, name.size(),
                bytes_max);
  }
  std::string_view rest = name;
  while (!rest.empty()) {
    const std::size_t offset = name.size() - rest.size();
    const std::uint32_t point = take_code_point(rest);
    if (point == kBad) {
      return fail(Code::kInvalidArgument, "{}: byte {} is not UTF-8; rename it in UTF-8", what, offset);
    }
    if (is_control(point)) {
      return fail(Code::kInvalidArgument, "{}: byte {} is the control character U+{:04X}; leave it out", what, offset,
                  point);
    }
    if (is_unseen(point)) {
      return fail(Code::kInvalidArgument, "{}: byte {} is the invisible character U+{:04X}; leave it out", what, offset,
                  point);
    }
  }
  if (name.front() == ' ' || name.back() == ' ') {
    return fail(Code::kInvalidArgument, "{}: it begins or ends with a space; leave that out", what);
  }
  return {};
}

}  // namespace

bool reads_as_key(std::string_view text) {
  return text.size() >= kKeyPrefixDigitsMin && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

Result<> check_user_name(std::string_view name) {
  DISTRI_TRY_VOID(check_text("user name", name, kUserNameBytesMax));
  if (!reads_as_key(name)) return {};
  return fail(Code::kInvalidArgument,
              "user name: {} hexadecimal digits or more could be taken for a key; add another letter",
              kKeyPrefixDigitsMin);
}

Result<> check_resource_name(std::string_view name) {
  constexpr std::string_view kWhat = "resource name";
  DISTRI_TRY_VOID(check_text(kWhat, name, kResourceNameBytesMax));
  if (const std::size_t at = name.find_first_of("/\\"); at != std::string_view::npos) {
    return fail(Code::kInvalidArgument, "{}: byte {} is '{}', which would make it a path; give the file's name alone",
                kWhat, at, name[at]);
  }
  if (name == "." || name == "..") {
    return fail(Code::kInvalidArgument, "{}: '{}' is a folder; give a file's name", kWhat, name);
  }
  return {};
}

Result<> check_kind(std::string_view kind) {
  const bool good = !kind.empty() && kind.size() <= kKindBytesMax &&
                    std::ranges::all_of(kind, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (good) return {};
  return fail(Code::kInvalidArgument, "kind: 1 to {} lower-case letters and digits are allowed, as in 'png'",
              kKindBytesMax);
}

}  // namespace distri::peer
