// image_header.hpp: format and dimensions of an image file, read from its first bytes.
//
// Decoders allocate what a header claims. So the claim is read here first, by code that allocates nothing, and held
// against the limits before OpenCV sees the file. Formats: JPEG, PNG, WebP, BMP, TIFF (classic and big); others are
// refused. Threads: none; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "distri/services/image_params.hpp"
#include "distri/utils/bytes.hpp"

namespace distri::services {

enum class ImageFormat { kJpeg, kPng, kWebp, kBmp, kTiff };
std::string_view image_format_name(ImageFormat format);  // "JPEG", ...

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  std::uint64_t width = 0;   // > 0
  std::uint64_t height = 0;  // > 0
  // The largest area a decoder holds at once: width times height, or more where a TIFF has tiles or strips larger than
  // itself.
  std::uint64_t pixels = 0;
  // Of the decoded form, at least 1.
  std::uint64_t bytes_per_pixel = 1;
};

// By a file's first 12 bytes; nothing: none of the formats.
std::optional<ImageFormat> image_format(BytesView head);

// kInvalidArgument: not one of the formats, or a header that is cut or makes no sense.
Result<ImageHeader> parse_image_header(BytesView file);

// kTooLarge, naming the limit, when decoding this image would be more than the limits allow.
Result<> check_limits(const ImageHeader& header, const ImageLimits& limits);

}  // namespace distri::services
