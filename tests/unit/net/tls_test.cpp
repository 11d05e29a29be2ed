// Encrypted links over sockets: keys and who is refused, the two kinds of links that meet, bad lines, many at once.
#include "distri/net/tls.hpp"

#include <sys/resource.h>

#include <chrono>
#include <set>
#include <thread>

#include "distri/utils/random.hpp"
#include "net_rig.hpp"
#include "relay.hpp"

namespace distri::net {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

struct Keys {
  SigningKey node_key = SigningKey::generate();
  SigningKey client_key = SigningKey::generate();
  ConnectionOptions node = options_of(make_tls(node_key));
  ConnectionOptions client = options_of(make_tls(client_key));
  ConnectionOptions keyless = options_of(keyless_tls());

  static ConnectionOptions options_of(std::shared_ptr<Tls> tls) {
    ConnectionOptions options;
    options.tls = std::move(tls);
    return options;
  }
};

void echo(TestHandler& handler) {
  handler.when_request = [&handler](std::uint32_t stream, BytesView body, bool) {
    handler.session().send_reply(stream, {}, body, true);
  };
}

// Runs until both the dialling handler and the first accepted one have ended (or the accepting side has none).
void run_until_ended(Loop& loop, Server& server, TestHandler& client, bool with_server = true) {
  loop.at_end_of_turn([&, with_server] {
    const bool served = !with_server || (!server.handlers.empty() && !server.handlers[0]->closed.empty());
    if (!client.closed.empty() && served) loop.stop();
  });
  run_bounded(loop);
}

}  // namespace

TEST_CASE("the key of the other side is known when the hello arrives, and the next connection is resumed") {
  Keys keys;
  keys.client.expected_key = keys.node_key.public_key();
  Loop loop;
  Server server(loop, keys.node, [&](TestHandler& handler) {
    echo(handler);
    handler.when_ready = [&] {
      CHECK(handler.connection->peer_key() == keys.client_key.public_key());
      CHECK(handler.connection->encrypted());
    };
  });
  for (std::size_t round = 0; round < 3; ++round) {
    TestHandler client;
    dial(loop, client, server.address(), keys.client, wire::Role::kNode);
    CHECK_FALSE(client.connection->peer_key());
    client.when_ready = [&] {
      CHECK(client.connection->peer_key() == keys.node_key.public_key());
      CHECK(client.connection->resumed() == (round > 0));
      CHECK(server.handlers[round]->connection->resumed() == (round > 0));
      send_request(*client.connection, "Echo", "body");
    };
    client.when_reply = [&](std::uint32_t, BytesView body, bool) {
      CHECK(body == "body");
      client.connection->close(Error{Code::kCancelled, "done"});
    };
    client.when_closed = [&] { loop.stop(); };
    run_bounded(loop);
    CHECK(client.closed[0].code == Code::kCancelled);
  }
  CHECK(keys.client.tls->counters().full == 1);
  CHECK(keys.client.tls->counters().resumed == 2);
  CHECK(keys.node.tls->counters().resumed == 2);
}

TEST_CASE("a client without a key is served, and a link in the clear shows no key") {
  Keys keys;
  Loop loop;
  Server secure(loop, keys.node);
  Server open(loop);
  TestHandler a;
  TestHandler b;
  dial(loop, a, secure.address(), keys.keyless);
  dial(loop, b, open.address());
  a.when_ready = b.when_ready = [&] {
    if (!a.events.empty() && !b.events.empty()) loop.stop();
  };
  run_bounded(loop);
  CHECK(a.connection->peer_key() == keys.node_key.public_key());
  CHECK_FALSE(secure.handlers[0]->connection->peer_key());
  CHECK(secure.handlers[0]->connection->encrypted());
  CHECK_FALSE(b.connection->peer_key());
  CHECK_FALSE(b.connection->encrypted());
}

TEST_CASE("a node with another key than the expected one gets nothing, and the error names both keys") {
  Keys keys;
  const NodeId other = SigningKey::generate().public_key();
  keys.client.expected_key = other;
  Loop loop;
  Server server(loop, keys.node);
  TestHandler client;
  dial(loop, client, server.address(), keys.client);
  run_until_ended(loop, server, client);
  CHECK(client.events.empty());
  CHECK(client.closed[0].code == Code::kUnauthenticated);
  CHECK(contains(client.closed[0].message, to_string(server.address())));
  CHECK(contains(client.closed[0].message, other.hex()));
  CHECK(contains(client.closed[0].message, keys.node_key.public_key().hex()));
  CHECK(server.handlers[0]->events.empty());
  CHECK(server.handlers[0]->closed[0].code == Code::kUnauthenticated);
  CHECK_FALSE(server.handlers[0]->connection->peer_key());
}

TEST_CASE("an expected key without encryption is an error and no connection") {
  Loop loop;
  Server server(loop);
  TestHandler client;
  ConnectionOptions options;
  options.expected_key = SigningKey::generate().public_key();
  dial(loop, client, server.address(), options);
  CHECK(client.closed.empty());
  client.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(client.closed[0].code == Code::kInvalidArgument);
  CHECK(server.handlers.empty());
}

TEST_CASE("to listen with encryption takes a key") {
  Loop loop;
  const Keys keys;
  const auto result = Listener::listen(loop, Address{"127.0.0.1", 0}, hello_of(wire::Role::kNode), keys.keyless,
                                       [](const auto&) { return nullptr; });
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Code::kInvalidArgument);
  CHECK(contains(result.error().message, "without a key"));
}

TEST_CASE("whom the node does not admit is told so, also when the connection is resumed, and nothing else happens") {
  Keys keys;
  const Error reason{Code::kPermissionDenied, "this key is not a member's; ask for an invitation"};
  bool admitted = true;
  std::vector<std::optional<NodeId>> asked;
  keys.node.admit = [&](const std::optional<NodeId>& key) -> Result<> {
    asked.push_back(key);
    if (!admitted) return fail(reason);
    return {};
  };
  Loop loop;
  Server server(loop, keys.node);
  for (std::size_t round = 0; round < 3; ++round) {
    TestHandler client;
    dial(loop, client, server.address(), keys.client);
    client.when_ready = [&] { client.connection->close(Error{Code::kCancelled, "done"}); };
    client.when_closed = [&] { loop.stop(); };
    run_bounded(loop);
    CHECK(client.connection->resumed() == (round > 0));
    CHECK(client.closed[0].code == (round == 0 ? Code::kCancelled : reason.code));
    CHECK(contains(client.closed[0].message, round == 0 ? "done" : reason.message));
    admitted = false;
  }
  run_turns(loop, 5);
  CHECK(server.handlers[1]->events.empty());
  CHECK(server.handlers[1]->closed == std::vector<Error>{reason});
  CHECK(asked == std::vector<std::optional<NodeId>>(3, keys.client_key.public_key()));
}

TEST_CASE("the dialling side may refuse as well") {
  Keys keys;
  keys.client.admit = [&](const std::optional<NodeId>& key) -> Result<> {
    CHECK(key == keys.node_key.public_key());
    return fail(Code::kPermissionDenied, "revoked");
  };
  Loop loop;
  Server server(loop, keys.node);
  TestHandler client;
  dial(loop, client, server.address(), keys.client);
  run_until_ended(loop, server, client);
  CHECK(client.closed == std::vector<Error>{{Code::kPermissionDenied, "revoked"}});
  CHECK(server.handlers[0]->events.empty());
}

TEST_CASE("a node that says it is another one than its key is ended") {
  Keys keys;
  Loop loop;
  Server server(loop, keys.node);
  TestHandler liar;
  wire::Hello hello = hello_of(wire::Role::kNode);
  hello.node = SigningKey::generate().public_key();
  liar.connection = Connection::dial(loop, server.address(), hello, keys.client, liar);
  run_until_ended(loop, server, liar);
  CHECK(server.handlers[0]->events.empty());
  CHECK(server.handlers[0]->closed[0].code == Code::kUnauthenticated);
  CHECK(contains(server.handlers[0]->closed[0].message, hello.node.hex()));
  CHECK(contains(server.handlers[0]->closed[0].message, keys.client_key.public_key().hex()));
}

TEST_CASE("a link in the clear that meets an encrypted one, and the other way round: both sides say what it was") {
  Keys keys;
  Loop loop;
  Server secure(loop, keys.node);
  Server open(loop);
  TestHandler clear;
  TestHandler encrypted;
  dial(loop, clear, secure.address());
  dial(loop, encrypted, open.address(), keys.client);
  loop.at_end_of_turn([&] {
    const auto ended = [](const Server& server) {
      return !server.handlers.empty() && !server.handlers[0]->closed.empty();
    };
    if (!clear.closed.empty() && !encrypted.closed.empty() && ended(secure) && ended(open)) loop.stop();
  });
  run_bounded(loop);
  CHECK(clear.closed[0].code == Code::kProtocolError);
  CHECK(contains(clear.closed[0].message, "this node speaks TLS and the connection does not; dial it with encryption"));
  CHECK(secure.handlers[0]->closed[0].code == Code::kProtocolError);
  CHECK(contains(secure.handlers[0]->closed[0].message, "does not speak TLS"));
  CHECK(encrypted.closed[0].code == Code::kProtocolError);
  CHECK(contains(encrypted.closed[0].message, "does not speak TLS"));
  CHECK(contains(encrypted.closed[0].message, to_string(open.address())));
  CHECK(open.handlers[0]->closed[0].code == Code::kProtocolError);
  CHECK(contains(open.handlers[0]->closed[0].message, "speaks TLS and this side does not"));
  for (const TestHandler* const handler :
       {static_cast<const TestHandler*>(&clear), static_cast<const TestHandler*>(&encrypted),
        static_cast<const TestHandler*>(secure.handlers[0].get()),
        static_cast<const TestHandler*>(open.handlers[0].get())}) {
    CHECK(handler->events.empty());
    CHECK(handler->closed.size() == 1);
  }
}

TEST_CASE("a browser at an encrypted port gets a goodbye in the clear") {
  Keys keys;
  Loop loop;
  Server server(loop, keys.node);
  RawSocket browser(server.address());
  browser.send("GET / HTTP/1.1\r\nHost: example\r\n\r\n");
  loop.at_end_of_turn([&] {
    if (!server.handlers.empty() && !server.handlers[0]->closed.empty()) loop.stop();
  });
  run_bounded(loop);
  CHECK(goodbye_in(browser.read_all()).code == Code::kProtocolError);
}

TEST_CASE("an encrypted server of another kind, dialled in the clear, is called what it is") {
  // It does not answer what it does not understand, except by an alert.
  Loop loop;
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listening, 1) == 0);
  socklen_t size = sizeof address;
  ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  std::jthread server([&] {
    const int accepted = ::accept(listening, nullptr, nullptr);
    char buffer[1024];
    if (::recv(accepted, buffer, sizeof buffer, 0) > 0)
      ::send(accepted, "\x15\x03\x01\x00\x02\x02\x46", 7, MSG_NOSIGNAL);
    while (::recv(accepted, buffer, sizeof buffer, 0) > 0) {
    }
    ::close(accepted);
  });
  TestHandler client;
  dial(loop, client, Address{"127.0.0.1", ntohs(address.sin_port)});
  client.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(client.closed[0].code == Code::kProtocolError);
  CHECK(contains(client.closed[0].message, "speaks TLS and this side does not; dial it with encryption"));
  run_turns(loop, 5);
  server.join();
  ::close(listening);
}

TEST_CASE("a handshake whose bytes drip is cut off within hello_ms, and one that says nothing, too") {
  Keys keys;
  keys.node.hello_ms = 300;
  Loop loop;
  Server server(loop, keys.node);
  StreamSide dialler(keys.client.tls, wire::Side::kDialled);
  const Bytes flight = dialler.take();
  RawSocket silent(server.address());
  RawSocket slow(server.address());
  std::size_t at = 0;
  std::function<void()> drip;
  Timer timer;
  drip = [&] {
    if (at + 1 < flight.size()) slow.send(BytesView(flight).substr(at++, 1));
    timer = loop.after(5, drip);
  };
  timer = loop.after(0, drip);
  loop.at_end_of_turn([&] {
    if (server.handlers.size() == 2 && !server.handlers[0]->closed.empty() && !server.handlers[1]->closed.empty()) {
      timer.cancel();
      loop.stop();
    }
  });
  run_bounded(loop);
  for (const auto& handler : server.handlers) {
    CHECK(handler->closed[0].code == Code::kDeadlineExceeded);
    CHECK(contains(handler->closed[0].message, "hello_ms"));
    CHECK(handler->events.empty());
  }
}

TEST_CASE("a handshake that waits for this side, which has no time for it, is not cut off") {
  Keys keys;
  keys.node.hello_ms = 200;
  Loop loop;
  Server server(loop, keys.node);
  StreamSide dialler(keys.client.tls, wire::Side::kDialled);
  RawSocket client(server.address());
  // Turns that are too long for handshakes, well beyond hello_ms.
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto end = now() + std::chrono::milliseconds(800);
  bool said = false;
  std::function<void()> busy = [&] {
    const auto turn_end = now() + std::chrono::milliseconds(20);
    if (!server.handlers.empty() && !std::exchange(said, true)) client.send(dialler.take());
    while (now() < turn_end) {
    }
    now() < end ? loop.post(busy) : loop.stop();
  };
  loop.post(busy);
  run_bounded(loop);
  REQUIRE(server.handlers.size() == 1);
  REQUIRE(said);
  CHECK(server.handlers[0]->closed.empty());
  run_turns(loop, 4);
  CHECK(server.handlers[0]->closed.empty());
  char record = 0;
  REQUIRE(::recv(client.descriptor(), &record, 1, 0) == 1);
  CHECK(record == 22);  // the node's part of the handshake
}

TEST_CASE("a client that ends without a word of close was cut off, one with it has closed") {
  Keys keys;
  for (const bool proper : {true, false}) {
    CAPTURE(proper);
    Loop loop;
    Server server(loop, keys.node);
    {
      RawTls client(loop, server.address());
      client.send(client_hello_bytes());
      bool greeted = false;
      loop.at_end_of_turn([&] {
        const TestHandler& handler = *server.handlers[0];
        if (!greeted && handler.events.size() == 1) {
          greeted = true;
          if (proper) SSL_shutdown(client.ssl());
          ::shutdown(client.socket().descriptor(), SHUT_WR);
        }
        if (!handler.closed.empty()) loop.stop();
      });
      run_bounded(loop);
    }
    const Error& reason = server.handlers[0]->closed[0];
    CHECK(reason.code == Code::kConnectionLost);
    CHECK(contains(reason.message, "close_notify") == !proper);
    CHECK(contains(reason.message, "the other side closed it") == proper);
  }
}

TEST_CASE("a line that ends or is reset at any byte ends both sides once, with a reason, and the next link works") {
  Keys keys;
  keys.client.expected_key = keys.node_key.public_key();
  Loop loop;
  Server server(loop, keys.node, echo);
  // How many bytes go each way until a reply is there.
  std::uint64_t whole[2] = {};
  const auto talk = [&](const Relay::Options& options, bool expect_reply) {
    Relay relay(server.address(), options);
    TestHandler client;
    bool replied = false;
    dial(loop, client, relay.address(), keys.client);
    client.when_ready = [&] { send_request(*client.connection, "Echo", "body"); };
    client.when_reply = [&](std::uint32_t, BytesView, bool) {
      replied = true;
      whole[0] = relay.bytes(0);
      whole[1] = relay.bytes(1);
      client.connection->close(Error{Code::kCancelled, "done"});
    };
    // A connection that is reset early may be gone before it is accepted.
    std::function<void()> look = [&] {
      const bool served = std::all_of(server.handlers.begin(), server.handlers.end(),
                                      [](const auto& handler) { return !handler->closed.empty(); });
      if (!client.closed.empty() && served) {
        loop.stop();
      } else {
        loop.post(look);
      }
    };
    loop.post(look);
    run_bounded(loop);
    REQUIRE(client.closed.size() == 1);
    if (expect_reply) REQUIRE(replied);
    if (!replied) {
      CHECK(client.closed[0].code == Code::kConnectionLost);
      CHECK_FALSE(client.closed[0].message.empty());
    }
  };
  talk({}, true);  // a full handshake
  talk({}, true);  // from here on resumed
  Random random(7);
  for (int direction = 0; direction < 2; ++direction) {
    const std::uint64_t total = whole[direction];
    REQUIRE(total > 200);
    for (std::uint64_t at = 1; at < total; at += 1 + random.below(40)) {
      CAPTURE(direction);
      CAPTURE(at);
      Relay::Options options;
      options.bytes_max[direction] = at;
      options.reset = random.chance(0.5);
      if (random.chance(0.3)) keys.client.tls = make_tls(keys.client_key);  // a full handshake
      talk(options, false);
    }
  }
  talk({}, true);
  for (const auto& handler : server.handlers) {
    CHECK(handler->closed.size() == 1);
    CHECK(handler->closed[0].code == Code::kConnectionLost);
  }
}

TEST_CASE_TEMPLATE("large transfers in both directions at once come through a line with tiny buffers", Link, Plain,
                   Encrypted) {
  constexpr std::size_t kBytes = 3u << 20;
  Loop loop;
  ConnectionOptions options = Link::on();
  options.outbound_bytes_high = 64u << 10;
  const auto pattern = [](std::size_t at) { return static_cast<char>((at * 2654435761u) >> 13); };
  Bytes text(kBytes, '\0');
  for (std::size_t i = 0; i < kBytes; ++i) text[i] = pattern(i);
  // Requests upwards and replies downwards, all at once: each request is answered with as many bytes.
  Server server(loop, options, [&](TestHandler& handler) {
    auto sent = std::make_shared<std::size_t>(0);
    auto seen = std::make_shared<std::size_t>(0);
    const auto pump = [&, sent](std::uint32_t stream) {
      *sent += handler.session().send_data(stream, BytesView(text).substr(*sent), true);
    };
    handler.when_request = [&, pump](std::uint32_t stream, BytesView, bool) {
      handler.session().send_reply(stream, {}, {}, false);
      pump(stream);
    };
    handler.when_writable = pump;
    handler.when_data = [&, seen](std::uint32_t stream, BytesView chunk, bool) {
      CHECK(chunk == BytesView(text).substr(*seen, chunk.size()));
      *seen += chunk.size();
      handler.session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    };
  });
  for (const std::size_t piece : {700u, 5000u}) {
    CAPTURE(piece);
    Relay::Options line;
    line.piece_bytes = piece;
    Relay relay(server.address(), line);
    TestHandler client;
    std::size_t sent = 0;
    dial(loop, client, relay.address(), options);
    const auto pump = [&](std::uint32_t stream) {
      if (sent < kBytes) sent += client.session().send_data(stream, BytesView(text).substr(sent), true);
    };
    client.when_ready = [&] { pump(send_request(*client.connection, "Both", {}, false)); };
    client.when_writable = pump;
    client.when_data = [&](std::uint32_t stream, BytesView chunk, bool) {
      CHECK(chunk == BytesView(text).substr(client.body_bytes - chunk.size(), chunk.size()));
      client.session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
      if (client.body_bytes == kBytes) loop.stop();
    };
    client.when_closed = [&] { loop.stop(); };
    run_bounded(loop, 60'000);
    CHECK(client.body_bytes == kBytes);
    for (const Error& error : client.closed) FAIL(to_string(error));
    CHECK(server.handlers.back()->body_bytes > 0);
    client.connection->close(Error{Code::kCancelled, "done"});
    run_bounded(loop);
  }
}

TEST_CASE_TEMPLATE("a node that stops reading goes on where it was, with everything that waited", Link, Plain,
                   Encrypted) {
  Loop loop;
  ConnectionOptions options = Link::on();
  options.outbound_bytes_high = 30'000;
  const std::string reply(20'000, 'r');
  std::size_t most = 0;
  Server server(loop, options, [&](TestHandler& handler) {
    handler.when_request = [&](std::uint32_t stream, BytesView, bool) {
      handler.session().send_reply(stream, {}, reply, true);
      most = std::max(most, handler.connection->outbound_bytes());
    };
  });
  Relay relay(server.address(), {});
  TestHandler client;
  dial(loop, client, relay.address(), Link::on());
  constexpr std::size_t kRequests = 300;
  client.when_ready = [&] {
    for (std::size_t i = 0; i < kRequests; ++i) send_request(*client.connection, "Read", std::string(i, 'q'));
  };
  client.when_reply = [&](std::uint32_t, BytesView, bool) {
    if (client.body_bytes == kRequests * reply.size()) loop.stop();
  };
  run_bounded(loop, 60'000);
  CHECK(client.closed.empty());
  CHECK(most > options.outbound_bytes_high);
}

TEST_CASE("500 encrypted connections at once are all served") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit many = before;
  many.rlim_cur = std::min<rlim_t>(before.rlim_max, 4096);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &many) == 0);
  constexpr std::size_t kClients = 500;
  REQUIRE(many.rlim_cur > 2 * kClients + 50);
  Keys keys;
  keys.node.hello_ms = keys.client.hello_ms = keys.client.dial_ms = 60'000;
  {
    Loop loop;
    Server server(loop, keys.node, echo);
    std::vector<std::unique_ptr<TestHandler>> clients;
    std::size_t replies = 0;
    for (std::size_t i = 0; i < kClients; ++i) {
      TestHandler& client = *clients.emplace_back(std::make_unique<TestHandler>());
      dial(loop, client, server.address(), i % 3 == 0 ? keys.client : keys.node);
      client.when_ready = [&] { send_request(*client.connection, "Echo", "body"); };
      client.when_reply = [&](std::uint32_t, BytesView body, bool) {
        CHECK(body == "body");
        if (++replies == kClients) loop.stop();
      };
    }
    run_bounded(loop, 60'000);
    CHECK(server.handlers.size() == kClients);
    for (const auto& client : clients) CHECK(client->closed.empty());
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("one Tls serves several loops in several threads") {
  Keys keys;
  const auto run = [&] {
    Loop loop;
    Server server(loop, keys.node, echo);
    TestHandler client;
    int rounds = 0;
    std::function<void()> again = [&] {
      client.closed.clear();
      dial(loop, client, server.address(), keys.client);
    };
    client.when_ready = [&] { client.connection->close(Error{Code::kCancelled, "done"}); };
    client.when_closed = [&] {
      if (++rounds == 40) return loop.stop();
      again();
    };
    again();
    run_bounded(loop);
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(run);
  threads.clear();
  const auto counters = keys.client.tls->counters();
  CHECK(counters.full + counters.resumed == 120);
  CHECK(counters.failed == 0);
}

}  // namespace distri::net
