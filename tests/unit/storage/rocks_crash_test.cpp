// RocksJournal: killed processes, damaged files, two owners.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "disk_faults.hpp"
#include "distri/storage/rocks_journal.hpp"
#include "distri/utils/random.hpp"
#include "scratch.hpp"

using namespace distri;
using namespace distri::storage;
using namespace distri::test;

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kValueBytes = 700;

// Small enough that tables come to be within a short test.
RocksOptions small() {
  RocksOptions options;
  options.memtable_bytes = 256u << 10;
  return options;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<fs::path> files_of(const std::string& directory, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& each : fs::directory_iterator(directory)) {
    if (each.path().extension() == extension) found.push_back(each.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

unsigned number_in(const std::string& path) {
  const std::string text = fs::exists(path) ? read_file(path) : "";
  return text.empty() ? 0 : static_cast<unsigned>(std::stoul(text));
}

// A journal of `batches` batches, closed.
void make_journal(const std::string& directory, unsigned batches) {
  auto journal = RocksJournal::open(directory, small());
  REQUIRE(journal);
  for (unsigned n = 1; n <= batches; ++n) REQUIRE((*journal)->write(numbered_batch(n, kValueBytes)));
  REQUIRE((*journal)->sync());
}

// Opens and loads; the length of the prefix, or nothing when that was refused with kDataLoss.
std::optional<unsigned> prefix_or_loss(const std::string& directory, std::string* text = nullptr) {
  auto journal = RocksJournal::open(directory, small());
  if (!journal) {
    CHECK_MESSAGE(journal.error().code == Code::kDataLoss, journal.error().message);
    if (text != nullptr) *text = journal.error().message;
    return std::nullopt;
  }
  Records records;
  const auto loaded = (*journal)->load([&](BytesView key, BytesView value) -> Result<> {
    records.emplace(key, value);
    return {};
  });
  if (!loaded) {
    CHECK_MESSAGE(loaded.error().code == Code::kDataLoss, loaded.error().message);
    if (text != nullptr) *text = loaded.error().message;
    return std::nullopt;
  }
  return prefix_length(records, kValueBytes);
}

}  // namespace

// Runs in a process of its own: writes and syncs until it is killed, and notes what it has synced and is about to
// write.
TEST_CASE("child: write until killed" * doctest::skip()) {
  const auto directory = handed_directory();
  if (directory.empty()) return;
  auto journal = RocksJournal::open(directory + "/db", small());
  REQUIRE(journal);
  unsigned n = prefix_length(records_of(**journal), kValueBytes);
  const auto note = [&](const char* name, unsigned number) {
    write_file(directory + "/" + name + ".new", std::to_string(number));
    fs::rename(directory + "/" + name + ".new", directory + "/" + name);
  };
  for (;;) {
    for (int i = 0; i < 7; ++i) REQUIRE((*journal)->write(numbered_batch(++n, kValueBytes)));
    REQUIRE((*journal)->sync());
    note("synced", n);
  }
}

TEST_CASE("A killed process leaves a prefix that holds everything synced") {
  const Scratch scratch;
  Random random(7);
  unsigned previous = 0;
  for (int round = 0; round < 4; ++round) {
    const pid_t child = start_own_test("child: write until killed", scratch.path());
    const unsigned wanted = previous + 50 + static_cast<unsigned>(random.below(400));
    while (number_in(scratch.path("synced")) < wanted) ::usleep(100);
    REQUIRE(::kill(child, SIGKILL) == 0);
    CHECK(wait_for(child) == -SIGKILL);
    const unsigned synced = number_in(scratch.path("synced"));
    auto journal = RocksJournal::open(scratch.path("db"), small());
    REQUIRE(journal);
    const unsigned n = prefix_length(records_of(**journal), kValueBytes);
    CHECK(n >= synced);
    previous = n;
  }
}

// The database loses its memory when it is closed, as in a crash: what comes back comes from tables and the log.
TEST_CASE("The log keeps what tables lack, and no more files than that takes") {
  for (const bool idle : {true, false}) {
    CAPTURE(idle);
    const Scratch scratch;
    constexpr std::size_t kLargeValueBytes = 100'000;
    unsigned n = 0;
    std::size_t most = 0;
    for (int life = 0; life < 6; ++life) {
      auto journal = RocksJournal::open(scratch.path("db"));
      REQUIRE(journal);
      REQUIRE(prefix_length(records_of(**journal), kLargeValueBytes) == n);
      for (int i = 0; i < 100; ++i) {  // 20 MB
        REQUIRE((*journal)->write(numbered_batch(++n, kLargeValueBytes)));
        if (i % 3 == 0) REQUIRE((*journal)->sync());
        if (idle) (*journal)->idle();
      }
      REQUIRE((*journal)->sync());
      most = std::max(most, files_of(scratch.path("db"), ".wal").size());
    }
    CHECK(most <= 10);
    CHECK(prefix_length(records_of(**RocksJournal::open(scratch.path("db"))), kLargeValueBytes) == n);
  }
}

TEST_CASE("A damaged log gives a shorter prefix or kDataLoss, never anything else") {
  const Scratch scratch;
  make_journal(scratch.path("original"), 100);
  const auto logs = files_of(scratch.path("original"), ".wal");
  REQUIRE_FALSE(logs.empty());
  Random random(11);
  for (int round = 0; round < 25; ++round) {
    const auto directory = scratch.path("copy" + std::to_string(round));
    fs::copy(scratch.path("original"), directory, fs::copy_options::recursive);
    const auto log = fs::path(directory) / logs.back().filename();
    std::string bytes = read_file(log);
    REQUIRE(bytes.size() > 1000);
    const auto at = random.below(bytes.size());
    if (round % 2 == 0) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    } else {
      bytes.resize(at);
    }
    write_file(log, bytes);
    if (const auto n = prefix_or_loss(directory)) CHECK(*n <= 100);
    fs::remove_all(directory);
  }
}

TEST_CASE("A damaged table gives kDataLoss naming the file, never wrong records") {
  const Scratch scratch;
  make_journal(scratch.path("original"), 2'000);
  const auto tables = files_of(scratch.path("original"), ".sst");
  REQUIRE(tables.size() >= 2);
  Random random(13);
  int lost = 0;
  for (int round = 0; round < 25; ++round) {
    const auto directory = scratch.path("copy" + std::to_string(round));
    fs::copy(scratch.path("original"), directory, fs::copy_options::recursive);
    const auto table = fs::path(directory) / tables[random.below(tables.size())].filename();
    std::string bytes = read_file(table);
    const auto at = random.below(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    write_file(table, bytes);
    std::string text;
    const auto n = prefix_or_loss(directory, &text);
    if (n) {
      CHECK(*n == 2'000);  // the byte meant nothing
    } else {
      ++lost;
      CHECK_MESSAGE(text.find(directory) != std::string::npos, text);
    }
    fs::remove_all(directory);
  }
  CHECK(lost > 10);
}

TEST_CASE("A missing file gives kDataLoss, not an empty or a shorter journal") {
  const Scratch scratch;
  make_journal(scratch.path("original"), 2'000);
  std::vector<fs::path> victims = {files_of(scratch.path("original"), ".sst").front(), "CURRENT"};
  for (const auto& each : fs::directory_iterator(scratch.path("original"))) {
    if (each.path().filename().string().starts_with("MANIFEST")) victims.push_back(each.path());
  }
  for (const auto& victim : victims) {
    CAPTURE(victim);
    const auto directory = scratch.path("copy");
    fs::copy(scratch.path("original"), directory, fs::copy_options::recursive);
    REQUIRE(fs::remove(fs::path(directory) / victim.filename()));
    CHECK_FALSE(prefix_or_loss(directory).has_value());
    fs::remove_all(directory);
  }
}

TEST_CASE("Two owners of one directory: the second is refused with a clear text") {
  const Scratch scratch;
  make_journal(scratch.path("db"), 3);
  const auto first = RocksJournal::open(scratch.path("db"));
  REQUIRE(first);
  const auto second = RocksJournal::open(scratch.path("db"));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Code::kStorageFailed);
  CHECK(second.error().message.starts_with("another process uses "));
  CHECK(prefix_length(records_of(**first), kValueBytes) == 3);
}

TEST_CASE("Many batches need one fdatasync") {
  const Scratch scratch;
  auto journal = RocksJournal::open(scratch.path("db"));
  REQUIRE(journal);
  REQUIRE((*journal)->sync());
  const auto before = data_syncs();
  for (unsigned n = 1; n <= 50; ++n) REQUIRE((*journal)->write(numbered_batch(n, kValueBytes)));
  CHECK(data_syncs() == before);
  REQUIRE((*journal)->sync());
  CHECK(data_syncs() == before + 1);
}
