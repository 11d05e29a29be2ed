#include "distri/peer/names.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "distri/peer/limits.hpp"

namespace {

using namespace distri;
using namespace distri::peer;

struct Row {
  std::string name;
  std::string error;  // a part of it; empty: the name is good
};

void check_rows(Result<> (*check)(std::string_view), std::initializer_list<Row> rows) {
  for (const auto& [name, error] : rows) {
    CAPTURE(name);
    const auto result = check(name);
    CHECK(result.has_value() == error.empty());
    if (result) continue;
    CAPTURE(result.error().message);
    CHECK(result.error().message.find(error) != std::string::npos);
    CHECK(std::ranges::all_of(result.error().message, [](char c) { return c >= ' ' && c <= '~'; }));
    CHECK(result.error().message.size() < 150);
  }
}

}  // namespace

TEST_CASE("a resource is named by one component of a path, and every trick has its own error") {
  check_rows(check_resource_name,
             {{"photo.jpg", ""},
              {"a", ""},
              {"...", ""},
              {".hidden", ""},
              {"..a", ""},
              {"two words.png", ""},
              {"stra\xc3\x9f\x65 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80.png", ""},
              {std::string(255, 'x'), ""},
              {"", "it is empty"},
              {std::string(256, 'x'), "it has 256 bytes, at most 255 are allowed; choose a shorter one"},
              {".", "'.' is a folder"},
              {"..", "'..' is a folder"},
              {"../x", "byte 2 is '/', which would make it a path"},
              {"/etc/passwd", "byte 0 is '/'"},
              {"a/b", "byte 1 is '/'"},
              {"..\\x", "byte 2 is '\\'"},
              {"C:\\x", "byte 2 is '\\'"},
              {std::string("a\0b", 3), "byte 1 is the control character U+0000"},
              {"a\nb", "byte 1 is the control character U+000A"},
              {"\x1b[2J", "byte 0 is the control character U+001B"},
              {"a\x7f", "U+007F"},
              {"a\xc2\x9b", "byte 1 is the control character U+009B"},
              {"photo\xe2\x80\xaegnp.exe", "byte 5 is the invisible character U+202E"},
              {"a\xe2\x80\xa8", "U+2028"},
              {"\xef\xbb\xbf\x61", "U+FEFF"},
              {"a\xff", "byte 1 is not UTF-8"},
              {"a\xc3", "byte 1 is not UTF-8"},
              {"\x80", "byte 0 is not UTF-8"},
              {"\xc0\xaf", "byte 0 is not UTF-8"},          // '/' in two bytes
              {"\xe0\x80\xaf", "byte 0 is not UTF-8"},      // in three
              {"\xf0\x80\x80\xaf", "byte 0 is not UTF-8"},  // in four
              {"\xed\xa0\x80", "byte 0 is not UTF-8"},      // half of a pair
              {"\xf4\x90\x80\x80", "byte 0 is not UTF-8"},  // beyond the last
              {" a", "begins or ends with a space"},
              {"a ", "begins or ends with a space"}});
  CHECK(check_resource_name(std::string(256, 'x')).error().code == Code::kTooLarge);
  CHECK(check_resource_name("..").error().code == Code::kInvalidArgument);
}

TEST_CASE("a user's name is short, printable, and cannot be taken for a key") {
  check_rows(check_user_name, {{"Ada", ""},
                               {"facade", ""},
                               {"Ada Lovelace", ""},
                               {std::string(64, 'x'), ""},
                               {std::string(65, 'x'), "it has 65 bytes, at most 64 are allowed"},
                               {"", "it is empty"},
                               {"deadbeef", "could be taken for a key"},
                               {"DEADBEEF12", "could be taken for a key"},
                               {"Ada\r", "control character U+000D"},
                               {"Ada\xe2\x80\x8b", "invisible character U+200B"},
                               {"Ada ", "space"},
                               {"\xff", "not UTF-8"}});
}

TEST_CASE("a kind is a word") {
  check_rows(check_kind, {{"png", ""},
                          {"jpeg2000", ""},
                          {"", "lower-case letters"},
                          {"PNG", "lower-case letters"},
                          {"../x", "lower-case letters"},
                          {std::string(17, 'a'), "1 to 16"}});
}
