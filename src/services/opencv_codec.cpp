#include "distri/services/opencv_codec.hpp"

#include <exception>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "distri/services/png_stored.hpp"
#include "distri/services/thumbnail.hpp"

namespace distri::services {
namespace {

void init_opencv() {
  static std::once_flag once;
  std::call_once(once, [] {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::redirectError([](int, const char*, const char*, const char*, int, void*) { return 0; });
    cv::setNumThreads(0);
  });
}

// Empty when OpenCV cannot decode the file, for whatever reason.
cv::Mat decode(BytesView file, int flags) {
  init_opencv();
  try {
    // imdecode() only reads, but a Mat cannot be made of const memory.
    auto* data = const_cast<char*>(file.data());
    return cv::imdecode(cv::Mat(1, static_cast<int>(file.size()), CV_8UC1, data), flags);
  } catch (const std::exception&) {
    return {};
  }
}

std::unexpected<Error> undecodable(const ImageHeader& header) {
  return fail(Code::kInvalidArgument,
              "this {} image cannot be decoded: it is damaged, cut short or of an unsupported kind",
              image_format_name(header.format));
}

// cv::Mat of `type` over the picture's own memory.
cv::Mat mat_over(Picture& picture) {
  return {static_cast<int>(picture.height), static_cast<int>(picture.width), CV_8UC3, picture.rgb.data()};
}

Result<Picture> to_picture(const cv::Mat& mat, int conversion) {
  Picture picture{static_cast<std::uint32_t>(mat.cols), static_cast<std::uint32_t>(mat.rows), {}};
  picture.rgb.resize(mat.total() * 3);
  try {
    cv::Mat target = mat_over(picture);
    cv::cvtColor(mat, target, conversion);
  } catch (const std::exception& e) {
    return fail(Code::kInternal, "OpenCV failed to convert colours: {}", e.what());
  }
  return picture;
}

}  // namespace

Result<> check_decodes(BytesView file, const ImageHeader& header) {
  // libpng says more than it should on standard error about a file whose checksums are wrong, so those end here.
  if (header.format == ImageFormat::kPng && !check_png_chunks(file)) return undecodable(header);
  // JPEG: entropy decoding in full, but an eighth of the inverse transform, and brightness only: three times as fast as
  // all of it.
  const bool jpeg = header.format == ImageFormat::kJpeg;
  const cv::Mat mat =
      decode(file, jpeg ? cv::IMREAD_REDUCED_GRAYSCALE_8 | cv::IMREAD_IGNORE_ORIENTATION : cv::IMREAD_UNCHANGED);
  if (mat.empty()) return undecodable(header);
  const auto width = static_cast<std::uint64_t>(mat.cols);
  const auto height = static_cast<std::uint64_t>(mat.rows);
  if (!jpeg && (width != header.width || height != header.height)) return undecodable(header);
  return {};
}

Result<Picture> decode_picture(BytesView file, const ImageHeader& header) {
  if (header.format == ImageFormat::kPng && !check_png_chunks(file)) return undecodable(header);
  const cv::Mat mat = decode(file, cv::IMREAD_COLOR);
  if (mat.empty() || mat.type() != CV_8UC3) return undecodable(header);
  return to_picture(mat, cv::COLOR_BGR2RGB);
}

Result<Picture> decode_exact_png(BytesView png, const ImageHeader& header) {
  const cv::Mat mat = decode(png, cv::IMREAD_UNCHANGED);
  if (mat.empty()) return undecodable(header);
  if (mat.type() == CV_8UC3) return to_picture(mat, cv::COLOR_BGR2RGB);
  if (mat.type() == CV_8UC4) return to_picture(mat, cv::COLOR_BGRA2RGB);
  return fail(Code::kNotFound, "the PNG has no 8-bit colour channels");
}

Result<Picture> scale_picture(const Picture& picture, std::uint32_t width, std::uint32_t height) {
  init_opencv();
  Picture scaled{width, height, {}};
  scaled.rgb.resize(std::size_t{3} * width * height);
  try {
    const cv::Mat source(static_cast<int>(picture.height), static_cast<int>(picture.width), CV_8UC3,
                         const_cast<char*>(picture.rgb.data()));
    cv::Mat target = mat_over(scaled);
    const bool smaller = width <= picture.width && height <= picture.height;
    cv::resize(source, target, target.size(), 0, 0, smaller ? cv::INTER_AREA : cv::INTER_NEAREST);
  } catch (const std::exception& e) {
    return fail(Code::kInternal, "OpenCV failed to scale a picture: {}", e.what());
  }
  return scaled;
}

Result<Bytes> encode_png(const Picture& picture) {
  init_opencv();
  try {
    cv::Mat bgr;
    const cv::Mat rgb(static_cast<int>(picture.height), static_cast<int>(picture.width), CV_8UC3,
                      const_cast<char*>(picture.rgb.data()));
    cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
    std::vector<unsigned char> png;
    if (!cv::imencode(".png", bgr, png)) return fail(Code::kInternal, "OpenCV failed to write the PNG");
    return Bytes(png.begin(), png.end());
  } catch (const std::exception& e) {
    return fail(Code::kInternal, "OpenCV failed to write the PNG: {}", e.what());
  }
}

}  // namespace distri::services
