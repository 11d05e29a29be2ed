// What every text begins with that a regular expression can match, as far as one can see without much ado.
#include "distri/db/regex.hpp"

namespace distri::db {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Takes the last character (UTF-8) away.
void drop_last(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty()) text.pop_back();
}

}  // namespace

std::string literal_prefix(std::string_view pattern, std::string_view options) {
  if (options.find_first_of("imx") != std::string_view::npos) return {};
  if (!pattern.starts_with('^') || pattern.find('|') != std::string_view::npos) return {};
  pattern.remove_prefix(1);
  std::string prefix;
  while (!pattern.empty()) {
    const char c = pattern.front();
    if (c == '*' || c == '?' || c == '{') drop_last(prefix);  // what stands before may be missing
    if (std::string_view("*?{+.[](){}^$").find(c) != std::string_view::npos) break;
    if (c == '\\') {
      if (pattern.size() < 2 || is_word(pattern[1])) break;  // a class, an assertion, a reference ...
      pattern.remove_prefix(1);
    }
    prefix.push_back(pattern.front());
    pattern.remove_prefix(1);
  }
  return prefix;
}

}  // namespace distri::db
