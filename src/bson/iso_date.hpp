// iso_date.hpp: milliseconds since 1970 <-> "2012-12-24T12:15:30.501Z".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace distri::bson {

inline constexpr std::int64_t kIsoDateMsMax = 253402300799999;  // the end of the year 9999

// Precondition: 0 <= ms <= kIsoDateMsMax. Milliseconds are written when there are any.
void append_iso_date(std::string& out, std::int64_t ms);

// Understands a time zone as Z, +hh:mm, +hhmm or +hh, and up to nine digits of a second (cut to milliseconds). nullopt:
// not such a text.
std::optional<std::int64_t> parse_iso_date(std::string_view text);

}  // namespace distri::bson
