// Where requests go, and what happens when a try fails.
#include <doctest/doctest.h>

#include <chrono>
#include <set>

#include "distri/client/client.hpp"
#include "distri/utils/clock.hpp"
#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;

namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Action answer_ok(const Seen& seen) {
  return reply("ok " + seen.service);
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

}  // namespace

TEST_CASE("bytes go in and bytes come out, with what is known about the answer") {
  FakeNode node([](const Seen& seen) { return reply(seen.body + "|" + seen.params); });
  Client client({node.address()});
  const auto bytes = client.send_data("abc", "Upper");
  REQUIRE(bytes.has_value());
  CHECK(*bytes == "abc|");
  const auto reply = client.call("abc", "Upper", {{"n", 1}});
  REQUIRE(reply.has_value());
  CHECK(reply->body == R"(abc|{"n":1})");
  CHECK(reply->node == node.address());
  CHECK(reply->attempts == 1);
  CHECK(reply->rtt_us > 0);
}

TEST_CASE("a call with a number of tries ends with the reason of the last one") {
  FakeNode node([](const Seen&) { return status(Code::kBusy, "later"); });
  Client client({node.address()}, fixed());
  CallOptions three;
  three.attempts_max = 3;
  CHECK(client.send_data("x", "Any", three).error().code == Code::kBusy);
  CHECK(node.count() == 3);

  Client nowhere({Address{"127.0.0.1", free_port()}}, fixed());
  CallOptions once;
  once.attempts_max = 1;
  const auto refused = nowhere.send_data("x", "Any", once);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kUnavailable);
}

TEST_CASE("requests and replies larger than a frame travel whole") {
  FakeNode node([](const Seen& seen) { return reply(seen.body); });
  Client client({node.address()});
  Bytes body(5'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 13);
  const auto result = client.send_data(body, "Same");
  REQUIRE(result.has_value());
  CHECK((*result == body));
}

TEST_CASE("a request that may be repeated only once carries an id, and a read carries none") {
  FakeNode node(answer_ok);
  Client client({node.address()}, fixed());
  CallOptions idempotent;
  idempotent.idempotent = true;
  REQUIRE(client.send_data("", "Write").has_value());
  REQUIRE(client.send_data("", "Write").has_value());
  REQUIRE(client.send_data("", "Read", idempotent).has_value());
  const auto seen = node.seen();
  REQUIRE(seen.size() == 3);
  CHECK_FALSE(seen[0].id.empty());
  CHECK(seen[0].id != seen[1].id);
  CHECK(seen[2].id.empty());
  CHECK(seen[0].deadline_ms > 25'000);
  CHECK(seen[0].deadline_ms <= 30'000);
}

TEST_CASE("a busy node's request goes to the node it hints at") {
  FakeNode hinted(answer_ok);
  FakeNode busy([&](const Seen&) { return status(Code::kBusy, "the queue is full", to_string(hinted.address())); });
  // Known only by the hint.
  Client client({busy.address()});
  const auto reply = client.call("", "Work", nullptr);
  REQUIRE(reply.has_value());
  CHECK(reply->node == hinted.address());
  CHECK(reply->attempts == 2);
  REQUIRE(hinted.count() == 1);
  CHECK(hinted.seen()[0].attempt == 0);  // the busy node has executed nothing
  CHECK(hinted.seen()[0].id == busy.seen()[0].id);
}

TEST_CASE("busy and unavailable are retried until a node has room, other statuses are final") {
  std::atomic<int> calls{0};
  FakeNode node([&](const Seen& seen) {
    if (seen.service != "Work") return status(Code::kNotFound, "no such thing");
    const int call = ++calls;
    if (call == 1) return status(Code::kBusy, "full");
    if (call == 2) return status(Code::kUnavailable, "starting");
    return reply("done");
  });
  Client client({node.address()}, fixed());
  const auto reply = client.call("", "Work", nullptr);
  REQUIRE(reply.has_value());
  CHECK(reply->attempts == 3);
  const auto missing = client.call("", "Other", nullptr);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error() == Error{Code::kNotFound, "no such thing"});
  CHECK(node.count() == 4);
}

TEST_CASE("a lost connection repeats the request elsewhere with the same id and a higher attempt") {
  std::atomic<bool> dropped{false};
  const auto drop_once = [&](const Seen&) {
    return dropped.exchange(true) ? reply("ok") : of_kind(Action::Kind::kDrop);
  };
  FakeNode a(drop_once);
  FakeNode b(drop_once);
  Client client({a.address(), b.address()}, fixed());
  const auto answer = client.call("", "Work", nullptr);
  REQUIRE(answer.has_value());
  CHECK(answer->attempts == 2);
  REQUIRE(a.count() == 1);
  REQUIRE(b.count() == 1);
  CHECK(a.seen()[0].id == b.seen()[0].id);
  CHECK(a.seen()[0].attempt + b.seen()[0].attempt == 1);
}

TEST_CASE("garbage from a node ends its connection and the request goes elsewhere") {
  std::atomic<bool> done{false};
  const auto garbage_once = [&](const Seen&) {
    return done.exchange(true) ? reply("ok") : of_kind(Action::Kind::kGarbage);
  };
  FakeNode a(garbage_once);
  FakeNode b(garbage_once);
  Client client({a.address(), b.address()}, fixed());
  const auto answer = client.call("", "Work", nullptr);
  REQUIRE(answer.has_value());
  CHECK(answer->body == "ok");
}

TEST_CASE("a node that does not accept is passed over") {
  FakeNode node(answer_ok);
  Client client({{"127.0.0.1", free_port()}, node.address()}, fixed());
  for (int i = 0; i < 50; ++i) REQUIRE(client.send_data("", "Work").has_value());
  CHECK(node.count() == 50);
}

TEST_CASE("a node that accepts and never greets costs the connect time, not the deadline") {
  // The kernel accepts for a listener whose loop never runs.
  net::Loop loop;
  auto mute = net::Listener::listen(loop, {"127.0.0.1", 0}, {}, {}, [](const auto&) { return nullptr; });
  REQUIRE(mute.has_value());
  FakeNode node(answer_ok);
  auto options = fixed();
  options.dial_ms = 50;
  Client client({(*mute)->address(), node.address()}, options);
  for (int i = 0; i < 8; ++i) {
    const auto answer = client.send_data("", "Work");
    REQUIRE(answer.has_value());
  }
}

TEST_CASE("with all nodes down a call ends at its deadline and names the last trouble") {
  const std::uint16_t port = free_port();
  Client client({{"127.0.0.1", port}});
  const auto began = now_ms();
  const auto answer = client.send_data("", "Work", within(400));
  const auto took = now_ms() - began;
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kDeadlineExceeded);
  CHECK(answer.error().message.contains("no reply within 400 ms; last: "));
  CHECK(answer.error().message.contains(fmt::format("127.0.0.1:{}", port)));
  CHECK(took >= 390);
  CHECK(took < 4'000);
}

TEST_CASE("a node that comes up before the deadline still gets the request") {
  const std::uint16_t port = free_port();
  Client client({{"127.0.0.1", port}}, fixed());
  auto answer = client.async_send_data("", "Work");
  REQUIRE(answer.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
  FakeNode node(answer_ok, port);
  const auto result = answer.get();
  REQUIRE(result.has_value());
}

TEST_CASE("a node that never answers ends the call at its deadline, and the stream is taken back") {
  FakeNode node([](const Seen&) { return of_kind(Action::Kind::kSilence); });
  Client client({node.address()}, fixed());
  const auto answer = client.send_data("", "Work", within(150));
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kDeadlineExceeded);
  CHECK(answer.error().message.contains("was sent and not answered"));
  while (node.resets() == 0) std::this_thread::yield();
}

TEST_CASE("an exact node is asked alone") {
  FakeNode a(answer_ok);
  FakeNode b(answer_ok);
  Client client({a.address()}, fixed());
  CallOptions only;
  only.only_node = b.address();
  for (int i = 0; i < 10; ++i) {
    const auto reply = client.call("", "Work", nullptr, only);
    REQUIRE(reply.has_value());
    CHECK(reply->node == b.address());
  }
  b.stop();
  only.timeout_ms = 200;
  const auto gone = client.call("", "Work", nullptr, only);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().code == Code::kDeadlineExceeded);
  CHECK(a.count() == 0);
}

TEST_CASE("the other nodes are learned from any one and share the work") {
  FakeNode a(answer_ok);
  FakeNode b(answer_ok);
  FakeNode c(answer_ok);
  a.set_nodes({b.address(), c.address()});
  b.set_nodes({a.address(), c.address()});
  c.set_nodes({a.address(), b.address()});
  Client client({a.address()});
  const auto nodes = client.nodes();
  REQUIRE(nodes.has_value());
  CHECK(std::set<Address>(nodes->begin(), nodes->end()) == std::set<Address>{a.address(), b.address(), c.address()});
  // A node that seems slow, as any may on a loaded machine, is avoided for some seconds, not for good.
  const auto shared = [&] { return a.count() >= 20 && b.count() >= 20 && c.count() >= 20; };
  int calls = 0;
  const SystemClock clock;
  for (const auto limit_ms = clock.monotonic_ms() + 60'000; !shared() && clock.monotonic_ms() < limit_ms; ++calls) {
    REQUIRE(client.send_data("", "Work").has_value());
  }
  CHECK(shared());
  CHECK(a.count() + b.count() + c.count() == calls);
}

TEST_CASE("a seed under another name is not a second node") {
  FakeNode a(answer_ok);
  Client client({{"localhost", a.address().port}});
  const auto nodes = client.nodes();
  REQUIRE(nodes.has_value());
  CHECK(*nodes == std::vector<Address>{a.address()});
}

TEST_CASE("nodes die one after the other and no call notices") {
  std::vector<std::unique_ptr<FakeNode>> nodes;
  std::vector<Address> addresses;
  for (int i = 0; i < 3; ++i) {
    nodes.push_back(std::make_unique<FakeNode>([](const Seen&) {
      Action action = reply("ok");
      action.delay_ms = 50;
      return action;
    }));
    addresses.push_back(nodes.back()->address());
  }
  Client client(addresses, fixed());
  std::vector<std::future<Result<Bytes>>> answers;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) answers.push_back(client.async_send_data("x", "Work"));
    if (round == 2) break;
    FakeNode& victim = *nodes[static_cast<std::size_t>(round)];
    while (victim.count() < 20) std::this_thread::yield();
    victim.stop();
  }
  for (auto& answer : answers) {
    const auto result = answer.get();
    INFO((result ? "" : to_string(result.error())));
    REQUIRE(result.has_value());
  }
}

TEST_CASE("after a goodbye new requests go elsewhere, and those in flight are answered") {
  FakeNode leaving([](const Seen& seen) {
    Action action = reply("slow");
    action.delay_ms = seen.service == "Slow" ? 300 : 0;
    return action;
  });
  Client client({leaving.address()}, fixed());
  auto slow = client.async_send_data("", "Slow");
  while (leaving.count() == 0) std::this_thread::yield();
  leaving.say_goodbye();
  const auto answer = slow.get();
  REQUIRE(answer.has_value());
  CHECK(*answer == "slow");
  CHECK(leaving.seen().size() == 1);
  // A new connection, because the old one takes nothing.
  REQUIRE(client.send_data("", "Work").has_value());
  CHECK(leaving.connections() == 2);
}

TEST_CASE("a reset with busy goes elsewhere, another one is final") {
  std::atomic<int> calls{0};
  FakeNode node([&](const Seen&) {
    Action action = of_kind(Action::Kind::kReset);
    action.status = ++calls == 1 ? Code::kBusy : Code::kDataLoss;
    return action;
  });
  Client client({node.address()}, fixed());
  const auto answer = client.send_data("", "Work");
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kDataLoss);
  CHECK(calls == 2);
}

TEST_CASE("a node that freezes with requests in flight is given up and they go elsewhere" * doctest::timeout(60)) {
  std::promise<void> thaw;
  const auto frozen = thaw.get_future().share();
  std::atomic<bool> first{true};
  const auto freeze_first = [&](const Seen&) {
    if (first.exchange(false)) frozen.wait();
    return reply("ok");
  };
  FakeNode a(freeze_first);
  FakeNode b(freeze_first);
  Client client({a.address(), b.address()}, fixed());
  const auto answer = client.call("", "Work", nullptr);
  thaw.set_value();
  REQUIRE(answer.has_value());
  CHECK(answer->attempts == 2);
}
