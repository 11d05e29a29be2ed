#include "distri/services/thumbnail.hpp"

#include <doctest/doctest.h>

#include "sample_images.hpp"

using namespace distri;
using namespace distri::services;

TEST_CASE("a thumbnail keeps the proportions and is never larger") {
  for (const char* each : {".png", ".jpg", ".bmp", ".webp", ".tiff"}) {
    const auto small = make_thumbnail(sample_image(each, 400, 100), 200, 200);
    REQUIRE(small.has_value());
    CHECK(small->width == 200);
    CHECK(small->height == 50);
    CHECK(small->rgb.size() == std::size_t{3} * 200 * 50);
    const auto same = make_thumbnail(sample_image(each, 40, 10), 200, 200);
    REQUIRE(same.has_value());
    CHECK(same->width == 40);
    CHECK(same->height == 10);
  }
  const auto line = make_thumbnail(sample_image(".png", 1000, 1), 10, 10);
  REQUIRE(line.has_value());
  CHECK(line->height == 1);
}

TEST_CASE("a thumbnail has the image's colours") {
  cv::Mat image(8, 8, CV_8UC3, cv::Scalar(30, 60, 200));  // blue, green, red
  const auto thumbnail = make_thumbnail(encode(".png", image), 4, 4);
  REQUIRE(thumbnail.has_value());
  CHECK(thumbnail->rgb.substr(0, 3) == Bytes({static_cast<char>(200), 60, 30}));
}

TEST_CASE("files that are no images, damaged or over a limit have no thumbnail") {
  CHECK(make_thumbnail("", 9, 9).error().code == Code::kInvalidArgument);
  CHECK(make_thumbnail("no image", 9, 9).error().code == Code::kInvalidArgument);
  const Bytes png = sample_image(".png", 64, 64);
  for (std::size_t i = 0; i < png.size(); i += 97) CHECK(!make_thumbnail(png.substr(0, i), 9, 9).has_value());
  ImageLimits limits;
  limits.pixels_max = 64 * 64 - 1;
  CHECK(make_thumbnail(png, 9, 9, limits).error().code == Code::kTooLarge);
  limits = {};
  limits.image_bytes_max = png.size() - 1;
  const auto large = make_thumbnail(png, 9, 9, limits);
  REQUIRE(!large);
  CHECK(large.error().code == Code::kTooLarge);
  CHECK(large.error().message.find(std::to_string(png.size() - 1)) != std::string::npos);
}

TEST_CASE("a picture is scaled to larger and smaller sizes") {
  const Picture one{1, 1, Bytes({1, 2, 3})};
  const auto larger = scale_picture(one, 3, 2);
  REQUIRE(larger.has_value());
  CHECK(larger->rgb == Bytes({1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}));
  const auto back = scale_picture(*larger, 1, 1);
  REQUIRE(back.has_value());
  CHECK(back->rgb == one.rgb);
}
