// encrypt_micro: what the image service costs beside the encryption in it.
//
// encrypt_image and decrypt_image on one 1920x1080 JPEG, and libsodium's XChaCha20-Poly1305 on the same bytes in the
// same run: the yardstick. All in bytes of the JPEG per second. "Check" is OpenCV decoding the JPEG as a whole: the
// dearest way to see that it is an image, for comparison with what encrypt_image spends.
#include <benchmark/benchmark.h>
#include <sodium.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "distri/services/image_cipher.hpp"

namespace {

using namespace distri::services;  // NOLINT(google-build-using-namespace)
using distri::Bytes;

// Soft shapes with fine grain: about as many bytes per pixel as a photograph of good quality.
const Bytes& photograph() {
  static const Bytes file = [] {
    cv::RNG random(1);
    cv::Mat coarse(12, 20, CV_8UC3), grain(1080, 1920, CV_8UC3), image;
    random.fill(coarse, cv::RNG::UNIFORM, 0, 256);
    random.fill(grain, cv::RNG::NORMAL, 24, 12);
    cv::resize(coarse, image, grain.size(), 0, 0, cv::INTER_CUBIC);
    cv::blur(grain, grain, cv::Size(2, 2));
    image = image * 0.8 + grain;
    std::vector<unsigned char> jpeg;
    cv::imencode(".jpg", image, jpeg, {cv::IMWRITE_JPEG_QUALITY, 90});
    return Bytes(jpeg.begin(), jpeg.end());
  }();
  return file;
}

ImageParams params_of(ImageParams::Style style) {
  ImageParams params;
  params.style = style;
  params.key.emplace();
  params.key->bytes.fill(1);
  return params;
}

void count(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(photograph().size()));
}

void raw_xchacha20(benchmark::State& state) {
  const Bytes& file = photograph();
  std::vector<unsigned char> out(file.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES), key(32, 1), nonce(24, 1);
  for (auto _ : state) {
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, reinterpret_cast<const unsigned char*>(file.data()),
                                               file.size(), nullptr, 0, nullptr, nonce.data(), key.data());
    benchmark::DoNotOptimize(out.data());
  }
  count(state);
}

void opencv_full_decode(benchmark::State& state) {
  const Bytes& file = photograph();
  const std::vector<unsigned char> jpeg(file.begin(), file.end());
  for (auto _ : state) benchmark::DoNotOptimize(cv::imdecode(jpeg, cv::IMREAD_COLOR).data);
  count(state);
}

void encrypt(benchmark::State& state, ImageParams::Style style) {
  const ImageParams params = params_of(style);
  std::size_t png_bytes = 0;
  for (auto _ : state) {
    const auto png = encrypt_image(photograph(), params);
    if (!png) return state.SkipWithError(png.error().message.c_str());
    png_bytes = png->size();
  }
  count(state);
  state.counters["png_ratio"] = static_cast<double>(png_bytes) / static_cast<double>(photograph().size());
}

void decrypt(benchmark::State& state, ImageParams::Style style) {
  const ImageParams params = params_of(style);
  const Bytes png = encrypt_image(photograph(), params).value();
  for (auto _ : state) {
    const auto file = decrypt_image(png, params);
    if (!file || *file != photograph()) return state.SkipWithError("the decrypted file differs");
  }
  count(state);
}

BENCHMARK(raw_xchacha20);
BENCHMARK(opencv_full_decode);
BENCHMARK_CAPTURE(encrypt, noise, ImageParams::Style::kNoise);
BENCHMARK_CAPTURE(decrypt, noise, ImageParams::Style::kNoise);
BENCHMARK_CAPTURE(encrypt, cover, ImageParams::Style::kCover);
BENCHMARK_CAPTURE(decrypt, cover, ImageParams::Style::kCover);

}  // namespace

int main(int argc, char** argv) {
  cv::setNumThreads(0);
  if (sodium_init() < 0) return 1;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
