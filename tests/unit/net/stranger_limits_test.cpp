// What a connection may send before it is trusted, and a listener that does not take everybody.
#include "net_rig.hpp"

namespace distri::net {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

ConnectionOptions with_limits(std::size_t bytes_max, std::uint64_t frames_max) {
  ConnectionOptions options;
  options.stranger = {bytes_max, frames_max};
  return options;
}

Error end_of_first(Loop& loop, Server& server) {
  loop.at_end_of_turn([&] {
    if (!server.handlers.empty() && !server.handlers[0]->closed.empty()) loop.stop();
  });
  run_bounded(loop);
  return server.handlers[0]->closed[0];
}

Bytes request_bytes(std::uint32_t stream, std::size_t body_bytes) {
  Bytes frame;
  wire::RequestHead head;
  head.service = "Any";
  wire::encode_request(frame, stream, head, Bytes(body_bytes, 'x'), true);
  return frame;
}

Bytes pings(int count) {
  Bytes frames;
  for (int i = 0; i < count; ++i) wire::encode_ping(frames, wire::FrameType::kPing, 1);
  return frames;
}

// What a dialling side hears that comes to a closed gate.
Error refused(const ConnectionOptions& node, const ConnectionOptions& client) {
  Loop loop;
  Server server(loop, node);
  std::string from;
  server.listener->set_gate([&](const Address& address) -> Result<> {
    from = address.host;
    return fail(Code::kBusy, "enough of you");
  });
  TestHandler dialler;
  dial(loop, dialler, server.address(), client);
  dialler.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(from == "127.0.0.1");
  CHECK(server.handlers.empty());
  return dialler.closed[0];
}

}  // namespace

TEST_CASE_TEMPLATE("a stranger that sends more than its bytes is ended, and no more of them are kept", Link, Plain,
                   Encrypted) {
  Loop loop;
  Server server(loop, Link::on(with_limits(10'000, 0)));
  typename Link::Raw greedy(loop, server.address());
  // One frame that never ends, which would be allowed to anybody else.
  greedy.send(client_hello_bytes() + request_bytes(1, 30'000).substr(0, 20'000));
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kTooLarge);
  CHECK(contains(reason.message, "10000 bytes (stranger_bytes_max)"));
  CHECK(server.handlers[0]->events == std::vector<std::string>{"hello"});
  CHECK(goodbye_in(greedy.read_all()) == reason);
}

TEST_CASE_TEMPLATE("a stranger that sends more than its frames is ended", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on(with_limits(100'000, 20)));
  typename Link::Raw chatty(loop, server.address());
  chatty.send(client_hello_bytes() + pings(20));
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kTooLarge);
  CHECK(contains(reason.message, "20 frames (stranger_frames_max)"));
}

TEST_CASE_TEMPLATE("who is trusted in time may send as much as it likes, also what came in one piece with the proof",
                   Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on(with_limits(1'000, 3)),
                [](TestHandler& handler) { handler.when_ready = [&handler] { handler.connection->trust(); }; });
  typename Link::Raw member(loop, server.address());
  member.send(client_hello_bytes() + pings(10) + request_bytes(1, 50'000) + request_bytes(2, 50'000));
  loop.at_end_of_turn([&] {
    if (!server.handlers.empty() && server.handlers[0]->body_bytes == 100'000) loop.stop();
  });
  run_bounded(loop);
  CHECK(server.handlers[0]->closed.empty());
}

TEST_CASE("a stranger that changes keys of TLS over and over is ended") {
  Loop loop;
  Server server(loop, Encrypted::on(with_limits(1'000, 0)));
  RawTls restless(loop, server.address());
  loop.at_end_of_turn([&] {
    if (!server.handlers.empty() && !server.handlers[0]->closed.empty()) loop.stop();
  });
  std::function<void()> change = [&] {
    for (int i = 0; i < 100; ++i) {
      SSL_key_update(restless.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
      if (SSL_do_handshake(restless.ssl()) != 1) return;  // it has been closed
    }
    loop.post(change);
  };
  loop.post(change);
  run_bounded(loop);
  CHECK(server.handlers[0]->closed[0].code == Code::kTooLarge);
  CHECK(contains(server.handlers[0]->closed[0].message, "work on TLS"));
}

TEST_CASE("who comes to a closed gate is told why, and encrypted that there are too many") {
  const Error plain = refused({}, {});
  CHECK(plain.code == Code::kBusy);
  CHECK(contains(plain.message, "enough of you"));
  ConnectionOptions client;
  client.tls = keyless_tls();
  const Error secret = refused(Encrypted::on(), client);
  CHECK(secret.code == Code::kBusy);
  CHECK(contains(secret.message, "connections_per_address_max"));
}

TEST_CASE("handshakes that fail are counted by what was wrong") {
  Loop loop;
  ConnectionOptions node;
  const auto tls = make_tls(SigningKey::generate());
  node.tls = tls;
  Server server(loop, node);
  {
    RawSocket garbage(server.address());
    garbage.send("GET / HTTP/1.1\r\n\r\n");
    RawSocket half(server.address());
    StreamSide dialler(keyless_tls(), wire::Side::kDialled);
    half.send(dialler.take().substr(0, 100));
    RawSocket broken(server.address());
    broken.send(Bytes("\x16\x03\x01\x00\x0a\x01\x00\x00\x06\xff\xff\xff\xff\xff\xff", 15));
    run_turns(loop, 5);
  }
  loop.at_end_of_turn([&] {
    if (std::ranges::count_if(server.handlers, [](const auto& handler) { return !handler->closed.empty(); }) == 3)
      loop.stop();
  });
  run_bounded(loop);
  const auto counters = tls->counters();
  CHECK(counters.failed_not_tls == 1);
  CHECK(counters.failed_lost == 1);
  CHECK(counters.failed_protocol == 1);
  CHECK(counters.failed_key == 0);
  CHECK(counters.failed == 3);
}

}  // namespace distri::net
