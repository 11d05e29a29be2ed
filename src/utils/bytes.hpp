// bytes.hpp: byte strings.
//
// A byte buffer is a std::string and a view of one a std::string_view: literals, files and network buffers then need no
// casts, and small ones no allocation. Nothing in distri assumes that Bytes hold text unless a name says so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "distri/utils/result.hpp"

namespace distri {

using Bytes = std::string;
using BytesView = std::string_view;

// Lower-case hexadecimal, two characters a byte.
std::string to_hex(BytesView bytes);

// The inverse; upper case is accepted. Error kInvalidArgument for an odd length or another character; the message gives
// the position.
Result<Bytes> from_hex(std::string_view hex);

// Standard base64 with padding (RFC 4648 section 4).
std::string to_base64(BytesView bytes);

// The inverse, strict: errors with kInvalidArgument on a wrong length, character or padding.
Result<Bytes> from_base64(std::string_view text);

}  // namespace distri
