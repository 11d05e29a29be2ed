#include "distri/peer/book_store.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "distri/peer/limits.hpp"
#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const fs::path& path) {
  return static_cast<unsigned>(fs::symlink_status(path).permissions() & fs::perms::mask);
}

// A store in a folder that goes.
struct Shelf {
  TemporaryFolder folder;
  fs::path path = folder.path() / "books";
  BookStore store = BookStore::open(path).value();
};

std::vector<Bytes> loaded(const BookStore& store, std::string_view book) {
  const auto entries = store.load(book);
  REQUIRE_MESSAGE(entries.has_value(), (entries ? std::string() : to_string(entries.error())));
  std::vector<Bytes> bytes;
  for (const SecretBytes& entry : *entries) bytes.emplace_back(entry.view());
  return bytes;
}

}  // namespace

TEST_CASE("Entries of books are there again after the store was closed, in the order of their ids") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  const Bytes large = random_bytes(3'000'000);
  {
    auto store = BookStore::open(path);
    REQUIRE(store);
    CHECK(loaded(*store, "ledger").empty());
    CHECK(store->save("ledger", "bb", "second"));
    CHECK(store->save("ledger", "aa", "draft"));
    CHECK(store->save("ledger", "aa", "first"));
    CHECK(store->save("ledger", "cc", large));
    CHECK(store->save("holdings", "aa", Bytes("\0\xff", 2)));
    CHECK(store->save("holdings", "ab", ""));
  }
  auto store = BookStore::open(path);
  REQUIRE(store);
  CHECK((loaded(*store, "ledger") == std::vector<Bytes>{"first", "second", large}));
  CHECK((loaded(*store, "holdings") == std::vector<Bytes>{Bytes("\0\xff", 2), ""}));
  CHECK(loaded(*store, "contacts").empty());
  CHECK_FALSE(fs::exists(path / "contacts"));  // asking makes nothing

  CHECK(store->remove("ledger", "aa"));
  CHECK(store->remove("ledger", "aa"));
  CHECK(store->remove("contacts", "aa"));
  CHECK((loaded(*store, "ledger") == std::vector<Bytes>{"second", large}));
  CHECK(loaded(*store, "holdings").size() == 2);
}

TEST_CASE("What is on the disk is for its owner alone") {
  Shelf shelf;
  const mode_t before = ::umask(0);
  CHECK(shelf.store.save("ledger", "aa", "secret"));
  ::umask(before);
  CHECK(mode_of(shelf.path) == 0700);
  CHECK(mode_of(shelf.path / "ledger") == 0700);
  CHECK(mode_of(shelf.path / "ledger" / "aa") == 0600);
  CHECK(mode_of(shelf.path / "lock") == 0600);
}

TEST_CASE("Names that could lead elsewhere are refused") {
  Shelf shelf;
  for (const std::string& book : {std::string(), std::string(".."), std::string("."), std::string("Ledger"),
                                  std::string("a/b"), std::string("led-ger"), std::string("a\0b", 3),
                                  std::string("l\xc3\xa9"), std::string(kBookNameLettersMax + 1, 'a')}) {
    check_refused(shelf.store.save(book, "aa", "x"), Code::kInvalidArgument, "lower-case letters");
    check_refused(shelf.store.remove(book, "aa"), Code::kInvalidArgument, "lower-case letters");
    check_refused(shelf.store.load(book), Code::kInvalidArgument, "lower-case letters");
  }
  CHECK(shelf.store.save(std::string(kBookNameLettersMax, 'a'), "aa", "x"));
  for (const std::string& id : {std::string(), std::string(".."), std::string("../aa"), std::string("AA"),
                                std::string("aa.part"), std::string("aa\0", 3), std::string(129, 'a')}) {
    check_refused(shelf.store.save("ledger", id, "x"), Code::kInvalidArgument, "hexadecimal");
    check_refused(shelf.store.remove("ledger", id), Code::kInvalidArgument, "hexadecimal");
  }
  CHECK(shelf.folder.names() == std::vector<std::string>{"books"});
  CHECK_FALSE(fs::exists(shelf.path / "ledger"));
  // A book may have the name of the lock only where that is a book.
  check_refused(shelf.store.save("lock", "aa", "x"), Code::kInvalidArgument, "not a directory");
}

TEST_CASE("An entry over the limit is refused, and the one before it stays") {
  Shelf shelf;
  CHECK(shelf.store.save("ledger", "aa", "before"));
  check_refused(shelf.store.save("ledger", "aa", Bytes(kBookEntryBytesMax + 1, 'x')), Code::kTooLarge,
                std::to_string(kBookEntryBytesMax));
  CHECK(loaded(shelf.store, "ledger") == std::vector<Bytes>{"before"});
  fs::resize_file(shelf.path / "ledger" / "aa", kBookEntryBytesMax + 100);
  check_refused(shelf.store.load("ledger"), Code::kTooLarge, "ledger/aa");
}

TEST_CASE("A flipped byte anywhere, a shorter or longer file, and one under another's name are found") {
  Shelf shelf;
  CHECK(shelf.store.save("ledger", "aa", "an entry of the ledger"));
  CHECK(shelf.store.save("ledger", "bb", "another one"));
  CHECK(shelf.store.save("holdings", "aa", "an entry of the holdings"));
  const fs::path file = shelf.path / "ledger" / "aa";
  const Bytes good = read_file(file);
  for (std::size_t i = 0; i < good.size(); ++i) {
    CAPTURE(i);
    Bytes bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    write_file(file, bad);
    check_refused(shelf.store.load("ledger"), Code::kDataLoss, "ledger/aa");
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    write_file(file, good.substr(0, size));
    check_refused(shelf.store.load("ledger"), Code::kDataLoss, "restore it from a copy");
  }
  write_file(file, good + "x");
  check_refused(shelf.store.load("ledger"), Code::kDataLoss, "ledger/aa");
  write_file(file, read_file(shelf.path / "ledger" / "bb"));
  check_refused(shelf.store.load("ledger"), Code::kDataLoss, "checksum");
  write_file(file, read_file(shelf.path / "holdings" / "aa"));
  check_refused(shelf.store.load("ledger"), Code::kDataLoss, "checksum");
  CHECK(loaded(shelf.store, "holdings").size() == 1);

  // What the message says helps: without it, and with it back.
  fs::rename(file, shelf.folder.path() / "aside");
  CHECK(loaded(shelf.store, "ledger") == std::vector<Bytes>{"another one"});
  write_file(shelf.folder.path() / "aside", good);
  fs::rename(shelf.folder.path() / "aside", file);
  CHECK(loaded(shelf.store, "ledger").size() == 2);
}

TEST_CASE("What a crash left half written goes, other files stay, and the entry is the one before") {
  Shelf shelf;
  CHECK(shelf.store.save("ledger", "aa", "before"));
  const fs::path book = shelf.path / "ledger";
  write_file(book / "aa.part", read_file(book / "aa").substr(0, 20));
  write_file(book / "bb.part", "");
  write_file(book / "notes.txt", "not ours");
  CHECK(loaded(shelf.store, "ledger") == std::vector<Bytes>{"before"});
  CHECK_FALSE(fs::exists(book / "aa.part"));
  CHECK_FALSE(fs::exists(book / "bb.part"));
  CHECK(read_file(book / "notes.txt") == "not ours");

  // It is no hindrance to saving either, nor is anything of it in what is saved.
  write_file(book / "aa.part", Bytes(100, 'x'));
  CHECK(shelf.store.save("ledger", "aa", "after"));
  CHECK(loaded(shelf.store, "ledger") == std::vector<Bytes>{"after"});
  CHECK_FALSE(fs::exists(book / "aa.part"));

  // A part that somebody writes to at this moment is left to him.
  write_file(book / "cc.part", "half");
  const FileDescriptor held(::open((book / "cc.part").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::flock(held.get(), LOCK_EX | LOCK_NB) == 0);
  CHECK(loaded(shelf.store, "ledger") == std::vector<Bytes>{"after"});
  CHECK(fs::exists(book / "cc.part"));
  check_refused(shelf.store.save("ledger", "cc", "x"), Code::kBusy, "cc.part");
}

TEST_CASE("A program that is killed while it saves leaves the entry before or the one it saved") {
  // The child saves entry after entry, each of one letter; whatever moment it is killed at, one of them is whole.
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  for (int round = 0; round < 8; ++round) {
    int said[2];
    REQUIRE(::pipe(said) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto store = BookStore::open(path);
      for (std::size_t i = 0; store; ++i) {
        if (!store->save("ledger", "aa", Bytes(50'000 + i, static_cast<char>('a' + i % 26)))) break;
        if (i == 3 && ::write(said[1], "x", 1) != 1) break;
      }
      ::_exit(1);
    }
    ::close(said[1]);
    char one = 0;
    CHECK(::read(said[0], &one, 1) == 1);
    ::close(said[0]);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);

    const auto store = BookStore::open(path);
    REQUIRE(store);
    const auto entries = loaded(*store, "ledger");
    REQUIRE(entries.size() == 1);
    CHECK(entries.front().size() >= 50'003);
    CHECK(entries.front() == Bytes(entries.front().size(), entries.front().front()));
    CHECK_FALSE(fs::exists(path / "ledger" / "aa.part"));
  }
}

TEST_CASE("A full disk is an error of its own, and the entry before stays") {
  Shelf shelf;
  CHECK(shelf.store.save("ledger", "aa", "before"));
  // A limit on the size of files ends as a full disk does.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 10'000;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto full = shelf.store.save("ledger", "aa", Bytes(20'000, 'b'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  check_refused(full, Code::kStorageFull, "make room");
  CHECK_FALSE(fs::exists(shelf.path / "ledger" / "aa.part"));
  CHECK(loaded(shelf.store, "ledger") == std::vector<Bytes>{"before"});
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
    CHECK(moved.save("ledger", "aa", "x"));
  }
  CHECK(BookStore::open(path));
}

TEST_CASE("Links, and files and directories in each other's place, are refused and nothing behind them changes") {
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

  Shelf shelf;
  fs::create_directory_symlink(outside.path(), shelf.path / "ledger");
  check_refused(shelf.store.save("ledger", "aa", "x"), Code::kInvalidArgument, "symbolic link");
  check_refused(shelf.store.remove("ledger", "precious"), Code::kInvalidArgument, "hexadecimal");
  check_refused(shelf.store.remove("ledger", "aa"), Code::kInvalidArgument, "symbolic link");
  check_refused(shelf.store.load("ledger"), Code::kInvalidArgument, "symbolic link");

  CHECK(shelf.store.save("holdings", "aa", "x"));
  const fs::path book = shelf.path / "holdings";
  fs::create_symlink(outside.path() / "precious", book / "bb");
  check_refused(shelf.store.load("holdings"), Code::kInvalidArgument, "holdings/bb is a symbolic link");
  CHECK(shelf.store.remove("holdings", "bb"));
  fs::create_symlink(outside.path() / "precious", book / "bb.part");
  check_refused(shelf.store.load("holdings"), Code::kInvalidArgument, "holdings/bb.part is a symbolic link");
  check_refused(shelf.store.save("holdings", "bb", "x"), Code::kInvalidArgument, "holdings/bb.part is a symbolic link");
  fs::remove(book / "bb.part");
  fs::create_directory(book / "cc");
  check_refused(shelf.store.load("holdings"), Code::kInvalidArgument, "holdings/cc is not a regular file");
  check_refused(shelf.store.save("holdings", "cc", "x"), Code::kInvalidArgument, "holdings/cc is not a regular file");
  fs::remove(book / "cc");
  REQUIRE(::mkfifo((book / "dd").c_str(), 0600) == 0);
  check_refused(shelf.store.load("holdings"), Code::kInvalidArgument, "holdings/dd is not a regular file");
  // Saving over a link or pipe replaces it, and leaves what a link leads to.
  CHECK(shelf.store.save("holdings", "dd", "y"));
  fs::create_symlink(outside.path() / "precious", book / "ee");
  CHECK(shelf.store.save("holdings", "ee", "z"));
  CHECK(loaded(shelf.store, "holdings") == std::vector<Bytes>{"x", "y", "z"});
  CHECK(read_file(outside.path() / "precious") == "precious");
  CHECK(outside.names() == std::vector<std::string>{"precious"});

  TemporaryFolder locked;
  fs::permissions(locked.path(), fs::perms::owner_all);
  fs::create_symlink(outside.path() / "lock", locked.path() / "lock");
  check_refused(BookStore::open(locked.path()), Code::kInvalidArgument, "lock is a symbolic link");
  CHECK(outside.names() == std::vector<std::string>{"precious"});
}

TEST_CASE("What others may get at is refused until that is mended") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "books";
  fs::create_directory(path);
  for (const unsigned mode : {0755u, 0770u, 0701u, 0740u}) {
    fs::permissions(path, static_cast<fs::perms>(mode));
    check_refused(BookStore::open(path), Code::kPermissionDenied, "chmod go-rwx");
  }
  fs::permissions(path, fs::perms::owner_all);
  auto store = BookStore::open(path);
  REQUIRE(store);
  CHECK(store->save("ledger", "aa", "x"));
  fs::permissions(path / "ledger" / "aa", fs::perms::owner_read | fs::perms::group_read);
  check_refused(store->load("ledger"), Code::kPermissionDenied, "ledger/aa has mode 0440");
  fs::permissions(path / "ledger" / "aa", fs::perms::owner_read);
  CHECK(loaded(*store, "ledger").size() == 1);
  fs::permissions(path / "ledger", fs::perms::all);
  check_refused(store->save("ledger", "aa", "y"), Code::kPermissionDenied, "ledger has mode 0777");
  check_refused(store->load("ledger"), Code::kPermissionDenied, "ledger has mode 0777");
}

TEST_CASE("What belongs to another user is refused") {
  Shelf shelf;
  CHECK(shelf.store.save("ledger", "aa", "x"));
  constexpr uid_t kNobody = 65'534;
  if (::geteuid() != 0 || ::chown((shelf.path / "ledger" / "aa").c_str(), kNobody, kNobody) != 0) {
    MESSAGE("skipped: only root can make files of another user");
    return;
  }
  check_refused(shelf.store.load("ledger"), Code::kInvalidArgument, "belongs to another user");
  REQUIRE(::chown((shelf.path / "ledger").c_str(), kNobody, kNobody) == 0);
  check_refused(shelf.store.save("ledger", "aa", "y"), Code::kInvalidArgument, "belongs to another user");
}

TEST_CASE("Threads save and remove different entries at once, and none is lost") {
  Shelf shelf;
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        const std::string id = fmt::format("{:02x}{:02x}", thread, i);
        if (!shelf.store.save("ledger", id, id)) ++failures;
        if (i % 2 == 0 && !shelf.store.remove("ledger", id)) ++failures;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(loaded(shelf.store, "ledger").size() == 40);
}
