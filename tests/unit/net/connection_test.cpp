#include "distri/net/connection.hpp"

#include <thread>

#include "net_rig.hpp"

namespace distri::net {

TEST_CASE_TEMPLATE("a request and its reply, and a close that the other side sees as a lost connection", Link, Plain,
                   Encrypted) {
  Loop loop;
  Server server(loop, Link::on(), [](TestHandler& handler) {
    handler.when_request = [&](std::uint32_t stream, BytesView body, bool) {
      handler.session().send_reply(stream, {}, body, true);
    };
  });
  TestHandler client;
  dial(loop, client, server.address(), Link::on());
  client.when_ready = [&] { send_request(*client.connection, "Echo", "12345"); };
  client.when_reply = [&](std::uint32_t, BytesView body, bool end) {
    CHECK(body == "12345");
    CHECK(end);
    client.connection->close(Error{Code::kCancelled, "done"});
    CHECK(client.connection->closed());
    CHECK(client.closed.empty());
    CHECK_FALSE(client.session().ready());
  };
  loop.at_end_of_turn([&] {
    if (!client.closed.empty() && !server.handlers[0]->closed.empty()) loop.stop();
  });
  run_bounded(loop);
  CHECK(client.events == std::vector<std::string>{"hello", "reply"});
  CHECK(client.closed == std::vector<Error>{{Code::kCancelled, "done"}});
  const TestHandler& accepted = *server.handlers[0];
  CHECK(accepted.events == std::vector<std::string>{"hello", "request Echo"});
  REQUIRE(accepted.closed.size() == 1);
  CHECK(accepted.closed[0].code == Code::kConnectionLost);
  CHECK(accepted.connection->remote().starts_with("127.0.0.1:"));
  CHECK(client.connection->remote() == to_string(server.address()));
}

TEST_CASE_TEMPLATE("nothing that arrives in the same bytes is delivered after close", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on(), [](TestHandler& handler) {
    handler.when_request = [&](std::uint32_t, BytesView, bool) {
      handler.connection->close(Error{Code::kCancelled, "enough"});
    };
  });
  TestHandler client;
  dial(loop, client, server.address(), Link::on());
  client.when_ready = [&] {
    for (int i = 0; i < 10; ++i) send_request(*client.connection, "Again");
  };
  client.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  run_turns(loop, 5);
  CHECK(server.handlers[0]->events == std::vector<std::string>{"hello", "request Again"});
  CHECK(server.handlers[0]->closed.size() == 1);
  CHECK(client.closed.size() == 1);
}

TEST_CASE_TEMPLATE("on_closed comes in a later turn than close, also for a connection that was never made", Link, Plain,
                   Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  TestHandler client;
  int turns = 0;
  int closed_in_turn = -1;
  loop.at_end_of_turn([&] { ++turns; });
  client.when_closed = [&] {
    closed_in_turn = turns;
    loop.stop();
  };
  int close_in_turn = -1;
  loop.post([&] {
    dial(loop, client, server.address(), Link::on());
    close_in_turn = turns;
    client.connection->close(Error{Code::kCancelled, "never mind"});
    client.connection->close(Error{Code::kInternal, "twice"});
  });
  run_bounded(loop);
  CHECK(closed_in_turn > close_in_turn);
  run_turns(loop, 5);
  CHECK(client.closed == std::vector<Error>{{Code::kCancelled, "never mind"}});
  CHECK(client.events.empty());
}

TEST_CASE_TEMPLATE("what was queued before close still arrives, with a goodbye in front of the end", Link, Plain,
                   Encrypted) {
  Loop loop;
  Server server(loop, Link::on(), [](TestHandler& handler) {
    handler.when_request = [&](std::uint32_t stream, BytesView, bool) {
      handler.session().send_reply(stream, {}, std::string(60'000, 'r'), true);
      handler.session().goodbye(Error{Code::kUnavailable, "stopping"});
      handler.connection->close(Error{Code::kUnavailable, "stopping"});
    };
  });
  TestHandler client;
  dial(loop, client, server.address(), Link::on());
  client.when_ready = [&] { send_request(*client.connection, "Last"); };
  client.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(client.events == std::vector<std::string>{"hello", "reply", "goodbye unavailable: stopping"});
  CHECK(client.body_bytes == 60'000);
  REQUIRE(client.closed.size() == 1);
  CHECK(client.closed[0].code == Code::kConnectionLost);
  CHECK(client.closed[0].message.find("stopping") != std::string::npos);
}

TEST_CASE_TEMPLATE("a refused connection, an unknown host and a port nobody listens on are told apart by their text",
                   Link, Plain, Encrypted) {
  Loop loop;
  Address nobody;
  {
    Server server(loop, Link::on());
    nobody = server.address();
  }
  TestHandler refused;
  TestHandler unknown;
  dial(loop, refused, nobody, Link::on());
  dial(loop, unknown, Address{"no-such-host.invalid", 1}, Link::on());
  refused.when_closed = unknown.when_closed = [&] {
    if (!refused.closed.empty() && !unknown.closed.empty()) loop.stop();
  };
  run_bounded(loop);
  CHECK(refused.closed[0].code == Code::kUnavailable);
  CHECK(refused.closed[0].message.find("cannot connect to " + to_string(nobody)) != std::string::npos);
  CHECK(unknown.closed[0].code == Code::kUnavailable);
  CHECK(unknown.closed[0].message.find("no-such-host.invalid") != std::string::npos);
}

TEST_CASE_TEMPLATE("localhost is resolved", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  TestHandler client;
  dial(loop, client, Address{"localhost", server.address().port}, Link::on());
  client.when_ready = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(client.session().ready());
}

TEST_CASE_TEMPLATE("the outputs of one turn leave together, one send per connection", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  TestHandler a;
  TestHandler b;
  dial(loop, a, server.address(), Link::on());
  dial(loop, b, server.address(), Link::on());
  bool sent = false;
  loop.at_end_of_turn([&] {
    if (!sent && a.session().ready() && b.session().ready()) {
      sent = true;
      loop.post([&] {
        for (int i = 0; i < 50; ++i) {
          send_request(*a.connection, "A");
          send_request(*b.connection, "B");
        }
        // Nothing has left yet: it waits for the end of the turn.
        CHECK(a.connection->outbound_bytes() > 50 * wire::kFrameHeaderBytes);
        CHECK(b.connection->outbound_bytes() > 50 * wire::kFrameHeaderBytes);
        loop.post([&] {
          CHECK(a.connection->outbound_bytes() == 0);
          CHECK(b.connection->outbound_bytes() == 0);
        });
      });
    }
    std::size_t requests = 0;
    for (const auto& handler : server.handlers) {
      requests += static_cast<std::size_t>(
          std::count_if(handler->events.begin(), handler->events.end(),
                        [](const std::string& event) { return event.starts_with("request"); }));
    }
    if (requests == 100) loop.stop();
  });
  run_bounded(loop);
}

TEST_CASE_TEMPLATE("flush sends without waiting for the end of the turn", Link, Plain, Encrypted) {
  Loop loop;
  Server server(loop, Link::on());
  TestHandler client;
  dial(loop, client, server.address(), Link::on());
  client.when_ready = [&] {
    send_request(*client.connection, "Now");
    CHECK(client.connection->outbound_bytes() > 0);
    client.connection->flush();
    CHECK(client.connection->outbound_bytes() == 0);
    loop.stop();
  };
  run_bounded(loop);
}

TEST_CASE_TEMPLATE("64 MiB are echoed between two loops in two threads, with bounded queues", Link, Plain, Encrypted) {
  constexpr std::size_t kBodyBytes = 64u << 20;
  constexpr std::size_t kChunkBytes = 128u << 10;
  Loop server_loop;
  std::size_t server_queue_max = 0;
  Server server(server_loop, Link::on(), [&](TestHandler& handler) {
    auto waiting = std::make_shared<Bytes>();
    auto ended = std::make_shared<bool>(false);
    const auto pump = [&, waiting, ended](std::uint32_t stream) {
      const std::size_t sent = handler.session().send_data(stream, *waiting, *ended);
      waiting->erase(0, sent);
      handler.session().consume(stream, static_cast<std::uint32_t>(sent));
      server_queue_max = std::max(server_queue_max, waiting->size() + handler.connection->outbound_bytes());
    };
    handler.when_request = [&](std::uint32_t stream, BytesView, bool) {
      handler.session().send_reply(stream, {}, {}, false);
    };
    handler.when_data = [&, waiting, ended, pump](std::uint32_t stream, BytesView chunk, bool end) {
      waiting->append(chunk);
      *ended = end;
      pump(stream);
    };
    handler.when_writable = pump;
  });
  std::thread thread([&] { server_loop.run(); });

  Loop loop;
  TestHandler client;
  dial(loop, client, server.address(), Link::on());
  std::size_t sent = 0;
  std::size_t client_queue_max = 0;
  const std::string chunk(kChunkBytes, 'c');
  std::function<void(std::uint32_t)> pump = [&](std::uint32_t stream) {
    while (sent < kBodyBytes) {
      const std::size_t wanted = std::min(kChunkBytes, kBodyBytes - sent);
      const std::size_t taken =
          client.session().send_data(stream, BytesView(chunk).substr(0, wanted), sent + wanted == kBodyBytes);
      sent += taken;
      client_queue_max = std::max(client_queue_max, client.connection->outbound_bytes());
      if (taken < wanted) return;
    }
  };
  client.when_ready = [&] { pump(send_request(*client.connection, "Echo", {}, false)); };
  client.when_writable = pump;
  client.when_data = [&](std::uint32_t stream, BytesView bytes, bool end) {
    client.session().consume(stream, static_cast<std::uint32_t>(bytes.size()));
    if (end) loop.stop();
  };
  run_bounded(loop, 120'000);
  server_loop.stop();
  thread.join();
  CHECK(client.body_bytes == kBodyBytes);
  CHECK(client_queue_max < (512u << 10));
  CHECK(server_queue_max < (1u << 20));
}

TEST_CASE_TEMPLATE("two nodes that flood each other come through, although both queues are over outbound_bytes_high",
                   Link, Plain, Encrypted) {
  Loop loop;
  ConnectionOptions options = Link::on();
  options.outbound_bytes_high = 256u << 10;
  options.write_stall_ms = 2000;
  constexpr std::size_t kMessages = 64;
  const std::string payload(512u << 10, 'm');
  const auto flood = [&](TestHandler& handler) {
    handler.when_ready = [&] {
      for (std::size_t i = 0; i < kMessages; ++i) REQUIRE(handler.session().send_message(1, payload));
    };
  };
  Server server(loop, options, flood);
  TestHandler dialler;
  flood(dialler);
  dial(loop, dialler, server.address(), options, wire::Role::kNode);
  loop.at_end_of_turn([&] {
    const bool done = !server.handlers.empty() && server.handlers[0]->body_bytes == kMessages * payload.size() &&
                      dialler.body_bytes == kMessages * payload.size();
    if (done || !dialler.closed.empty()) loop.stop();
  });
  run_bounded(loop, 60'000);
  CHECK(dialler.closed.empty());
}

TEST_CASE_TEMPLATE("a loop may be destroyed with connections and a listener on it", Link, Plain, Encrypted) {
  TestHandler client;
  std::unique_ptr<Server> server;
  {
    Loop loop;
    server = std::make_unique<Server>(loop, Link::on());
    dial(loop, client, server->address(), Link::on());
    client.when_ready = [&] { loop.stop(); };
    run_bounded(loop);
    send_request(*client.connection, "Unsent");
  }
  CHECK(client.closed.empty());
  CHECK(client.connection->closed());
  client.connection->close(Error{Code::kCancelled, ""});
  client.connection->flush();
  CHECK(server->handlers[0]->closed.empty());
}

}  // namespace distri::net
