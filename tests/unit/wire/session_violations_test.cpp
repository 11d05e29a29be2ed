// Everything the other side can do wrong: each ends the session with a goodbye that says what, and reaches no handler.
#include "distri/wire/primitives.hpp"
#include "session_pair.hpp"

namespace distri::wire {
namespace {

Bytes header_bytes(std::uint32_t length, FrameType type, std::uint8_t flags = 0, std::uint32_t stream = 0) {
  Bytes bytes;
  Writer writer(bytes);
  writer.u32(length);
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u8(flags);
  writer.u16(0);
  writer.u32(stream);
  return bytes;
}

// The session fails on these bytes, says so in a goodbye, and delivers nothing.
void check_violation(Session& session, Recorder& events, BytesView bytes, Code code, std::string_view part) {
  events.take();
  session.output().clear();
  const auto result = session.receive(bytes);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == code);
  INFO(result.error().message);
  CHECK(result.error().message.find(part) != std::string::npos);
  CHECK(events.events.empty());
  CHECK(session.failed());
  CHECK_FALSE(session.ready());
  CHECK(session.open_streams() == 0);
  CHECK(last_goodbye(session) == result.error());
}

void node_refuses(BytesView bytes, std::string_view part, Code code = Code::kProtocolError, Limits limits = {}) {
  SessionPair pair({}, limits);
  pair.hello();
  pair.request("Open", {}, false);
  pair.move();
  check_violation(pair.node, pair.node_events, bytes, code, part);
}

void client_refuses(BytesView bytes, std::string_view part, Code code = Code::kProtocolError) {
  SessionPair pair;
  pair.hello();
  pair.request("Open");
  pair.client.output().clear();
  check_violation(pair.client, pair.client_events, bytes, code, part);
}

Bytes request_bytes(std::uint32_t stream) {
  Bytes bytes;
  RequestHead head;
  head.service = "S";
  encode_request(bytes, stream, head, {}, true);
  return bytes;
}

Bytes data_bytes(std::uint32_t stream, std::string_view chunk, bool end = false) {
  Bytes bytes;
  encode_data(bytes, stream, chunk, end);
  return bytes;
}

Bytes reply_bytes(std::uint32_t stream, bool end) {
  Bytes bytes;
  encode_reply(bytes, stream, {}, {}, end);
  return bytes;
}

}  // namespace

TEST_CASE("before the hello nothing else is accepted, and little of it") {
  SessionPair pair;
  check_violation(pair.node, pair.node_events, header_bytes(8, FrameType::kPing), Code::kProtocolError,
                  "first frame must be a HELLO");
  SessionPair http;
  check_violation(http.node, http.node_events, "GET / HTTP/1.1\r\n\r\n", Code::kProtocolError, "type");
  SessionPair large;
  check_violation(large.node, large.node_events, header_bytes(1025, FrameType::kHello), Code::kTooLarge,
                  "1025 bytes; the limit is 1024");
  SessionPair strange;
  check_violation(strange.node, strange.node_events, header_bytes(4, FrameType::kHello) + "abcd", Code::kProtocolError,
                  "DSTR");
}

TEST_CASE("a length of 2 GiB is refused on the header alone") {
  node_refuses(header_bytes(0x80000000u, FrameType::kData, 0, 1),
               "2147483648 bytes; the limit frame_bytes_max is 1048576", Code::kTooLarge);
  client_refuses(header_bytes(0xFFFFFFFFu, FrameType::kData, 0, 1), "4294967295 bytes", Code::kTooLarge);
  // Also when the header comes byte by byte.
  SessionPair pair;
  pair.hello();
  const Bytes bytes = header_bytes(0x80000000u, FrameType::kMessage);
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) REQUIRE(pair.node.receive(BytesView(bytes).substr(i, 1)));
  CHECK(pair.node.receive(BytesView(bytes).substr(11)).error().code == Code::kTooLarge);
}

TEST_CASE("a node refuses what a client must not send") {
  Bytes hello;
  encode_hello(hello, hello_of(Role::kClient, "again"));
  node_refuses(hello, "second HELLO");
  node_refuses(reply_bytes(1, true), "only the side that accepted");
  node_refuses(request_bytes(1), "stream numbers must rise");
  node_refuses(data_bytes(2, "x"), "DATA on stream 2, which was never opened");
  Bytes message;
  encode_message(message, 1, "hi");
  node_refuses(message, "between nodes only");
  node_refuses(header_bytes(3, FrameType::kReset, 0, 1) + "abc", "ends before its last field");
  node_refuses(header_bytes(3, FrameType::kGoodbye) + "abc", "ends before its last field");
  node_refuses(header_bytes(9, FrameType::kPing) + "123456789", "behind the last field");
  node_refuses(header_bytes(2, FrameType::kRequest, 0, 2) + "ab", "ends before its last field");
  node_refuses(header_bytes(4, FrameType::kWindow, 0, 7) + "abcd", "WINDOW on stream 7");
  node_refuses(header_bytes(0, FrameType::kReset, 0, 7), "RESET on stream 7");
}

TEST_CASE("a client refuses what a node must not send") {
  client_refuses(request_bytes(2), "only the side that dialled");
  client_refuses(reply_bytes(2, true), "never opened");
  client_refuses(header_bytes(3, FrameType::kReply, 0, 1) + "abc", "ends before its last field");
  client_refuses(data_bytes(1, "x"), "before its REPLY");
}

TEST_CASE("data behind the end of a body is refused") {
  SessionPair pair;
  pair.hello();
  pair.request("Open");
  pair.move();
  check_violation(pair.node, pair.node_events, data_bytes(1, "y"), Code::kProtocolError, "behind its END");
}

TEST_CASE("a second reply is refused") {
  SessionPair pair;
  pair.hello();
  pair.request("Open");
  REQUIRE(pair.client.receive(reply_bytes(1, false)));
  check_violation(pair.client, pair.client_events, reply_bytes(1, false), Code::kProtocolError, "second REPLY");
}

TEST_CASE("oversteps of announced limits are refused") {
  Limits tight{.stream_window_bytes = 4, .params_bytes_max = 4, .inline_body_bytes_max = 4};
  node_refuses(data_bytes(1, "12345"), "has 5 bytes, but its window has room for 4", Code::kProtocolError, tight);
  RequestHead head;
  head.service = "S";
  head.params = "12345";
  Bytes bytes;
  encode_request(bytes, 2, head, {}, true);
  node_refuses(bytes, "params_bytes_max", Code::kTooLarge, tight);
  bytes.clear();
  head.params = {};
  encode_request(bytes, 2, head, "12345", true);
  node_refuses(bytes, "inline_body_bytes_max", Code::kTooLarge, tight);
}

TEST_CASE("a window that overflows is refused") {
  SessionPair pair;
  pair.hello();
  pair.request("Open");
  pair.move();
  Bytes bytes;
  encode_window(bytes, 1, 0xFFFFFFFFu);
  check_violation(pair.node, pair.node_events, bytes, Code::kProtocolError, "overflow");
}

TEST_CASE("events before the violation in the same bytes are delivered, events behind it are not") {
  SessionPair pair;
  pair.hello();
  const auto result = pair.node.receive(request_bytes(1) + header_bytes(0, FrameType::kPing) + request_bytes(2));
  CHECK_FALSE(result);
  CHECK(pair.node_events.events == Events{"request 1 S [] [] end"});
  CHECK_FALSE(pair.node.mid_frame());
}

TEST_CASE("numbers of streams may leave gaps, and the skipped ones count as gone") {
  SessionPair pair;
  pair.hello();
  REQUIRE(pair.node.receive(request_bytes(5)));
  CHECK(pair.node.receive(data_bytes(3, "x")));
  CHECK_FALSE(pair.node.receive(request_bytes(4)));
}

}  // namespace distri::wire
