// picture.hpp: pixels in memory.
#pragma once

#include <cstdint>

#include "distri/utils/bytes.hpp"

namespace distri::services {

// Invariant: rgb.size() == 3 * width * height. Rows from the top, each pixel red, green, blue, one byte each.
struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  Bytes rgb;
};

}  // namespace distri::services
