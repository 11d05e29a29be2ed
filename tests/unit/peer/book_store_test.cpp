#include "distri/peer/book_store.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <map>
#include <thread>

#include "distri/peer/limits.hpp"
#include "distri/utils/random.hpp"
#include "own_process.hpp"
#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;
using distri::test::OwnProcess;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const fs::path& path) {
  return static_cast<unsigned>(fs::symlink_status(path).permissions() & fs::perms::mask);
}

BookEntry entry(std::string book, std::string id, BytesView bytes) {
  return {std::move(book), std::move(id), SecretBytes(bytes)};
}

template <class... Entries>
Result<> save(BookStore& store, Entries... entries) {
  std::vector<BookEntry> all;
  (all.push_back(std::move(entries)), ...);
  return store.save(all);
}

// A store in a folder that goes.
struct Shelf {
  TemporaryFolder folder;
  fs::path path = folder.path() / "books";
  BookStore store = BookStore::open(path).value();
};

// "<book>/<id>=<bytes>" of each.
using Lines = std::vector<Bytes>;

Lines loaded(BookStore& store) {
  Lines lines;
  const auto walked = store.load([&](std::string_view book, std::string_view id, BytesView bytes) -> Result<> {
    lines.push_back(fmt::format("{}/{}={}", book, id, bytes));
    return {};
  });
  REQUIRE_MESSAGE(walked.has_value(), (walked ? std::string() : to_string(walked.error())));
  return lines;
}

// All files of the journal, with what is in them.
std::map<fs::path, Bytes> files_below(const fs::path& path) {
  std::map<fs::path, Bytes> files;
  for (const auto& each : fs::recursive_directory_iterator(path)) {
    if (each.is_regular_file()) files.emplace(each.path(), read_file(each.path()));
  }
  return files;
}

}  // namespace

TEST_CASE("Entries of books are there again after the store was closed, by book and id") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  const Bytes large = random_bytes(3'000'000);
  {
    auto store = BookStore::open(path);
    REQUIRE(store);
    CHECK(loaded(*store).empty());
    CHECK(save(*store, entry("ledger", "bb", "second"), entry("ledger", "aa", "draft"), entry("contacts", "00", "c")));
    CHECK(save(*store, entry("ledger", "aa", "first")));
    CHECK(save(*store, entry("ledger", "cc", large), entry("holdings", "aa", Bytes("\0\xff", 2))));
    CHECK(save(*store, entry("holdings", "ab", "")));
    CHECK(store->save({}));
  }
  const Lines expected = {"contacts/00=c",    Bytes("holdings/aa=\0\xff", 14),
                          "holdings/ab=",     "ledger/aa=first",
                          "ledger/bb=second", "ledger/cc=" + large};
  for (int life = 0; life < 3; ++life) {
    auto store = BookStore::open(path);
    REQUIRE(store);
    CHECK((loaded(*store) == expected));
  }
}

TEST_CASE("What is on the disk is for its owner alone") {
  const mode_t before = ::umask(0);
  Shelf shelf;
  CHECK(save(shelf.store, entry("ledger", "aa", "secret")));
  ::umask(before);
  CHECK(mode_of(shelf.path) == 0700);
  CHECK(mode_of(shelf.path / "journal") == 0700);
  CHECK(mode_of(shelf.path / "lock") == 0600);
}

TEST_CASE("Names that are none are refused, and nothing of what comes with them is saved") {
  Shelf shelf;
  for (const std::string& book : {std::string(), std::string(".."), std::string("."), std::string("Ledger"),
                                  std::string("a/b"), std::string("led-ger"), std::string("a\0b", 3),
                                  std::string("l\xc3\xa9"), std::string(kBookNameLettersMax + 1, 'a')}) {
    check_refused(save(shelf.store, entry("ledger", "aa", "x"), entry(book, "aa", "x")), Code::kInvalidArgument,
                  "lower-case letters");
  }
  for (const std::string& id : {std::string(), std::string(".."), std::string("../aa"), std::string("AA"),
                                std::string("aa.part"), std::string("aa\0", 3), std::string(129, 'a')}) {
    check_refused(save(shelf.store, entry("ledger", "aa", "x"), entry("ledger", id, "x")), Code::kInvalidArgument,
                  "hexadecimal");
  }
  CHECK(loaded(shelf.store).empty());
  CHECK(save(shelf.store, entry(std::string(kBookNameLettersMax, 'a'), "aa", "x")));
  CHECK(loaded(shelf.store).size() == 1);
}

TEST_CASE("An entry over the limit is refused, and the one before it stays") {
  Shelf shelf;
  CHECK(save(shelf.store, entry("ledger", "aa", "before")));
  check_refused(save(shelf.store, entry("ledger", "aa", Bytes(kBookEntryBytesMax + 1, 'x'))), Code::kTooLarge,
                std::to_string(kBookEntryBytesMax));
  CHECK(loaded(shelf.store) == Lines{"ledger/aa=before"});
  CHECK(save(shelf.store, entry("ledger", "aa", Bytes(kBookEntryBytesMax, 'x'))));
  CHECK(loaded(shelf.store).front().size() == 10 + kBookEntryBytesMax);
}

TEST_CASE("An error of whoever reads ends it") {
  Shelf shelf;
  CHECK(save(shelf.store, entry("ledger", "aa", "x"), entry("ledger", "bb", "y")));
  int seen = 0;
  check_refused(shelf.store.load([&](std::string_view, std::string_view, BytesView) -> Result<> {
    ++seen;
    return fail(Code::kInvalidArgument, "not mine");
  }),
                Code::kInvalidArgument, "not mine");
  CHECK(seen == 1);
}

TEST_CASE("A flipped byte anywhere is an error, or harms nothing but the newest save") {
  // Saves that are in the log only, and the tables of an earlier life.
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  {
    auto store = BookStore::open(path);
    REQUIRE(store);
    for (int i = 0; i < 4; ++i) CHECK(save(*store, entry("ledger", "aa", fmt::format("version {}", i))));
    CHECK(save(*store, entry("ledger", "bb", "newest")));
  }
  const Lines before = {"ledger/aa=version 3"};
  const Lines whole = {"ledger/aa=version 3", "ledger/bb=newest"};
  const auto files = files_below(path / "journal");
  int refused = 0;
  for (const auto& [file, good] : files) {
    if (file.filename() == "reserve") continue;
    CAPTURE(file.filename().string());
    // Behind the records a file of the log is zeros.
    const std::size_t used = good.find_last_not_of('\0') + 1;
    for (std::size_t at = 0; at < used; at += file.extension() == ".wal" ? 1 : 23) {
      CAPTURE(at);
      TemporaryFolder copy;
      const fs::path damaged = copy.path() / "books";
      fs::copy(path, damaged, fs::copy_options::recursive);
      fs::permissions(damaged, fs::perms::owner_all);
      fs::permissions(damaged / "journal", fs::perms::owner_all);
      Bytes bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      write_file(damaged / "journal" / file.filename(), bad);
      auto store = BookStore::open(damaged);
      const auto ignore = [](std::string_view, std::string_view, BytesView) -> Result<> { return {}; };
      const Result<> opened = store ? store->load(ignore) : Result<>(fail(store.error()));
      if (opened) {
        const Lines lines = loaded(*store);
        REQUIRE((lines == whole || lines == before));
      } else {
        REQUIRE_MESSAGE((opened.error().code == Code::kDataLoss || opened.error().code == Code::kStorageFailed),
                        to_string(opened.error()));
        ++refused;
      }
    }
  }
  CHECK(refused > 300);
}

// Runs in a process of its own: saves pairs of entries until it is killed, and says when there are some.
TEST_CASE("child: save until killed" * doctest::skip()) {
  const char* path = ::getenv("DISTRI_TEST_DIRECTORY");
  if (path == nullptr) return;
  OwnProcess::be_child();
  auto store = BookStore::open(path);
  REQUIRE(store);
  for (std::size_t i = 0;; ++i) {
    const Bytes bytes(50'000 + i, static_cast<char>('a' + i % 26));
    REQUIRE(save(*store, entry("ledger", "aa", bytes), entry("holdings", "aa", bytes)));
    if (i == 3) std::puts("saving");
    std::fflush(stdout);
  }
}

TEST_CASE("A program that is killed while it saves leaves what it saved, and of several entries all or none") {
  // Pairs of entries, each of one letter; whatever moment it is killed at, both are whole and alike.
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  REQUIRE(::setenv("DISTRI_TEST_DIRECTORY", path.c_str(), 1) == 0);
  Random random(3);
  for (int round = 0; round < 8; ++round) {
    OwnProcess child({"--test-case=child: save until killed", "--no-skip=true"});
    for (std::string line = child.line(); line != "saving"; line = child.line()) REQUIRE_FALSE(line.empty());
    // At whatever moment: also while tables are written.
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(30'000)));
    child.kill();

    auto store = BookStore::open(path);
    REQUIRE_MESSAGE(store.has_value(), (store ? std::string() : to_string(store.error())));
    const Lines lines = loaded(*store);
    REQUIRE(lines.size() == 2);
    const Bytes held = lines[0].substr(12);
    CHECK(held.size() >= 50'003);
    CHECK(held == Bytes(held.size(), held.front()));
    CHECK(lines[1].substr(10) == held);
  }
  ::unsetenv("DISTRI_TEST_DIRECTORY");
}

TEST_CASE("A full disk is an error of its own, the entry before stays, and it goes on where there is room again") {
  Shelf shelf;
  CHECK(save(shelf.store, entry("ledger", "aa", "before")));
  // A limit on the size of files ends as a full disk does.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 10'000;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto full = save(shelf.store, entry("ledger", "aa", Bytes(1'000'000, 'b')));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  check_refused(full, Code::kStorageFull, "make room");
  CHECK(loaded(shelf.store) == Lines{"ledger/aa=before"});
  CHECK(save(shelf.store, entry("ledger", "aa", "after")));
  CHECK(loaded(shelf.store) == Lines{"ledger/aa=after"});
}

TEST_CASE("One program at a time, and the next one when it has ended") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  {
    auto first = BookStore::open(path);
    REQUIRE(first);
    check_refused(BookStore::open(path), Code::kBusy, "another program");
    BookStore moved = *std::move(first);
    check_refused(BookStore::open(path), Code::kBusy, path.string());
    CHECK(save(moved, entry("ledger", "aa", "x")));
  }
  CHECK(BookStore::open(path));
}

TEST_CASE("Links, and files where directories should be, are refused and nothing behind them changes") {
  TemporaryFolder folder, outside;
  write_file(outside.path() / "precious", "precious");
  fs::create_directory_symlink(outside.path(), folder.path() / "link");
  check_refused(BookStore::open(folder.path() / "link"), Code::kInvalidArgument, "symbolic link");
  check_refused(BookStore::open(folder.path() / "link/"), Code::kInvalidArgument, "symbolic link");
  check_refused(BookStore::open(folder.path() / "link//"), Code::kInvalidArgument, "symbolic link");
  CHECK(BookStore::open(folder.path() / "books/"));
  CHECK(BookStore::open(folder.path() / "books"));
  fs::create_symlink("nowhere", folder.path() / "dead");
  check_refused(BookStore::open(folder.path() / "dead"), Code::kInvalidArgument, "symbolic link");
  write_file(folder.path() / "file", "x");
  check_refused(BookStore::open(folder.path() / "file"), Code::kInvalidArgument, "not a directory");
  check_refused(BookStore::open(folder.path() / "none" / "books"), Code::kNotFound, "make that first");
  check_refused(BookStore::open(""), Code::kInvalidArgument, "empty");

  TemporaryFolder inside;
  fs::permissions(inside.path(), fs::perms::owner_all);
  fs::create_directory_symlink(outside.path(), inside.path() / "journal");
  check_refused(BookStore::open(inside.path()), Code::kInvalidArgument, "journal is a symbolic link");
  fs::remove(inside.path() / "journal");
  write_file(inside.path() / "journal", "x");
  check_refused(BookStore::open(inside.path()), Code::kInvalidArgument, "journal is not a directory");
  fs::remove(inside.path() / "journal");
  fs::remove(inside.path() / "lock");
  fs::create_symlink(outside.path() / "lock", inside.path() / "lock");
  check_refused(BookStore::open(inside.path()), Code::kInvalidArgument, "lock is a symbolic link");
  CHECK(outside.names() == std::vector<std::string>{"precious"});
  CHECK(read_file(outside.path() / "precious") == "precious");
}

TEST_CASE("Books of an earlier version are not taken for none") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  CHECK(BookStore::open(path));
  fs::create_directory(path / "device");
  check_refused(BookStore::open(path), Code::kInvalidArgument, "an earlier version");
  fs::remove(path / "device");
  CHECK(BookStore::open(path));
}

TEST_CASE("What others may get at is refused until that is mended") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  CHECK(BookStore::open(path));
  for (const fs::path& each : {path, path / "journal"}) {
    for (const unsigned mode : {0755u, 0770u, 0701u, 0740u}) {
      fs::permissions(each, static_cast<fs::perms>(mode));
      check_refused(BookStore::open(path), Code::kPermissionDenied, "chmod go-rwx");
    }
    fs::permissions(each, fs::perms::owner_all);
  }
  CHECK(BookStore::open(path));
}

TEST_CASE("What belongs to another user is refused") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  CHECK(BookStore::open(path));
  constexpr uid_t kNobody = 65'534;
  if (::geteuid() != 0 || ::chown((path / "journal").c_str(), kNobody, kNobody) != 0) {
    MESSAGE("skipped: only root can make files of another user");
    return;
  }
  check_refused(BookStore::open(path), Code::kInvalidArgument, "belongs to another user");
}
