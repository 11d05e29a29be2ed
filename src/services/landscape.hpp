// landscape.hpp: a made-up picture to hide in, when the caller brings none.
//
// Sky, sun and ridges in the haze, different for every seed: a cover that were always the same could be subtracted. A
// little grain lies over everything, so that the low bits of the sky do not stand out against a perfectly smooth
// gradient. Threads: none; a pure function of its arguments.
#pragma once

#include <cstdint>

#include "distri/services/picture.hpp"

namespace distri::services {

// A picture of about 3:2 with at least `pixels` pixels (pixels > 0).
Picture make_landscape(std::uint64_t pixels, std::uint64_t seed);

}  // namespace distri::services
