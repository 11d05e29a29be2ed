// Bodies of any length.
#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <thread>

#include "distri/client/client.hpp"
#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // their own memory hides ours
#else
constexpr bool kSanitized = false;
#endif

namespace {

Action silent(const Seen&) {
  return of_kind(Action::Kind::kSilence);
}

ClientOptions fixed() {
  ClientOptions options;
  options.discover = false;
  return options;
}

CallOptions within(std::int64_t timeout_ms) {
  CallOptions options;
  options.timeout_ms = timeout_ms;
  return options;
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Deterministic, different at every position that matters.
Bytes pattern(std::uint64_t offset, std::size_t size) {
  Bytes result(size, '\0');
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<char>((offset + i) * 2654435761u >> 11);
  return result;
}

}  // namespace

TEST_CASE("256 MiB go through an echo in bounded memory, byte for byte" * doctest::timeout(300)) {
  FakeNode node(silent);
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Echo", nullptr, within(280'000));
  REQUIRE(opened.has_value());
  CallStream& stream = **opened;
  CHECK(stream.node() == node.address());
  constexpr std::uint64_t kTotal = 256u << 20;
  constexpr std::size_t kBlock = 1u << 20;
  const std::size_t before = resident_bytes();
  const Bytes block = pattern(0, kBlock);
  std::thread writer([&] {
    for (std::uint64_t sent = 0; sent < kTotal; sent += kBlock) {
      if (!stream.write(block)) return;
    }
    static_cast<void>(stream.finish());
  });
  std::uint64_t received = 0;
  std::size_t peak = before;
  bool same = true;
  for (;;) {
    const auto piece = stream.read();
    REQUIRE(piece.has_value());
    if (piece->empty()) break;
    for (std::size_t at = 0; at < piece->size();) {
      const std::size_t offset = (received + at) % kBlock;
      const std::size_t size = std::min(piece->size() - at, kBlock - offset);
      same = same && BytesView(*piece).substr(at, size) == BytesView(block).substr(offset, size);
      at += size;
    }
    received += piece->size();
    peak = std::max(peak, resident_bytes());
  }
  writer.join();
  CHECK(same);
  CHECK(received == kTotal);
  if (!kSanitized) CHECK(peak - before < (64u << 20));
}

TEST_CASE("a slow reader holds the sender back") {
  FakeNode node(silent);
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Source", {{"bytes", 64u << 20}}, within(60'000));
  REQUIRE(opened.has_value());
  REQUIRE((*opened)->finish().has_value());
  const std::size_t before = resident_bytes();
  std::uint64_t received = 0;
  std::size_t peak = before;
  for (int i = 0;; ++i) {
    const auto piece = (*opened)->read();
    REQUIRE(piece.has_value());
    if (piece->empty()) break;
    received += piece->size();
    if (i % 16 == 0) peak = std::max(peak, resident_bytes());
  }
  CHECK(received == (64u << 20));
  if (!kSanitized) CHECK(peak - before < (16u << 20));
}

TEST_CASE("a long upload is counted by the service") {
  FakeNode node(silent);
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Sink", nullptr, within(60'000));
  REQUIRE(opened.has_value());
  const Bytes block(3'000'000, 'u');
  for (int i = 0; i < 10; ++i) REQUIRE((*opened)->write(block).has_value());
  REQUIRE((*opened)->finish().has_value());
  const auto answer = (*opened)->read();
  REQUIRE(answer.has_value());
  CHECK(*answer == "30000000");
  const auto end = (*opened)->read();
  REQUIRE(end.has_value());
  CHECK(end->empty());
  const auto late = (*opened)->write("x");
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == Code::kInvalidArgument);
}

TEST_CASE("a failed status is the error of read, and of the writes that follow") {
  FakeNode node([](const Seen&) { return status(Code::kUnknownService, "no service Nothing"); });
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Nothing", nullptr);
  REQUIRE(opened.has_value());
  REQUIRE((*opened)->write("abc").has_value());
  REQUIRE((*opened)->finish().has_value());
  const auto answer = (*opened)->read();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error() == Error{Code::kUnknownService, "no service Nothing"});
}

TEST_CASE("a stream without a body moves on from a busy node") {
  std::atomic<int> calls{0};
  const auto busy_once = [&](const Seen&) { return ++calls == 1 ? status(Code::kBusy, "full") : reply("yes"); };
  FakeNode a(busy_once);
  FakeNode b(busy_once);
  Client client({a.address(), b.address()}, fixed());
  auto opened = client.open_stream("Work", nullptr);
  REQUIRE(opened.has_value());
  REQUIRE((*opened)->finish().has_value());
  const auto answer = (*opened)->read();
  REQUIRE(answer.has_value());
  CHECK(*answer == "yes");
  CHECK(a.count() + b.count() == 2);
}

TEST_CASE("a stream whose body has begun ends with its connection") {
  FakeNode node([](const Seen&) { return of_kind(Action::Kind::kDrop); });
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Work", nullptr);
  REQUIRE(opened.has_value());
  REQUIRE((*opened)->write("abc").has_value());
  REQUIRE((*opened)->finish().has_value());
  const auto answer = (*opened)->read();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kConnectionLost);
  CHECK(node.count() == 1);
}

TEST_CASE("cancelling wakes whoever reads and resets the stream") {
  FakeNode node(silent);
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Work", nullptr);
  REQUIRE(opened.has_value());
  auto read = std::async(std::launch::async, [&] { return (*opened)->read(); });
  (*opened)->cancel();
  const auto answer = read.get();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kCancelled);
  while (node.resets() == 0) std::this_thread::yield();
}

TEST_CASE("a stream that is dropped in the middle takes itself back") {
  FakeNode node(silent);
  Client client({node.address()}, fixed());
  {
    auto opened = client.open_stream("Source", {{"bytes", 1u << 30}});
    REQUIRE(opened.has_value());
    REQUIRE((*opened)->read().has_value());
  }
  while (node.resets() == 0) std::this_thread::yield();
}

TEST_CASE("a writer that nobody reads from is woken by the deadline") {
  FakeNode node(silent);
  Client client({node.address()}, fixed());
  auto opened = client.open_stream("Echo", nullptr, within(200));
  REQUIRE(opened.has_value());
  const Bytes block(1u << 20, 'b');
  Result<> written;
  for (int i = 0; i < 1000 && written; ++i) written = (*opened)->write(block);
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().code == Code::kDeadlineExceeded);
}

TEST_CASE("a stream outlives its client only to say so") {
  FakeNode node(silent);
  std::unique_ptr<CallStream> stream;
  {
    Client client({node.address()}, fixed());
    auto opened = client.open_stream("Work", nullptr);
    REQUIRE(opened.has_value());
    stream = std::move(*opened);
  }
  const auto answer = stream->read();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kCancelled);
}

TEST_CASE("a reply beyond reply_bytes_max is refused with the limit's name") {
  FakeNode node([](const Seen&) { return reply(Bytes(1'000'000, 'r')); });
  Client client({node.address()}, fixed());
  CallOptions options;
  options.reply_bytes_max = 500'000;
  const auto answer = client.send_data("", "Work", options);
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kTooLarge);
  CHECK(answer.error().message.contains("reply_bytes_max (500000 bytes)"));
  while (node.resets() == 0) std::this_thread::yield();
  options.reply_bytes_max = 1'000'000;
  REQUIRE(client.send_data("", "Work", options).has_value());
}
