#include "distri/peer/blob_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "distri/net/sha256.hpp"

namespace distri::peer {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;
// How often a part may go between being opened and being locked, before we give up.
constexpr int kLockTriesMax = 16;
constexpr std::string_view kPart = ".part";

std::string part_name(std::string_view id) {
  return std::string(id).append(kPart);
}

// To be written to: a regular file of ours, with no other name, so that nothing else changes with it.
Result<> check_writable(const std::string& what, const FileDescriptor& file) {
  DISTRI_TRY_VOID(regular_bytes(what, file));
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return file_error(what, errno);
  if (found.st_uid != ::geteuid() || found.st_nlink > 1) {
    return fail(Code::kInvalidArgument, "{} {}; remove it", what,
                found.st_nlink > 1 ? "has a second name (a hard link)" : "belongs to another user");
  }
  return {};
}

Result<> hash_file(const std::string& what, const FileDescriptor& file, std::uint64_t bytes, net::Sha256& hash) {
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, bytes - at));
    DISTRI_TRY(const Bytes piece, read_at(what, file, at, wanted));
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

// ---- The directory.

Result<BlobDirectory> BlobDirectory::open(const std::string& path) {
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return file_error(path, errno);
  return BlobDirectory(path, std::move(directory));
}

Result<BlobDirectory> BlobDirectory::make(const std::string& path) {
  DISTRI_TRY(FileDescriptor directory, make_private_directory(path));
  return BlobDirectory(path, std::move(directory));
}

Result<OpenFile> BlobDirectory::open_whole(std::string_view id) const {
  DISTRI_TRY_VOID(check_blob_id(id));
  return open_regular(directory_, std::string(id), full_name(id));
}

Result<BlobDirectory::Listing> BlobDirectory::list(std::size_t names_max) const {
  DISTRI_TRY(const auto names, names_in(directory_, path_, names_max));
  Listing listing;
  for (std::string_view name : names) {
    auto& ids = name.ends_with(kPart) ? listing.parts : listing.whole;
    if (name.ends_with(kPart)) name.remove_suffix(kPart.size());
    if (check_blob_id(name)) ids.emplace_back(name);
  }
  return listing;
}

Result<std::optional<std::uint64_t>> BlobDirectory::bytes_of(std::string_view id) const {
  const auto file = open_whole(id);
  if (file) return file->bytes;
  if (file.error().code == Code::kNotFound) return std::nullopt;
  return fail(file.error());
}

Result<Hash256> BlobDirectory::digest_of(std::string_view id) const {
  DISTRI_TRY(const OpenFile file, open_whole(id));
  net::Sha256 hash;
  DISTRI_TRY_VOID(hash_file(full_name(id), file.descriptor, file.bytes, hash));
  return hash.finish();
}

Result<> BlobDirectory::write(std::string_view id, std::initializer_list<BytesView> pieces) const {
  DISTRI_TRY(Part part, part_of(id));
  auto written = part.restart();
  for (const BytesView piece : pieces) {
    if (written) written = part.append(piece);
  }
  if (written) written = part.commit();
  if (!written) part.discard();
  return written;
}

Result<> BlobDirectory::remove(std::string_view id) const {
  DISTRI_TRY_VOID(check_blob_id(id));
  bool removed = false;
  for (const std::string& name : {std::string(id), part_name(id)}) {
    if (::unlinkat(directory_.get(), name.c_str(), 0) == 0) {
      removed = true;
    } else if (errno != ENOENT) {
      return file_error(full_name(name), errno);
    }
  }
  if (removed && ::fsync(directory_.get()) != 0) return file_error(full_name(id), errno);
  return {};
}

Result<BlobDirectory::Part> BlobDirectory::part_of(std::string_view id) const {
  DISTRI_TRY_VOID(check_blob_id(id));
  const std::string name = part_name(id);
  const std::string what = full_name(name);
  for (int tries = 0; tries < kLockTriesMax; ++tries) {
    FileDescriptor file(
        ::openat(directory_.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (!file) return file_error(what, errno);
    DISTRI_TRY_VOID(check_writable(what, file));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      return fail(Code::kBusy, "{} is being written by another transfer; wait for it", what);
    }
    // Whoever had the lock before us may have finished or removed what we opened.
    struct stat locked{}, named{};
    if (::fstat(file.get(), &locked) != 0) return file_error(what, errno);
    if (::fstatat(directory_.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT) {
      return file_error(what, errno);
    }
    if (locked.st_ino != named.st_ino || locked.st_dev != named.st_dev) continue;
    if (::fchmod(file.get(), 0600) != 0) return file_error(what, errno);
    return Part(*this, std::string(id), std::move(file), static_cast<std::uint64_t>(locked.st_size));
  }
  return fail(Code::kBusy, "{} comes and goes: other transfers of the same file are under way; wait for them", what);
}

// ---- A part.

std::string BlobDirectory::Part::name() const {
  return part_name(id_);
}

BlobDirectory::Part::~Part() {
  if (file_ && !done_ && bytes_ == 0) discard();
}

Result<> BlobDirectory::Part::hash_into(net::Sha256& hash) const {
  return hash_file(directory_->full_name(name()), file_, bytes_, hash);
}

Result<> BlobDirectory::Part::append(BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return file_error(directory_->full_name(name()), errno);
    bytes.remove_prefix(static_cast<std::size_t>(size));
    bytes_ += static_cast<std::uint64_t>(size);
  }
  return {};
}

Result<> BlobDirectory::Part::restart() {
  if (::ftruncate(file_.get(), 0) != 0) return file_error(directory_->full_name(name()), errno);
  bytes_ = 0;
  return {};
}

Result<> BlobDirectory::Part::commit() {
  const int directory = directory_->directory_.get();
  if (::fsync(file_.get()) != 0) return file_error(directory_->full_name(name()), errno);
  if (::renameat(directory, name().c_str(), directory, id_.c_str()) != 0) {
    return file_error(directory_->full_name(id_), errno);
  }
  done_ = true;
  if (::fsync(directory) != 0) return file_error(directory_->full_name(id_), errno);
  return {};
}

void BlobDirectory::Part::discard() {
  if (done_) return;
  done_ = true;
  ::unlinkat(directory_->directory_.get(), name().c_str(), 0);
}

// ---- Serving.

Result<Producer> file_source(const BlobDirectory& directory, std::string_view id, std::uint64_t offset) {
  DISTRI_TRY(OpenFile opened, directory.open_whole(id));
  const std::uint64_t bytes = opened.bytes;
  if (offset > bytes) {
    return fail(Code::kInvalidArgument, "the offset {} is beyond the end of file {}, which has {} bytes", offset, id,
                bytes);
  }
  // Copies of a std::function share it.
  const auto file = std::make_shared<const FileDescriptor>(std::move(opened.descriptor));
  return [file, what = std::string(id), at = offset, bytes](std::size_t bytes_max) mutable -> Result<Bytes> {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes_max, bytes - at));
    DISTRI_TRY(Bytes piece, read_at(what, *file, at, wanted));
    if (piece.size() < wanted) return fail(Code::kDataLoss, "file {} has become shorter while it was read", what);
    at += piece.size();
    return piece;
  };
}

}  // namespace distri::peer
