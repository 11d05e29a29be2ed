// RocksJournal on a disk without room: errors that name it, nothing half done, and work again when there is room.
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "disk_faults.hpp"
#include "distri/storage/data_directory.hpp"
#include "distri/storage/rocks_journal.hpp"
#include "scratch.hpp"

using namespace distri;
using namespace distri::storage;
using namespace distri::test;

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kValueBytes = 700;

RocksOptions small() {
  RocksOptions options;
  options.memtable_bytes = 128u << 10;
  return options;
}

// A tmpfs of that size, or nothing where this process may not mount.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const char* options) : path_(path) {
    fs::create_directory(path);
    mounted_ = ::mount("none", path.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

// Reads the journal back from the disk as a new process would find it.
unsigned reopened_prefix(std::unique_ptr<RocksJournal> journal, const std::string& directory) {
  journal.reset();
  auto again = RocksJournal::open(directory, small());
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().message));
  return prefix_length(records_of(**again), kValueBytes);
}

}  // namespace

TEST_CASE("A write without room fails with kStorageFull, changes nothing, and works later") {
  // At various points: the log's first block, between fragments, and where a memtable is to become a table.
  for (const std::int64_t room_bytes : {0, 1, 500, 1'000, 33'000, 120'000, 200'000, 300'000, 600'000}) {
    CAPTURE(room_bytes);
    const Scratch scratch;
    auto journal = RocksJournal::open(scratch.path("db"), small());
    REQUIRE(journal);
    unsigned n = 0;
    for (; n < 5; ++n) REQUIRE((*journal)->write(numbered_batch(n + 1, kValueBytes)));
    REQUIRE((*journal)->sync());
    {
      FaultyDisk disk(DiskFault::kNoRoom, room_bytes);
      Result<> result;
      while ((result = (*journal)->write(numbered_batch(n + 1, kValueBytes))).has_value()) ++n;
      CHECK_MESSAGE(result.error().code == Code::kStorageFull, result.error().message);
      for (int i = 0; i < 3; ++i) {
        CHECK((*journal)->write({{"garbage", "g"}}).error().code == Code::kStorageFull);
        // The log may have room where tables have none.
        if (const auto synced = (*journal)->sync(); !synced) CHECK(synced.error().code == Code::kStorageFull);
      }
    }
    CHECK(prefix_length(records_of(**journal), kValueBytes) == n);
    for (int i = 0; i < 400; ++i, ++n) REQUIRE((*journal)->write(numbered_batch(n + 1, kValueBytes)));
    REQUIRE((*journal)->sync());
    CHECK(reopened_prefix(std::move(*journal), scratch.path("db")) == n);
  }
}

TEST_CASE("A sync without room fails with kStorageFull, and the next one makes everything durable") {
  const Scratch scratch;
  auto journal = RocksJournal::open(scratch.path("db"), small());
  REQUIRE(journal);
  unsigned n = 0;
  for (; n < 5; ++n) REQUIRE((*journal)->write(numbered_batch(n + 1, kValueBytes)));
  {
    FaultyDisk disk(DiskFault::kSyncNoRoom);
    for (int i = 0; i < 3; ++i) {
      const auto result = (*journal)->sync();
      REQUIRE_FALSE(result);
      CHECK_MESSAGE(result.error().code == Code::kStorageFull, result.error().message);
    }
  }
  REQUIRE((*journal)->sync());
  for (int i = 0; i < 5; ++i, ++n) REQUIRE((*journal)->write(numbered_batch(n + 1, kValueBytes)));
  REQUIRE((*journal)->sync());
  CHECK(reopened_prefix(std::move(*journal), scratch.path("db")) == n);
}

TEST_CASE("A disk that fails to sync is kStorageFailed, and once it works again everything is made durable") {
  const Scratch scratch;
  auto journal = RocksJournal::open(scratch.path("db"), small());
  REQUIRE(journal);
  for (unsigned n = 1; n <= 5; ++n) REQUIRE((*journal)->write(numbered_batch(n, kValueBytes)));
  REQUIRE((*journal)->sync());
  REQUIRE((*journal)->write(numbered_batch(6, kValueBytes)));
  {
    FaultyDisk disk(DiskFault::kSyncBroken);
    CHECK((*journal)->sync().error().code == Code::kStorageFailed);
    CHECK((*journal)->write(numbered_batch(7, kValueBytes)).error().code == Code::kStorageFailed);
  }
  REQUIRE((*journal)->sync());
  CHECK(reopened_prefix(std::move(*journal), scratch.path("db")) == 6);
}

TEST_CASE("On a small file system: full while writing, room again, all there after a restart") {
  const Scratch scratch;
  const SmallDisk disk(scratch.path("disk"), "size=3m");
  if (!disk.mounted()) {
    MESSAGE("skipped: this process may not mount a tmpfs (" << std::strerror(errno) << ")");
    return;
  }
  const auto directory = scratch.path("disk/db");
  auto journal = RocksJournal::open(directory, small());
  REQUIRE(journal);
  unsigned n = 0;
  for (int round = 0; round < 3; ++round) {
    const auto ballast = scratch.path("disk/ballast");
    std::ofstream(ballast, std::ios::binary) << Bytes(1'000'000, 'b');
    Result<> result;
    while ((result = (*journal)->write(numbered_batch(n + 1, kValueBytes))).has_value()) {
      ++n;
      if (!(result = (*journal)->sync())) break;
    }
    CHECK_MESSAGE(result.error().code == Code::kStorageFull, result.error().message);
    fs::remove(ballast);
    result = (*journal)->write(numbered_batch(n + 1, kValueBytes));
    REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
    ++n;
    REQUIRE((*journal)->sync());
    CHECK(prefix_length(records_of(**journal), kValueBytes) == n);
    // What was written takes room: make some for the next round.
    std::vector<Change> erase;
    for (unsigned i = 2; i <= 2 * n + 1; ++i) erase.emplace_back(numbered_key(i), std::nullopt);
    erase.emplace_back("last", std::nullopt);
    REQUIRE((*journal)->write(erase));
    REQUIRE((*journal)->sync());
    n = 0;
    journal->reset();
    fs::remove_all(directory);
    journal = RocksJournal::open(directory, small());
    REQUIRE(journal);
  }
}

TEST_CASE("On a full file system a journal opens again and again, and takes writes when there is room") {
  const Scratch scratch;
  const SmallDisk disk(scratch.path("disk"), "size=12m");
  if (!disk.mounted()) {
    MESSAGE("skipped: this process may not mount a tmpfs (" << std::strerror(errno) << ")");
    return;
  }
  const auto directory = scratch.path("disk/db");
  const auto ballast = scratch.path("disk/ballast");
  auto journal = RocksJournal::open(directory, small());
  REQUIRE(journal);
  unsigned n = 0;
  while (n < 1'500) {  // more than a memtable: what tables hold and what only the log holds
    REQUIRE((*journal)->write(numbered_batch(++n, kValueBytes)));
  }
  REQUIRE((*journal)->sync());
  const auto refused = [&] {
    Result<> result;
    for (int tries = 0; result && tries < 10'000; ++tries) {
      if ((result = (*journal)->write(numbered_batch(n + 1, kValueBytes)))) ++n;
      if (result) result = (*journal)->sync();
      (*journal)->idle();
    }
    return !result && result.error().code == Code::kStorageFull;
  };
  for (int life = 0; life < 3; ++life) {
    std::ofstream(ballast, std::ios::binary) << Bytes(12'000'000, 'b');
    CHECK(refused());
    const unsigned before = n;
    journal->reset();
    journal = RocksJournal::open(directory, small());
    REQUIRE_MESSAGE(journal.has_value(), (journal ? "" : journal.error().message));
    // A write that was refused may be in the log all the same: it was never said to be there or not.
    const unsigned found = prefix_length(records_of(**journal), kValueBytes);
    CHECK((found == before || found == before + 1));
    n = found;
  }
  fs::remove(ballast);
  const auto result = (*journal)->write(numbered_batch(n + 1, kValueBytes));
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
  REQUIRE((*journal)->sync());
  CHECK(reopened_prefix(std::move(*journal), directory) == n + 1);
}

TEST_CASE("On a full file system a node's next life is numbered") {
  const Scratch scratch;
  const SmallDisk disk(scratch.path("disk"), "size=3m");
  if (!disk.mounted()) {
    MESSAGE("skipped: this process may not mount a tmpfs (" << std::strerror(errno) << ")");
    return;
  }
  Random random(1);
  constexpr std::int64_t kNowMs = 1'700'000'000'000;
  std::uint64_t last = 0;
  for (int life = 0; life < 4; ++life) {
    auto directory = DataDirectory::open(scratch.path("disk/data"), random);
    REQUIRE_MESSAGE(directory, (directory ? "" : directory.error().message));
    const auto next = directory->next_incarnation(kNowMs, random);
    REQUIRE_MESSAGE(next, (next ? "" : next.error().message));
    CHECK(*next > last);
    last = *next;
    std::ofstream(scratch.path("disk/ballast"), std::ios::binary) << Bytes(4'000'000, 'b');
  }
}
