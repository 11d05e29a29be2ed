#include "distri/utils/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace distri {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

struct Log::Sink {
  spdlog::logger logger;
};

Result<LogLevel> parse_log_level(std::string_view text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  if (text == "off") return LogLevel::kOff;
  return fail(Code::kInvalidArgument, "log level '{}' is not one of debug, info, warning, error, off", text);
}

Log::Log() = default;

Log Log::to_stderr(std::string name, LogLevel level) {
  Log log;
  log.level_ = level;
  log.sink_ = std::make_shared<Sink>(
      Sink{spdlog::logger(std::move(name), std::make_shared<spdlog::sinks::stderr_color_sink_mt>())});
  log.sink_->logger.set_level(spdlog::level::trace);
  log.sink_->logger.set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %n: %v");
  return log;
}

void Log::write(LogLevel level, std::string_view text) const {
  if (sink_) sink_->logger.log(to_spdlog(level), "{}", text);
}

}  // namespace distri
