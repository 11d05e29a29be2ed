// WriteAheadLog: what comes back after a stop, a crash, damage and errors is a prefix of what was written.
#include "distri/storage/write_ahead_log.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "disk_faults.hpp"
#include "distri/utils/random.hpp"
#include "scratch.hpp"

using namespace distri;
using namespace distri::storage;
using namespace distri::test;

namespace fs = std::filesystem;
using Habit = WriteAheadLog::Habit;

namespace {

// Record n, of a length that depends on it.
Bytes record(std::uint64_t n) {
  return std::to_string(n) + Bytes(n * 37 % 900, static_cast<char>('a' + n % 26));
}

struct Opened {
  std::unique_ptr<WriteAheadLog> log;
  std::vector<Bytes> records;  // those after `after`
};

Result<Opened> open(const std::string& directory, std::uint64_t after = 0, Habit habit = Habit::kSyncMany) {
  Opened opened;
  std::uint64_t expected = after + 1;
  const auto visit = [&](std::uint64_t number, BytesView bytes) -> Result<> {
    CHECK(number == expected++);
    opened.records.emplace_back(bytes);
    return {};
  };
  DISTRI_TRY(opened.log, WriteAheadLog::open(directory, after, visit, habit));
  return opened;
}

// How many records are there; fails the test unless they are record(1), record(2), ...
std::uint64_t prefix_in(const std::string& directory) {
  const auto opened = open(directory);
  REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  for (std::size_t i = 0; i < opened->records.size(); ++i) REQUIRE(opened->records[i] == record(i + 1));
  CHECK(opened->log->newest() == opened->records.size());
  return opened->records.size();
}

void append(WriteAheadLog& log, std::uint64_t count) {
  for (; count > 0; --count) REQUIRE(log.append(record(log.newest() + 1)));
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::size_t files_in(const std::string& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("Records come back in order, with their numbers, and more can be added every time") {
  const Scratch scratch;
  for (std::uint64_t round = 0; round < 5; ++round) {
    CHECK(prefix_in(scratch.path()) == round * 300);
    auto opened = open(scratch.path());
    REQUIRE(opened);
    append(*opened->log, 200);
    REQUIRE(opened->log->sync());
    append(*opened->log, 100);
    REQUIRE(opened->log->sync());
  }
  const auto later = open(scratch.path(), 1'490);
  REQUIRE(later);
  REQUIRE(later->records.size() == 10);
  CHECK(later->records.front() == record(1'491));
  CHECK(open(scratch.path(), 9'000)->log->newest() == 9'000);
}

TEST_CASE("A sync writes all that is new by one fdatasync, also while files change") {
  const Scratch scratch;
  auto opened = open(scratch.path());
  REQUIRE(opened->log->sync());
  const auto before = data_syncs();
  append(*opened->log, 50);
  CHECK(data_syncs() == before);
  REQUIRE(opened->log->sync());
  REQUIRE(opened->log->sync());
  CHECK(data_syncs() == before + 1);
}

TEST_CASE("Files are used again once their records are released, and what they held does not come back") {
  const Scratch scratch;
  auto opened = open(scratch.path());
  const Bytes large(1u << 20, 'x');
  std::size_t most = 0;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(opened->log->append(large));
    REQUIRE(opened->log->sync());
    if (i % 10 == 9) opened->log->release(opened->log->newest() - 5);
    most = std::max(most, files_in(scratch.path()));
  }
  CHECK(most <= 6);
  CHECK(opened->log->files_begun() > most);
  CHECK(opened->log->bytes_held() < 6 * WriteAheadLog::kFileBytes);
  opened->log.reset();
  const auto again = open(scratch.path(), 95);
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().message));
  CHECK(again->records.size() == 5);
  CHECK(again->log->newest() == 100);
}

TEST_CASE("A record that is larger than a file comes back") {
  const Scratch scratch;
  auto opened = open(scratch.path());
  append(*opened->log, 3);
  const Bytes large(3 * WriteAheadLog::kFileBytes, 'y');
  REQUIRE(opened->log->append(large));
  REQUIRE(opened->log->append("after"));
  REQUIRE(opened->log->sync());
  opened->log.reset();
  const auto again = open(scratch.path());
  REQUIRE(again->records.size() == 5);
  CHECK(again->records[3] == large);
  CHECK(again->records[4] == "after");
}

TEST_CASE("Damage anywhere gives a shorter prefix or kDataLoss, and what lies behind it never comes back") {
  const Scratch scratch;
  {
    auto opened = open(scratch.path("original"));
    CHECK_FALSE(opened.has_value());  // there is no such directory
  }
  fs::create_directory(scratch.path("original"));
  for (int life = 0; life < 3; ++life) {
    auto opened = open(scratch.path("original"));
    REQUIRE(opened);
    append(*opened->log, 100);
    REQUIRE(opened->log->sync());
  }
  Random random(5);
  int shorter = 0;
  int lost = 0;
  for (int round = 0; round < 150; ++round) {
    CAPTURE(round);
    const auto directory = scratch.path("copy");
    fs::copy(scratch.path("original"), directory, fs::copy_options::recursive);
    const auto victim = fs::path(directory) / (std::to_string(random.below(3)) + ".wal");
    std::string bytes = read_file(victim);
    const auto at = random.below(std::min<std::size_t>(bytes.size(), 50'000));
    if (round % 3 == 0) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    if (round % 3 == 1) bytes.resize(at);
    // A page that did not reach the disk, although a later one did.
    if (round % 3 == 2) bytes.replace(at, std::min<std::size_t>(4'096, bytes.size() - at), Bytes(4'096, '\0'));
    write_file(victim, bytes);
    auto opened = open(directory);
    if (!opened) {
      CHECK_MESSAGE(opened.error().code == Code::kDataLoss, opened.error().message);
      ++lost;
    } else {
      const auto n = opened->records.size();
      CHECK(n <= 300);
      if (n < 300) ++shorter;
      // From here on another history: nothing of the old one may follow it.
      REQUIRE(opened->log->append(record(n + 1)));
      REQUIRE(opened->log->sync());
      opened->log.reset();
      CHECK(prefix_in(directory) == n + 1);
    }
    fs::remove_all(directory);
  }
  CHECK(shorter > 10);
  CHECK(lost > 10);
}

TEST_CASE("Where each record was synced, damage to any but the newest is kDataLoss") {
  // Two lives, two files. Of the first the records before the last flipped byte are there, or it is an error.
  const Scratch scratch;
  const auto original = scratch.path("original");
  fs::create_directory(original);
  for (int life = 0; life < 2; ++life) {
    auto opened = open(original, 0, Habit::kSyncEach);
    REQUIRE(opened);
    for (int i = 0; i < 20; ++i) {
      append(*opened->log, 1);
      REQUIRE(opened->log->sync());
    }
  }
  const auto copy = scratch.path("copy");
  fs::copy(original, copy);
  const auto newest_bytes = 28 + record(40).size();
  for (const char* name : {"0.wal", "1.wal"}) {
    const auto victim = fs::path(copy) / name;
    const std::string good = read_file(victim);
    const std::size_t used = good.find_last_not_of('\0') + 1;
    for (std::size_t at = 0; at < used; ++at) {
      CAPTURE(name);
      CAPTURE(at);
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      write_file(victim, bad);
      // The zeros behind the header are nobody's.
      const bool padding = at >= 40 && at < 64;
      const bool newest = name[0] == '1' && at >= used - newest_bytes;
      auto opened = open(copy, 0, Habit::kSyncEach);
      if (!padding && !newest) REQUIRE_FALSE(opened);
      if (!opened) REQUIRE_MESSAGE(opened.error().code == Code::kDataLoss, opened.error().message);
      if (newest) REQUIRE(opened->records.size() == 39);
      if (opened) opened->log.reset();
    }
    write_file(victim, good);
  }
  // A file that is begun again has older records, which nobody misses.
  auto opened = open(copy, 0, Habit::kSyncEach);
  REQUIRE(opened);
  opened->log->release(40);
  opened->log.reset();
  CHECK(open(copy, 40, Habit::kSyncEach)->records.empty());
  std::string begun = read_file(fs::path(copy) / "0.wal");
  begun[10] = static_cast<char>(begun[10] ^ 1);
  write_file(fs::path(copy) / "0.wal", begun);
  CHECK(open(copy, 40, Habit::kSyncEach).has_value());
}

TEST_CASE("What a killed process left in the system's memory is on the disk when the log is open") {
  const Scratch scratch;
  auto opened = open(scratch.path());
  append(*opened->log, 3);
  opened->log.reset();  // without a sync
  const auto before = data_syncs();
  opened = open(scratch.path());
  REQUIRE(opened->records.size() == 3);
  CHECK(data_syncs() == before + 1);
  const FaultyDisk broken(DiskFault::kSyncBroken);
  const auto refused = open(scratch.path());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kStorageFailed);
}

TEST_CASE("A file that is missing between others is kDataLoss that names the records") {
  const Scratch scratch;
  for (int life = 0; life < 3; ++life) {
    auto opened = open(scratch.path());
    append(*opened->log, 10);
    REQUIRE(opened->log->sync());
  }
  REQUIRE(fs::remove(scratch.path("1.wal")));
  const auto opened = open(scratch.path());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::kDataLoss);
  CHECK_MESSAGE(opened.error().message.find("lacks the records 11 to 20") != std::string::npos, opened.error().message);
  CHECK(open(scratch.path(), 20).has_value());  // nobody needs them
}

TEST_CASE("An append without room changes nothing, and goes on where there is room again") {
  for (const std::int64_t room_bytes : {0, 1, 63, 64, 100, 500, 1'000, 30'000, 300'000, 700'000}) {
    CAPTURE(room_bytes);
    const Scratch scratch;
    auto opened = open(scratch.path());
    append(*opened->log, 5);
    REQUIRE(opened->log->sync());
    {
      FaultyDisk disk(DiskFault::kNoRoom, room_bytes);
      Result<> result;
      while ((result = opened->log->append(record(opened->log->newest() + 1))).has_value()) continue;
      CHECK_MESSAGE(result.error().code == Code::kStorageFull, result.error().message);
      const auto newest = opened->log->newest();
      for (int i = 0; i < 3; ++i) {
        CHECK(opened->log->append("garbage").error().code == Code::kStorageFull);
        CHECK(opened->log->sync().error().code == Code::kStorageFull);
      }
      CHECK(opened->log->newest() == newest);
      CHECK(prefix_in(scratch.path()) == newest);
    }
    const auto before = opened->log->newest();
    append(*opened->log, 300);
    REQUIRE(opened->log->sync());
    opened->log.reset();
    CHECK(prefix_in(scratch.path()) == before + 300);
  }
}

TEST_CASE("After a sync that failed the next one writes everything once more") {
  for (const auto fault : {DiskFault::kSyncBroken, DiskFault::kSyncNoRoom}) {
    const Scratch scratch;
    auto opened = open(scratch.path());
    append(*opened->log, 5);
    REQUIRE(opened->log->sync());
    append(*opened->log, 5);
    const Code code = fault == DiskFault::kSyncBroken ? Code::kStorageFailed : Code::kStorageFull;
    {
      FaultyDisk disk(fault);
      for (int i = 0; i < 3; ++i) CHECK(opened->log->sync().error().code == code);
      CHECK(opened->log->append("garbage").error().code == code);
    }
    REQUIRE(opened->log->sync());
    // What the failed sync may have lost.
    std::string bytes = read_file(scratch.path("0.wal"));
    std::fill(bytes.begin() + 1'000, bytes.end(), '\0');
    write_file(scratch.path("0.wal"), bytes);
    append(*opened->log, 1);
    REQUIRE(opened->log->sync());
    std::uint64_t replayed = 0;
    REQUIRE(opened->log->replay(0, [&](std::uint64_t number, BytesView each) -> Result<> {
      CHECK(each == record(number));
      ++replayed;
      return {};
    }));
    CHECK(replayed == 11);
    opened->log.reset();
    CHECK(prefix_in(scratch.path()) == 11);
  }
}
