// check.hpp: "I am wrong", as opposed to "the caller's input is wrong".
//
// DISTRI_CHECK guards invariants of our own code and stays on in release builds: a node that has lost an invariant
// stops at once rather than spreading wrong data. Input from outside is never checked with it; that is a Result.
#pragma once

#include <string_view>

namespace distri {

// Prints the place and the condition to standard error and aborts. Never returns.
[[noreturn]] void check_failed(std::string_view condition, std::string_view file, int line);

}  // namespace distri

#define DISTRI_CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::distri::check_failed(#condition, __FILE__, __LINE__))
