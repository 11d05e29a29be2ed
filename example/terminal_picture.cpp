#include "terminal_picture.hpp"

#include <fmt/format.h>
#include <sixel.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "distri/services/thumbnail.hpp"
#include "terminal_text.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using distri::services::Picture;

// Of a terminal that does not say how many pixels a character has: too few leave a margin, too many would overlap.
constexpr int kCellWidth = 8, kCellHeight = 16;
constexpr int kSixelPixelsMax = 1200;  // wide and high
constexpr int kSixelColours = 256;

// The largest size in the picture's proportions, not larger than that.
Result<Picture> fitted(const Picture& picture, int width, int height) {
  const double factor =
      std::min(static_cast<double>(width) / picture.width, static_cast<double>(height) / picture.height);
  const auto size = [&](std::uint32_t of, int most) {
    return static_cast<std::uint32_t>(std::clamp(static_cast<int>(of * factor + 0.5), 1, most));
  };
  return distri::services::scale_picture(picture, size(picture.width, width), size(picture.height, height));
}

std::string move_to(int row, int column) {
  return fmt::format("\033[{};{}H", row + 1, column + 1);
}

struct Colour {
  int red = 0, green = 0, blue = 0;
  bool operator==(const Colour&) const = default;
};

Colour colour_at(const Picture& picture, std::uint32_t x, std::uint32_t y) {
  const auto* pixel =
      reinterpret_cast<const unsigned char*>(picture.rgb.data()) + 3 * (std::size_t{y} * picture.width + x);
  return {pixel[0], pixel[1], pixel[2]};
}

// Of the 6 x 6 x 6 colours from 16 on, whose levels are 0, 95, 135, 175, 215, 255.
int cube_level(int value) {
  return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40;
}

std::string colour_code(Colour colour, bool behind, bool true_colours) {
  if (true_colours) return fmt::format("\033[{};2;{};{};{}m", behind ? 48 : 38, colour.red, colour.green, colour.blue);
  return fmt::format("\033[{};5;{}m", behind ? 48 : 38,
                     16 + 36 * cube_level(colour.red) + 6 * cube_level(colour.green) + cube_level(colour.blue));
}

// Each character is two pixels, one above the other.
std::string blocks(const Picture& picture, bool true_colours, const PictureBox& box) {
  std::string bytes;
  const int left = box.column + (box.columns - static_cast<int>(picture.width)) / 2;
  for (std::uint32_t y = 0; y < picture.height; y += 2) {
    bytes += move_to(box.row + static_cast<int>(y / 2), left);
    std::string above, below;
    for (std::uint32_t x = 0; x < picture.width; ++x) {
      std::string upper = colour_code(colour_at(picture, x, y), false, true_colours);
      std::string lower =
          y + 1 < picture.height ? colour_code(colour_at(picture, x, y + 1), true, true_colours) : "\033[49m";
      if (upper != above) bytes += upper;
      if (lower != below) bytes += lower;
      bytes += "\u2580";
      above = std::move(upper);
      below = std::move(lower);
    }
    bytes += "\033[m";
  }
  return bytes;
}

Result<std::string> sixels(Picture picture) {
  std::string bytes;
  const auto append = [](char* data, int size, void* to) {
    static_cast<std::string*>(to)->append(data, static_cast<std::size_t>(size));
    return size;
  };
  sixel_output_t* output = nullptr;
  sixel_dither_t* dither = nullptr;
  if (SIXEL_SUCCEEDED(sixel_output_new(&output, append, &bytes, nullptr)) &&
      SIXEL_SUCCEEDED(sixel_dither_new(&dither, kSixelColours, nullptr))) {
    auto* pixels = reinterpret_cast<unsigned char*>(picture.rgb.data());
    const int width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
    if (SIXEL_FAILED(sixel_dither_initialize(dither, pixels, width, height, SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_AUTO,
                                             SIXEL_REP_AUTO, SIXEL_QUALITY_AUTO)) ||
        SIXEL_FAILED(sixel_encode(pixels, width, height, 3, dither, output))) {
      bytes.clear();
    }
  }
  if (dither != nullptr) sixel_dither_unref(dither);
  if (output != nullptr) sixel_output_unref(output);
  if (bytes.empty()) return distri::fail(Code::kInternal, "libsixel cannot draw the picture; try --pictures blocks");
  return bytes;
}

}  // namespace

Result<PictureChoice> parse_picture_choice(std::string_view text) {
  if (text == "auto") return PictureChoice::kAutomatic;
  if (text == "sixel") return PictureChoice::kSixels;
  if (text == "blocks") return PictureChoice::kBlocks;
  if (text == "none") return PictureChoice::kNone;
  return distri::fail(Code::kInvalidArgument, "it must be auto, sixel, blocks or none, not '{}'", text);
}

PictureForm picture_form(PictureChoice choice, bool draws_sixels) {
  if (choice == PictureChoice::kNone) return PictureForm::kNone;
  if (choice == PictureChoice::kSixels) return PictureForm::kSixels;
  if (choice == PictureChoice::kAutomatic && draws_sixels) return PictureForm::kSixels;
  if (!shows_unicode()) return PictureForm::kNone;
  const char* colours = std::getenv("COLORTERM");
  const std::string_view text = colours == nullptr ? "" : colours;
  return text == "truecolor" || text == "24bit" ? PictureForm::kTrueColours : PictureForm::k256Colours;
}

Result<std::string> picture_bytes(const Picture& picture, PictureForm form, const PictureBox& box,
                                  const TerminalSize& terminal) {
  if (form == PictureForm::kNone || box.rows < 1 || box.columns < 1) return std::string();
  if (form != PictureForm::kSixels) {
    DISTRI_TRY(const Picture scaled, fitted(picture, box.columns, 2 * box.rows));
    return blocks(scaled, form == PictureForm::kTrueColours, box);
  }
  const int cell_width = terminal.cell_width > 0 ? terminal.cell_width : kCellWidth;
  const int cell_height = terminal.cell_height > 0 ? terminal.cell_height : kCellHeight;
  DISTRI_TRY(Picture scaled, fitted(picture, std::min(box.columns * cell_width, kSixelPixelsMax),
                                    std::min(box.rows * cell_height, kSixelPixelsMax)));
  DISTRI_TRY(const std::string drawn, sixels(std::move(scaled)));
  return move_to(box.row, box.column) + drawn;
}

}  // namespace example
