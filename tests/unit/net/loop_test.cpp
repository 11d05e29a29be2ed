#include "distri/net/loop.hpp"

#include <signal.h>

#include <atomic>
#include <thread>

#include "net_rig.hpp"

namespace distri::net {

TEST_CASE("timers run in the order of their deadlines, and equal ones in the order they were added") {
  Loop loop;
  std::vector<int> order;
  const Timer c = loop.after(30, [&] { order.push_back(3), loop.stop(); });
  const Timer a = loop.after(5, [&] { order.push_back(1); });
  const Timer b = loop.after(15, [&] { order.push_back(2); });
  const Timer zero = loop.after(0, [&] { order.push_back(0); });
  CHECK(a.armed());
  run_bounded(loop);
  CHECK(order == std::vector<int>{0, 1, 2, 3});
  CHECK_FALSE(a.armed());
}

TEST_CASE("thousands of timers, most of them cancelled, run exactly the rest") {
  Loop loop;
  std::vector<Timer> timers;
  int runs = 0;
  for (int i = 0; i < 5000; ++i) timers.push_back(loop.after((i * 7919) % 50, [&] { ++runs; }));
  for (std::size_t i = 0; i < timers.size(); ++i) {
    if (i % 5 != 0) timers[(i * 3) % timers.size()].cancel();
  }
  const auto armed = std::count_if(timers.begin(), timers.end(), [](const Timer& timer) { return timer.armed(); });
  CHECK(armed == 1000);
  const Timer end = loop.after(60, [&] { loop.stop(); });
  run_bounded(loop);
  CHECK(runs == armed);
}

TEST_CASE("a timer may be cancelled, destroyed or replaced inside its own callback and in another's") {
  Loop loop;
  int runs = 0;
  Timer self;
  self = loop.after(1, [&, alive = std::make_shared<int>(7)] {
    self.cancel();
    self = Timer();
    runs += *alive;  // the function outlives its timer
  });
  auto victim = std::make_unique<Timer>(loop.after(2, [&] { runs += 1000; }));
  const Timer killer = loop.after(2, [&] { runs += 10000; });
  Timer renewed;
  int renewals = 0;
  std::function<void()> renew = [&] {
    if (++renewals < 5) {
      renewed = loop.after(1, renew);
    } else {
      loop.stop();
    }
  };
  renewed = loop.after(1, renew);
  const Timer destroyer = loop.after(0, [&] { victim.reset(); });
  run_bounded(loop);
  CHECK(runs % 1000 == 7);
  CHECK((runs / 1000) % 10 == 0);
  CHECK(renewals == 5);
}

TEST_CASE("a timer may outlive its loop") {
  Timer timer;
  bool ran = false;
  {
    Loop loop;
    timer = loop.after(0, [&] { ran = true; });
  }
  CHECK_FALSE(timer.armed());
  timer.cancel();
  CHECK_FALSE(ran);
}

TEST_CASE("stop from another thread ends run, and a stop that came first ends the next run") {
  Loop loop;
  std::atomic<bool> running{false};
  loop.post([&] { running = true; });
  std::thread other([&] {
    while (!running) std::this_thread::yield();
    loop.stop();
  });
  loop.run();
  other.join();
  loop.stop();
  loop.run();
  CHECK_FALSE(loop.on_loop_thread());
}

TEST_CASE("functions posted by other threads all run, on the loop's thread and in order") {
  Loop loop;
  constexpr int kEach = 2000;
  int ran = 0;
  int last[2] = {-1, -1};
  const auto post_all = [&](int who) {
    for (int i = 0; i < kEach; ++i) {
      loop.post([&, who, i] {
        CHECK(loop.on_loop_thread());
        CHECK(last[who] == i - 1);
        last[who] = i;
        if (++ran == 2 * kEach) loop.stop();
      });
    }
  };
  std::thread a(post_all, 0);
  std::thread b(post_all, 1);
  run_bounded(loop);
  a.join();
  b.join();
  CHECK(ran == 2 * kEach);
}

TEST_CASE("what is posted on the loop's thread runs in a later turn, after the end-of-turn hooks, which run in order") {
  Loop loop;
  std::vector<std::string> order;
  loop.at_end_of_turn([&] { order.push_back("hook 1"); });
  loop.at_end_of_turn([&] { order.push_back("hook 2"); });
  loop.post([&] {
    order.push_back("first");
    loop.post([&] {
      order.push_back("second");
      loop.stop();
    });
  });
  run_bounded(loop);
  CHECK(order == std::vector<std::string>{"first", "hook 1", "hook 2", "second", "hook 1", "hook 2"});
}

TEST_CASE("a turn takes all events that are ready, or ends after the time it was given and says so") {
  for (const bool bounded : {false, true}) {
    CAPTURE(bounded);
    Loop loop;
    if (bounded) loop.end_turns_after(1);
    int ran = 0;
    std::vector<std::pair<int, bool>> turns;  // how many had run at its end, whether it was cut
    loop.at_end_of_turn([&] { turns.emplace_back(ran, loop.turn_was_cut()); });
    for (int i = 0; i < 3; ++i) {
      loop.post([&] {
        if (++ran == 3) loop.stop();
      });
    }
    run_bounded(loop);
    if (bounded) {
      CHECK(turns == std::vector<std::pair<int, bool>>{{1, true}, {2, true}, {3, true}});
    } else {
      CHECK(turns == std::vector<std::pair<int, bool>>{{3, false}});
    }
  }
}

TEST_CASE("a function that posts itself for ever does not keep timers waiting") {
  Loop loop;
  std::function<void()> again = [&] { loop.post(again); };
  loop.post(again);
  const Timer timer = loop.after(5, [&] { loop.stop(); });
  run_bounded(loop);
}

TEST_CASE("signals arrive on the loop's thread, repeatedly") {
  Loop loop;
  int seen = 0;
  loop.on_signals({SIGUSR1}, [&](int signal) {
    CHECK(signal == SIGUSR1);
    CHECK(loop.on_loop_thread());
    if (++seen == 2) {
      loop.stop();
    } else {
      ::raise(SIGUSR1);
    }
  });
  loop.post([] { ::raise(SIGUSR1); });
  run_bounded(loop);
  CHECK(seen == 2);
}

TEST_CASE("the longest turn does not count the wait for events") {
  Loop loop;
  const Timer timer = loop.after(50, [&] { loop.stop(); });
  run_bounded(loop);
  loop.take_longest_turn_us();
  CHECK(loop.take_longest_turn_us() == 0);
  const Timer busy = loop.after(20, [&] {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (std::chrono::steady_clock::now() < until) {
    }
    loop.stop();
  });
  run_bounded(loop);
  CHECK(loop.take_longest_turn_us() >= 5000);
}

}  // namespace distri::net
