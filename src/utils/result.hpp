// result.hpp: what an operation that can go wrong returns.
//
// One closed list of codes serves every floor: it is what a function returns, what travels in a reply frame and what a
// user reads. A message is one sentence that names the field or limit at fault and, where there is something to do,
// says what to do. Exceptions stop at the wrapper of the library that throws them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace distri {

// The numbers travel on the wire (docs/protocol.md): never reuse one.
enum class Code : std::uint16_t {
  kOk = 0,
  kInvalidArgument = 1,    // the request itself is wrong; the same request will always fail
  kUnknownService = 2,     // no such service on this node
  kNotFound = 3,           // the named thing does not exist
  kAlreadyExists = 4,      // the named thing exists and the request demanded a new one
  kTooLarge = 5,           // over a named size limit
  kBusy = 6,               // a queue is full; nothing was executed; try another node
  kUnavailable = 7,        // the node cannot serve now (stopping, not complete); nothing was executed; try another node
  kDeadlineExceeded = 8,   // the deadline passed
  kCancelled = 9,          // the caller took the request back
  kPermissionDenied = 10,  // the caller may not do this
  kUnauthenticated = 11,   // wrong or missing key
  kProtocolError = 12,     // bytes that break docs/protocol.md
  kDataLoss = 13,          // stored or received data fails its own check
  kIndeterminate = 14,     // it is not known whether the write took effect
  kConnectionLost = 15,    // the connection ended before the reply did
  kInternal = 16,          // a defect of distri or of a service handler
  kBehind = 17,            // the node has not seen what the caller has seen; nothing was executed; try another node
  kStorageFull = 18,       // the disk has no room; nothing was executed; writes go on when there is room again
  kStorageFailed = 19,     // the disk fails otherwise
  kMemoryFull = 20,        // the node's memory limit is reached; nothing was executed; deleting makes room
};
inline constexpr std::uint16_t kCodeLast = 20;

// "busy", "deadline_exceeded", ...: stable names for logs, JSON and documentation.
std::string_view code_name(Code code);

// Any number that is not a known code becomes kInternal, so that a newer peer cannot confuse an older one.
Code code_from_number(std::uint16_t number);

struct Error {
  Code code = Code::kInternal;
  std::string message;

  bool operator==(const Error&) const = default;
};

// "busy: the worker queue is full (64 requests)"
std::string to_string(const Error& error);

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) {
  return std::unexpected<Error>(std::move(error));
}

template <class... Args>
std::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace distri

// Hands an error on to the caller; otherwise defines `variable` as the value.
#define DISTRI_TRY(variable, expression) \
  DISTRI_TRY_IMPL_(variable, expression, DISTRI_TRY_CONCAT_(distri_try_, __LINE__))
#define DISTRI_TRY_IMPL_(variable, expression, temporary)              \
  auto temporary = (expression);                                       \
  if (!temporary) return ::distri::fail(std::move(temporary).error()); \
  variable = *std::move(temporary)
#define DISTRI_TRY_CONCAT_(a, b) DISTRI_TRY_CONCAT2_(a, b)
#define DISTRI_TRY_CONCAT2_(a, b) a##b

// The same for Result<void>.
#define DISTRI_TRY_VOID(expression)                                \
  do {                                                             \
    if (auto distri_try_result = (expression); !distri_try_result) \
      return ::distri::fail(std::move(distri_try_result).error()); \
  } while (false)
