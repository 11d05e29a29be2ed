#include "distri/peer/published_directory.hpp"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include <optional>

#include "../services/sample_images.hpp"
#include "distri/peer/limits.hpp"
#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto kLong = 60s;  // for what comes at once, on a machine that is busy

struct Published {
  TemporaryFolder folder;
  PublishedDirectory directory = PublishedDirectory::open(folder.path()).value();

  fs::path at(const std::string& name) const { return folder.path() / name; }
  PublishedDirectory::Scan scan() {
    auto scan = directory.scan();
    REQUIRE_MESSAGE(scan.has_value(), (scan ? std::string() : to_string(scan.error())));
    return *std::move(scan);
  }
  std::vector<std::string> offered() {
    std::vector<std::string> names;
    for (const auto& file : scan().files) names.push_back(file.name);
    return names;
  }
};

// Why `name` is not offered; the test fails when it is.
Error reason(const PublishedDirectory::Scan& scan, const std::string& name) {
  for (const auto& [each, error] : scan.left_out) {
    if (each == name) return error;
  }
  FAIL("nothing is said about " << name);
  return {};
}

void check_left_out(const PublishedDirectory::Scan& scan, const std::string& name, Code code, std::string_view words) {
  CAPTURE(name);
  const Error error = reason(scan, name);
  CAPTURE(error.message);
  CHECK(error.code == code);
  CHECK(contains(error.message, words));
}

// Long ago, so that the next scan believes what this one saw.
void age(const fs::path& path, std::int64_t seconds = 1'700'000'000) {
  const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 5'000'000}, {.tv_sec = seconds, .tv_nsec = 5'000'000}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

}  // namespace

TEST_CASE("Images of every format are offered with what is true of them, by name") {
  Published published;
  const std::vector<std::pair<std::string, std::string>> formats = {
      {".bmp", "bmp"}, {".jpg", "jpeg"}, {".png", "png"}, {".tiff", "tiff"}, {".webp", "webp"}};
  std::vector<PublishedFile> wanted;
  for (const auto& [extension, kind] : formats) {
    const Bytes file = services::sample_image(extension, 61, 43);
    const std::string name = "photo" + extension;
    write_file(published.at(name), file);
    age(published.at(name));
    wanted.push_back({.name = name,
                      .bytes = file.size(),
                      .digest = net::sha256(file),
                      .kind = kind,
                      .width = 61,
                      .height = 43,
                      .modified_ms = 1'700'000'000'005});
    CHECK((published.directory.read(name) == file));
  }
  const auto scan = published.scan();
  CHECK((scan.files == wanted));
  CHECK(scan.left_out.empty());
  CHECK(published.directory.path() == published.folder.path().string());
}

TEST_CASE("A name may be anything that people write, and the content alone says what a file is") {
  Published published;
  const Bytes image = services::sample_image(".png", 20, 10);
  const std::vector<std::string> names = {"a b (1).jpg", "no extension", "photo.txt", "\xc3\xa4\xe6\xbc\xa2.png"};
  for (const auto& name : names) write_file(published.at(name), image);
  CHECK(published.offered() == names);
  for (const auto& file : published.scan().files) CHECK(file.kind == "png");
}

TEST_CASE("What is there and not offered is listed, each with its reason") {
  Published published;
  const Bytes image = services::sample_image(".png", 20, 10);
  TemporaryFolder outside;
  write_file(outside.path() / "private.png", image);
  write_file(published.at("good.png"), image);
  write_file(published.at("empty.png"), "");
  write_file(published.at("notes.png"), "not an image at all");
  write_file(published.at("cut.png"), image.substr(0, 20));
  write_file(published.at(".hidden.png"), image);
  write_file(published.at("new\nline.png"), image);
  write_file(published.at("back\\slash.png"), image);
  write_file(published.at("latin\xe9.png"), image);
  write_file(published.at("turned\xe2\x80\xaegnp.exe"), image);
  write_file(published.at("large.png"), image);
  fs::resize_file(published.at("large.png"), services::ImageLimits{}.image_bytes_max + 1);
  fs::create_symlink(outside.path() / "private.png", published.at("link.png"));
  fs::create_symlink("nowhere", published.at("dead.png"));
  fs::create_directory(published.at("album"));
  write_file(published.at("album") / "inside.png", image);
  REQUIRE(::mkfifo(published.at("pipe.png").c_str(), 0600) == 0);
  Bytes bmp = services::sample_image(".bmp", 60, 40);
  bmp.replace(18, 8, Bytes("\x40\x9c\0\0\x40\x9c\0\0", 8));
  write_file(published.at("many.bmp"), bmp);
  bmp.replace(18, 8, Bytes("\x01\0\x10\0\x01\0\0\0", 8));
  write_file(published.at("wide.bmp"), bmp);

  const auto scan = published.scan();
  CHECK(scan.files.size() == 1);
  CHECK(scan.files.front().name == "good.png");
  check_left_out(scan, "empty.png", Code::kInvalidArgument, "empty");
  check_left_out(scan, "notes.png", Code::kInvalidArgument, "known format");
  check_left_out(scan, "cut.png", Code::kInvalidArgument, "header");
  check_left_out(scan, ".hidden.png", Code::kInvalidArgument, "dot");
  check_left_out(scan, "new\\x0Aline.png", Code::kInvalidArgument, "control character");
  check_left_out(scan, "back\\x5Cslash.png", Code::kInvalidArgument, "path");
  check_left_out(scan, "latin\\xE9.png", Code::kInvalidArgument, "UTF-8");
  check_left_out(scan, "turned\\xE2\\x80\\xAEgnp.exe", Code::kInvalidArgument, "invisible");
  check_left_out(scan, "large.png", Code::kTooLarge, "67108864");
  check_left_out(scan, "link.png", Code::kInvalidArgument, "symbolic link");
  check_left_out(scan, "dead.png", Code::kInvalidArgument, "symbolic link");
  check_left_out(scan, "album", Code::kInvalidArgument, "directory");
  check_left_out(scan, "pipe.png", Code::kInvalidArgument, "not a regular file");
  check_left_out(scan, "many.bmp", Code::kTooLarge, "40000x40000");
  check_left_out(scan, "wide.bmp", Code::kTooLarge, "on a side");
  CHECK(scan.left_out.size() == 15);
  CHECK(std::ranges::is_sorted(scan.left_out, {}, [](const auto& each) { return each.first; }));
}

TEST_CASE("Reading gives a whole file and leads nowhere else") {
  Published published;
  const Bytes image = services::sample_image(".png", 20, 10);
  TemporaryFolder outside;
  write_file(outside.path() / "private.png", image);
  fs::create_symlink(outside.path() / "private.png", published.at("link.png"));
  fs::create_directory(published.at("album"));
  write_file(published.at("album") / "inside.png", image);
  write_file(published.at(".hidden.png"), image);
  write_file(published.at("large.png"), "x");
  fs::resize_file(published.at("large.png"), services::ImageLimits{}.image_bytes_max + 1);
  REQUIRE(::mkfifo(published.at("pipe.png").c_str(), 0600) == 0);
  const auto& directory = published.directory;
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("album/inside.png"),
        std::string("../") + outside.path().filename().string() + "/private.png", std::string("/etc/hostname"),
        std::string("a\0b", 3), std::string("..\\x"), std::string(".hidden.png"), std::string("link.png"),
        std::string("album"), std::string("pipe.png")}) {
    CAPTURE(name);
    CHECK(directory.read(name).error().code == Code::kInvalidArgument);
  }
  check_refused(directory.read("link.png"), Code::kInvalidArgument, "link.png: it is a symbolic link");
  check_refused(directory.read("none.png"), Code::kNotFound, "none.png");
  check_refused(directory.read(std::string(256, 'a')), Code::kTooLarge, "255");
  check_refused(directory.read("large.png"), Code::kTooLarge, "67108864");
}

TEST_CASE("A second scan sees what was added, changed, replaced and removed") {
  Published published;
  const Bytes first = services::sample_image(".png", 20, 10, 1);
  const Bytes second = services::sample_image(".jpg", 30, 20, 2);
  for (const char* const name : {"a.png", "b.png", "c.png", "d.png"}) write_file(published.at(name), first);
  CHECK(published.offered() == std::vector<std::string>{"a.png", "b.png", "c.png", "d.png"});

  fs::remove(published.at("a.png"));
  fs::create_directory(published.at("a.png"));
  write_file(published.at("b.png"), second);
  fs::remove(published.at("c.png"));
  fs::rename(published.at("d.png"), published.at("e.png"));
  auto scan = published.scan();
  REQUIRE(scan.files.size() == 2);
  CHECK(scan.files[0].name == "b.png");
  CHECK(scan.files[0].kind == "jpeg");
  CHECK(scan.files[0].digest == net::sha256(second));
  CHECK(scan.files[1].name == "e.png");
  CHECK(scan.files[1].digest == net::sha256(first));
  check_left_out(scan, "a.png", Code::kInvalidArgument, "it is a directory");
  CHECK(scan.left_out.size() == 1);

  write_file(published.at("b.png"), "no image any more");
  fs::remove(published.at("a.png"));
  scan = published.scan();
  CHECK(scan.files.size() == 1);
  check_left_out(scan, "b.png", Code::kInvalidArgument, "known format");
}

TEST_CASE("A change that shows in no length and no time of modification is seen") {
  Published published;
  const Bytes first = services::sample_image(".bmp", 20, 10, 1);
  const Bytes second = services::sample_image(".bmp", 20, 10, 2);
  REQUIRE(first.size() == second.size());
  write_file(published.at("a.bmp"), first);
  age(published.at("a.bmp"));
  CHECK(published.scan().files.front().digest == net::sha256(first));
  write_file(published.at("a.bmp"), second);
  age(published.at("a.bmp"));
  CHECK(published.scan().files.front().digest == net::sha256(second));
  // Another file under the name, with the same times.
  write_file(published.at("other"), first);
  age(published.at("other"));
  fs::rename(published.at("other"), published.at("a.bmp"));
  CHECK(published.scan().files.front().digest == net::sha256(first));
}

TEST_CASE("What has been left alone for a while is not read again") {
  // What this process has read so far, of files and all else; nothing: the system does not say.
  const auto bytes_read = []() -> std::optional<std::uint64_t> {
    std::ifstream counters("/proc/self/io");
    std::string word;
    std::uint64_t bytes = 0;
    if (!(counters >> word >> bytes) || word != "rchar:") return std::nullopt;
    return bytes;
  };
  if (!bytes_read()) {
    MESSAGE("skipped: the system does not say how much this process has read");
    return;
  }
  Published published;
  constexpr std::size_t kLarge = 8u << 20;
  Bytes image = services::sample_image(".bmp", 20, 10);
  image.resize(kLarge, 'x');
  write_file(published.at("a.bmp"), image);
  const auto read_by_scan = [&] {
    const std::uint64_t before = *bytes_read();
    CHECK(published.scan().files.front().digest == net::sha256(image));
    return *bytes_read() - before;
  };
  CHECK(read_by_scan() >= kLarge);
  // It was changed a moment ago, and is read until that is long enough ago.
  CHECK(comes_true([&] { return read_by_scan() < kLarge / 8; }));
  CHECK(read_by_scan() < kLarge / 8);
  image.back() = 'y';
  write_file(published.at("a.bmp"), image);
  CHECK(read_by_scan() >= kLarge);
}

TEST_CASE("A scan that is cancelled says so, and the next one finds all") {
  Published published;
  const Bytes image = services::sample_image(".png", 20, 10);
  for (const char* const name : {"a.png", "b.png", "c.png"}) write_file(published.at(name), image);
  int asked = 0;
  check_refused(published.directory.scan([&] { return ++asked == 3; }), Code::kCancelled, "cancelled");
  CHECK(asked == 3);
  CHECK(published.offered() == std::vector<std::string>{"a.png", "b.png", "c.png"});
  fs::remove(published.at("c.png"));
  check_refused(published.directory.scan([] { return true; }), Code::kCancelled, published.folder.path().string());
  CHECK(published.offered() == std::vector<std::string>{"a.png", "b.png"});
  CHECK(published.directory.scan([] { return false; }).value().files.size() == 2);
}

TEST_CASE("A header that lies far back in its file is found") {
  Published published;
  // JPEG: 400 kB of application segments before the frame header.
  Bytes jpeg = services::sample_image(".jpg", 61, 43);
  Bytes segments;
  for (int i = 0; i < 8; ++i) segments += Bytes("\xff\xef\xc3\x50", 4) + Bytes(50'000 - 2, 'x');
  jpeg.insert(2, segments);
  write_file(published.at("far.jpg"), jpeg);
  // TIFF: the directory of the image comes behind its pixels.
  const Bytes tiff = services::encode(".tiff", services::sample_mat(400, 300, 1), {cv::IMWRITE_TIFF_COMPRESSION, 1});
  REQUIRE(tiff.size() > 300'000);
  write_file(published.at("far.tiff"), tiff);
  write_file(published.at("no image"), Bytes(400'000, 'x'));
  write_file(published.at("cut.jpg"), jpeg.substr(0, 350'000));
  const auto scan = published.scan();
  REQUIRE(scan.files.size() == 2);
  CHECK(scan.files[0].width == 61);
  CHECK(scan.files[0].digest == net::sha256(jpeg));
  CHECK(scan.files[1].height == 300);
  CHECK(scan.files[1].digest == net::sha256(tiff));
  check_left_out(scan, "no image", Code::kInvalidArgument, "known format");
  check_left_out(scan, "cut.jpg", Code::kInvalidArgument, "header");
}

TEST_CASE("A file that changes while it is read is left for a later scan, and what is offered of it was there") {
  Published published;
  Bytes image = services::sample_image(".bmp", 20, 10);
  image.resize(4u << 20, 'x');
  write_file(published.at("a.bmp"), image);
  write_file(published.at("b.png"), services::sample_image(".png", 20, 10));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    std::ofstream file(published.at("a.bmp"), std::ios::binary | std::ios::app);
    for (std::size_t bytes = image.size(); !stop && bytes < (60u << 20); ++bytes) file << 'x' << std::flush;
  });
  bool left_out = false, refused = false;
  CHECK(comes_true([&] {
    const auto scan = published.scan();
    for (const auto& file : scan.files) {
      if (file.name != "a.bmp") continue;
      Bytes grown = image;
      grown.resize(file.bytes, 'x');
      CHECK(file.digest == net::sha256(grown));
    }
    if (scan.files.front().name == "b.png") {
      check_left_out(scan, "a.bmp", Code::kUnavailable, "still being written");
      left_out = true;
    }
    const auto bytes = published.directory.read("a.bmp");
    if (!bytes) {
      check_refused(bytes, Code::kUnavailable, "a.bmp: it is still being written");
      refused = true;
    }
    return left_out && refused;
  }));
  stop = true;
  writer.join();
  const auto scan = published.scan();
  CHECK(scan.files.size() == 2);
  CHECK(scan.files.front().digest == net::sha256(read_file(published.at("a.bmp"))));
}

TEST_CASE("Files that come and go during scans are no error") {
  Published published;
  const Bytes image = services::sample_image(".png", 20, 10);
  for (int i = 0; i < 50; ++i) write_file(published.at(fmt::format("stays{:02}.png", i)), image);
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::thread writer([&] {
    for (; !stop; ++rounds) {
      write_file(published.at("new"), image);
      fs::rename(published.at("new"), published.at("comes.png"));
      fs::remove(published.at("comes.png"));
      fs::create_directory(published.at("comes.png"));
      fs::remove(published.at("comes.png"));
    }
  });
  const int begun = rounds;
  CHECK(comes_true([&] {
    const auto scan = published.scan();
    std::size_t stay = 0;
    for (const auto& file : scan.files) {
      if (file.name.starts_with("stays")) ++stay;
      if (file.name == "comes.png") CHECK(file.digest == net::sha256(image));
    }
    CHECK(stay == 50);
    return rounds > begun + 200;
  }));
  stop = true;
  writer.join();
  CHECK(published.scan().files.size() == 50);
}

TEST_CASE("A file that may not be read is left out until it may") {
  Published published;
  write_file(published.at("a.png"), services::sample_image(".png", 20, 10));
  write_file(published.at("b.png"), services::sample_image(".png", 20, 10));
  fs::permissions(published.at("a.png"), fs::perms::none);
  fs::permissions(published.at("b.png"), static_cast<fs::perms>(0644));
  fs::permissions(published.folder.path(), static_cast<fs::perms>(0755));
  // Root may read everything: as far as files go, this thread is somebody else meanwhile.
  constexpr uid_t kNobody = 65'534;
  if (::geteuid() == 0) {
    ::setfsuid(kNobody);
    if (static_cast<uid_t>(::setfsuid(kNobody)) != kNobody) {
      MESSAGE("skipped: root can read everything, and this root cannot be anybody else");
      return;
    }
  }
  const auto scan = published.directory.scan();
  const auto read = published.directory.read("a.png");
  ::setfsuid(::geteuid());
  if (!scan && scan.error().code == Code::kPermissionDenied) {
    MESSAGE("skipped: nobody but root gets as far as the folder for temporary files");
    return;
  }
  REQUIRE(scan);
  CHECK(scan->files.size() == 1);
  check_left_out(*scan, "a.png", Code::kPermissionDenied, "chmod");
  check_refused(read, Code::kPermissionDenied, "a.png: this user may not read it");
  fs::permissions(published.at("a.png"), fs::perms::owner_read);
  CHECK(published.scan().files.size() == 2);
}

TEST_CASE("Only so many images are offered, and the names in a directory have a limit") {
  Published published;
  const Bytes image = services::sample_image(".bmp", 1, 1);
  write_file(published.at("00000"), image);
  for (std::size_t i = 1; i <= kPublishedFilesMax; ++i) write_file(published.at(fmt::format("{:05}", i)), image);
  const auto scan = published.scan();
  CHECK(scan.files.size() == kPublishedFilesMax);
  CHECK(scan.left_out.size() == 1);
  check_left_out(scan, "10000", Code::kTooLarge, "10000 images");
  for (std::size_t i = kPublishedFilesMax + 1; i <= kPublishedEntriesMax; ++i) {
    // Names of files that are there: quicker than so many files.
    const auto file = published.at(fmt::format("{:05}", i % kPublishedFilesMax));
    REQUIRE(::link(file.c_str(), published.at(fmt::format("{:05}", i)).c_str()) == 0);
  }
  check_refused(published.directory.scan(), Code::kTooLarge, "100000");
}

TEST_CASE("What cannot be published is refused") {
  TemporaryFolder folder;
  check_refused(PublishedDirectory::open(""), Code::kInvalidArgument, "empty");
  check_refused(PublishedDirectory::open(folder.path() / "none"), Code::kNotFound, "none does not exist");
  write_file(folder.path() / "file", "x");
  check_refused(PublishedDirectory::open(folder.path() / "file"), Code::kInvalidArgument, "not a directory");
  check_refused(PublishedDirectory::open(folder.path() / "file" / "x"), Code::kNotFound, "does not exist");
}

TEST_CASE("A directory that a link leads to may be published; where the link leads later is another") {
  TemporaryFolder folder;
  for (const char* const name : {"one", "two"}) fs::create_directory(folder.path() / name);
  write_file(folder.path() / "one" / "a.png", services::sample_image(".png", 20, 10));
  fs::create_directory_symlink("one", folder.path() / "link");
  auto directory = PublishedDirectory::open(folder.path() / "link");
  REQUIRE(directory);
  CHECK(directory->scan().value().files.size() == 1);
  fs::remove(folder.path() / "link");
  fs::create_directory_symlink("two", folder.path() / "link");
  check_refused(directory->scan(), Code::kNotFound, "replaced by another");
}

TEST_CASE("A directory that is removed, renamed or replaced is an error, and not an empty one") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "pictures";
  const Bytes image = services::sample_image(".png", 20, 10);
  fs::create_directory(path);
  write_file(path / "a.png", image);
  auto directory = PublishedDirectory::open(path);
  REQUIRE(directory);
  fs::rename(path, folder.path() / "moved");
  CHECK(directory->wait(kLong));
  check_refused(directory->scan(), Code::kNotFound, "removed or renamed");
  fs::create_directory(path);
  check_refused(directory->scan(), Code::kNotFound, "publish it again");
  fs::remove(path);
  fs::rename(folder.path() / "moved", path);
  CHECK(directory->scan().value().files.size() == 1);
  fs::remove_all(path);
  CHECK(directory->wait(kLong));
  check_refused(directory->scan(), Code::kNotFound, "removed or renamed");
}

TEST_CASE("Waiting ends when something was added, changed, renamed or removed, and gathers what comes together") {
  Published published;
  auto& directory = published.directory;
  CHECK_FALSE(directory.wait(0ms));
  CHECK_FALSE(directory.wait(-5ms));
  const Bytes image = services::sample_image(".png", 20, 10);
  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"added", [&] { write_file(published.at("a.png"), image); }},
      {"changed", [&] { write_file(published.at("a.png"), image + "x"); }},
      {"permissions", [&] { fs::permissions(published.at("a.png"), fs::perms::owner_read); }},
      {"renamed", [&] { fs::rename(published.at("a.png"), published.at("b.png")); }},
      {"linked", [&] { fs::create_hard_link(published.at("b.png"), published.at("c.png")); }},
      {"removed", [&] { fs::remove(published.at("b.png")); }},
      {"many", [&] {
         for (int i = 0; i < 100; ++i) write_file(published.at(fmt::format("{}.png", i)), image);
       }}};
  for (const auto& [what, change] : changes) {
    CAPTURE(what);
    change();
    CHECK(directory.wait(kLong));
    CHECK_FALSE(directory.wait(0ms));  // all of it was gathered
  }
  // Scanning and reading are no changes.
  CHECK(published.scan().files.size() == 101);
  CHECK(directory.read("c.png"));
  CHECK_FALSE(directory.wait(0ms));
}

TEST_CASE("Waiting ends while somebody writes all the time") {
  Published published;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) write_file(published.at("a.png"), "x");
  });
  CHECK(published.directory.wait(kLong));
  CHECK(published.directory.wait(kLong));
  stop = true;
  writer.join();
}

TEST_CASE("Waiting ends when it is woken, from another thread or beforehand, once for each") {
  Published published;
  auto& directory = published.directory;
  directory.wake();
  directory.wake();
  CHECK_FALSE(directory.wait(kLong));
  CHECK_FALSE(directory.wait(0ms));

  auto waiting = std::async(std::launch::async, [&] { return directory.wait(std::chrono::hours(1'000'000)); });
  directory.wake();
  REQUIRE(waiting.wait_for(kLong) == std::future_status::ready);
  CHECK_FALSE(waiting.get());

  // Both at once: the change counts, and is not lost.
  write_file(published.at("a.png"), "x");
  directory.wake();
  CHECK(directory.wait(kLong));
  CHECK_FALSE(directory.wait(0ms));
}
