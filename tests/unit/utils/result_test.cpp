#include "distri/utils/result.hpp"

#include <doctest/doctest.h>

#include <set>

#include "distri/utils/check.hpp"
#include "distri/utils/log.hpp"

using namespace distri;

namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::kInvalidArgument, "n is {}; it must be even", n);
  return n / 2;
}

Result<int> quarter(int n) {
  DISTRI_TRY(const int h, half(n));
  return half(h);
}

Result<> check_twice(int n) {
  DISTRI_TRY_VOID(half(n));
  DISTRI_TRY_VOID(half(n + 1));
  return {};
}

}  // namespace

TEST_CASE("An error passes through every caller with its code and message") {
  CHECK(quarter(8) == 2);
  CHECK(quarter(7).error() == Error{Code::kInvalidArgument, "n is 7; it must be even"});
  CHECK(quarter(6).error().message == "n is 3; it must be even");
  CHECK(check_twice(2).error().message == "n is 3; it must be even");
}

TEST_CASE("Every code has a name of its own, and unknown numbers become internal") {
  std::set<std::string_view> names;
  for (std::uint16_t i = 0; i <= kCodeLast; ++i) {
    CHECK(names.insert(code_name(static_cast<Code>(i))).second);
    CHECK(code_from_number(i) == static_cast<Code>(i));
  }
  CHECK(code_from_number(kCodeLast + 1) == Code::kInternal);
  CHECK(code_from_number(65535) == Code::kInternal);
  CHECK(to_string(Error{Code::kBusy, "queue full"}) == "busy: queue full");
}

TEST_CASE("Log levels are read by name and a default log is silent") {
  CHECK(parse_log_level("warning") == LogLevel::kWarning);
  CHECK(parse_log_level("loud").error().message.find("'loud'") != std::string::npos);
  const Log silent;
  CHECK_FALSE(silent.enabled(LogLevel::kError));
  silent.error("nobody sees {}", "this");
}
