#include "distri/services/thumbnail.hpp"

#include <algorithm>

#include "distri/services/opencv_codec.hpp"

namespace distri::services {

Result<Picture> make_thumbnail(BytesView file, std::uint32_t width_max, std::uint32_t height_max,
                               const ImageLimits& limits) {
  if (file.size() > limits.image_bytes_max) {
    return fail(Code::kTooLarge, "the image file has {} bytes, at most {} are shown", file.size(),
                limits.image_bytes_max);
  }
  DISTRI_TRY(const ImageHeader header, parse_image_header(file));
  DISTRI_TRY_VOID(check_limits(header, limits));
  DISTRI_TRY(Picture picture, decode_picture(file, header));
  const double factor =
      std::min({1.0, static_cast<double>(width_max) / picture.width, static_cast<double>(height_max) / picture.height});
  if (factor == 1.0) return picture;
  const auto scaled = [&](std::uint32_t size) {
    return std::max(1u, static_cast<std::uint32_t>(static_cast<double>(size) * factor));
  };
  return scale_picture(picture, scaled(picture.width), scaled(picture.height));
}

}  // namespace distri::services
