#include "terminal_text.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <cstdlib>

#include "terminal_grid.hpp"

using namespace example;

namespace {

struct Locale {
  explicit Locale(const char* name) { REQUIRE(std::setlocale(LC_CTYPE, name) != nullptr); }
  ~Locale() { std::setlocale(LC_CTYPE, "C"); }
};

}  // namespace

TEST_CASE("what could move a cursor, change a terminal or turn text is shown as a question mark") {
  const Locale utf8("C.UTF-8");
  const std::vector<std::string> all{"\033",
                                     "\a",
                                     "\n",
                                     "\r",
                                     "\t",
                                     "\b",
                                     "\x7f",
                                     "\xc2\x9b",
                                     "\xc2\x85",
                                     "\xe2\x80\xae",
                                     "\xe2\x80\xa8",
                                     "\xe2\x81\xa6",
                                     "\xef\xbb\xbf",
                                     "\xff",
                                     "\xc3",
                                     "\xed\xa0\x80",
                                     "\xf4\x90\x80\x80"};
  for (const std::string& each : all) {
    const std::string shown = shortened("a" + each + "b", 80);
    CAPTURE(shown);
    CHECK(shown.front() == 'a');
    CHECK(shown.back() == 'b');
    CHECK(shown.find_first_not_of("a?b") == std::string::npos);
  }
  CHECK(shortened(std::string("a\0b", 3), 80) == "a?b");
  CHECK(shortened("\033[2J\033]0;title\a", 80) == "?[2J?]0;title?");
}

TEST_CASE("characters are counted in the columns that they take") {
  const Locale utf8("C.UTF-8");
  CHECK(columns("dune") == 4);
  CHECK(columns("湖.bmp") == 6);
  CHECK(columns("e\xcc\x81") == 1);                                     // a letter and its accent
  CHECK(columns("\xcc\x81") == 0);                                      // an accent on nothing is left out
  CHECK(columns("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80") == 4);  // two pictographs, joined: shown as two
  const std::string piled = "e\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85";
  CHECK(glyphs(piled).size() == 1);
  CHECK(glyphs(piled)[0].text.size() == 1 + kMarksMax);
}

TEST_CASE("text that is too long is cut between characters, and says so") {
  const Locale utf8("C.UTF-8");
  CHECK(shortened("dune.bmp", 8) == "dune.bmp");
  CHECK(shortened("dune.bmp", 5) == "dune…");
  CHECK(shortened("湖湖湖", 4) == "湖…");  // half a character is none
  CHECK(shortened("湖湖湖", 6) == "湖湖湖");
  CHECK(shortened("dune", 1) == "…");
  CHECK(shortened("dune", 0).empty());
}

TEST_CASE("sentences are broken at spaces, and anywhere where there are none") {
  const Locale utf8("C.UTF-8");
  CHECK(wrapped("one two three", 7, 9) == std::vector<std::string>{"one two", "three"});
  CHECK(wrapped("one two three", 8, 9) == std::vector<std::string>{"one two", "three"});
  CHECK(wrapped("abcdefgh", 3, 9) == std::vector<std::string>{"abc", "def", "gh"});
  CHECK(wrapped("one two three", 7, 1) == std::vector<std::string>{"one tw…"});
  CHECK(wrapped("", 7, 2).empty());
  CHECK(wrapped("湖湖", 1, 9).size() == 2);  // no width is too small to end
}

TEST_CASE("outside of UTF-8 nothing but ASCII is shown") {
  const Locale plain("C");
  CHECK(!shows_unicode());
  CHECK(shortened("a湖", 80) == "a???");
  CHECK(shortened("dune.bmp", 5) == "dune~");
}

TEST_CASE("a grid holds what is put into it, and nothing beyond its edges") {
  const Locale utf8("C.UTF-8");
  Grid grid(2, 6);
  CHECK(grid.put(0, 0, "dune.bmp") == 6);
  CHECK(grid.row(0) == "dune.…");
  CHECK(grid.put(1, 1, "湖湖湖") == 5);
  CHECK(grid.row(1) == " 湖湖…");
  CHECK(grid.at(1, 2).text.empty());
  CHECK(grid.put(1, 1, "abc", Style::kBold, 2) == 2);
  CHECK(grid.row(1).starts_with(" a…"));
  CHECK(grid.put(2, 0, "x") == 0);
  CHECK(grid.put(-1, 0, "x") == 0);
  CHECK(grid.put(0, 6, "x") == 0);
  CHECK(grid.put(0, 0, "x", Style::kPlain, 0) == 0);
  CHECK(grid.put(0, 0, "x", Style::kPlain, -3) == 0);
  grid.fill(7, Style::kReverse);
  Grid least(0, -1);
  CHECK(least.put(0, 0, "湖") == 1);
  CHECK(least.row(0) == "…");
}
