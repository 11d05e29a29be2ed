#include "distri/utils/worker_pool.hpp"

#include <doctest/doctest.h>

#include <future>
#include <set>

using namespace distri;

TEST_CASE("Tasks run on as many threads as asked for") {
  std::mutex mutex;
  std::condition_variable all_in;
  std::set<std::thread::id> threads;
  WorkerPool pool(3, 10);
  for (int i = 0; i < 3; ++i) {
    CHECK(pool.submit([&] {
      std::unique_lock lock(mutex);
      threads.insert(std::this_thread::get_id());
      all_in.notify_all();
      // Goes on only when three threads are inside at once.
      all_in.wait_for(lock, std::chrono::seconds(30), [&] { return threads.size() == 3; });
    }));
  }
  std::unique_lock lock(mutex);
  CHECK(all_in.wait_for(lock, std::chrono::seconds(30), [&] { return threads.size() == 3; }));
}

TEST_CASE("A full queue refuses at once and takes tasks again when there is room") {
  WorkerPool pool(1, 2);
  std::promise<void> started;
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  REQUIRE(pool.submit([&] {
    started.set_value();
    opened.wait();
  }));
  started.get_future().wait();
  CHECK(pool.running() == 1);
  CHECK(pool.submit([] {}));
  CHECK_FALSE(pool.full());
  std::promise<void> last;
  CHECK(pool.submit([&] { last.set_value(); }));
  CHECK(pool.full());
  CHECK_FALSE(pool.submit([] {}));
  CHECK(pool.queued() == 2);
  gate.set_value();
  last.get_future().wait();
  CHECK_FALSE(pool.full());
}

TEST_CASE("Stopping finishes what runs, drops what waits, and refuses what comes") {
  std::atomic<int> ran{0};
  auto dropped = std::make_shared<int>(0);
  const std::weak_ptr<int> weak = dropped;
  WorkerPool pool(1, 10);
  std::promise<void> started;
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  pool.submit([&] {
    started.set_value();
    opened.wait();
    ++ran;
  });
  started.get_future().wait();
  pool.submit([&ran, dropped] { ran += *dropped + 100; });
  dropped.reset();
  std::thread stopper([&] { pool.stop(); });
  while (pool.queued() > 0) std::this_thread::yield();
  gate.set_value();
  stopper.join();
  CHECK(ran == 1);
  CHECK(weak.expired());
  CHECK_FALSE(pool.submit([] {}));
}
