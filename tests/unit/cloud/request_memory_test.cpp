#include "distri/cloud/request_memory.hpp"

#include <doctest/doctest.h>

#include "distri/cloud/request.hpp"

using namespace distri;
using namespace distri::cloud;

namespace {

RequestId id(int n) {
  RequestId result;
  result.bytes[0] = static_cast<unsigned char>(n);
  result.bytes[1] = static_cast<unsigned char>(n >> 8);
  result.bytes[15] = 1;
  return result;
}

}  // namespace

TEST_CASE("A finished request is remembered with its result") {
  RequestMemory memory(10, 1000);
  CHECK(memory.find(id(1)) == nullptr);
  memory.begin(id(1));
  REQUIRE(memory.find(id(1)) != nullptr);
  CHECK_FALSE(memory.find(id(1))->finished);
  CHECK(memory.finish(id(1), Bytes("result")).empty());
  REQUIRE(memory.find(id(1))->finished);
  CHECK(memory.find(id(1))->result == Bytes("result"));
}

TEST_CASE("Errors of an execution are remembered; refusals are not, so that a retry executes") {
  RequestMemory memory(10, 1000);
  int n = 10;
  for (const Code code : {Code::kInvalidArgument, Code::kInternal, Code::kAlreadyExists}) {
    memory.begin(id(++n));
    memory.finish(id(n), fail(code, "no"));
    REQUIRE(memory.find(id(n)) != nullptr);
    CHECK(memory.find(id(n))->result.error().code == code);
  }
  for (const Code code : {Code::kBusy, Code::kUnavailable, Code::kCancelled, Code::kDeadlineExceeded}) {
    memory.begin(id(2));
    memory.finish(id(2), fail(code, "no"));
    CHECK(memory.find(id(2)) == nullptr);
  }
}

TEST_CASE("Those who wait for the same request are handed out once") {
  RequestMemory memory(10, 1000);
  memory.begin(id(1));
  const auto waiter = std::make_shared<Request>();
  memory.find(id(1))->waiters.push_back(waiter);
  const auto waiters = memory.finish(id(1), Bytes("x"));
  REQUIRE(waiters.size() == 1);
  CHECK(waiters[0] == waiter);
  CHECK(memory.find(id(1))->waiters.empty());
}

TEST_CASE("What was finished before a time can be forgotten, whatever else is remembered") {
  RequestMemory memory(10, 1000);
  for (int n = 1; n <= 3; ++n) {
    memory.begin(id(n));
    memory.finish(id(n), Bytes("secret"), 0, 100 * n);
  }
  memory.begin(id(4));
  memory.forget_older(100);
  CHECK(memory.size() == 4);
  memory.forget_older(201);
  CHECK(memory.find(id(1)) == nullptr);
  CHECK(memory.find(id(2)) == nullptr);
  REQUIRE(memory.find(id(3)) != nullptr);
  CHECK(memory.bytes() == 6);
  memory.forget_older(1'000'000);
  CHECK(memory.find(id(3)) == nullptr);
  CHECK(memory.bytes() == 0);
  REQUIRE(memory.find(id(4)) != nullptr);  // still running
}

TEST_CASE("Memory is bounded by entries and by bytes, oldest out first") {
  RequestMemory memory(5, 1000);
  for (int i = 0; i < 20; ++i) {
    memory.begin(id(i));
    memory.finish(id(i), Bytes("r"));
  }
  CHECK(memory.size() == 5);
  CHECK(memory.find(id(14)) == nullptr);
  CHECK(memory.find(id(15)) != nullptr);

  RequestMemory bytes(1000, 1000);
  for (int i = 0; i < 50; ++i) {
    bytes.begin(id(i));
    bytes.finish(id(i), Bytes(100, 'x'));
  }
  CHECK(bytes.bytes() <= 1000);
  CHECK(bytes.find(id(49)) != nullptr);
  CHECK(bytes.find(id(0)) == nullptr);
}

TEST_CASE("A reply that is too large to keep is answered indeterminate later, never executed again") {
  RequestMemory memory(10, 800);
  memory.begin(id(1));
  memory.finish(id(1), Bytes(101, 'x'));
  REQUIRE(memory.find(id(1)) != nullptr);
  CHECK(memory.find(id(1))->result.error().code == Code::kIndeterminate);
  CHECK(memory.bytes() < 200);
}
