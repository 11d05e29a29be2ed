// Flow control: windows, credit and bodies larger than any buffer.
#include "session_pair.hpp"

#include "distri/wire/session.hpp"

namespace distri::wire {

TEST_CASE("a request body stops at the window and goes on with the credit that consume() returns") {
  SessionPair pair({}, Limits{.stream_window_bytes = 10});
  pair.hello();
  const auto stream = pair.request("Upload", {}, false);
  CHECK(pair.client.window(stream) == 10);
  const std::string body = "0123456789abcdefghij";
  CHECK(pair.client.send_data(stream, body, true) == 10);
  CHECK(pair.client.send_data(stream, body.substr(10), true) == 0);
  pair.move();
  CHECK(pair.node_events.take() == Events{"request 1 Upload [] []", "data 1 [0123456789]"});

  pair.node.consume(stream, 4);
  CHECK(pair.node.output().empty());  // less than half a window
  pair.node.consume(stream, 1);
  pair.move();
  CHECK(pair.client_events.take() == Events{"writable 1"});
  CHECK(pair.client.window(stream) == 5);
  CHECK(pair.client.send_data(stream, body.substr(10), true) == 5);
  pair.node.consume(stream, 1'000'000);  // more than ever arrived: counts as what did
  pair.move();
  CHECK(pair.client_events.take() == Events{"writable 1"});
  CHECK(pair.client.window(stream) == 5);
  CHECK(pair.client.send_data(stream, body.substr(15), true) == 5);
  pair.move();
  CHECK(pair.node_events.take() == Events{"data 1 [abcde]", "data 1 [fghij] end"});
  pair.node.consume(stream, 5);
  CHECK(pair.node.output().empty());  // the body is over: nobody needs credit
}

TEST_CASE("a reply body obeys the caller's window") {
  SessionPair pair(Limits{.stream_window_bytes = 6, .inline_body_bytes_max = 4}, {});
  pair.hello();
  const auto stream = pair.request("Read");
  pair.move();
  const std::string body = "0123456789abcdef";
  std::size_t sent = pair.node.send_reply(stream, {}, body, true);
  CHECK(sent == 4);
  sent += pair.node.send_data(stream, body.substr(sent), true);
  CHECK(sent == 10);
  pair.move();
  CHECK(pair.client_events.take() == Events{"reply 1 ok [] [0123]", "data 1 [456789]"});
  pair.client.consume(stream, 6);
  pair.move();
  sent += pair.node.send_data(stream, body.substr(sent), true);
  CHECK(sent == 16);
  CHECK_FALSE(pair.node.has_stream(stream));
  pair.move();
  CHECK(pair.client_events.take() == Events{"data 1 [abcdef] end"});
  CHECK_FALSE(pair.client.has_stream(stream));
}

TEST_CASE("an empty end needs no window") {
  SessionPair pair({}, Limits{.stream_window_bytes = 0});
  pair.hello();
  const auto stream = pair.request("Upload", "inline", false);
  CHECK(pair.client.send_data(stream, "x", true) == 0);
  CHECK(pair.client.send_data(stream, "", true) == 0);
  pair.move();
  CHECK(pair.node_events.take() == Events{"request 1 Upload [] [inline]", "data 1 [] end"});
}

TEST_CASE("a window of one byte still moves a body") {
  SessionPair pair({}, Limits{.stream_window_bytes = 1});
  pair.hello();
  const auto stream = pair.request("Upload", {}, false);
  const std::string body = "slowly";
  for (std::size_t sent = 0; sent < body.size();) {
    const std::size_t taken = pair.client.send_data(stream, body.substr(sent), true);
    REQUIRE(taken == 1);
    sent += taken;
    pair.move();
    pair.node.consume(stream, 1);
    pair.move();
  }
  CHECK(pair.node_events.body_bytes == body.size());
  CHECK(pair.node_events.events.back() == "data 1 [y] end");
}

TEST_CASE("the inline body keeps to both sides' limits and to the frame") {
  const std::string body(5000, 'b');
  std::size_t taken = 0;
  RequestHead head;
  head.service = "S";
  const auto taken_with = [&](Limits ours, Limits theirs) {
    SessionPair pair(ours, theirs);
    pair.hello();
    REQUIRE(pair.client.open_request(head, body, true, taken));
    pair.move();
    CHECK_FALSE(pair.node.failed());
    CHECK(pair.node_events.body_bytes == taken);
    return taken;
  };
  CHECK(taken_with({}, {}) == 5000);
  CHECK(taken_with(Limits{.inline_body_bytes_max = 100}, {}) == 100);
  CHECK(taken_with({}, Limits{.inline_body_bytes_max = 200}) == 200);
  CHECK(taken_with({}, Limits{.frame_bytes_max = 2048}) == 2048 - request_head_bytes(head));
}

TEST_CASE("data frames are cut to the other side's frame limit") {
  SessionPair pair({}, Limits{.frame_bytes_max = 2048});
  pair.hello();
  const auto stream = pair.request("Upload", {}, false);
  CHECK(pair.client.send_data(stream, std::string(6000, 'd'), true) == 6000);
  pair.move();
  CHECK(pair.node_events.take() ==
        Events{"request 1 Upload [] []", "data 1 [2048 bytes]", "data 1 [2048 bytes]", "data 1 [1904 bytes] end"});
}

TEST_CASE("64 MiB each way pass through small buffers") {
  constexpr std::size_t kBodyBytes = 64u << 20;
  SessionPair pair;
  pair.hello();
  const auto stream = pair.request("Echo", {}, false);
  pair.move();
  pair.node.send_reply(stream, {}, {}, false);
  const std::string chunk(100'000, 'c');
  std::size_t sent = 0;
  std::size_t echoed = 0;
  std::size_t queued_max = 0;
  std::size_t consumed_by_node = 0;
  std::size_t consumed_by_client = 0;
  while (pair.client_events.body_bytes < kBodyBytes) {
    const auto part = [&](std::size_t done) {
      return BytesView(chunk).substr(0, std::min(chunk.size(), kBodyBytes - done));
    };
    if (sent < kBodyBytes) sent += pair.client.send_data(stream, part(sent), sent + chunk.size() >= kBodyBytes);
    if (echoed < pair.node_events.body_bytes) {
      const std::size_t ready = std::min(pair.node_events.body_bytes - echoed, chunk.size());
      echoed += pair.node.send_data(stream, BytesView(chunk).substr(0, ready), echoed + ready == kBodyBytes);
    }
    queued_max = std::max({queued_max, pair.client.output().size(), pair.node.output().size()});
    pair.move(256u << 10);
    pair.node.consume(stream, static_cast<std::uint32_t>(pair.node_events.body_bytes - consumed_by_node));
    consumed_by_node = pair.node_events.body_bytes;
    pair.client.consume(stream, static_cast<std::uint32_t>(pair.client_events.body_bytes - consumed_by_client));
    consumed_by_client = pair.client_events.body_bytes;
    pair.node_events.events.clear();
    pair.client_events.events.clear();
    pair.move(256u << 10);
  }
  CHECK(pair.node_events.body_bytes == kBodyBytes);
  CHECK(pair.client_events.body_bytes == kBodyBytes);
  CHECK(queued_max < 300'000);
  CHECK_FALSE(pair.client.has_stream(stream));
  CHECK_FALSE(pair.node.has_stream(stream));
}

TEST_CASE("credit for a stream that is gone is ignored") {
  SessionPair pair;
  pair.hello();
  const auto stream = pair.request("Work");
  pair.move();
  pair.node.send_reply(stream, {}, {}, true);
  encode_window(pair.client.output(), stream, 10);
  pair.move();
  CHECK_FALSE(pair.node.failed());
}

}  // namespace distri::wire
