// sample_images.hpp: image files and parameters for the tests of this folder. All from seeds: a failure can be
// repeated.
#pragma once

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "distri/services/image_cipher.hpp"

namespace distri::services {

inline Bytes encode(const std::string& extension, const cv::Mat& image, const std::vector<int>& options = {}) {
  std::vector<unsigned char> file;
  cv::imencode(extension, image, file, options);
  return {file.begin(), file.end()};
}

// Soft colours with some noise on them, like a photograph.
inline cv::Mat sample_mat(int width, int height, std::uint64_t seed, int type = CV_8UC3) {
  cv::RNG random(seed);
  cv::Mat image(height, width, type);
  random.fill(image, cv::RNG::UNIFORM, 0, 256);
  cv::blur(image, image, cv::Size(5, 5));
  return image;
}

inline Bytes sample_image(const std::string& extension, int width, int height, std::uint64_t seed = 1) {
  return encode(extension, sample_mat(width, height, seed));
}

inline cv::Mat decode_mat(const Bytes& file, int flags = cv::IMREAD_UNCHANGED) {
  return cv::imdecode(std::vector<unsigned char>(file.begin(), file.end()), flags);
}

inline ImageParams with_key(unsigned char first_byte = 7) {
  ImageParams params;
  params.key.emplace();
  params.key->bytes.fill(first_byte);
  return params;
}

// Costs are the smallest there are: tests try many.
inline ImageParams with_passphrase(const std::string& passphrase) {
  ImageParams params;
  params.passphrase = passphrase;
  params.limits.argon2_passes = 1;
  params.limits.argon2_memory_bytes = 8192;
  return params;
}

}  // namespace distri::services
