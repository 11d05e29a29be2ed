// opencv_codec.hpp: the one place that calls OpenCV's decoders and encoders.
//
// OpenCV throws, logs and starts threads; none of that leaves this file. On first use its thread pool and log are
// switched off for the process. Some of the codec libraries below it still write one line about a broken file to
// standard error themselves. Callers check sizes first (check_limits). Threads: any.
#pragma once

#include "distri/services/image_header.hpp"
#include "distri/services/picture.hpp"

namespace distri::services {

// Whether OpenCV decodes the file, by decoding it as cheaply as its format allows. kInvalidArgument if not.
Result<> check_decodes(BytesView file, const ImageHeader& header);

// 8 bits a channel, transparency dropped, turned upright as its EXIF data say.
Result<Picture> decode_picture(BytesView file, const ImageHeader& header);

// The exact pixels of a PNG of 8 bits a channel with 3 or 4 channels, the fourth dropped. kNotFound for any other kind
// of PNG.
Result<Picture> decode_exact_png(BytesView png, const ImageHeader& header);

// PNG with quick compression.
Result<Bytes> encode_png(const Picture& picture);

}  // namespace distri::services
