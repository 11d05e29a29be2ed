#include "distri/utils/result.hpp"

#include <array>

namespace distri {
namespace {

constexpr std::array<std::string_view, kCodeLast + 1> kNames = {"ok",
                                                                "invalid_argument",
                                                                "unknown_service",
                                                                "not_found",
                                                                "already_exists",
                                                                "too_large",
                                                                "busy",
                                                                "unavailable",
                                                                "deadline_exceeded",
                                                                "cancelled",
                                                                "permission_denied",
                                                                "unauthenticated",
                                                                "protocol_error",
                                                                "data_loss",
                                                                "indeterminate",
                                                                "connection_lost",
                                                                "internal",
                                                                "behind",
                                                                "storage_full",
                                                                "storage_failed",
                                                                "memory_full"};

}  // namespace

std::string_view code_name(Code code) {
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : "internal";
}

Code code_from_number(std::uint16_t number) {
  return number <= kCodeLast ? static_cast<Code>(number) : Code::kInternal;
}

std::string to_string(const Error& error) {
  if (error.message.empty()) return std::string(code_name(error.code));
  return fmt::format("{}: {}", code_name(error.code), error.message);
}

}  // namespace distri
