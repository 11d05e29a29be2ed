#include "distri/peer/blob_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace distri::peer {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;
// How often a part may go between being opened and being locked, before we give up.
constexpr int kLockTriesMax = 16;

// `what`: the file.
std::unexpected<Error> failed(const std::string& what, int number) {
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
    default:
      return fail(Code::kStorageFailed, "{}: {}; check the disk", what, reason);
  }
}

// The length of a regular file.
Result<std::uint64_t> regular_bytes(const std::string& what, int descriptor) {
  struct stat found{};
  if (::fstat(descriptor, &found) != 0) return failed(what, errno);
  if (!S_ISREG(found.st_mode)) return failed(what, EISDIR);
  return static_cast<std::uint64_t>(found.st_size);
}

// To be written to: a regular file of ours, with no other name, so that nothing else changes with it.
Result<> check_writable(const std::string& what, int descriptor) {
  DISTRI_TRY_VOID(regular_bytes(what, descriptor));
  struct stat found{};
  if (::fstat(descriptor, &found) != 0) return failed(what, errno);
  if (found.st_uid != ::geteuid() || found.st_nlink > 1) {
    return fail(Code::kInvalidArgument, "{} {}; remove it", what,
                found.st_nlink > 1 ? "has a second name (a hard link)" : "belongs to another user");
  }
  return {};
}

// Up to `size` bytes at `offset`; fewer only at the end of the file.
Result<Bytes> read_at(const std::string& what, int descriptor, std::uint64_t offset, std::size_t size) {
  Bytes bytes;
  int error = 0;
  bytes.resize_and_overwrite(size, [&](char* to, std::size_t room) {
    std::size_t have = 0;
    while (have < room) {
      const ssize_t got = ::pread(descriptor, to + have, room - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) error = errno;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    return have;
  });
  if (error != 0) return failed(what, error);
  return bytes;
}

Result<> hash_file(const std::string& what, int descriptor, std::uint64_t bytes, Blake2b256& hash) {
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, bytes - at));
    DISTRI_TRY(const Bytes piece, read_at(what, descriptor, at, wanted));
    if (piece.size() < wanted) return fail(Code::kDataLoss, "{} has become shorter while it was read", what);
    hash.update(piece);
    at += piece.size();
  }
  return {};
}

}  // namespace

Result<> check_blob_id(std::string_view id) {
  const bool hexadecimal =
      std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (hexadecimal && !id.empty() && id.size() <= kBlobIdDigitsMax) return {};
  return fail(Code::kInvalidArgument, "a file's id is 1 to {} lower-case hexadecimal digits, which '{}' is not",
              kBlobIdDigitsMax, id.substr(0, kBlobIdDigitsMax));
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);
}

// ---- The directory.

Result<BlobDirectory> BlobDirectory::open(const std::string& path) {
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return failed(path, errno);
  return BlobDirectory(path, std::move(directory));
}

Result<FileDescriptor> BlobDirectory::open_whole(std::string_view id, std::uint64_t& bytes) const {
  DISTRI_TRY_VOID(check_blob_id(id));
  const std::string name(id);
  // Not blocking: a pipe of that name is refused, not waited for.
  FileDescriptor file(::openat(directory_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return failed(full_name(name), errno);
  DISTRI_TRY(bytes, regular_bytes(full_name(name), file.get()));
  return file;
}

Result<std::optional<std::uint64_t>> BlobDirectory::bytes_of(std::string_view id) const {
  std::uint64_t bytes = 0;
  const auto file = open_whole(id, bytes);
  if (file) return bytes;
  if (file.error().code == Code::kNotFound) return std::nullopt;
  return fail(file.error());
}

Result<Hash256> BlobDirectory::digest_of(std::string_view id) const {
  std::uint64_t bytes = 0;
  DISTRI_TRY(const FileDescriptor file, open_whole(id, bytes));
  Blake2b256 hash;
  DISTRI_TRY_VOID(hash_file(full_name(id), file.get(), bytes, hash));
  return hash.finish();
}

Result<> BlobDirectory::remove(std::string_view id) const {
  DISTRI_TRY_VOID(check_blob_id(id));
  for (const std::string& name : {std::string(id), std::string(id) + ".part"}) {
    if (::unlinkat(directory_.get(), name.c_str(), 0) != 0 && errno != ENOENT) return failed(full_name(name), errno);
  }
  return {};
}

Result<BlobDirectory::Part> BlobDirectory::part_of(std::string_view id) const {
  DISTRI_TRY_VOID(check_blob_id(id));
  const std::string name = std::string(id) + ".part";
  const std::string what = full_name(name);
  for (int tries = 0; tries < kLockTriesMax; ++tries) {
    FileDescriptor file(
        ::openat(directory_.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (!file) return failed(what, errno);
    DISTRI_TRY_VOID(check_writable(what, file.get()));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      return fail(Code::kBusy, "{} is being written by another transfer; wait for it", what);
    }
    // Whoever had the lock before us may have finished or removed what we opened.
    struct stat locked{}, named{};
    if (::fstat(file.get(), &locked) != 0) return failed(what, errno);
    if (::fstatat(directory_.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT) {
      return failed(what, errno);
    }
    if (locked.st_ino != named.st_ino || locked.st_dev != named.st_dev) continue;
    if (::fchmod(file.get(), 0600) != 0) return failed(what, errno);
    return Part(*this, std::string(id), std::move(file), static_cast<std::uint64_t>(locked.st_size));
  }
  return fail(Code::kBusy, "{} comes and goes: other transfers of the same file are under way; wait for them", what);
}

// ---- A part.

BlobDirectory::Part::~Part() {
  if (file_ && !done_ && bytes_ == 0) discard();
}

Result<> BlobDirectory::Part::hash_into(Blake2b256& hash) const {
  return hash_file(directory_->full_name(name()), file_.get(), bytes_, hash);
}

Result<> BlobDirectory::Part::append(BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(directory_->full_name(name()), errno);
    bytes.remove_prefix(static_cast<std::size_t>(size));
    bytes_ += static_cast<std::uint64_t>(size);
  }
  return {};
}

Result<> BlobDirectory::Part::restart() {
  if (::ftruncate(file_.get(), 0) != 0) return failed(directory_->full_name(name()), errno);
  bytes_ = 0;
  return {};
}

Result<> BlobDirectory::Part::commit() {
  const int directory = directory_->directory_.get();
  if (::fsync(file_.get()) != 0) return failed(directory_->full_name(name()), errno);
  if (::renameat(directory, name().c_str(), directory, id_.c_str()) != 0) {
    return failed(directory_->full_name(id_), errno);
  }
  done_ = true;
  if (::fsync(directory) != 0) return failed(directory_->full_name(id_), errno);
  return {};
}

void BlobDirectory::Part::discard() {
  if (done_) return;
  done_ = true;
  ::unlinkat(directory_->directory_.get(), name().c_str(), 0);
}

// ---- Serving.

Result<Producer> file_source(const BlobDirectory& directory, std::string_view id, std::uint64_t offset) {
  std::uint64_t bytes = 0;
  DISTRI_TRY(FileDescriptor opened, directory.open_whole(id, bytes));
  if (offset > bytes) {
    return fail(Code::kInvalidArgument, "the offset {} is beyond the end of file {}, which has {} bytes", offset, id,
                bytes);
  }
  // Copies of a std::function share it.
  const auto file = std::make_shared<const FileDescriptor>(std::move(opened));
  return [file, what = std::string(id), at = offset, bytes](std::size_t bytes_max) mutable -> Result<Bytes> {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, bytes - at));
    DISTRI_TRY(Bytes piece, read_at(what, file->get(), at, wanted));
    if (piece.size() < wanted) return fail(Code::kDataLoss, "file {} has become shorter while it was read", what);
    at += piece.size();
    return piece;
  };
}

}  // namespace distri::peer
