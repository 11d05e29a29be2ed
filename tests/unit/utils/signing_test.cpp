#include "distri/utils/signing.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <type_traits>
#include <vector>

#include "distri/utils/key_file.hpp"

using namespace distri;

namespace {

// A folder that goes away with the test.
struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "distri-key-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return path / name; }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }
  std::filesystem::path path;
};

void put(const std::string& path, std::string_view text, ::mode_t mode = 0600) {
  std::ofstream(path, std::ios::binary) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

std::string get(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool mentions(const Error& error, std::string_view part) {
  return error.message.find(part) != std::string::npos;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<SigningKey> && !std::is_copy_assignable_v<SigningKey>);
static_assert(std::is_nothrow_move_constructible_v<SigningKey> && std::is_nothrow_move_assignable_v<SigningKey>);

TEST_CASE("a key made from a seed is the one that RFC 8032 gives for it") {
  const auto seed = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto key = SigningKey::from_seed(*seed);
  CHECK(key.public_key().hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  CHECK(key.seed() == *seed);
  CHECK(key.copy().public_key() == key.public_key());
}

TEST_CASE("generated keys differ, and a moved key signs as before while its origin is wiped") {
  auto a = SigningKey::generate();
  const auto b = SigningKey::generate();
  CHECK(a.public_key() != b.public_key());
  const auto name = a.public_key();
  auto moved = std::move(a);
  CHECK(moved.public_key() == name);
  CHECK(a.seed() == Bytes(kSeedBytes, '\0'));
  a = std::move(moved);
  CHECK(moved.seed() == Bytes(kSeedBytes, '\0'));
  CHECK(verify(name, "test", "message", a.sign("test", "message")));
}

TEST_CASE("a signature holds for its key, context and message and for no other") {
  const auto key = SigningKey::generate();
  const auto name = key.public_key();
  const Signature signature = key.sign("invite", "node 7");
  CHECK(key.sign("invite", "node 7") == signature);
  CHECK(verify(name, "invite", "node 7", signature));
  CHECK_FALSE(verify(name, "invite", "node 8", signature));
  CHECK_FALSE(verify(name, "revoke", "node 7", signature));
  CHECK_FALSE(verify(SigningKey::generate().public_key(), "invite", "node 7", signature));
  // What moves from the context to the message is another input.
  CHECK_FALSE(verify(name, "invite ", "node 7", key.sign("invite", " node 7")));
  CHECK_FALSE(verify(name, "i", "nvitenode 7", signature));
  for (std::size_t bit = 0; bit < 8 * Signature::kSize; ++bit) {
    Signature wrong = signature;
    wrong.bytes[bit / 8] = static_cast<unsigned char>(wrong.bytes[bit / 8] ^ (1u << (bit % 8)));
    CHECK_FALSE(verify(name, "invite", "node 7", wrong));
  }
  CHECK(verify(name, std::string(kSignatureContextBytesMax, 'c'), "",
               key.sign(std::string(kSignatureContextBytesMax, 'c'), "")));
}

TEST_CASE("an empty or made-up key verifies nothing") {
  const Signature signature = SigningKey::generate().sign("test", "message");
  CHECK_FALSE(verify(PublicKey{}, "test", "message", signature));
  CHECK_FALSE(verify(PublicKey{}, "test", "message", Signature{}));
  PublicKey identity;  // the neutral element, of order 1
  identity.bytes[0] = 1;
  CHECK_FALSE(verify(identity, "test", "message", Signature{}));
  PublicKey ones;
  ones.bytes.fill(0xff);
  CHECK_FALSE(verify(ones, "test", "message", signature));
  CHECK_FALSE(is_valid(PublicKey{}));
  CHECK_FALSE(is_valid(identity));
  CHECK_FALSE(is_valid(ones));
  CHECK(is_valid(SigningKey::generate().public_key()));
}

TEST_CASE("a key file holds the key, is its owner's alone whatever the umask, and nothing else is left behind") {
  const Folder folder;
  const auto key = SigningKey::generate();
  const auto path = folder.file("node.key");
  for (const ::mode_t mask : {::mode_t{0}, ::mode_t{0777}}) {
    const auto before = ::umask(mask);
    const auto written = write_key_file(path, key);
    ::umask(before);
    REQUIRE(written.has_value());
    struct stat found{};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == 0600);
    CHECK(found.st_nlink == 1);
    CHECK(folder.entries() == 1);
    CHECK(get(path) == "distri-key-v1 " + to_hex(key.seed()) + "\n");
    const auto read = read_key_file(path);
    REQUIRE(read.has_value());
    CHECK(read->public_key() == key.public_key());
    std::filesystem::remove(path);
  }
}

TEST_CASE("a key file never takes the place of another file or of a link") {
  const Folder folder;
  const auto key = SigningKey::generate();
  put(folder.file("taken"), "precious");
  REQUIRE(::symlink(folder.file("nowhere").c_str(), folder.file("link").c_str()) == 0);
  for (const auto* name : {"taken", "link"}) {
    CAPTURE(name);
    const auto result = write_key_file(folder.file(name), key);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kAlreadyExists);
    CHECK(mentions(result.error(), folder.file(name)));
  }
  CHECK(get(folder.file("taken")) == "precious");
  CHECK_FALSE(std::filesystem::exists(folder.file("nowhere")));
  CHECK(folder.entries() == 2);
}

TEST_CASE("of many that make one key file at once exactly one does") {
  const Folder folder;
  const auto path = folder.file("node.key");
  std::vector<int> made(8, 0);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : made) {
      threads.emplace_back([&] { mine = write_key_file(path, SigningKey::generate()).has_value() ? 1 : 0; });
    }
  }
  CHECK(std::count(made.begin(), made.end(), 1) == 1);
  CHECK(read_key_file(path).has_value());
  CHECK(folder.entries() == 1);
}

TEST_CASE("a key file that cannot be made says why") {
  const Folder folder;
  const auto key = SigningKey::generate();
  const auto no_folder = write_key_file(folder.file("missing/node.key"), key);
  REQUIRE_FALSE(no_folder);
  CHECK(no_folder.error().code == Code::kNotFound);
  CHECK(mentions(no_folder.error(), "make the folder"));
}

TEST_CASE("a key file that others can get at, and what is no key file, are refused with what to do") {
  const Folder folder;
  const std::string good = "distri-key-v1 " + std::string(64, 'a');
  const auto path = folder.file("node.key");
  for (const ::mode_t mode : {0640u, 0604u, 0620u, 0602u, 0610u, 0666u}) {
    put(path, good + "\n", mode);
    const auto result = read_key_file(path);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kPermissionDenied);
    CHECK(mentions(result.error(), path));
    CHECK(mentions(result.error(), "chmod 600"));
  }
  for (const ::mode_t mode : {0600u, 0400u}) {
    put(path, good + "\n", 0600);
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(read_key_file(path).has_value());
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
  }
  put(path, good);
  CHECK(read_key_file(path).has_value());
  for (const auto& bad : {std::string(), std::string("\n"), good.substr(1), good.substr(0, good.size() - 1), good + "a",
                          good + "\n\n", good + "\nmore", "distri-key-v2 " + std::string(64, 'a'),
                          "distri-key-v1 " + std::string(63, 'a') + "g", std::string(100'000, 'x')}) {
    put(path, bad);
    const auto result = read_key_file(path);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kInvalidArgument);
    CHECK(mentions(result.error(), path));
    CHECK_FALSE(mentions(result.error(), "aaaaaaaa"));  // never the content
  }
}

TEST_CASE("a missing key file, a folder, a pipe and a symbolic link are each called what they are") {
  const Folder folder;
  CHECK(read_key_file(folder.file("none")).error().code == Code::kNotFound);
  CHECK(read_key_file(folder.path).error().code == Code::kInvalidArgument);
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(read_key_file(folder.file("pipe")).error().code == Code::kInvalidArgument);
  put(folder.file("node.key"), "distri-key-v1 " + std::string(64, 'a') + "\n");
  REQUIRE(::symlink(folder.file("node.key").c_str(), folder.file("link").c_str()) == 0);
  const auto link = read_key_file(folder.file("link"));
  REQUIRE_FALSE(link);
  CHECK(link.error().code == Code::kInvalidArgument);
  CHECK(mentions(link.error(), "symbolic link"));
}
