#include "terminal_picture.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <cstdlib>

using namespace example;
using distri::services::Picture;

namespace {

Picture plain(std::uint32_t width, std::uint32_t height, char red, char green, char blue) {
  Picture picture{width, height, {}};
  for (std::uint32_t i = 0; i < width * height; ++i) picture.rgb += {red, green, blue};
  return picture;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t times = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++times;
  return times;
}

}  // namespace

TEST_CASE("half-blocks fill the box in the picture's proportions, two pixels each") {
  const PictureBox box{3, 1, 10, 40};  // 20 pixels high, 40 wide
  const auto bytes = picture_bytes(plain(40, 20, 10, 20, 30), PictureForm::kTrueColours, box, {});
  REQUIRE(bytes.has_value());
  CHECK(count(*bytes, "▀") == 400);
  CHECK(bytes->starts_with("\033[4;2H"));
  CHECK(count(*bytes, "\033[38;2;10;20;30m") == 10);  // once for each row
  CHECK(count(*bytes, "\033[48;2;10;20;30m") == 10);
  CHECK(count(*bytes, "\033[m") == 10);
  CHECK(bytes->ends_with("\033[m"));
  const auto tall = picture_bytes(plain(10, 1000, 0, 0, 0), PictureForm::kTrueColours, box, {});
  REQUIRE(tall.has_value());
  CHECK(count(*tall, "▀") == 10);
  const auto wide = picture_bytes(plain(1000, 1, 0, 0, 0), PictureForm::kTrueColours, box, {});
  REQUIRE(wide.has_value());
  CHECK(count(*wide, "▀") == 40);
  CHECK(count(*wide, "\033[49m") == 1);  // there is no lower pixel
  const auto small = picture_bytes(plain(1, 1, 0, 0, 0), PictureForm::kTrueColours, box, {});
  REQUIRE(small.has_value());
  CHECK(count(*small, "▀") == 200);
}

TEST_CASE("of 256 colours the nearest of the cube is taken") {
  const PictureBox box{0, 0, 1, 1};
  const auto first = [&](int red, int green, int blue) {
    const auto bytes =
        picture_bytes(plain(2, 2, static_cast<char>(red), static_cast<char>(green), static_cast<char>(blue)),
                      PictureForm::k256Colours, box, {});
    const auto at = bytes->find("\033[38;5;");
    return std::atoi(bytes->c_str() + at + 7);
  };
  CHECK(first(0, 0, 0) == 16);
  CHECK(first(255, 255, 255) == 231);
  CHECK(first(255, 0, 0) == 196);
  CHECK(first(0, 0, 255) == 21);
  CHECK(first(135, 175, 215) == 16 + 36 * 2 + 6 * 3 + 4);
}

TEST_CASE("sixels are one device control string where the box begins, in its pixels") {
  const PictureBox box{3, 1, 10, 40};
  TerminalSize terminal;
  terminal.cell_width = 10;
  terminal.cell_height = 20;
  const auto bytes = picture_bytes(plain(30, 20, 100, 0, 0), PictureForm::kSixels, box, terminal);
  REQUIRE(bytes.has_value());
  CHECK(bytes->starts_with("\033[4;2H\033P"));
  CHECK(bytes->ends_with("\033\\"));
  CHECK(bytes->find("\"1;1;300;200") != std::string::npos);  // as high as the box
}

TEST_CASE("where there is no room or no pictures are wanted nothing is drawn") {
  for (const PictureBox& box : {PictureBox{3, 1, 0, 40}, PictureBox{3, 1, 10, 0}, PictureBox{3, 1, -2, -2}}) {
    for (const PictureForm form : {PictureForm::kSixels, PictureForm::kTrueColours}) {
      const auto bytes = picture_bytes(plain(3, 2, 1, 2, 3), form, box, {});
      REQUIRE(bytes.has_value());
      CHECK(bytes->empty());
    }
  }
  CHECK(picture_bytes(plain(3, 2, 1, 2, 3), PictureForm::kNone, {0, 0, 9, 9}, {})->empty());
}

TEST_CASE("the form follows the choice, the terminal and the environment") {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  ::setenv("COLORTERM", "truecolor", 1);
  CHECK(picture_form(PictureChoice::kAutomatic, true) == PictureForm::kSixels);
  CHECK(picture_form(PictureChoice::kAutomatic, false) == PictureForm::kTrueColours);
  CHECK(picture_form(PictureChoice::kBlocks, true) == PictureForm::kTrueColours);
  CHECK(picture_form(PictureChoice::kSixels, false) == PictureForm::kSixels);
  CHECK(picture_form(PictureChoice::kNone, true) == PictureForm::kNone);
  ::setenv("COLORTERM", "24bit", 1);
  CHECK(picture_form(PictureChoice::kAutomatic, false) == PictureForm::kTrueColours);
  ::unsetenv("COLORTERM");
  CHECK(picture_form(PictureChoice::kAutomatic, false) == PictureForm::k256Colours);
  std::setlocale(LC_CTYPE, "C");
  CHECK(picture_form(PictureChoice::kAutomatic, false) == PictureForm::kNone);
  CHECK(picture_form(PictureChoice::kAutomatic, true) == PictureForm::kSixels);
  for (const char* each : {"auto", "sixel", "blocks", "none"}) CHECK(parse_picture_choice(each).has_value());
  const auto wrong = parse_picture_choice("nice");
  REQUIRE(!wrong);
  CHECK(wrong.error().message == "it must be auto, sixel, blocks or none, not 'nice'");
}
