// Strangers: silent, half-spoken, greedy, deaf. Each is ended within its limit and with a reason, and nobody else
// notices.
#include "net_rig.hpp"

#include "distri/wire/primitives.hpp"

namespace distri::net {
namespace {

ConnectionOptions short_limits() {
  ConnectionOptions options;
  options.dial_ms = options.frame_ms = options.write_stall_ms = 150;
  options.hello_ms = 500;  // a handshake has time, on a busy machine, too
  return options;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Runs until the first accepted connection has ended; returns the reason.
Error end_of_first(Loop& loop, Server& server) {
  loop.at_end_of_turn([&] {
    if (!server.handlers.empty() && !server.handlers[0]->closed.empty()) loop.stop();
  });
  run_bounded(loop);
  return server.handlers[0]->closed[0];
}

}  // namespace

TEST_CASE_TEMPLATE("a client that connects and says nothing is told so and closed", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on(short_limits()));
  typename Link::Raw silent(loop, server.address());
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kDeadlineExceeded);
  CHECK(contains(reason.message, "hello_ms"));
  CHECK(goodbye_in(silent.read_all()) == reason);
}

TEST_CASE_TEMPLATE("half a frame and then silence is closed, however slowly its bytes drip", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on(short_limits()));
  typename Link::Raw slow(loop, server.address());
  Bytes frame;
  wire::RequestHead head;
  head.service = "Half";
  wire::encode_request(frame, 1, head, std::string(1000, 'x'), true);
  slow.send(client_hello_bytes() + frame.substr(0, 20));
  std::size_t at = 20;
  std::function<void()> drip;
  Timer timer;
  drip = [&] {
    slow.send(frame.substr(at++, 1));
    timer = loop.after(20, drip);
  };
  timer = loop.after(20, drip);
  const Error reason = end_of_first(loop, server);
  timer.cancel();
  CHECK(reason.code == Code::kDeadlineExceeded);
  CHECK(contains(reason.message, "frame_ms"));
  CHECK(server.handlers[0]->events == std::vector<std::string>{"hello"});
  CHECK(goodbye_in(slow.read_all()) == reason);
}

TEST_CASE_TEMPLATE("a frame of 2 GiB is refused on its header, and the reason reaches a client that goes on sending",
                   Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  typename Link::Raw greedy(loop, server.address());
  Bytes header;
  wire::Writer writer(header);
  writer.u32(0x80000000u);
  writer.u8(static_cast<std::uint8_t>(wire::FrameType::kData));
  writer.u8(0);
  writer.u16(0);
  writer.u32(1);
  greedy.send(client_hello_bytes() + header + std::string(100'000, 'x'));
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kTooLarge);
  CHECK(contains(reason.message, "2147483648"));
  CHECK(goodbye_in(greedy.read_all()) == reason);
}

TEST_CASE_TEMPLATE("bytes of another protocol get a goodbye", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  typename Link::Raw browser(loop, server.address());
  browser.send("GET / HTTP/1.1\r\nHost: example\r\n\r\n");
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kProtocolError);
  CHECK(goodbye_in(browser.read_all()) == reason);
}

TEST_CASE_TEMPLATE(
    "a client that never reads is not read either, and is closed when it stalls; another is served meanwhile", Link,
    Plain, Encrypted) {
  Loop loop;
  ConnectionOptions options = Link::on(short_limits());
  options.write_stall_ms = 400;
  options.hello_ms = 5000;
  options.outbound_bytes_high = 1u << 20;
  const std::string reply(60'000, 'r');
  std::size_t queued_max = 0;
  std::uint32_t flood_seen = 0;
  Server server(loop, options, [&](TestHandler& handler) {
    handler.when_request = [&](std::uint32_t stream, BytesView, bool) {
      handler.session().send_reply(stream, {}, reply, true);
      queued_max = std::max(queued_max, handler.connection->outbound_bytes());
      if (&handler == server.handlers[0].get()) flood_seen = stream;
    };
  });
  typename Link::Raw deaf(loop, server.address(), 4096);
  Bytes bytes = client_hello_bytes();
  wire::RequestHead head;
  head.service = "Flood";
  // In pieces, the next when one has been read, so that the node has the chance to stop between reads; all the rest
  // once it has had to.
  constexpr std::uint32_t kRequests = 2000;
  deaf.send(bytes);
  std::uint32_t next = 1;
  std::function<void()> send_more = [&] {
    const bool stopped =
        flood_seen > 0 && server.handlers[0]->connection->outbound_bytes() > options.outbound_bytes_high;
    if (flood_seen + 1 < next && !stopped) return loop.post(send_more);
    Bytes piece;
    for (int i = 0; i < 20 && next <= kRequests; ++i) wire::encode_request(piece, next++, head, {}, true);
    if (piece.empty()) return;
    deaf.send(piece);
    loop.post(send_more);
  };
  loop.post(send_more);
  TestHandler polite;
  dial(loop, polite, server.address(), Link::on());
  std::size_t served = 0;
  polite.when_ready = [&] { send_request(*polite.connection, "Polite"); };
  polite.when_reply = [&](std::uint32_t, BytesView, bool) {
    if (++served < 200) send_request(*polite.connection, "Polite");
  };
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kDeadlineExceeded);
  CHECK(contains(reason.message, "write_stall_ms"));
  CHECK(server.handlers[0]->events.size() < kRequests);
  CHECK(queued_max < (3u << 20));  // high water and the answers to one read
  CHECK(polite.closed.empty());
  CHECK(served > 0);
}

TEST_CASE_TEMPLATE("back-pressure lets go when the other side reads again", Link, Plain, Encrypted) {
  Loop loop;
  ConnectionOptions options = Link::on();
  options.outbound_bytes_high = 100'000;
  const std::string reply(60'000, 'r');
  Server server(loop, options, [&](TestHandler& handler) {
    handler.when_request = [&](std::uint32_t stream, BytesView, bool) {
      handler.session().send_reply(stream, {}, reply, true);
    };
  });
  TestHandler client;
  dial(loop, client, server.address(), Link::on());
  constexpr std::size_t kRequests = 1000;
  client.when_ready = [&] {
    for (std::size_t i = 0; i < kRequests; ++i) send_request(*client.connection, "Read");
  };
  client.when_reply = [&](std::uint32_t, BytesView, bool) {
    if (client.body_bytes == kRequests * reply.size()) loop.stop();
  };
  run_bounded(loop);
  CHECK(client.closed.empty());
}

TEST_CASE_TEMPLATE("a dialled address that answers nothing ends within dial_ms or hello_ms", Link, Plain, Encrypted) {
  // A listening socket whose owner never accepts: the connection is made by the system, the hello never comes.
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(descriptor, 0) == 0);
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  const Address to{"127.0.0.1", ntohs(address.sin_port)};

  // The first fills the queue of the socket; the last find it full, so that their packets are dropped.
  Loop loop;
  std::vector<std::unique_ptr<TestHandler>> handlers;
  std::size_t ended = 0;
  for (int i = 0; i < 4; ++i) {
    auto& handler = *handlers.emplace_back(std::make_unique<TestHandler>());
    handler.when_closed = [&] {
      if (++ended == 4) loop.stop();
    };
    dial(loop, handler, to, Link::on(short_limits()));
  }
  run_bounded(loop);
  int by_dial = 0;
  for (const auto& handler : handlers) {
    REQUIRE(handler->closed.size() == 1);
    CHECK(handler->closed[0].code == Code::kDeadlineExceeded);
    by_dial += contains(handler->closed[0].message, "dial_ms") ? 1 : 0;
    CHECK((contains(handler->closed[0].message, "dial_ms") || contains(handler->closed[0].message, "hello_ms")));
  }
  CHECK(by_dial > 0);
  ::close(descriptor);
}

TEST_CASE_TEMPLATE("an idle connection ends after idle_ms, one with an open stream does not", Link, Plain, Encrypted) {
  Loop loop;
  ConnectionOptions options = Link::on();
  options.idle_ms = 150;
  Server server(loop, options);
  TestHandler idle;
  TestHandler waiting;
  dial(loop, waiting, server.address(), Link::on());
  waiting.when_ready = [&] {
    send_request(*waiting.connection, "Never answered");
    dial(loop, idle, server.address(), Link::on());
  };
  idle.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(waiting.closed.empty());
  CHECK(idle.events.back().find("idle_ms") != std::string::npos);
  CHECK(idle.closed[0].code == Code::kConnectionLost);
}

TEST_CASE_TEMPLATE("a client that disappears is a lost connection, once", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  {
    typename Link::Raw client(loop, server.address());
    client.send(client_hello_bytes());
  }
  const Error reason = end_of_first(loop, server);
  CHECK(reason.code == Code::kConnectionLost);
  run_turns(loop, 5);
  CHECK(server.handlers[0]->closed.size() == 1);
}

}  // namespace distri::net
