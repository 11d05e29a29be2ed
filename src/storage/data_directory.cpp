#include "distri/storage/data_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

namespace distri::storage {
namespace {

// Of a millisecond, in incarnations.
constexpr std::uint64_t kFractions = 4096;

namespace fs = std::filesystem;

constexpr mode_t kOwnerOnlyFile = 0600;
constexpr int kQuarantineNamesMax = 1000;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  bool valid() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Error system_error(std::string_view doing, const std::string& path, int number) {
  Code code = Code::kStorageFailed;
  if (number == EACCES || number == EPERM || number == EROFS) code = Code::kPermissionDenied;
  if (number == ENOSPC || number == EDQUOT) code = Code::kStorageFull;
  return {code, fmt::format("data directory: cannot {} {}: {}", doing, path, std::strerror(number))};
}

Result<> make_directory(const std::string& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::is_directory(status)) return {};
  if (fs::exists(status)) {
    return fail(Code::kInvalidArgument, "data directory: {} is a file; name a directory, or a path that is free", path);
  }
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty()) {
    fs::create_directories(parent, error);
    if (error) return fail(system_error("make", parent.string(), error.value()));
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(system_error("make", path, errno));
  return {};
}

Result<> sync_directory(const std::string& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::fsync(directory.number()) != 0) return fail(system_error("sync", path, errno));
  return {};
}

Result<int> take_lock(const std::string& directory) {
  const std::string path = directory + "/lock";
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnlyFile));
  if (!file.valid()) return fail(system_error("write to", path, errno));
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return fail(Code::kStorageFailed,
                  "data directory: another process uses {}; stop it, or give this node a directory of its own",
                  directory);
    }
    return fail(system_error("lock", path, errno));
  }
  return file.release();
}

Result<std::optional<NodeId>> read_node_id(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return std::nullopt;
    return fail(system_error("read", path, errno));
  }
  std::array<char, 256> buffer{};
  const ssize_t size = ::read(file.number(), buffer.data(), buffer.size());
  if (size < 0) return fail(system_error("read", path, errno));
  std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != NodeId::kSize || NodeId::from_view(*bytes).empty()) {
    return fail(Code::kDataLoss,
                "data directory: {} does not hold a node id ({} hexadecimal digits); put it back, or delete the file: "
                "then this directory becomes a new node, with the documents it has",
                path, 2 * NodeId::kSize);
  }
  return NodeId::from_view(*bytes);
}

// Complete or not there at all, also after a crash.
Result<> write_whole(const std::string& directory, const std::string& path, BytesView text) {
  const std::string unfinished = path + ".new";
  {
    const Descriptor file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerOnlyFile));
    if (!file.valid()) return fail(system_error("write", unfinished, errno));
    const ssize_t written = ::write(file.number(), text.data(), text.size());
    if (written < 0) return fail(system_error("write", unfinished, errno));
    if (static_cast<std::size_t>(written) != text.size()) return fail(system_error("write", unfinished, ENOSPC));
    if (::fsync(file.number()) != 0) return fail(system_error("sync", unfinished, errno));
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return fail(system_error("write", path, errno));
  return sync_directory(directory);
}

// In place, which takes no room: on a full disk, for a text as long as what is there. It lies within one sector, so
// that a crash leaves the one or the other.
Result<> overwrite(const std::string& path, const std::string& text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat before{};
  if (!file.valid() || ::fstat(file.number(), &before) != 0) return fail(system_error("write", path, errno));
  if (before.st_size != static_cast<off_t>(text.size())) return fail(system_error("write", path, ENOSPC));
  const ssize_t written = ::pwrite(file.number(), text.data(), text.size(), 0);
  if (written < 0) return fail(system_error("write", path, errno));
  if (static_cast<std::size_t>(written) != text.size()) return fail(system_error("write", path, ENOSPC));
  if (::fsync(file.number()) != 0) return fail(system_error("sync", path, errno));
  return {};
}

}  // namespace

DataDirectory::DataDirectory(std::string path, int lock, const NodeId& node_id)
    : path_(std::move(path)), lock_(lock), node_id_(node_id) {}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)), node_id_(other.node_id_) {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  std::swap(node_id_, other.node_id_);
  return *this;
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

Result<DataDirectory> DataDirectory::open(const std::string& path, Random& random) {
  if (path.empty()) return fail(Code::kInvalidArgument, "data directory: the path is empty");
  DISTRI_TRY_VOID(make_directory(path));
  DISTRI_TRY(const int number, take_lock(path));
  Descriptor lock(number);
  const std::string id_path = path + "/node_id";
  DISTRI_TRY(auto id, read_node_id(id_path));
  if (!id) {
    id = random.id<NodeId>();
    DISTRI_TRY_VOID(write_whole(path, id_path, id->hex() + "\n"));
  }
  return DataDirectory(path, lock.release(), *id);
}

Result<std::uint64_t> DataDirectory::next_incarnation(std::int64_t wall_ms, Random& random) {
  const std::string file = path_ + "/incarnation";
  std::uint64_t last = 0;
  {
    const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened.valid() && errno != ENOENT) return fail(system_error("read", file, errno));
    std::array<char, 32> buffer{};
    const ssize_t size = opened.valid() ? ::read(opened.number(), buffer.data(), buffer.size()) : 0;
    if (size < 0) return fail(system_error("read", file, errno));
    const char* const end = buffer.data() + size;
    if (opened.valid()) {
      const auto parsed = std::from_chars(buffer.data(), end, last);
      if (parsed.ec != std::errc() || parsed.ptr + 1 != end || *parsed.ptr != '\n') {
        return fail(Code::kDataLoss,
                    "data directory: {} does not hold a number; write one into it that is greater than the incarnation "
                    "which this node's peers know (Stats)",
                    file);
      }
    }
  }
  const std::uint64_t now = wall_ms > 0 ? static_cast<std::uint64_t>(wall_ms) * kFractions : 0;
  const std::uint64_t next = std::max(now, last + 1) + random.below(kFractions);
  // A node must be able to start while the disk is full: it serves reads then.
  const std::string text = std::to_string(next) + "\n";
  if (auto result = write_whole(path_, file, text); !result && (last == 0 || !overwrite(file, text)))
    return fail(std::move(result).error());
  return next;
}

Result<std::string> DataDirectory::quarantine(std::int64_t wall_ms) {
  const std::string base = path_ + "/quarantine-" + utc_file_time(wall_ms);
  std::string target = base;
  for (int i = 2; i <= kQuarantineNamesMax; ++i) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(target, error))) {
      if (::rename(journal_path().c_str(), target.c_str()) != 0)
        return fail(system_error("move aside", journal_path(), errno));
      DISTRI_TRY_VOID(sync_directory(path_));
      return target;
    }
    target = fmt::format("{}-{}", base, i);
  }
  return fail(Code::kStorageFailed, "data directory: {} and {} more names are taken; delete some", base,
              kQuarantineNamesMax);
}

Result<> write_small_file(const std::string& directory, std::string_view name, BytesView bytes) {
  return write_whole(directory, fmt::format("{}/{}", directory, name), bytes);
}

Result<std::optional<Bytes>> read_small_file(const std::string& directory, std::string_view name,
                                             std::size_t bytes_max) {
  const std::string path = fmt::format("{}/{}", directory, name);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail(system_error("read", path, errno));
  }
  struct stat found{};
  if (::fstat(file.number(), &found) != 0) return fail(system_error("read", path, errno));
  // One more, so that growing meanwhile is noticed.
  Bytes bytes(std::min(bytes_max, static_cast<std::size_t>(std::max<off_t>(found.st_size, 0))) + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(file.number(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error("read", path, errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > bytes_max)
    return fail(Code::kTooLarge, "data directory: {} is over the limit of {} bytes", path, bytes_max);
  if (size == bytes.size()) return fail(Code::kStorageFailed, "data directory: {} grows while it is read", path);
  bytes.resize(size);
  return bytes;
}

std::string utc_file_time(std::int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm parts{};
  std::array<char, 32> text{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(wall_ms);
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
  return std::string(text.data(), size);
}

}  // namespace distri::storage
