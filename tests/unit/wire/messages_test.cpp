#include "distri/wire/messages.hpp"

#include <doctest/doctest.h>

#include "distri/wire/primitives.hpp"

namespace distri::wire {
namespace {

BytesView payload_of(const Bytes& frame) {
  return BytesView(frame).substr(kFrameHeaderBytes);
}

Bytes header_bytes(std::uint32_t length, std::uint8_t type, std::uint8_t flags, std::uint16_t reserved,
                   std::uint32_t stream) {
  Bytes bytes;
  Writer writer(bytes);
  writer.u32(length);
  writer.u8(type);
  writer.u8(flags);
  writer.u16(reserved);
  writer.u32(stream);
  return bytes;
}

std::string header_error(std::uint8_t type, std::uint8_t flags, std::uint16_t reserved, std::uint32_t stream) {
  const auto result = decode_frame_header(header_bytes(0, type, flags, reserved, stream));
  if (result) return "accepted";
  CHECK(result.error().code == Code::kProtocolError);
  return result.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Hello sample_hello() {
  Hello hello;
  hello.version_min = 1;
  hello.version_max = 3;
  hello.role = Role::kNode;
  hello.frame_bytes_max = 5000;
  hello.stream_window_bytes = 6000;
  hello.streams_max = 7;
  hello.params_bytes_max = 8000;
  hello.inline_body_bytes_max = 9000;
  hello.node.bytes[0] = 1;
  hello.node.bytes[31] = 2;
  hello.incarnation = 0x0102030405060708;
  hello.address = "10.0.0.1:3000";
  hello.software = "distri test";
  return hello;
}

Bytes hello_payload(const Hello& hello) {
  Bytes frame;
  encode_hello(frame, hello);
  return frame.substr(kFrameHeaderBytes);
}

}  // namespace

TEST_CASE("a reader stays failed after the first read past the end") {
  Reader reader(BytesView("\x01\x02\x03", 3));
  CHECK(reader.u16() == 0x0201);
  CHECK(reader.u32() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.u8() == 0);
  CHECK_FALSE(reader.ok());
}

TEST_CASE("frame headers round trip and every wrong field is named") {
  const auto good = decode_frame_header(header_bytes(77, 4, 1, 0, 9));
  REQUIRE(good);
  CHECK(good->payload_bytes == 77);
  CHECK(good->type == FrameType::kData);
  CHECK(good->flags == kFlagEnd);
  CHECK(good->stream == 9);

  CHECK(contains(header_error(0, 0, 0, 0), "type 0 is unknown"));
  CHECK(contains(header_error(11, 0, 0, 0), "type 11 is unknown"));
  CHECK(contains(header_error(4, 2, 0, 1), "flags 0x02"));
  CHECK(contains(header_error(5, 1, 0, 1), "flags 0x01"));
  CHECK(contains(header_error(7, 1, 0, 0), "flags 0x01"));
  CHECK(contains(header_error(4, 0, 1, 1), "reserved field is 1"));
  for (const std::uint8_t type : {2, 3, 4, 5, 6}) {
    CHECK(contains(header_error(type, 0, 0, 0), "needs a stream"));
    CHECK(header_error(type, 0, 0, 1) == "accepted");
  }
  for (const std::uint8_t type : {1, 7, 8, 9, 10}) {
    CHECK(contains(header_error(type, 0, 0, 5), "stream 5"));
    CHECK(header_error(type, 0, 0, 0) == "accepted");
  }
}

TEST_CASE("a hello round trips, and bytes of a later version behind it are ignored") {
  const Hello hello = sample_hello();
  for (const std::string behind : {"", "future"}) {
    const auto decoded = decode_hello(hello_payload(hello) + behind);
    REQUIRE(decoded);
    CHECK(hello_payload(*decoded) == hello_payload(hello));
    CHECK(decoded->node == hello.node);
    CHECK(decoded->address == hello.address);
  }
}

TEST_CASE("a hello is refused at every length short of its own") {
  const Bytes payload = hello_payload(sample_hello());
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const auto decoded = decode_hello(BytesView(payload).substr(0, size));
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == Code::kProtocolError);
  }
}

TEST_CASE("every wrong field of a hello is named") {
  const auto error_of = [](auto change) {
    Hello hello = sample_hello();
    change(hello);
    const auto decoded = decode_hello(hello_payload(hello));
    return decoded ? std::string("accepted") : decoded.error().message;
  };
  CHECK(contains(error_of([](Hello& h) { h.version_min = 0; }), "version_min 0"));
  CHECK(contains(error_of([](Hello& h) { h.version_min = 4; }), "version_min 4"));
  CHECK(contains(error_of([](Hello& h) { h.role = static_cast<Role>(2); }), "role 2"));
  CHECK(contains(error_of([](Hello& h) { h.frame_bytes_max = 2047; }), "frame_bytes_max 2047"));
  Bytes payload = hello_payload(sample_hello());
  payload[0] = 'X';
  CHECK(contains(decode_hello(payload).error().message, "DSTR"));
  // An address over its limit, which encode_hello() would cut: u16 length in front of the text.
  payload = hello_payload(sample_hello());
  const std::size_t at = payload.find("10.0.0.1:3000");
  payload.replace(at - 2, 2 + 13, Bytes("\x2d\x01", 2) + Bytes(301, 'a'));
  CHECK(contains(decode_hello(payload).error().message, "address has 301 bytes"));
}

TEST_CASE("versions: the highest common one, or an error that names both ranges") {
  const auto range = [](std::uint16_t low, std::uint16_t high) {
    Hello hello;
    hello.version_min = low;
    hello.version_max = high;
    return hello;
  };
  CHECK(*negotiate_version(range(1, 3), range(2, 5)) == 3);
  CHECK(*negotiate_version(range(2, 5), range(1, 3)) == 3);
  CHECK(*negotiate_version(range(1, 1), range(1, 1)) == 1);
  const auto none = negotiate_version(range(1, 2), range(4, 7));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Code::kProtocolError);
  CHECK(contains(none.error().message, "1 to 2"));
  CHECK(contains(none.error().message, "4 to 7"));
  // Nodes of version 1 count other digests.
  Hello node = range(1, 2);
  Hello old = range(1, 1);
  CHECK(*negotiate_version(node, old) == 1);
  node.role = old.role = Role::kNode;
  const auto refused = negotiate_version(node, old);
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "nodes need 2"));
  CHECK(*negotiate_version(node, node) == 2);
}

TEST_CASE("a request round trips and is refused at every length short of its head") {
  RequestHead head;
  head.id.bytes[3] = 9;
  head.deadline_ms = 1234;
  head.format = Format::kBson;
  head.attempt = 2;
  head.service = "AddDocument<photos>";
  head.token = "seen";
  head.params = "{}";
  Bytes frame;
  encode_request(frame, 5, head, "body", true);
  CHECK(frame.size() == kFrameHeaderBytes + request_head_bytes(head) + 4);
  BytesView body;
  const auto decoded = decode_request(payload_of(frame), Limits{}, body);
  REQUIRE(decoded);
  CHECK(decoded->id == head.id);
  CHECK(decoded->deadline_ms == 1234);
  CHECK(decoded->format == Format::kBson);
  CHECK(decoded->attempt == 2);
  CHECK(decoded->service == head.service);
  CHECK(decoded->token == "seen");
  CHECK(decoded->params == "{}");
  CHECK(body == "body");
  for (std::size_t size = 0; size < request_head_bytes(head); ++size) {
    const auto cut = decode_request(payload_of(frame).substr(0, size), Limits{}, body);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code == Code::kProtocolError);
  }
}

TEST_CASE("every wrong field of a request is named") {
  const auto error_of = [](const RequestHead& head, std::string_view body = {}) {
    Bytes frame;
    encode_request(frame, 1, head, body, true);
    Limits limits;
    limits.params_bytes_max = 10;
    limits.inline_body_bytes_max = 10;
    BytesView rest;
    const auto decoded = decode_request(payload_of(frame), limits, rest);
    return decoded ? std::string("accepted") : to_string(decoded.error());
  };
  RequestHead head;
  head.service = "S";
  CHECK(error_of(head) == "accepted");
  head.format = static_cast<Format>(2);
  CHECK(contains(error_of(head), "format 2"));
  head.format = Format::kJson;
  head.service = "";
  CHECK(contains(error_of(head), "service is empty"));
  head.service = "S";
  head.params = "12345678901";
  CHECK(contains(error_of(head), "too_large"));
  CHECK(contains(error_of(head), "params has 11 bytes; the limit params_bytes_max is 10"));
  head.params = {};
  const std::string token(kTokenBytesMax + 1, 't');
  head.token = token;
  CHECK(contains(error_of(head), fmt::format("token has {} bytes", kTokenBytesMax + 1)));
  head.token = {};
  CHECK(contains(error_of(head, "12345678901"), "inline_body_bytes_max is 10"));
}

TEST_CASE("a reply round trips, its message is cut at a character and its limits hold") {
  ReplyHead head;
  head.status = Code::kBusy;
  head.message = "queue full";
  head.hint = "10.0.0.2:3000";
  head.token = "seen";
  Bytes frame;
  encode_reply(frame, 5, head, "tail", false);
  CHECK(frame.size() == kFrameHeaderBytes + reply_head_bytes(head) + 4);
  BytesView body;
  auto decoded = decode_reply(payload_of(frame), Limits{}, body);
  REQUIRE(decoded);
  CHECK(decoded->status == Code::kBusy);
  CHECK(decoded->message == "queue full");
  CHECK(decoded->hint == "10.0.0.2:3000");
  CHECK(decoded->token == "seen");
  CHECK(body == "tail");
  for (std::size_t size = 0; size < reply_head_bytes(head); ++size) {
    CHECK_FALSE(decode_reply(payload_of(frame).substr(0, size), Limits{}, body));
  }
  CHECK_FALSE(decode_reply(payload_of(frame), Limits{.inline_body_bytes_max = 3}, body));

  const std::string text = std::string(kMessageTextBytesMax - 1, 'a') + "\xC3\xA9";
  head.message = text;
  frame.clear();
  encode_reply(frame, 5, head, {}, true);
  decoded = decode_reply(payload_of(frame), Limits{}, body);
  REQUIRE(decoded);
  CHECK(decoded->message == std::string(kMessageTextBytesMax - 1, 'a'));

  Bytes long_message;
  Writer writer(long_message);
  writer.u16(0);
  writer.bytes16(std::string(kMessageTextBytesMax + 1, 'a'));
  writer.u8(0);
  writer.u16(0);
  CHECK_FALSE(decode_reply(long_message, Limits{}, body));
}

TEST_CASE("an unknown status number reads as internal") {
  Bytes payload;
  Writer writer(payload);
  writer.u16(999);
  writer.bytes16("x");
  writer.u8(0);
  writer.u16(0);
  BytesView body;
  CHECK(decode_reply(payload, Limits{}, body)->status == Code::kInternal);
}

TEST_CASE("window, ping and error payloads have exactly their own length") {
  Bytes frame;
  encode_window(frame, 1, 5);
  CHECK(*decode_window(payload_of(frame)) == 5);
  CHECK_FALSE(decode_window(payload_of(frame).substr(1)));
  CHECK_FALSE(decode_window(frame.substr(kFrameHeaderBytes) + "x"));
  CHECK(contains(decode_window(BytesView("\0\0\0\0", 4)).error().message, "credit is 0"));

  frame.clear();
  encode_ping(frame, FrameType::kPong, 0x1122334455667788);
  CHECK(*decode_ping(payload_of(frame)) == 0x1122334455667788);
  CHECK_FALSE(decode_ping(payload_of(frame).substr(1)));
  CHECK_FALSE(decode_ping(frame.substr(kFrameHeaderBytes) + "x"));

  frame.clear();
  encode_reset(frame, 1, Error{Code::kBusy, "why"});
  CHECK(*decode_error(payload_of(frame)) == Error{Code::kBusy, "why"});
  CHECK_FALSE(decode_error(payload_of(frame).substr(0, 6)));
  CHECK_FALSE(decode_error(frame.substr(kFrameHeaderBytes) + "x"));
  CHECK_FALSE(decode_error(BytesView("\0\0\0\0", 4)));
  frame.clear();
  encode_goodbye(frame, Error{Code::kOk, ""});
  CHECK(decode_error(payload_of(frame))->code == Code::kCancelled);

  frame.clear();
  encode_message(frame, 300, "hi");
  BytesView body;
  CHECK(*decode_message(payload_of(frame), body) == 300);
  CHECK(body == "hi");
  CHECK_FALSE(decode_message("x", body));
}

}  // namespace distri::wire
