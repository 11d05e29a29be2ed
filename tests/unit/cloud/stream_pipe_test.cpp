#include "distri/cloud/stream_pipe.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "distri/utils/clock.hpp"

using namespace distri;
using namespace distri::cloud;

namespace {

std::int64_t in_ms(std::int64_t ms) {
  return SystemClock().monotonic_ns() + ms * 1'000'000;
}

}  // namespace

TEST_CASE("What the main thread pushes is what the worker reads, to the end") {
  std::atomic<int> wakes{0};
  StreamPipe pipe(in_ms(60'000), [&] { ++wakes; });
  Bytes received;
  std::thread worker([&] {
    for (;;) {
      const auto chunk = pipe.read();
      REQUIRE(chunk);
      if (chunk->empty()) return;
      received += *chunk;
    }
  });
  Bytes sent;
  for (int i = 0; i < 1000; ++i) {
    const Bytes chunk(static_cast<std::size_t>(i % 97), static_cast<char>('a' + i % 26));
    sent += chunk;
    pipe.push_input(chunk);
  }
  pipe.end_input();
  worker.join();
  CHECK(received == sent);
  CHECK(wakes > 0);
  CHECK(pipe.take_consumed() == sent.size());
}

TEST_CASE("A writer blocks when nobody takes its output, and holds no more than the limit") {
  StreamPipe pipe(in_ms(60'000), [] {});
  const Bytes all(5 * StreamPipe::kOutputBytesMax + 17, 'x');
  std::atomic<bool> done{false};
  std::thread worker([&] {
    CHECK(pipe.write(all));
    done = true;
  });
  Bytes taken;
  while (taken.size() < all.size()) {
    const Bytes piece = pipe.take_output();
    CHECK(piece.size() <= StreamPipe::kOutputBytesMax);
    taken += piece;
    std::this_thread::yield();
  }
  worker.join();
  CHECK(done);
  CHECK(taken == all);
}

TEST_CASE("Waiting ends with the reason when the request is abandoned") {
  StreamPipe pipe(in_ms(60'000), [] {});
  Result<Bytes> result;
  std::thread worker([&] { result = pipe.read(); });
  pipe.abandon(Error{Code::kCancelled, "the caller went away"});
  worker.join();
  CHECK(result.error() == Error{Code::kCancelled, "the caller went away"});
  CHECK(pipe.write("x").error().code == Code::kCancelled);
}

TEST_CASE("Waiting ends at the deadline") {
  StreamPipe pipe(in_ms(20), [] {});
  CHECK(pipe.read().error().code == Code::kDeadlineExceeded);
  const auto written = pipe.write(Bytes(StreamPipe::kOutputBytesMax + 1, 'x'));
  CHECK(written.error().code == Code::kDeadlineExceeded);
}
