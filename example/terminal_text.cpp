#include "terminal_text.hpp"

#include <langinfo.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <cwctype>

namespace example {
namespace {

const Glyph kUnknown{L"?", 1};

// Joiners, selectors of variants, tags: parts of pictographs that are shown without them.
bool is_joiner(wchar_t c) {
  return c == 0x200c || c == 0x200d || (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0000 && c <= 0xe01ef);
}

// What turns the direction of text, breaks lines or cannot be seen.
bool is_unseen(wchar_t c) {
  return c == 0xad || c == 0x61c || c == 0x180e || c == 0x200b || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x115f || c == 0x1160 ||
         c == 0x3164 || c == 0xffa0;
}

void append(std::vector<Glyph>& result, wchar_t c) {
  if (is_joiner(c)) return;
  const int width = is_unseen(c) || !std::iswprint(static_cast<wint_t>(c)) ? -1 : ::wcwidth(c);
  if (width == 0) {
    if (!result.empty() && result.back().text.size() <= kMarksMax) result.back().text += c;
  } else if (width < 0 || width > 2) {
    result.push_back(kUnknown);
  } else {
    result.push_back({std::wstring(1, c), width});
  }
}

int width_of(const std::vector<Glyph>& of) {
  int width = 0;
  for (const Glyph& each : of) width += each.width;
  return width;
}

void shorten(std::vector<Glyph>& text, int columns_max) {
  int width = width_of(text);
  if (width <= columns_max) return;
  while (!text.empty() && width > columns_max - 1) {
    width -= text.back().width;
    text.pop_back();
  }
  if (columns_max > 0) text.push_back({shows_unicode() ? L"\u2026" : L"~", 1});
}

}  // namespace

std::vector<Glyph> glyphs(std::string_view text) {
  std::vector<Glyph> result;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t c = 0;
    const std::size_t size = std::mbrtowc(&c, text.data(), text.size(), &state);
    if (size == 0 || size > text.size()) {  // a NUL; not of the encoding, or cut
      result.push_back(kUnknown);
      state = {};
      text.remove_prefix(1);
      continue;
    }
    append(result, c);
    text.remove_prefix(size);
  }
  return result;
}

std::string to_text(const std::vector<Glyph>& of) {
  std::string result;
  std::mbstate_t state{};
  for (const Glyph& each : of) {
    for (const wchar_t c : each.text) {
      char bytes[16];  // MB_CUR_MAX is 6 at most
      const std::size_t size = std::wcrtomb(bytes, c, &state);
      result += size <= sizeof bytes ? std::string_view(bytes, size) : "?";
    }
  }
  return result;
}

int columns(std::string_view text) {
  return width_of(glyphs(text));
}

std::string shortened(std::string_view text, int columns_max) {
  auto result = glyphs(text);
  shorten(result, columns_max);
  return to_text(result);
}

std::vector<std::string> wrapped(std::string_view text, int columns_max, std::size_t lines_max) {
  std::vector<std::string> lines;
  std::vector<Glyph> rest = glyphs(text);
  columns_max = std::max(columns_max, 2);
  while (!rest.empty() && lines.size() < lines_max) {
    if (width_of(rest) <= columns_max || lines.size() + 1 == lines_max) {
      shorten(rest, columns_max);
      lines.push_back(to_text(rest));
      break;
    }
    std::size_t fits = 0;
    for (int width = rest[0].width; width <= columns_max; width += rest[fits].width) ++fits;
    std::size_t end = fits;  // a space may be the first that does not fit
    while (end > 0 && rest[end].text != L" ") --end;
    const std::size_t taken = end > 0 ? end : fits;
    const auto at = rest.begin() + static_cast<std::ptrdiff_t>(taken);
    lines.push_back(to_text({rest.begin(), at}));
    rest.erase(rest.begin(), end > 0 ? at + 1 : at);
  }
  return lines;
}

void use_locale_of_terminal() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  if (std::setlocale(LC_CTYPE, "") != nullptr && (set("LC_ALL") || set("LC_CTYPE") || set("LANG"))) return;
  std::setlocale(LC_CTYPE, "C.UTF-8");
}

bool shows_unicode() {
  return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
}

}  // namespace example
