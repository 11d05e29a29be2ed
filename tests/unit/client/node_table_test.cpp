// The choice of a node and the deadlines, without any I/O.
#include "distri/client/node_table.hpp"

#include <doctest/doctest.h>

#include <map>

#include "distri/client/timer_queue.hpp"

using namespace distri;
using namespace distri::client;

namespace {

Address node_address(int i) {
  return {"127.0.0.1", static_cast<std::uint16_t>(3000 + i)};
}

std::map<std::string, int> choose_often(const NodeTable& table, std::int64_t now_ms,
                                        const std::vector<NodePtr>& tried = {}) {
  Random random(7);
  std::map<std::string, int> counts;
  for (int i = 0; i < 3000; ++i) {
    const NodePtr node = table.choose(random, now_ms, tried);
    ++counts[node == nullptr ? "none" : node->name];
  }
  return counts;
}

NodeTable three() {
  return NodeTable({node_address(0), node_address(1), node_address(2)}, true);
}

}  // namespace

TEST_CASE("equal nodes are chosen equally often, and the most loaded of three never") {
  const NodeTable table = three();
  for (const auto& [name, count] : choose_often(table, 0)) CHECK(count > 800);
  table.find(node_address(1))->load = 3;
  const auto counts = choose_often(table, 0);
  CHECK_FALSE(counts.contains("127.0.0.1:3001"));
  CHECK(counts.size() == 2);
}

TEST_CASE("requests in flight count as load") {
  const NodeTable table = three();
  table.find(node_address(0))->in_flight = 10;
  CHECK_FALSE(choose_often(table, 0).contains("127.0.0.1:3000"));
}

TEST_CASE("a slow node is avoided, and asked again when its measurement has faded") {
  NodeTable table = three();
  for (int i = 0; i < 20; ++i) {
    table.record_latency(*table.find(node_address(0)), "Get<a>", 100, 0);
    table.record_latency(*table.find(node_address(1)), "Get<b>", 100, 0);
    table.record_latency(*table.find(node_address(2)), "Get<a>", 10'000, 0);
  }
  CHECK_FALSE(choose_often(table, 0).contains("127.0.0.1:3002"));
  const std::int64_t later_ms = 20 * kLatencyHalfLifeMs;
  CHECK(choose_often(table, later_ms).contains("127.0.0.1:3002"));
}

TEST_CASE("ordinary scatter of the latency does not starve a node") {
  NodeTable table = three();
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    table.record_latency(*table.find(node_address(i % 3)), "Get", 50 + i % 3 * 20 + static_cast<int>(random.below(30)),
                         0);
  }
  for (const auto& [name, count] : choose_often(table, 0)) CHECK(count > 800);
  table.record_latency(*table.find(node_address(0)), "Get", 1'000'000, 0);
  for (const auto& [name, count] : choose_often(table, 0)) CHECK(count > 800);
}

TEST_CASE("slow services do not make the node that ran them look slow") {
  NodeTable table = three();
  for (int i = 0; i < 50; ++i) {
    table.record_latency(*table.find(node_address(0)), "Encrypt", 40'000, 0);
    table.record_latency(*table.find(node_address(1)), "Count<a>", 50, 0);
    table.record_latency(*table.find(node_address(2)), "Count<a>", 50, 0);
  }
  for (const auto& [name, count] : choose_often(table, 0)) CHECK(count > 500);
}

TEST_CASE("failed nodes are left alone for growing times, and the soonest is better than none") {
  const NodeTable table = three();
  const NodePtr node = table.find(node_address(0));
  node->failed(1000);
  CHECK(node->backoff_until_ms == 1000 + kBackoffFirstMs);
  node->failed(1001);  // the same outage
  CHECK(node->backoff_until_ms == 1000 + kBackoffFirstMs);
  CHECK_FALSE(choose_often(table, 1001).contains(node->name));
  CHECK(choose_often(table, 1000 + kBackoffFirstMs).contains(node->name));
  for (int i = 1; i < 20; ++i) node->failed(1000 * (2 * i + 1));
  CHECK(node->backoff_ms == kBackoffMaxMs);

  std::int64_t now_ms = 100'000;
  node->failed(now_ms);
  table.find(node_address(1))->failed(now_ms);
  table.find(node_address(2))->failed(now_ms);
  table.find(node_address(2))->backoff_until_ms -= 10;
  CHECK(choose_often(table, now_ms).at("127.0.0.1:3002") == 3000);
  node->succeeded();
  CHECK(choose_often(table, now_ms).at(node->name) == 3000);
}

TEST_CASE("tried nodes are not chosen again in the same round") {
  const NodeTable table = three();
  std::vector<NodePtr> tried = {table.find(node_address(0)), table.find(node_address(1))};
  CHECK(choose_often(table, 0, tried).at("127.0.0.1:3002") == 3000);
  tried.push_back(table.find(node_address(2)));
  CHECK(choose_often(table, 0, tried).at("none") == 3000);
}

TEST_CASE("learned nodes are forgotten when nobody mentions them, seeds never") {
  NodeTable table({node_address(0)}, true);
  table.merge(node_address(0), {{node_address(0), 0, true}, {node_address(1), 0.5, false}}, 1000);
  CHECK(table.listed().size() == 2);
  CHECK(table.find(node_address(1))->load == doctest::Approx(0.5));
  table.merge(node_address(5), {{node_address(5), 0, true}}, 1000 + kForgetMs);
  CHECK(table.listed().size() == 3);
  table.merge(node_address(5), {{node_address(5), 0, true}}, 1001 + kForgetMs);
  CHECK(table.find(node_address(1)) == nullptr);
  CHECK(table.find(node_address(0)) != nullptr);
}

TEST_CASE("a fixed table learns nothing") {
  NodeTable table({node_address(0)}, false);
  CHECK(table.learned());
  CHECK(table.find_or_learn(node_address(1), 0) == nullptr);
  table.merge(node_address(0), {{node_address(1), 0, false}}, 0);
  CHECK(table.listed().size() == 1);
  CHECK_FALSE(table.begin_refresh(1'000'000, 1));
}

TEST_CASE("one refresh at a time, and not before the table is old") {
  NodeTable table({node_address(0)}, true);
  CHECK(table.begin_refresh(0, 2000));
  CHECK_FALSE(table.begin_refresh(5000, 2000));
  table.end_refresh(5000);
  CHECK_FALSE(table.begin_refresh(6999, 2000));
  CHECK(table.begin_refresh(7000, 2000));
}

TEST_CASE("an alias is used only while the advertised address fails") {
  NodeTable table({{"name", 3000}}, true);
  table.merge({"name", 3000}, {{node_address(0), 0, true}}, 0);
  CHECK(choose_often(table, 0).at("127.0.0.1:3000") == 3000);
  table.find(node_address(0))->failed(0);
  CHECK(choose_often(table, 0).at("name:3000") == 3000);
}

TEST_CASE("deadlines fire in order, cancelled ones never, added ones later") {
  net::Loop loop;
  const SystemClock clock;
  TimerQueue timers(loop, clock);
  std::vector<int> fired;
  const std::int64_t now_ms = clock.monotonic_ms();
  timers.add(now_ms + 30, [&] {
    fired.push_back(3);
    loop.stop();
  });
  timers.add(now_ms + 10, [&] {
    fired.push_back(1);
    timers.add(clock.monotonic_ms() - 5, [&] { fired.push_back(2); });
  });
  auto cancelled = timers.add(now_ms + 5, [&] { fired.push_back(99); });
  timers.cancel(cancelled);
  CHECK(cancelled == TimerQueue::Ticket{});
  loop.run();
  CHECK(fired == std::vector<int>{1, 2, 3});
}
