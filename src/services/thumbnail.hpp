// thumbnail.hpp: an image file as few pixels, for showing it.
//
// The file may come from anybody: its header is read and held against the limits before OpenCV sees it. Threads: any.
// Errors: kInvalidArgument (not an image, damaged), kTooLarge (names the limit), kInternal (OpenCV failed).
#pragma once

#include "distri/services/image_params.hpp"
#include "distri/services/picture.hpp"

namespace distri::services {

// At most so many pixels wide and high, in the proportions of the image, which is turned upright and never made larger.
// Precondition: both at least 1.
Result<Picture> make_thumbnail(BytesView file, std::uint32_t width_max, std::uint32_t height_max,
                               const ImageLimits& limits = {});

// A picture in another size, larger or smaller. Precondition: all sizes are at least 1, pixels of each at most
// ImageLimits::pixels_max.
Result<Picture> scale_picture(const Picture& picture, std::uint32_t width, std::uint32_t height);

}  // namespace distri::services
