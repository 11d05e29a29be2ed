#include "distri/storage/data_directory.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>

#include "scratch.hpp"

using namespace distri;
using namespace distri::storage;
using namespace distri::test;

namespace fs = std::filesystem;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("A data directory is made for its owner only, and keeps the node's id") {
  const Scratch scratch;
  Random random(1);
  NodeId id;
  {
    const auto directory = DataDirectory::open(scratch.path("a/b/c"), random);
    REQUIRE(directory);
    id = directory->node_id();
    CHECK_FALSE(id.empty());
    CHECK(directory->journal_path() == scratch.path("a/b/c/db"));
    CHECK(mode_of(scratch.path("a/b/c")) == 0700);
    CHECK(mode_of(scratch.path("a/b/c/node_id")) == 0600);
  }
  const auto again = DataDirectory::open(scratch.path("a/b/c"), random);
  REQUIRE(again);
  CHECK(again->node_id() == id);
  const auto other = DataDirectory::open(scratch.path("d"), random);
  REQUIRE(other);
  CHECK(other->node_id() != id);
}

TEST_CASE("Every life has a greater number, also when the clock goes back, and a damaged number is refused") {
  const Scratch scratch;
  Random random(1);
  auto directory = DataDirectory::open(scratch.path("d"), random);
  REQUIRE(directory);
  std::uint64_t last = 0;
  for (const std::int64_t clock_ms : {1'000, 1'000, 5'000, 0, -7, 5'000}) {
    const auto next = directory->next_incarnation(clock_ms, random);
    REQUIRE(next);
    CHECK(*next > last);
    CHECK(*next / 4096 >= static_cast<std::uint64_t>(std::max<std::int64_t>(clock_ms, 0)));
    last = *next;
  }
  CHECK(last / 4096 < 5'010);
  CHECK(mode_of(scratch.path("d/incarnation")) == 0600);
  for (const char* text : {"", "x\n", "12", "12x\n", "99999999999999999999999\n"}) {
    std::ofstream(scratch.path("d/incarnation")) << text;
    const auto next = directory->next_incarnation(1, random);
    REQUIRE_FALSE(next);
    CHECK(next.error().code == Code::kDataLoss);
  }
}

TEST_CASE("Copies of one data directory begin lives of different numbers, also when their clocks are behind") {
  const Scratch scratch;
  Random random(7);
  std::set<std::uint64_t> numbers;
  constexpr std::size_t kCopies = 12;
  for (std::size_t i = 0; i < kCopies; ++i) {
    auto copy = DataDirectory::open(scratch.path(std::to_string(i)), random);
    REQUIRE(copy);
    std::ofstream(scratch.path(std::to_string(i) + "/incarnation")) << "1000000\n";
    numbers.insert(copy->next_incarnation(0, random).value());
  }
  CHECK(numbers.size() == kCopies);
}

TEST_CASE("child: hold a data directory" * doctest::skip()) {
  const auto path = handed_directory();
  if (path.empty()) return;
  Random random(2);
  const auto directory = DataDirectory::open(path + "/data", random);
  REQUIRE(directory);
  std::ofstream(path + "/held") << "yes";
  for (;;) ::pause();
}

TEST_CASE("A data directory has one owner at a time, also after that one was killed") {
  const Scratch scratch;
  Random random(3);
  const pid_t child = start_own_test("child: hold a data directory", scratch.path());
  while (!fs::exists(scratch.path("held"))) ::usleep(1000);
  const auto refused = DataDirectory::open(scratch.path("data"), random);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kStorageFailed);
  CHECK(refused.error().message.find("another process uses " + scratch.path("data")) != std::string::npos);
  REQUIRE(::kill(child, SIGKILL) == 0);
  CHECK(wait_for(child) == -SIGKILL);
  auto first = DataDirectory::open(scratch.path("data"), random);
  REQUIRE(first);
  CHECK_FALSE(DataDirectory::open(scratch.path("data"), random));
  {
    const DataDirectory moved = std::move(*first);
    CHECK_FALSE(DataDirectory::open(scratch.path("data"), random));
  }
  CHECK(DataDirectory::open(scratch.path("data"), random));
}

TEST_CASE("A data directory that cannot be used says why") {
  const Scratch scratch;
  Random random(4);
  CHECK(DataDirectory::open("", random).error().code == Code::kInvalidArgument);
  std::ofstream(scratch.path("file")) << "x";
  const auto file = DataDirectory::open(scratch.path("file"), random);
  CHECK(file.error().code == Code::kInvalidArgument);
  CHECK(file.error().message.find("is a file") != std::string::npos);
  CHECK_FALSE(DataDirectory::open(scratch.path("file/below"), random));
  CHECK_FALSE(DataDirectory::open("/proc/distri", random));
  if (::geteuid() != 0) {
    fs::create_directory(scratch.path("closed"));
    fs::permissions(scratch.path("closed"), fs::perms::owner_read | fs::perms::owner_exec);
    CHECK(DataDirectory::open(scratch.path("closed"), random).error().code == Code::kPermissionDenied);
  }
}

TEST_CASE("A damaged node_id is refused, and stays as it is") {
  const Scratch scratch;
  Random random(5);
  for (const std::string text : {"", "abc", "zz", "00"}) {
    const auto path = scratch.path("n" + text);
    fs::create_directory(path);
    std::ofstream(path + "/node_id") << text;
    const auto result = DataDirectory::open(path, random);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kDataLoss);
    CHECK(result.error().message.find(path + "/node_id") != std::string::npos);
    CHECK(fs::file_size(path + "/node_id") == text.size());
  }
  fs::create_directory(scratch.path("zero"));
  std::ofstream(scratch.path("zero/node_id")) << std::string(64, '0');
  CHECK_FALSE(DataDirectory::open(scratch.path("zero"), random));
}

TEST_CASE("Quarantine moves the journal to a free name made of the time") {
  const Scratch scratch;
  Random random(6);
  auto directory = DataDirectory::open(scratch.path("data"), random);
  REQUIRE(directory);
  CHECK_FALSE(directory->quarantine(0));  // there is no journal
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i) {
    fs::create_directory(directory->journal_path());
    std::ofstream(directory->journal_path() + "/content") << i;
    const auto moved = directory->quarantine(1'769'903'999'123);
    REQUIRE(moved);
    CHECK_FALSE(fs::exists(directory->journal_path()));
    CHECK(fs::exists(*moved + "/content"));
    names.push_back(fs::path(*moved).filename());
  }
  CHECK(names == std::vector<std::string>{"quarantine-20260131T235959Z", "quarantine-20260131T235959Z-2",
                                          "quarantine-20260131T235959Z-3"});
}
