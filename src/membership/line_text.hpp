// line_text.hpp: secrets as one line that people copy: a prefix that says what it is, and base64url of some bytes with
// a checksum, so that a mistyped line is called that. Private to the module.
//
// Threads: plain functions. Errors: kInvalidArgument; no message quotes the line.
#pragma once

#include <string>
#include <string_view>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace distri::membership {

struct LineKind {
  std::string_view prefix;    // "distri-join-"
  std::string_view what;      // "join line", begins the errors
  std::string_view made_by;   // the command that prints it
  std::size_t bytes_max = 0;  // of the line
};

std::string print_line(const LineKind& kind, Bytes payload);
// The payload. Blanks around the line do not matter.
Result<Bytes> parse_line(const LineKind& kind, std::string_view text);

}  // namespace distri::membership
