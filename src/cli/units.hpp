// units.hpp: amounts of bytes and of time as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "distri/utils/result.hpp"

namespace distri::cli {

// "4096", "64KiB", "512MiB", "2GiB", "1TiB" (or K, M, G, T, meaning the same) in bytes. kInvalidArgument.
Result<std::uint64_t> parse_bytes(std::string_view text);
// "500ms", "10s", "5m", "2h", "30d" in milliseconds; the unit is needed, but for 0. kInvalidArgument.
Result<std::int64_t> parse_duration_ms(std::string_view text);

// What reads best: "512.0 MiB", "2d 3h", "41 us".
std::string shown_bytes(std::uint64_t bytes);
std::string shown_duration_ms(std::int64_t ms);

}  // namespace distri::cli
