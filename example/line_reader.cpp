#include "line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace example {

using distri::Result;

// False: nothing more comes.
bool LineReader::fill() {
  pollfd events[] = {{descriptor_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (::poll(events, 2, -1) < 0) {
    if (errno != EINTR) return false;
  }
  if (events[1].revents != 0) {
    buffer_.clear();  // whatever was said and not done is void
    too_long_ = false;
    return false;
  }
  char bytes[4096];
  const auto got = ::read(descriptor_, bytes, sizeof bytes);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

Result<std::string> LineReader::take(std::size_t bytes, std::size_t end) {
  std::string line = buffer_.substr(0, bytes);
  buffer_.erase(0, end);
  if (std::exchange(too_long_, false) || line.size() > line_bytes_max_) {
    return distri::fail(distri::Code::kTooLarge, "a line has more than {} bytes; write a shorter one", line_bytes_max_);
  }
  return line;
}

std::optional<Result<std::string>> LineReader::next() {
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) return take(end, end + 1);
    if (ended_) {
      if (buffer_.empty() && !too_long_) return std::nullopt;
      return take(buffer_.size(), buffer_.size());
    }
    if (buffer_.size() > line_bytes_max_) {
      too_long_ = true;
      buffer_.clear();
    }
    ended_ = !fill();
  }
}

}  // namespace example
