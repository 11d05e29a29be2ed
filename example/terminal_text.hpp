// terminal_text.hpp: text of whoever it may be as what a terminal shows: characters that take one or two columns each,
// and nothing that moves its cursor, changes its state or turns the direction of its writing.
//
// Control characters, invisible ones and what is not text in the encoding of the locale become '?'; joiners and
// selectors of variants are left out, so that each character is as wide as it is counted; of the marks on one letter
// the first kMarksMax stay. The encoding is that of LC_CTYPE (use_locale_of_terminal()); outside of UTF-8 only ASCII is
// shown. Threads: any, once the locale is set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace example {

inline constexpr std::size_t kMarksMax = 2;

struct Glyph {
  std::wstring text;  // a character and its marks
  int width = 1;      // columns: 1 or 2
};
std::vector<Glyph> glyphs(std::string_view text);
std::string to_text(const std::vector<Glyph>& glyphs);

int columns(std::string_view text);
// The same, safe to show, in at most so many columns; what was cut ends with an ellipsis.
std::string shortened(std::string_view text, int columns_max);
// In lines of at most so many columns, broken at spaces where there are any; the last of `lines_max` is cut.
std::vector<std::string> wrapped(std::string_view text, int columns_max, std::size_t lines_max);

// Sets LC_CTYPE as the environment says; where it says nothing, to UTF-8. Before threads start.
void use_locale_of_terminal();
// Whether more than ASCII can be shown.
bool shows_unicode();

}  // namespace example
