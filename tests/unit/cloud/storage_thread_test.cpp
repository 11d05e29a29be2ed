// The storage thread on a journal that does what the test says.
#include "distri/cloud/storage_thread.hpp"

#include <doctest/doctest.h>

#include "journal_double.hpp"

using namespace distri;
using namespace distri::cloud;
using namespace distri::test;

namespace {

std::vector<storage::Change> change(int n) {
  return {{"k" + std::to_string(n), "v" + std::to_string(n)}, {"last", std::to_string(n)}};
}

// The main thread of the test: runs what is posted when the test waits.
class Posts {
 public:
  StorageThread::Post post() {
    return [this](std::function<void()> function) {
      {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(function));
      }
      changed_.notify_all();
    };
  }
  template <class Condition>
  void run_until(Condition condition) {
    while (!condition()) {
      std::function<void()> next;
      {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return !waiting_.empty(); }));
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      next();
    }
  }
  bool idle() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
};

struct Fixture {
  explicit Fixture(Durability durability) {
    StorageThread::Reports reports;
    reports.durable = [this](std::uint64_t number) {
      CHECK(number > durable);
      durable = number;
    };
    reports.failed = [this](const Error& error) { troubles.push_back(error); };
    reports.recovered = [this] { ++recovered; };
    thread = std::make_unique<StorageThread>(disk->journal(), durability, posts.post(), std::move(reports));
  }

  std::shared_ptr<JournalDouble> disk = std::make_shared<JournalDouble>();
  Posts posts;
  std::uint64_t durable = 0;
  std::vector<Error> troubles;
  int recovered = 0;
  std::unique_ptr<StorageThread> thread;
};

}  // namespace

TEST_CASE("Commits that wait while the disk syncs are synced together") {
  Fixture f(Durability::kSync);
  f.disk->block_syncs();
  f.thread->submit(1, change(1));
  f.disk->wait_until_blocked();
  for (int n = 2; n <= 50; ++n) f.thread->submit(static_cast<std::uint64_t>(n), change(n));
  CHECK(f.posts.idle());  // nothing is durable yet
  CHECK(f.thread->figures().waiting == 49);
  f.disk->let_syncs_go();
  f.posts.run_until([&] { return f.durable == 50; });
  CHECK(f.disk->syncs() == 2);
  CHECK(f.disk->synced("last") == "50");
  CHECK(f.thread->figures().commits == 50);
  CHECK(f.thread->figures().waiting == 0);
}

TEST_CASE("Batched: durable when written, synced soon after") {
  Fixture f(Durability::kBatched);
  f.disk->block_syncs();
  f.thread->submit(1, change(1));
  f.posts.run_until([&] { return f.durable == 1; });
  CHECK(f.disk->written("last") == "1");
  f.disk->wait_until_blocked();
  CHECK(f.disk->synced("last").empty());
  f.disk->let_syncs_go();
  f.disk->wait_until_synced();
  CHECK(f.disk->synced("last") == "1");
}

TEST_CASE("A full disk: told once, tried again in order, told when it is over") {
  for (const bool in_sync : {false, true}) {
    CAPTURE(in_sync);
    Fixture f(Durability::kSync);
    const Error full{Code::kStorageFull, "there is no room"};
    if (in_sync) {
      f.disk->fail_syncs(full);
    } else {
      f.disk->fail_writes(full);
    }
    f.thread->submit(1, change(1));
    f.posts.run_until([&] { return !f.troubles.empty(); });
    CHECK(f.troubles[0] == full);
    REQUIRE(f.thread->figures().trouble);
    f.thread->submit(2, change(2));
    f.disk->wait_for_failures(2);
    CHECK(f.durable == 0);
    f.disk->heal();
    f.posts.run_until([&] { return f.durable == 2 && f.recovered == 1; });
    CHECK(f.troubles.size() == 1);
    CHECK_FALSE(f.thread->figures().trouble);
    CHECK(f.disk->synced("last") == "2");
    CHECK(f.disk->synced("k1") == "v1");
  }
}

TEST_CASE("Stopping writes and syncs what waits, and counts what the disk refuses") {
  for (const auto durability : {Durability::kSync, Durability::kBatched}) {
    Fixture f(durability);
    for (int n = 1; n <= 20; ++n) f.thread->submit(static_cast<std::uint64_t>(n), change(n));
    CHECK(f.thread->stop() == 0);
    CHECK(f.disk->synced("last") == "20");
  }
  Fixture f(Durability::kSync);
  f.disk->fail_writes({Code::kStorageFull, "full"});
  for (int n = 1; n <= 5; ++n) f.thread->submit(static_cast<std::uint64_t>(n), change(n));
  CHECK(f.thread->stop() == 5);
}

TEST_CASE("One backup at a time, into a directory of its own, which goes again when it fails") {
  Fixture f(Durability::kSync);
  f.thread->submit(1, change(1));
  f.posts.run_until([&] { return f.durable == 1; });
  const ScratchDirectory scratch;
  const auto backup = [&](const std::string& name) {
    std::optional<Result<>> outcome;
    f.thread->backup(scratch.path(name), [&](Result<> result) { outcome = std::move(result); });
    f.posts.run_until([&] { return outcome.has_value(); });
    return *outcome;
  };
  CHECK(backup("one/two"));
  CHECK(std::filesystem::exists(scratch.path("one/two/db")));
  CHECK(backup("one/two").error().code == Code::kAlreadyExists);
  f.disk->fail_backups({Code::kStorageFull, "full"});
  CHECK(backup("three").error().code == Code::kStorageFull);
  CHECK_FALSE(std::filesystem::exists(scratch.path("three")));
}

TEST_CASE("Names of durability") {
  for (const auto each : {Durability::kMemory, Durability::kBatched, Durability::kSync}) {
    CHECK(parse_durability(durability_name(each)) == each);
  }
  CHECK(parse_durability("always").error().code == Code::kInvalidArgument);
}
