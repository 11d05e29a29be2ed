// line_reader.hpp: lines of a file, pipe or terminal, of bounded length, as long as nothing else ends the reading.
//
// Threads: one. Errors: kTooLarge: a line is longer than allowed; it is skipped, and reading may go on.
#pragma once

#include <optional>
#include <string>

#include "distri/utils/result.hpp"

namespace example {

class LineReader {
 public:
  // Reads `descriptor` until `stop` (another descriptor) is readable.
  LineReader(int descriptor, int stop, std::size_t line_bytes_max)
      : descriptor_(descriptor), stop_(stop), line_bytes_max_(line_bytes_max) {}

  // The next line without its end; nothing: there are no more. A last line needs no end.
  std::optional<distri::Result<std::string>> next();

 private:
  bool fill();
  distri::Result<std::string> take(std::size_t bytes, std::size_t end);

  const int descriptor_;
  const int stop_;
  const std::size_t line_bytes_max_;
  std::string buffer_;
  bool too_long_ = false;  // of the line that is being read, the beginning was thrown away
  bool ended_ = false;
};

}  // namespace example
