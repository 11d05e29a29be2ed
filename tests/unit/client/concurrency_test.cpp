// Many threads, many calls, callbacks, and the ends of clients and runtimes.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include "distri/client/client.hpp"
#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;

namespace {

Action silent(const Seen&) {
  return of_kind(Action::Kind::kSilence);
}
Action same(const Seen& seen) {
  return reply(seen.body);
}

ClientOptions fixed() {
  ClientOptions options;
  options.discover = false;
  return options;
}

}  // namespace

TEST_CASE("64 threads share one client") {
  FakeNode a(same);
  FakeNode b(same);
  Client client({a.address(), b.address()}, fixed());
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const Bytes body = std::to_string(t) + ":" + std::to_string(i);
        const auto answer = client.send_data(body, "Same");
        if (answer && *answer == body) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 64 * 20);
}

TEST_CASE("2,000 calls at once on one connection, more than it has streams") {
  FakeNode node([](const Seen& seen) {
    Action action = reply(seen.body);
    action.delay_ms = 20;
    return action;
  });
  Client client({node.address()}, fixed());
  std::vector<std::future<Result<Bytes>>> answers;
  for (int i = 0; i < 2000; ++i) answers.push_back(client.async_send_data(std::to_string(i), "Same"));
  for (int i = 0; i < 2000; ++i) {
    const auto answer = answers[static_cast<std::size_t>(i)].get();
    REQUIRE(answer.has_value());
    CHECK(*answer == std::to_string(i));
  }
  CHECK(node.count() == 2000);
  CHECK(node.connections() == 1);
}

TEST_CASE("each client has connections of its own, up to its pool size, on a shared runtime") {
  FakeNode node([](const Seen& seen) {
    Action action = reply(seen.body);
    action.delay_ms = 20;
    return action;
  });
  auto options = fixed();
  options.runtime = Runtime::create();
  options.connections_per_node = 3;
  {
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::future<Result<Bytes>>> answers;
    for (int i = 0; i < 50; ++i)
      clients.push_back(std::make_unique<Client>(std::vector<Address>{node.address()}, options));
    for (int round = 0; round < 5; ++round) {
      for (auto& client : clients) answers.push_back(client->async_send_data("x", "Same"));
    }
    for (auto& answer : answers) REQUIRE(answer.get().has_value());
    CHECK(node.connections() == 150);
  }
  Client after({node.address()}, options);  // the runtime lives on
  CHECK(after.send_data("", "Same").has_value());
}

TEST_CASE("callbacks run on the runtime's thread and may start further calls") {
  FakeNode node(same);
  Client client({node.address()}, fixed());
  std::promise<int> done;
  std::atomic<int> left{100};
  const auto test_thread = std::this_thread::get_id();
  std::function<void()> next = [&] {
    client.async_call("x", "Same", nullptr, {}, [&](Result<Reply> reply) {
      if (!reply || std::this_thread::get_id() == test_thread) return done.set_value(-1);
      if (--left == 0) return done.set_value(0);
      next();
    });
  };
  next();
  CHECK(done.get_future().get() == 0);
}

TEST_CASE("blocking calls inside a callback are refused") {
  FakeNode node(same);
  Client client({node.address()}, fixed());
  std::promise<std::vector<Code>> codes;
  client.async_call("", "Same", nullptr, {}, [&](const Result<Reply>&) {
    std::vector<Code> result;
    const auto note = [&](const auto& outcome) { result.push_back(outcome ? Code::kOk : outcome.error().code); };
    note(client.send_data("", "Same"));
    note(client.open_stream("Same", nullptr));
    note(client.nodes());
    note(client.collect_stats());
    note(client.read_collection("a"));
    codes.set_value(result);
  });
  CHECK(codes.get_future().get() == std::vector<Code>(5, Code::kInvalidArgument));
}

TEST_CASE("wrong arguments come back as the outcome of the call, exactly once") {
  FakeNode node(same);
  Client client({node.address()}, fixed());
  const auto list = client.send_data_with_params("", "Same", nlohmann::json::array({1}));
  REQUIRE_FALSE(list.has_value());
  CHECK(list.error().message == "params must be an object, not array");
  auto text = client.async_send_data_with_params("", "Same", {{"name", "\xff\xfe"}});
  const auto answer = text.get();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Code::kInvalidArgument);
  const auto nameless = client.send_data("", "");
  REQUIRE_FALSE(nameless.has_value());
  CHECK(nameless.error().code == Code::kInvalidArgument);
  const auto large = client.send_data_with_params("", "Same", {{"text", std::string(1u << 20, 't')}});
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == Code::kTooLarge);
  CHECK(node.count() == 0);
  Client lost({});
  const auto nowhere = lost.send_data("", "Same");
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error().code == Code::kInvalidArgument);
}

TEST_CASE("destroying a client cancels its calls, and no callback runs afterwards") {
  FakeNode node(silent);
  std::atomic<int> cancelled{0};
  std::atomic<bool> gone{false};
  std::atomic<bool> late{false};
  {
    Client client({node.address()}, fixed());
    for (int i = 0; i < 200; ++i) {
      client.async_call("x", "Work", nullptr, {}, [&](const Result<Reply>& reply) {
        if (gone) late = true;
        if (!reply && reply.error().code == Code::kCancelled) ++cancelled;
      });
    }
    while (node.count() < 100) std::this_thread::yield();
  }
  gone = true;
  CHECK(cancelled == 200);
  CHECK_FALSE(late);
}

TEST_CASE("a client destroyed while it connects cancels its calls") {
  FakeNode node(same);
  for (int i = 0; i < 20; ++i) {
    std::future<Result<Bytes>> answer;
    {
      Client client({node.address()});
      answer = client.async_send_data("", "Same");
    }
    const auto result = answer.get();
    CHECK((result || result.error().code == Code::kCancelled));
  }
}

TEST_CASE("a callback may own the client and the last reference to the runtime") {
  FakeNode node(same);
  for (int i = 0; i < 10; ++i) {
    std::promise<bool> done;
    auto client = std::make_shared<Client>(std::vector<Address>{node.address()}, fixed());
    auto* raw = client.get();
    std::atomic<int> others{0};
    raw->async_call("x", "Same", nullptr, {},
                    [&done, &others, client = std::move(client)](const Result<Reply>& reply) mutable {
                      client->async_call("x", "Same", nullptr, {}, [&others](const Result<Reply>&) { ++others; });
                      client.reset();
                      done.set_value(reply.has_value() && others == 1);
                    });
    CHECK(done.get_future().get());
  }
}

TEST_CASE("a client can be moved, and the target of the move ends its own calls") {
  FakeNode node(silent);
  Client a({node.address()}, fixed());
  Client b({node.address()}, fixed());
  auto of_a = a.async_send_data("", "Work");
  auto of_b = b.async_send_data("", "Work");
  b = std::move(a);
  const auto ended = of_b.get();
  REQUIRE_FALSE(ended.has_value());
  CHECK(ended.error().code == Code::kCancelled);
  CHECK(of_a.wait_for(std::chrono::milliseconds(0)) == std::future_status::timeout);
}

TEST_CASE("a runtime nobody uses ends at once") {
  for (int i = 0; i < 20; ++i) Runtime::create().reset();
}

TEST_CASE("statistics come from every node, also from one that is down") {
  FakeNode a([](const Seen&) { return reply(R"({"node":"a"})"); });
  const Address down{"127.0.0.1", free_port()};
  Client client({a.address(), down}, fixed());
  const auto stats = client.collect_stats();
  REQUIRE(stats.has_value());
  REQUIRE(stats->size() == 2);
  CHECK((*stats)[0]["node"] == "a");
  CHECK((*stats)[1]["address"] == to_string(down));
  CHECK((*stats)[1]["error"].get<std::string>().contains("refused"));
}
