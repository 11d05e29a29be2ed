#include "distri/services/png_stored.hpp"

#include <doctest/doctest.h>

#include "distri/utils/random.hpp"
#include "sample_images.hpp"

namespace distri::services {
namespace {

Picture random_picture(std::uint32_t width, std::uint32_t height, std::uint64_t seed) {
  Random random(seed);
  Picture picture{width, height, {}};
  for (std::size_t i = 0; i < std::size_t{width} * height * 3; ++i)
    picture.rgb.push_back(static_cast<char>(random.next()));
  return picture;
}

TEST_CASE("OpenCV reads the pixels that were stored, and so do we") {
  // Around one row, and around one and two stored blocks of 65535 bytes.
  for (const auto& [width, height] : {std::pair{1u, 1u},
                                      {2u, 3u},
                                      {300u, 1u},
                                      {1u, 300u},
                                      {21844u, 1u},
                                      {21845u, 1u},
                                      {13106u, 5u},
                                      {131u, 167u},
                                      {400u, 301u}}) {
    const Picture picture = random_picture(width, height, width + height);
    const Bytes png = write_stored_png(picture);
    REQUIRE(check_png_chunks(png));
    const cv::Mat mat = decode_mat(png);
    REQUIRE(mat.cols == static_cast<int>(width));
    REQUIRE(mat.rows == static_cast<int>(height));
    cv::Mat rgb;
    cv::cvtColor(mat, rgb, cv::COLOR_BGR2RGB);
    CHECK(Bytes(reinterpret_cast<const char*>(rgb.data), rgb.total() * 3) == picture.rgb);
    const auto back = read_stored_png(png);
    REQUIRE(back);
    CHECK(back->width == width);
    CHECK(back->height == height);
    CHECK(back->rgb == picture.rgb);
  }
}

TEST_CASE("other PNGs, and cut ones, are left to a real decoder") {
  CHECK_FALSE(read_stored_png(sample_image(".png", 30, 30)));
  CHECK_FALSE(read_stored_png("not a PNG"));
  const Bytes png = write_stored_png(random_picture(9, 9, 1));
  for (std::size_t size = 0; size < png.size(); ++size) CHECK_FALSE(read_stored_png(BytesView(png).substr(0, size)));
}

TEST_CASE("a changed byte of a PNG file fails the check of its chunks") {
  const Bytes png = write_stored_png(random_picture(9, 9, 1));
  for (std::size_t i = 0; i < png.size(); ++i) {
    Bytes changed = png;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    CHECK(check_png_chunks(changed).error().code == Code::kDataLoss);
    CHECK_FALSE(check_png_chunks(BytesView(png).substr(0, i)));
  }
  CHECK(check_png_chunks(sample_image(".png", 100, 80)));
}

}  // namespace
}  // namespace distri::services
