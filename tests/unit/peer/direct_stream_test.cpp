// Answers that are streams: whole, bounded, and gone when nobody wants them.
#include "direct_rig.hpp"

using namespace distri;
using namespace distri::peer;

namespace {

// So many bytes of `content`, counted as they are asked for. `alive` expires when nothing holds the producer any more.
struct Source {
  Bytes content;
  std::atomic<std::size_t> produced{0};
  std::mutex mutex;
  std::weak_ptr<int> alive;

  DirectServer::Handler handler() {
    return [this](const DirectRequest&, const Responder& to) {
      const auto token = std::make_shared<int>(0);
      {
        const std::lock_guard lock(mutex);
        alive = token;
      }
      to.stream([this, token, at = std::size_t{0}](std::size_t bytes_max) mutable -> Result<Bytes> {
        const Bytes piece = content.substr(at, bytes_max);
        at += piece.size();
        produced += piece.size();
        return piece;
      });
    };
  }
  bool gone() {
    const std::lock_guard lock(mutex);
    return alive.expired();
  }
};

Result<Bytes> read_all(client::CallStream& stream) {
  Bytes all;
  for (;;) {
    DISTRI_TRY(const Bytes piece, stream.read());
    if (piece.empty()) return all;
    all += piece;
  }
}

}  // namespace

TEST_CASE("A stream comes whole, whatever its length") {
  const auto client = caller();
  for (const std::size_t size : {0uz, 1uz, kStreamPieceBytes, kStreamPieceBytes + 1, 3'000'000uz}) {
    Source source;
    source.content = random_bytes(size);
    TestPeer peer(2, {{"Read", source.handler()}});
    auto stream = client->open_stream(peer.at(), "Read");
    REQUIRE(stream);
    CHECK((read_all(**stream) == source.content));
    CHECK(comes_true([&] { return source.gone(); }));
    CHECK(comes_true([&] { return peer.server().counters().requests == 0; }));
  }
}

TEST_CASE("A producer's error is the answer when nothing was sent, and ends the stream later") {
  TestPeer peer(2, {{"AtOnce",
                     [](const DirectRequest&, const Responder& to) {
                       to.stream([](std::size_t) -> Result<Bytes> { return fail(Code::kNotFound, "no such file"); });
                     }},
                    {"Later",
                     [](const DirectRequest&, const Responder& to) {
                       to.stream([n = 0](std::size_t bytes_max) mutable -> Result<Bytes> {
                         if (n++ == 3) return fail(Code::kDataLoss, "the disk is broken");
                         return Bytes(bytes_max, 'b');
                       });
                     }},
                    {"Throw",
                     [](const DirectRequest&, const Responder& to) {
                       to.stream([](std::size_t) -> Result<Bytes> { throw std::runtime_error("out of luck"); });
                     }},
                    {"Large", [](const DirectRequest&, const Responder& to) {
                       to.stream([](std::size_t bytes_max) -> Result<Bytes> { return Bytes(bytes_max + 1, 'b'); });
                     }}});
  const auto client = caller();
  const auto outcome = [&](const char* service) {
    auto stream = client->open_stream(peer.at(), service);
    REQUIRE(stream);
    const auto all = read_all(**stream);
    REQUIRE_FALSE(all);
    return all.error();
  };
  CHECK(outcome("AtOnce").code == Code::kNotFound);
  CHECK(outcome("Later").code == Code::kDataLoss);
  CHECK(outcome("Throw").code == Code::kInternal);
  CHECK(outcome("Large").code == Code::kInternal);
  CHECK(client->find(peer.at()) == peer.server().address());
}

TEST_CASE("A slow reader is waited for, and what was not asked for is not produced") {
  Source source;
  source.content = random_bytes(8u << 20);
  TestPeer peer(2, {{"Read", source.handler()}});
  const auto client = caller();
  auto stream = client->open_stream(peer.at(), "Read");
  REQUIRE(stream);
  auto first = (*stream)->read();
  REQUIRE(first);
  // The window, and a piece that waits for it; the first part came with the answer.
  REQUIRE(comes_true([&] { return source.produced > (256u << 10); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(source.produced <= (256u << 10) + (64u << 10) + (64u << 10) + 2 * kStreamPieceBytes);
  const auto rest = read_all(**stream);
  REQUIRE(rest);
  CHECK((*first + *rest == source.content));
}

TEST_CASE("When the caller goes, so does the producer") {
  Source source;
  source.content = random_bytes(8u << 20);
  TestPeer peer(2, {{"Read", source.handler()}});
  {
    const auto client = caller();
    {
      auto stream = client->open_stream(peer.at(), "Read");
      REQUIRE(stream);
      REQUIRE((*stream)->read());
    }
    CHECK(comes_true([&] { return source.gone() && peer.server().counters().requests == 0; }));
    // Its connection serves others.
    auto again = client->open_stream(peer.at(), "Read");
    REQUIRE(again);
    REQUIRE((*again)->read());
    (*again)->cancel();
    CHECK(comes_true([&] { return source.gone(); }));
  }
  CHECK(comes_true([&] { return peer.server().counters().connections == 0; }));
}

TEST_CASE("A reader that takes nothing loses its stream, and one whose deadline passes") {
  Source source;
  source.content = random_bytes(8u << 20);
  DirectServerOptions options;
  options.stream_stall_ms = 200;
  TestPeer peer(2, {{"Read", source.handler()}}, options);
  const auto client = caller();
  auto stalled = client->open_stream(peer.at(), "Read");
  REQUIRE(stalled);
  REQUIRE(comes_true([&] { return source.produced > 0 && source.gone(); }));
  const auto rest = read_all(**stalled);
  REQUIRE_FALSE(rest);
  CHECK(rest.error().code == Code::kDeadlineExceeded);
  CHECK(contains(rest.error().message, "stream_stall_ms"));

  auto late = client->open_stream(peer.at(), "Read", nullptr, 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  CHECK((late ? read_all(**late).error() : late.error()).code == Code::kDeadlineExceeded);
  CHECK(comes_true([&] { return source.gone(); }));
}

TEST_CASE("Calls do not wait behind streams that nobody reads") {
  Source source;
  source.content = random_bytes(8u << 20);
  DirectServerOptions options;
  options.requests_per_connection_max = 4;
  TestPeer peer(2, {{"Read", source.handler()}, {"Echo", answering("x")}}, options);
  const auto client = caller();
  std::vector<std::unique_ptr<client::CallStream>> streams;
  for (int i = 0; i < 4; ++i) {
    auto stream = client->open_stream(peer.at(), "Read");
    REQUIRE(stream);
    streams.push_back(*std::move(stream));
  }
  CHECK(client->call(peer.at(), "Echo") == Bytes("x"));
  // One more waits until one of the four has ended.
  auto fifth = std::async(std::launch::async, [&] { return client->open_stream(peer.at(), "Read"); });
  CHECK(client->call(peer.at(), "Echo") == Bytes("x"));
  streams.pop_back();
  CHECK(fifth.get());
  CHECK(peer.server().counters().connections == 2);
}

TEST_CASE("Many streams at once share what is there, and their producers are never called twice at once") {
  std::atomic<bool> overlapped{false};
  const Bytes content = random_bytes(700'000);
  TestPeer peer(2, {{"Read", [&](const DirectRequest&, const Responder& to) {
                       to.stream([&, at = std::size_t{0}, inside = std::make_shared<std::atomic<int>>(0)](
                                     std::size_t bytes_max) mutable -> Result<Bytes> {
                         if (inside->fetch_add(1) != 0) overlapped = true;
                         const Bytes piece = content.substr(at, bytes_max);
                         at += piece.size();
                         inside->fetch_sub(1);
                         return piece;
                       });
                     }}});
  const auto client = caller();
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 60; ++i) {
    all.push_back(std::async(std::launch::async, [&] {
      auto stream = client->open_stream(peer.at(), "Read");
      return stream && read_all(**stream) == content;
    }));
  }
  for (auto& each : all) CHECK(each.get());
  CHECK_FALSE(overlapped);
}

TEST_CASE("Stopping while streams run ends them, and frees what they hold") {
  Source source;
  source.content = random_bytes(16u << 20);
  TestPeer peer(2, {{"Read", source.handler()}});
  const auto client = caller();
  std::vector<std::future<Result<Bytes>>> readers;
  std::atomic<int> reading{0};
  for (int i = 0; i < 8; ++i) {
    readers.push_back(std::async(std::launch::async, [&, slow = i % 2 == 0]() -> Result<Bytes> {
      DISTRI_TRY(const auto stream, client->open_stream(peer.at(), "Read"));
      DISTRI_TRY(const Bytes first, stream->read());
      ++reading;
      while (slow && reading < 100) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return read_all(*stream);
    }));
  }
  REQUIRE(comes_true([&] { return reading == 8; }));
  peer.server().stop();
  CHECK(source.gone());
  reading = 100;
  int ended = 0;
  for (auto& each : readers) ended += each.get() ? 0 : 1;
  CHECK(ended >= 4);  // the slow ones have most of it still to come
}
