// log.hpp: leveled log lines, handed to whoever needs them.
//
// A thin value over spdlog, so that other headers do not include it. Copies share one sink. Threads: any.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

#include "distri/utils/result.hpp"

namespace distri {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// "debug", "info", "warning", "error", "off".
Result<LogLevel> parse_log_level(std::string_view text);

class Log {
 public:
  // Discards everything.
  Log();

  // Lines on standard error: time, level, name, text.
  static Log to_stderr(std::string name, LogLevel level);

  bool enabled(LogLevel level) const { return level >= level_; }

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kDebug)) write(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kInfo)) write(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kWarning)) write(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kError)) write(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  struct Sink;
  void write(LogLevel level, std::string_view text) const;

  std::shared_ptr<Sink> sink_;
  LogLevel level_ = LogLevel::kOff;
};

}  // namespace distri
