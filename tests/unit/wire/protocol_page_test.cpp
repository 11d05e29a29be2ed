// The worked example of docs/protocol.md, byte for byte. Whoever changes one changes the other.
#include <doctest/doctest.h>

#include "distri/wire/session.hpp"

namespace distri::wire {
namespace {

Bytes bytes_of(std::string_view hex_lines) {
  std::string hex;
  for (const char c : hex_lines) {
    if (c != ' ' && c != '\n') hex.push_back(c);
  }
  return *from_hex(hex);
}

}  // namespace

TEST_CASE("the example of docs/protocol.md is what the code sends") {
  SessionHandler client_handler;
  struct Node : SessionHandler {
    Session* session = nullptr;
    void on_request(std::uint32_t stream, const RequestHead& head, BytesView body, bool end) override {
      CHECK(head.service == "Stats");
      CHECK(head.deadline_ms == 5000);
      CHECK(body.empty());
      CHECK(end);
      session->send_reply(stream, {}, "{\"ok\":true}", true);
    }
  } node_handler;

  Hello client_hello;
  client_hello.software = "example 1";
  Hello node_hello;
  node_hello.role = Role::kNode;
  for (std::size_t i = 0; i < NodeId::kSize; ++i) node_hello.node.bytes[i] = static_cast<unsigned char>(i);
  node_hello.incarnation = 1;
  node_hello.address = "127.0.0.1:3000";
  node_hello.software = "distri 0.1.0";
  Session client(Side::kDialled, client_hello, {}, client_handler);
  Session node(Side::kAccepted, node_hello, {}, node_handler);
  node_handler.session = &node;

  client.start();
  CAPTURE(to_hex(client.output()));
  CHECK(client.output() == bytes_of(R"(
51 00 00 00 01 00 00 00 00 00 00 00
44 53 54 52 01 00 03 00 00 00 00 10 00 00 00 04 00 00 04 00 00 00 00 01 00 00 00 01 00 00 00 00
00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
00 00 00 00 00 00 00 09 65 78 61 6d 70 6c 65 20 31)"));
  REQUIRE(node.receive(std::exchange(client.output(), {})));
  CAPTURE(to_hex(node.output()));
  CHECK(node.output() == bytes_of(R"(
62 00 00 00 01 00 00 00 00 00 00 00
44 53 54 52 03 00 03 00 01 00 00 10 00 00 00 04 00 00 04 00 00 00 00 01 00 00 00 01 00 00 01 02
03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 01 00 00
00 00 00 00 00 0e 00 31 32 37 2e 30 2e 30 2e 31 3a 33 30 30 30 0c 64 69 73 74 72 69 20 30 2e 31
2e 30)"));
  REQUIRE(client.receive(std::exchange(node.output(), {})));

  RequestHead head;
  head.deadline_ms = 5000;
  head.service = "Stats";
  std::size_t taken = 0;
  REQUIRE(client.open_request(head, {}, true, taken));
  CAPTURE(to_hex(client.output()));
  CHECK(client.output() == bytes_of(R"(
22 00 00 00 02 01 00 00 01 00 00 00
00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 88 13 00 00 00 00 05 53 74 61 74 73 00 00 00 00
00 00)"));
  REQUIRE(node.receive(std::exchange(client.output(), {})));
  CAPTURE(to_hex(node.output()));
  CHECK(node.output() == bytes_of(R"(
12 00 00 00 03 01 00 00 01 00 00 00
00 00 00 00 00 00 00 7b 22 6f 6b 22 3a 74 72 75 65 7d)"));
}

}  // namespace distri::wire
