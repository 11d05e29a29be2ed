// Files by id: no name leads out of the directory, and nothing there that is not ours is touched.
#include "distri/peer/blob_directory.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;

TEST_CASE("An id is lower-case hexadecimal and nothing else") {
  TemporaryFolder folder;
  const auto directory = BlobDirectory::open(folder.path()).value();
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string("../aa"), std::string("a/b"),
        std::string("/aa"), std::string("AA"), std::string("ag"), std::string("aa.part"), std::string("aa\0", 3),
        std::string("aa\n"), std::string("a a"), std::string("%2e%2e"), std::string(kBlobIdDigitsMax + 1, 'a')}) {
    CHECK(check_blob_id(id).error().code == Code::kInvalidArgument);
    CHECK(directory.part_of(id).error().code == Code::kInvalidArgument);
    CHECK(directory.bytes_of(id).error().code == Code::kInvalidArgument);
    CHECK(directory.digest_of(id).error().code == Code::kInvalidArgument);
    CHECK(directory.remove(id).error().code == Code::kInvalidArgument);
    CHECK(file_source(directory, id, 0).error().code == Code::kInvalidArgument);
  }
  CHECK(folder.names().empty());
  CHECK(check_blob_id(std::string(kBlobIdDigitsMax, 'a')));
  CHECK(check_blob_id("0123456789abcdef"));
}

TEST_CASE("A part grows, stays, is gone on from, and becomes the file") {
  TemporaryFolder folder;
  const auto directory = BlobDirectory::open(folder.path()).value();
  {
    CHECK(directory.part_of("aa"));
  }
  CHECK(folder.names().empty());  // nothing came, nothing stays
  {
    auto part = directory.part_of("aa");
    REQUIRE(part);
    CHECK(part->append("hello "));
    CHECK(directory.part_of("aa").error().code == Code::kBusy);
    CHECK(directory.part_of("ab"));
  }
  CHECK(folder.names() == std::vector<std::string>{"aa.part"});
  CHECK_FALSE(directory.bytes_of("aa").value().has_value());
  {
    auto part = directory.part_of("aa");
    REQUIRE(part);
    CHECK(part->bytes() == 6);
    CHECK(part->append("world"));
    net::Sha256 hash;
    CHECK(part->hash_into(hash));
    CHECK(hash.finish() == net::sha256("hello world"));
    CHECK(part->commit());
  }
  CHECK(folder.names() == std::vector<std::string>{"aa"});
  CHECK(read_file(folder.path() / "aa") == "hello world");
  CHECK((std::filesystem::status(folder.path() / "aa").permissions() & std::filesystem::perms::mask) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(directory.bytes_of("aa").value().value() == 11);
  CHECK(directory.digest_of("aa") == net::sha256("hello world"));
  {
    auto part = directory.part_of("aa");
    REQUIRE(part);
    CHECK(part->append("x"));
    part->discard();
  }
  CHECK(folder.names() == std::vector<std::string>{"aa"});
  CHECK(directory.remove("aa"));
  CHECK(directory.remove("aa"));
  CHECK(folder.names().empty());
  CHECK(directory.digest_of("aa").error().code == Code::kNotFound);
}

TEST_CASE("A directory for one user alone is made, holds whole files, and lists what is whole and what is not") {
  TemporaryFolder folder;
  const std::string path = folder.path() / "blobs";
  CHECK(BlobDirectory::make(path + "/none").error().code == Code::kNotFound);
  CHECK(BlobDirectory::make(path));
  const auto made = BlobDirectory::make(path);
  REQUIRE(made);
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::mask) ==
        std::filesystem::perms::owner_all);
  CHECK(made->write("aa", {"hello ", "", "world"}));
  CHECK(made->write("bb", {"first"}));
  CHECK(made->write("bb", {"second"}));
  CHECK(made->write("cc", {}));
  CHECK(made->write("../dd", {"x"}).error().code == Code::kInvalidArgument);
  CHECK(read_file(path + "/aa") == "hello world");
  CHECK(read_file(path + "/bb") == "second");
  CHECK(made->open_whole("aa").value().bytes == 11);
  CHECK(made->open_whole("dd").error().code == Code::kNotFound);

  auto part = made->part_of("bb");
  REQUIRE(part);
  CHECK(part->append("third"));
  CHECK(made->write("bb", {"fourth"}).error().code == Code::kBusy);
  write_file(path + "/notes.txt", "not ours");
  write_file(path + "/.part", "not ours");
  const auto listing = made->list(10);
  REQUIRE(listing);
  CHECK(listing->whole == std::vector<std::string>{"aa", "bb", "cc"});
  CHECK(listing->parts == std::vector<std::string>{"bb"});
  CHECK(made->list(5).error().code == Code::kTooLarge);

  std::filesystem::permissions(path, std::filesystem::perms::all);
  CHECK(BlobDirectory::make(path).error().code == Code::kPermissionDenied);
}

TEST_CASE("Links, pipes and folders at the place of a file are refused, and where they lead nothing changes") {
  TemporaryFolder folder, outside;
  const auto directory = BlobDirectory::open(folder.path()).value();
  const auto target = outside.path() / "precious";
  write_file(target, "precious");
  std::filesystem::create_symlink(target, folder.path() / "aa.part");
  std::filesystem::create_symlink(outside.path() / "not there", folder.path() / "ab.part");
  std::filesystem::create_hard_link(target, folder.path() / "ac.part");
  std::filesystem::create_directory(folder.path() / "ad.part");
  REQUIRE(::mkfifo((folder.path() / "ae.part").c_str(), 0600) == 0);
  for (const char* const id : {"aa", "ab", "ac", "ad", "ae"}) {
    const auto part = directory.part_of(id);
    REQUIRE_FALSE(part);
    CHECK(part.error().code == Code::kInvalidArgument);
    CHECK(contains(part.error().message, std::string(id) + ".part"));
  }
  CHECK(read_file(target) == "precious");
  CHECK(outside.names() == std::vector<std::string>{"precious"});

  std::filesystem::create_symlink(target, folder.path() / "ba");
  std::filesystem::create_directory(folder.path() / "bb");
  REQUIRE(::mkfifo((folder.path() / "bc").c_str(), 0600) == 0);
  for (const char* const id : {"ba", "bb", "bc"}) {
    CHECK(directory.bytes_of(id).error().code == Code::kInvalidArgument);
    CHECK(file_source(directory, id, 0).error().code == Code::kInvalidArgument);
  }
  // Removing a link leaves what it leads to.
  CHECK(directory.remove("ba"));
  CHECK(read_file(target) == "precious");
}

TEST_CASE("The directory must be one") {
  TemporaryFolder folder;
  CHECK(BlobDirectory::open(folder.path() / "none").error().code == Code::kNotFound);
  write_file(folder.path() / "file", "x");
  CHECK_FALSE(BlobDirectory::open(folder.path() / "file"));
}

TEST_CASE("A full disk is an error of its own") {
  TemporaryFolder folder;
  const auto directory = BlobDirectory::open(folder.path()).value();
  auto part = directory.part_of("aa");
  REQUIRE(part);
  // A limit on the size of files ends as a full disk does.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 10'000;
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto full = part->append(Bytes(20'000, 'b'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, ignored);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Code::kStorageFull);
  CHECK(contains(full.error().message, "make room"));
  part->discard();
  CHECK(folder.names().empty());
}

TEST_CASE("A file is read from an offset on, in pieces, and not beyond its end") {
  TemporaryFolder folder;
  const auto directory = BlobDirectory::open(folder.path()).value();
  const Bytes content = random_bytes(100'000);
  write_file(folder.path() / "aa", content);
  for (const std::size_t offset : {0uz, 1uz, 99'999uz, 100'000uz}) {
    auto source = file_source(directory, "aa", offset);
    REQUIRE(source);
    Bytes all;
    for (;;) {
      const auto piece = (*source)(7'000);
      REQUIRE(piece);
      CHECK(piece->size() <= 7'000);
      if (piece->empty()) break;
      all += *piece;
    }
    CHECK((all == content.substr(offset)));
  }
  for (const std::uint64_t offset : {std::uint64_t{100'001}, ~std::uint64_t{0}}) {
    const auto beyond = file_source(directory, "aa", offset);
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error().code == Code::kInvalidArgument);
    CHECK(contains(beyond.error().message, "100000"));
  }
  CHECK(file_source(directory, "ab", 0).error().code == Code::kNotFound);

  auto source = file_source(directory, "aa", 0);
  REQUIRE(source);
  CHECK((*source)(50'000));
  std::filesystem::resize_file(folder.path() / "aa", 60'000);
  const auto shorter = (*source)(50'000);
  REQUIRE_FALSE(shorter);
  CHECK(shorter.error().code == Code::kDataLoss);
}
