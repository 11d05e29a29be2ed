#include "distri/peer/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace distri::peer {
namespace {

// Not blocking: a pipe of that name is refused, not waited for.
constexpr int kOpenFile = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Result<FileStamp> stamp_from(const std::string& what, const struct stat& found) {
  if (S_ISLNK(found.st_mode)) return file_error(what, ELOOP);
  if (S_ISDIR(found.st_mode)) return fail(Code::kInvalidArgument, "{} is a directory", what);
  if (!S_ISREG(found.st_mode)) return fail(Code::kInvalidArgument, "{} is not a regular file", what);
  if (found.st_nlink == 0) return file_error(what, ENOENT);
  return FileStamp{.device = found.st_dev,
                   .inode = found.st_ino,
                   .bytes = static_cast<std::uint64_t>(found.st_size),
                   .modified_ns = nanoseconds(found.st_mtim),
                   .changed_ns = nanoseconds(found.st_ctim)};
}

// `parent` may be AT_FDCWD.
Result<FileDescriptor> open_private(int parent, const std::string& name, const std::string& what) {
  FileDescriptor directory(::openat(parent, name.c_str(), kOpenDirectory));
  if (!directory) {
    const int error = errno;
    // A link, and anything else that is no directory, give the same number.
    struct stat found{};
    if (error != ENOTDIR || ::fstatat(parent, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
      return file_error(what, error);
    }
    if (S_ISLNK(found.st_mode)) return file_error(what, ELOOP);
    return fail(Code::kInvalidArgument, "{} is not a directory; move it away, or choose another name", what);
  }
  DISTRI_TRY_VOID(check_private(what, directory));
  return directory;
}

Result<FileDescriptor> make_private(int parent, const std::string& name, const std::string& what) {
  const bool made = ::mkdirat(parent, name.c_str(), 0700) == 0;
  if (!made && errno == ENOENT) {
    return fail(Code::kNotFound, "{} cannot be made: the directory around it does not exist; make that first", what);
  }
  if (!made && errno != EEXIST) return file_error(what, errno);
  DISTRI_TRY(FileDescriptor directory, open_private(parent, name, what));
  if (made) {
    // The parent by what we have made: `parent` may be no descriptor.
    const FileDescriptor around(::openat(directory.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!around || ::fsync(around.get()) != 0) return file_error(what, errno);
  }
  return directory;
}

}  // namespace

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);
}

std::unexpected<Error> file_error(const std::string& what, int number) {
  const std::string reason = std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return fail(Code::kNotFound, "{} does not exist", what);
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(Code::kPermissionDenied, "{}: {}; choose a directory that this user may write to", what, reason);
    case ELOOP:
      return fail(Code::kInvalidArgument, "{} is a symbolic link, which is not followed; remove it", what);
    case EISDIR:
      return fail(Code::kInvalidArgument, "{} is not a regular file; remove it", what);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return fail(Code::kStorageFull, "{} cannot be written: {}; make room on the disk", what, reason);
    case EMFILE:
    case ENFILE:
      return fail(Code::kUnavailable, "{}: {}; raise the limit on open files (ulimit -n)", what, reason);
    default:
      return fail(Code::kStorageFailed, "{}: {}; check the disk", what, reason);
  }
}

Result<std::uint64_t> regular_bytes(const std::string& what, const FileDescriptor& file) {
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return file_error(what, errno);
  if (!S_ISREG(found.st_mode)) return file_error(what, EISDIR);
  return static_cast<std::uint64_t>(found.st_size);
}

Result<OpenFile> open_regular(const FileDescriptor& directory, const std::string& name, const std::string& what) {
  FileDescriptor file(::openat(directory.get(), name.c_str(), kOpenFile));
  if (!file) return file_error(what, errno);
  DISTRI_TRY(const std::uint64_t bytes, regular_bytes(what, file));
  return OpenFile{std::move(file), bytes};
}

Result<FileStamp> stamp_of(const std::string& what, const FileDescriptor& file) {
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return file_error(what, errno);
  return stamp_from(what, found);
}

Result<FileStamp> stamp_of(const FileDescriptor& directory, const std::string& name, const std::string& what) {
  struct stat found{};
  if (::fstatat(directory.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return file_error(what, errno);
  return stamp_from(what, found);
}

Result<> check_private(const std::string& what, const FileDescriptor& file) {
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return file_error(what, errno);
  if (found.st_uid != ::geteuid()) {
    return fail(Code::kInvalidArgument, "{} belongs to another user; remove it, or chown it to this user", what);
  }
  if ((found.st_mode & 077) == 0) return {};
  return fail(Code::kPermissionDenied,
              "{} has mode {:04o}, so that others than this user can get at what is secret; run chmod go-rwx on it",
              what, found.st_mode & 07777);
}

Result<FileDescriptor> make_private_directory(const std::string& path) {
  // With a slash behind it a link would be followed.
  const std::size_t last = path.find_last_not_of('/');
  return make_private(AT_FDCWD, last == std::string::npos ? path : path.substr(0, last + 1), path);
}

Result<FileDescriptor> make_private_directory(const FileDescriptor& parent, const std::string& name,
                                              const std::string& what) {
  return make_private(parent.get(), name, what);
}

Result<FileDescriptor> open_private_directory(const FileDescriptor& parent, const std::string& name,
                                              const std::string& what) {
  return open_private(parent.get(), name, what);
}

Result<std::size_t> read_at(const std::string& what, const FileDescriptor& file, std::uint64_t offset, char* to,
                            std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::pread(file.get(), to + have, size - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(what, errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

Result<Bytes> read_at(const std::string& what, const FileDescriptor& file, std::uint64_t offset, std::size_t size) {
  Bytes bytes;
  Result<std::size_t> have = 0;
  bytes.resize_and_overwrite(size, [&](char* to, std::size_t room) {
    have = read_at(what, file, offset, to, room);
    return have.value_or(0);
  });
  if (!have) return fail(std::move(have).error());
  return bytes;
}

Result<std::vector<std::string>> names_in(const FileDescriptor& directory, const std::string& what,
                                          std::size_t names_max) {
  // With a position of its own.
  const int own = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return file_error(what, errno);
  DIR* const opened = ::fdopendir(own);
  if (opened == nullptr) {
    const int error = errno;
    ::close(own);
    return file_error(what, error);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opened, &::closedir);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == names_max) {
      return fail(Code::kTooLarge, "{} holds more than {} files; move some of them elsewhere", what, names_max);
    }
    names.emplace_back(name);
  }
  if (errno != 0) return file_error(what, errno);
  std::ranges::sort(names);
  return names;
}

}  // namespace distri::peer
