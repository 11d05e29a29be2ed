#include "distri/services/image_cipher.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "distri/services/register.hpp"
#include "distri/utils/random.hpp"
#include "sample_images.hpp"

namespace distri::services {
namespace {

const std::array<std::string, 5> kExtensions{".jpg", ".png", ".webp", ".bmp", ".tiff"};

void check_round_trip(const Bytes& file, const ImageParams& params) {
  const auto png = encrypt_image(file, params);
  REQUIRE_MESSAGE(png.has_value(), (png ? "" : png.error().message));
  const auto back = decrypt_image(*png, params);
  REQUIRE_MESSAGE(back.has_value(), (back ? "" : back.error().message));
  CHECK(*back == file);
}

TEST_CASE("every format, size, style and kind of key comes back bit for bit") {
  const std::vector<cv::Size> sizes{{1, 1}, {1, 9}, {2, 1}, {3, 3}, {7, 5}, {16, 16}, {17, 31}, {64, 48}, {251, 129}};
  std::uint64_t seed = 1;
  for (const auto& extension : kExtensions) {
    for (const auto& size : sizes) {
      const Bytes file = sample_image(extension, size.width, size.height, ++seed);
      CAPTURE(extension);
      CAPTURE(size.width);
      CAPTURE(size.height);
      for (ImageParams params : {with_key(), with_passphrase("correct horse")}) {
        params.style = ImageParams::Style::kNoise;
        check_round_trip(file, params);
        params.style = ImageParams::Style::kCover;
        check_round_trip(file, params);
        params.cover = sample_image(".jpg", 400, 420, seed);
        check_round_trip(file, params);
      }
    }
  }
}

TEST_CASE("random images with random kinds of pixels come back bit for bit") {
  Random random(20);
  const std::array<int, 5> types{CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, CV_16UC3};
  for (int i = 0; i < 60; ++i) {
    const int type = types[random.below(types.size())];
    const auto extension = random.chance(0.5) ? ".png" : ".tiff";
    const cv::Mat mat =
        sample_mat(1 + static_cast<int>(random.below(90)), 1 + static_cast<int>(random.below(90)), random.next(), type);
    ImageParams params = with_key();
    params.style = random.chance(0.5) ? ImageParams::Style::kNoise : ImageParams::Style::kCover;
    check_round_trip(encode(extension, mat), params);
  }
}

TEST_CASE("bytes behind the image belong to the file") {
  check_round_trip(sample_image(".jpg", 40, 30) + Bytes("\x80\0\0tail\x80\0\0\0", 11), with_key());
  check_round_trip(sample_image(".jpg", 40, 30) + Bytes(1000, '\0'), with_key());
}

TEST_CASE("noise is a nearly square PNG hardly larger than the file") {
  const Bytes file = encode(".bmp", sample_mat(640, 480, 3));
  const auto png = encrypt_image(file, with_key());
  REQUIRE(png);
  const cv::Mat pixels = decode_mat(*png);
  CHECK(pixels.type() == CV_8UC3);
  CHECK(std::abs(pixels.cols - pixels.rows) <= 1);
  CHECK(static_cast<double>(png->size()) < 1.003 * static_cast<double>(file.size()) + 100);
}

TEST_CASE("the same file never encrypts to the same PNG twice") {
  const Bytes file = sample_image(".png", 20, 20);
  CHECK(encrypt_image(file, with_key()).value() != encrypt_image(file, with_key()).value());
}

TEST_CASE("a picture that another program saved again without loss still decrypts") {
  const Bytes file = sample_image(".jpg", 90, 70);
  for (const auto style : {ImageParams::Style::kNoise, ImageParams::Style::kCover}) {
    ImageParams params = with_key();
    params.style = style;
    const cv::Mat pixels = decode_mat(encrypt_image(file, params).value());
    CHECK(decrypt_image(encode(".png", pixels, {cv::IMWRITE_PNG_COMPRESSION, 9}), params).value() == file);
    cv::Mat with_alpha;
    cv::cvtColor(pixels, with_alpha, cv::COLOR_BGR2BGRA);
    CHECK(decrypt_image(encode(".png", with_alpha), params).value() == file);
  }
}

TEST_CASE("the output of cover style looks like its cover") {
  const cv::Mat cover = sample_mat(300, 200, 5, CV_8UC4);
  ImageParams params = with_key();
  params.style = ImageParams::Style::kCover;
  params.cover = encode(".png", cover);
  cv::Mat expected;
  cv::cvtColor(cover, expected, cv::COLOR_BGRA2BGR);
  for (const int side : {20, 60, 70, 120}) {
    const Bytes file = encode(".bmp", sample_mat(side, side, 6));
    const cv::Mat result = decode_mat(encrypt_image(file, params).value());
    REQUIRE(result.size() == expected.size());
    CHECK(result.type() == CV_8UC3);
    CHECK(cv::norm(result, expected, cv::NORM_INF) <= 15);
  }
}

TEST_CASE("a small file in a large cover changes the lowest bits only") {
  ImageParams params = with_key();
  params.style = ImageParams::Style::kCover;
  const cv::Mat cover = sample_mat(200, 200, 9);
  params.cover = encode(".png", cover);
  const cv::Mat result = decode_mat(encrypt_image(sample_image(".jpg", 8, 8), params).value());
  CHECK(cv::norm(result, cover, cv::NORM_INF) == 1);
}

TEST_CASE("several threads encrypt and decrypt at once") {
  std::array<bool, 4> exact{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    threads.emplace_back([&exact, i] {
      ImageParams params = with_key();
      params.style = i % 2 == 0 ? ImageParams::Style::kNoise : ImageParams::Style::kCover;
      const Bytes file = sample_image(kExtensions[i], 60, 40, i);
      const auto png = encrypt_image(file, params);
      exact[i] = png && decrypt_image(*png, params) == file;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(exact == std::array<bool, 4>{true, true, true, true});
}

TEST_CASE("the registered services work through request and reply") {
  struct Request {
    nlohmann::json params;
    Bytes body;
  };
  struct Node {
    std::map<std::string, std::function<Result<Bytes>(const Request&)>> services;
    void register_service(const std::string& name, std::function<Result<Bytes>(const Request&)> handler) {
      services[name] = std::move(handler);
    }
  } node;
  ImageServiceConfig config;
  config.service_key.bytes.fill(3);
  register_image_services(node, config);
  const Bytes file = sample_image(".webp", 33, 21);
  const auto png = node.services.at("Encrypt")({nlohmann::json::object(), file});
  REQUIRE(png);
  CHECK(node.services.at("Decrypt")({nlohmann::json::object(), *png}).value() == file);
  const auto other = node.services.at("Decrypt")({{{"key", std::string(64, 'a')}}, *png});
  CHECK(other.error().code == Code::kUnauthenticated);
  CHECK(node.services.at("Encrypt")({{{"size", 1}}, file}).error().code == Code::kInvalidArgument);
}

}  // namespace
}  // namespace distri::services
