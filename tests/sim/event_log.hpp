// event_log.hpp: what happened, as text, so that two runs of a seed can be compared byte for byte.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace distri::sim {

class EventLog {
 public:
  // nullptr: lines are only hashed.
  explicit EventLog(std::FILE* file) : file_(file) {}

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    buffer_.clear();
    fmt::format_to(std::back_inserter(buffer_), format, std::forward<Args>(args)...);
    buffer_.push_back('\n');
    // FNV-1a.
    for (const char c : buffer_) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    if (file_ != nullptr) std::fwrite(buffer_.data(), 1, buffer_.size(), file_);
  }
  std::uint64_t hash() const { return hash_; }

 private:
  std::FILE* file_;
  std::string buffer_;
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace distri::sim
