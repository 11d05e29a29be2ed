// The contract of journal.hpp, on both journals.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "distri/storage/memory_journal.hpp"
#include "distri/storage/rocks_journal.hpp"
#include "scratch.hpp"

using namespace distri;
using namespace distri::storage;
using namespace distri::test;

namespace {

// Opens what backup() made.
using Open = Result<std::unique_ptr<Journal>> (*)(const std::string& directory);

Result<std::unique_ptr<Journal>> open_rocks(const std::string& directory) {
  DISTRI_TRY(auto journal, RocksJournal::open(directory));
  return journal;
}
Result<std::unique_ptr<Journal>> open_memory(const std::string& directory) {
  DISTRI_TRY(auto journal, MemoryJournal::open(directory));
  return journal;
}

struct Subject {
  Scratch scratch;
  std::unique_ptr<Journal> journal;
  Open open;
};

template <class Test>
void on_both(Test test) {
  SUBCASE("RocksJournal") {
    Subject subject{{}, nullptr, open_rocks};
    subject.journal = *open_rocks(subject.scratch.path("db"));
    test(subject);
  }
  SUBCASE("MemoryJournal") {
    Subject subject{{}, std::make_unique<MemoryJournal>(), open_memory};
    test(subject);
  }
}

}  // namespace

TEST_CASE("A batch puts and erases, and load gives all records in the order of their bytes") {
  on_both([](Subject& subject) {
    auto& journal = *subject.journal;
    CHECK(records_of(journal).empty());
    REQUIRE(journal.write({{Bytes("b\0\xff", 3), "1"}, {Bytes("b"), "2"}, {Bytes("\xff"), ""}, {Bytes("a"), "4"}}));
    REQUIRE(journal.write({{Bytes("a"), std::nullopt}, {Bytes("not there"), std::nullopt}, {Bytes("b"), "5"}}));
    REQUIRE(journal.write({}));
    REQUIRE(journal.sync());
    REQUIRE(journal.sync());
    CHECK(records_of(journal) == Records{{"b", "5"}, {Bytes("b\0\xff", 3), "1"}, {"\xff", ""}});
  });
}

TEST_CASE("An error of the visitor ends the load and is handed on") {
  on_both([](Subject& subject) {
    REQUIRE(subject.journal->write(numbered_batch(1, 10)));
    int visited = 0;
    const auto result = subject.journal->load([&](BytesView, BytesView) -> Result<> {
      ++visited;
      return fail(Code::kDataLoss, "enough");
    });
    REQUIRE_FALSE(result);
    CHECK(result.error() == Error{Code::kDataLoss, "enough"});
    CHECK(visited == 1);
  });
}

TEST_CASE("A large value survives") {
  on_both([](Subject& subject) {
    const Bytes large(16u << 20, 'x');
    REQUIRE(subject.journal->write({{"large", large}}));
    REQUIRE(subject.journal->sync());
    CHECK(records_of(*subject.journal).at("large") == large);
  });
}

TEST_CASE("A backup holds what was written, opens, and does not change with its origin") {
  on_both([](Subject& subject) {
    for (unsigned n = 1; n <= 20; ++n) REQUIRE(subject.journal->write(numbered_batch(n, 100)));
    const auto directory = subject.scratch.path("backup");
    REQUIRE(subject.journal->backup(directory));
    CHECK(subject.journal->backup(directory).error().code == Code::kAlreadyExists);
    REQUIRE(subject.journal->write(numbered_batch(21, 100)));
    const auto copy = subject.open(directory);
    REQUIRE(copy);
    CHECK(prefix_length(records_of(**copy), 100) == 20);
    REQUIRE((*copy)->write(numbered_batch(21, 100)));
    CHECK(prefix_length(records_of(*subject.journal), 100) == 21);
    CHECK(subject.journal->backup(subject.scratch.path("no/such/parent")).has_value() == false);
  });
}

TEST_CASE("A backup made while another thread writes is a prefix of what it wrote") {
  on_both([](Subject& subject) {
    std::atomic<unsigned> written{0};
    std::atomic<bool> pause{false};
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      unsigned n = 0;
      while (!stop) {
        if (pause) {
          std::this_thread::yield();
        } else if (subject.journal->write(numbered_batch(n + 1, 300))) {
          written = ++n;
        }
      }
    });
    for (int i = 0; i < 5; ++i) {
      const unsigned before = written;
      pause = false;
      while (written < before + 50) std::this_thread::yield();
      const unsigned least = written;
      const auto directory = subject.scratch.path("backup" + std::to_string(i));
      const auto result = subject.journal->backup(directory);
      const unsigned most = written + 1;
      pause = true;
      REQUIRE(result);
      const auto copy = subject.open(directory);
      REQUIRE(copy);
      const unsigned n = prefix_length(records_of(**copy), 300);
      CHECK(n >= least);
      CHECK(n <= most);
    }
    stop = true;
    writer.join();
  });
}

TEST_CASE("After a crash the memory journal holds what was synced") {
  MemoryJournal journal;
  for (unsigned n = 1; n <= 3; ++n) REQUIRE(journal.write(numbered_batch(n, 5)));
  REQUIRE(journal.sync());
  REQUIRE(journal.write({{"last", std::nullopt}}));
  CHECK(journal.unsynced() == 1);
  journal.crash();
  CHECK(journal.unsynced() == 0);
  CHECK(prefix_length(records_of(journal), 5) == 3);
}
