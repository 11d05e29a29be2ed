#include "distri/services/image_header.hpp"

#include <doctest/doctest.h>

#include "sample_images.hpp"

namespace distri::services {
namespace {

void append_integer(Bytes& bytes, std::uint64_t value, unsigned size, bool big_endian) {
  for (unsigned i = 0; i < size; ++i) {
    const unsigned shift = 8 * (big_endian ? size - 1 - i : i);
    bytes.push_back(static_cast<char>(value >> shift & 0xff));
  }
}

// A TIFF of one directory. Each entry: tag, type, value.
Bytes tiff(bool big_endian, bool big_file, const std::vector<std::array<std::uint64_t, 3>>& entries) {
  Bytes file = big_endian ? "MM" : "II";
  const unsigned wide = big_file ? 8 : 4;
  append_integer(file, big_file ? 43 : 42, 2, big_endian);
  if (big_file) append_integer(file, 8, 2, big_endian), append_integer(file, 0, 2, big_endian);
  append_integer(file, big_file ? 16 : 8, wide, big_endian);
  append_integer(file, entries.size(), big_file ? 8 : 2, big_endian);
  for (const auto& [tag, type, value] : entries) {
    const unsigned size = type == 3 ? 2 : type == 4 ? 4 : 8;
    append_integer(file, tag, 2, big_endian);
    append_integer(file, type, 2, big_endian);
    append_integer(file, 1, wide, big_endian);
    append_integer(file, value, size, big_endian);
    if (size < wide) file.append(wide - size, '\0');
  }
  return file;
}

TEST_CASE("the first 12 bytes tell the format, and that something is none of them") {
  const std::vector<std::pair<std::string, ImageFormat>> formats{{".jpg", ImageFormat::kJpeg},
                                                                 {".png", ImageFormat::kPng},
                                                                 {".webp", ImageFormat::kWebp},
                                                                 {".bmp", ImageFormat::kBmp},
                                                                 {".tiff", ImageFormat::kTiff}};
  for (const auto& [extension, format] : formats) {
    CAPTURE(extension);
    const Bytes file = sample_image(extension, 20, 10);
    CHECK(image_format(file) == format);
    CHECK(image_format(file.substr(0, 12)) == format);
    CHECK_FALSE(image_format(file.substr(0, 1)).has_value());
    CHECK_FALSE(image_format(file.substr(1)).has_value());
  }
  CHECK_FALSE(image_format("").has_value());
  CHECK_FALSE(image_format("RIFF....WAVE").has_value());
}

TEST_CASE("the dimensions read from the header are those of the decoded image") {
  const std::vector<std::pair<std::string, ImageFormat>> formats{{".jpg", ImageFormat::kJpeg},
                                                                 {".png", ImageFormat::kPng},
                                                                 {".webp", ImageFormat::kWebp},
                                                                 {".bmp", ImageFormat::kBmp},
                                                                 {".tiff", ImageFormat::kTiff}};
  for (const auto& [extension, format] : formats) {
    for (const auto& [width, height] : {std::pair{1, 1}, {3, 700}, {515, 2}, {80, 60}}) {
      const auto header = parse_image_header(sample_image(extension, width, height));
      REQUIRE(header);
      CHECK(header->format == format);
      CHECK(header->width == static_cast<std::uint64_t>(width));
      CHECK(header->height == static_cast<std::uint64_t>(height));
      CHECK(header->pixels >= header->width * header->height);
    }
  }
}

TEST_CASE("lossy and lossless WebP are both understood") {
  for (const int quality : {50, 101}) {
    const auto header = parse_image_header(encode(".webp", sample_mat(77, 31, 1), {cv::IMWRITE_WEBP_QUALITY, quality}));
    REQUIRE(header);
    CHECK(header->width == 77);
    CHECK(header->height == 31);
  }
  Bytes extended("RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x0f\x27\0\x57\x04\0", 30);
  const auto header = parse_image_header(extended);
  REQUIRE(header);
  CHECK(header->width == 10000);
  CHECK(header->height == 1112);
}

TEST_CASE("a TIFF of either byte order, classic or big, is understood") {
  for (const bool big_endian : {false, true}) {
    for (const bool big_file : {false, true}) {
      const auto header =
          parse_image_header(tiff(big_endian, big_file, {{256, 3, 60000}, {257, 4, 70000}, {258, 3, 16}, {277, 3, 3}}));
      REQUIRE(header);
      CHECK(header->width == 60000);
      CHECK(header->height == 70000);
      CHECK(header->pixels == 4'200'000'000);
      CHECK(header->bytes_per_pixel == 6);
    }
  }
}

TEST_CASE("a small TIFF with a huge tile or strip counts as huge") {
  const auto tiled =
      parse_image_header(tiff(false, false, {{256, 3, 1}, {257, 3, 1}, {322, 4, 65536}, {323, 4, 65536}}));
  CHECK(tiled.value().pixels == std::uint64_t{1} << 32);
  const auto stripped = parse_image_header(tiff(false, false, {{256, 3, 10}, {257, 3, 1}, {278, 4, 1'000'000}}));
  CHECK(stripped.value().pixels == 10'000'000);
  const auto one_strip = parse_image_header(tiff(false, false, {{256, 3, 10}, {257, 3, 1}, {278, 4, 0xffffffff}}));
  CHECK(one_strip.value().pixels == 10);
}

TEST_CASE("zero dimensions and contradictions are refused") {
  CHECK_FALSE(parse_image_header(tiff(false, false, {{256, 3, 10}})));
  CHECK_FALSE(parse_image_header(tiff(false, false, {{256, 3, 10}, {257, 3, 10}, {277, 3, 65}})));
  CHECK_FALSE(parse_image_header(Bytes("II*\0\xf0\xff\xff\xff", 8)));
  CHECK_FALSE(parse_image_header("RIFFxxxxWEBPJUNKxxxxxxxxxxxxxxxxxxxxx"));
  Bytes png = sample_image(".png", 4, 4);
  png.replace(16, 4, Bytes(4, '\0'));
  CHECK(parse_image_header(png).error().message.find("zero") != std::string::npos);
}

TEST_CASE("every prefix of an image file is parsed or refused") {
  for (const auto* extension : {".jpg", ".png", ".webp", ".bmp", ".tiff"}) {
    const Bytes file = sample_image(extension, 12, 9);
    for (std::size_t size = 0; size < file.size(); ++size) {
      const auto header = parse_image_header(BytesView(file).substr(0, size));
      if (header) CHECK(header->width == 12);
      if (!header) CHECK(header.error().code == Code::kInvalidArgument);
    }
  }
}

TEST_CASE("dimensions of a bottom-up and a top-down BMP are the same") {
  Bytes bmp = sample_image(".bmp", 12, 9);
  bmp.replace(22, 4, "\xf7\xff\xff\xff");
  CHECK(parse_image_header(bmp).value().height == 9);
}

}  // namespace
}  // namespace distri::services
