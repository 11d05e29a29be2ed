// text.hpp: UTF-8 by code points. Private to the module. Preconditions: valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace distri::db {

inline bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// Bytes of the code point that begins at `at`.
inline std::size_t code_point_size(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && is_continuation(text[end])) ++end;
  return end - at;
}

inline std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += is_continuation(c) ? 0 : 1;
  return count;
}

// The byte at which code point `index` begins; the size when there are not so many.
inline std::size_t code_point_offset(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += code_point_size(text, at);
  return at;
}

}  // namespace distri::db
