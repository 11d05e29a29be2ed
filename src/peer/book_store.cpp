#include "distri/peer/book_store.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "distri/peer/blob_directory.hpp"
#include "distri/peer/limits.hpp"

namespace distri::peer {
namespace {

constexpr BytesView kMagic = "distriB1";
constexpr std::size_t kHeaderBytes = kMagic.size() + std::tuple_size_v<Hash256>;

Result<> check_book(std::string_view book) {
  const bool letters = std::ranges::all_of(book, [](char c) { return c >= 'a' && c <= 'z'; });
  if (letters && !book.empty() && book.size() <= kBookNameLettersMax) return {};
  return fail(Code::kInvalidArgument, "a book's name is 1 to {} lower-case letters", kBookNameLettersMax);
}

// libsodium wipes the state of a hash that is finished.
Bytes header_of(std::string_view book, std::string_view id, BytesView bytes) {
  Blake2b256 hash;
  hash.update(book);
  hash.update("/");
  hash.update(id);
  hash.update(BytesView("\0", 1));
  hash.update(bytes);
  const Hash256 digest = hash.finish();
  return Bytes(kMagic).append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

std::unexpected<Error> too_large(const std::string& what, std::uint64_t bytes) {
  return fail(Code::kTooLarge, "{} has {} bytes; an entry of a book has at most {}", what, bytes, kBookEntryBytesMax);
}

Result<SecretBytes> read_entry(const BlobDirectory& directory, std::string_view book, const std::string& id) {
  const std::string what = directory.full_name(id);
  const auto damaged = [&what](std::string_view how) {
    return fail(Code::kDataLoss, "{} {}; restore it from a copy, or move it away to go on without this entry", what,
                how);
  };
  DISTRI_TRY(const OpenFile file, directory.open_whole(id));
  DISTRI_TRY_VOID(check_private(what, file.descriptor));
  if (file.bytes < kHeaderBytes) return damaged("is cut short");
  const std::uint64_t size = file.bytes - kHeaderBytes;
  if (size > kBookEntryBytesMax) return too_large(what, size);
  DISTRI_TRY(const Bytes header, read_at(what, file.descriptor, 0, kHeaderBytes));
  SecretBytes bytes = SecretBytes::zeros(static_cast<std::size_t>(size));
  DISTRI_TRY(const std::size_t have, read_at(what, file.descriptor, kHeaderBytes, bytes.data(), bytes.size()));
  if (header.size() < kHeaderBytes || have < bytes.size()) return damaged("has become shorter while it was read");
  if (!header.starts_with(kMagic)) return damaged("is not an entry of a book that this version can read");
  if (header != header_of(book, id, bytes.view())) return damaged("is damaged: its checksum is another");
  return bytes;
}

// Those that nobody is writing to.
Result<> remove_left_over(const BlobDirectory& directory, const std::string& id) {
  auto part = directory.part_of(id);
  if (part) {
    part->discard();
  } else if (part.error().code != Code::kBusy) {
    return fail(part.error());
  }
  return {};
}

}  // namespace

Result<BookStore> BookStore::open(const std::string& path) {
  if (path.empty()) return fail(Code::kInvalidArgument, "the directory of the books: the path is empty");
  DISTRI_TRY(FileDescriptor directory, make_private_directory(path));
  const std::string what = path + "/lock";
  FileDescriptor lock(::openat(directory.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!lock) return file_error(what, errno);
  DISTRI_TRY_VOID(regular_bytes(what, lock));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error(what, errno);
    return fail(Code::kBusy, "{} is used by another program; stop that one, or choose another directory", path);
  }
  return BookStore(path, std::move(directory), std::move(lock));
}

Result<> BookStore::save(std::string_view book, std::string_view id, BytesView bytes) {
  DISTRI_TRY_VOID(check_book(book));
  DISTRI_TRY_VOID(check_blob_id(id));
  const std::string path = book_path(book);
  if (bytes.size() > kBookEntryBytesMax) return too_large(fmt::format("{}/{}", path, id), bytes.size());
  DISTRI_TRY(FileDescriptor opened, make_private_directory(directory_, std::string(book), path));
  const BlobDirectory directory(path, std::move(opened));
  return directory.write(id, {header_of(book, id, bytes), bytes});
}

Result<> BookStore::remove(std::string_view book, std::string_view id) {
  DISTRI_TRY_VOID(check_book(book));
  DISTRI_TRY_VOID(check_blob_id(id));
  auto opened = open_private_directory(directory_, std::string(book), book_path(book));
  if (!opened && opened.error().code == Code::kNotFound) return {};
  if (!opened) return fail(std::move(opened).error());
  return BlobDirectory(book_path(book), *std::move(opened)).remove(id);
}

Result<std::vector<SecretBytes>> BookStore::load(std::string_view book) const {
  DISTRI_TRY_VOID(check_book(book));
  std::vector<SecretBytes> entries;
  auto opened = open_private_directory(directory_, std::string(book), book_path(book));
  if (!opened && opened.error().code == Code::kNotFound) return entries;
  if (!opened) return fail(std::move(opened).error());
  const BlobDirectory directory(book_path(book), *std::move(opened));
  DISTRI_TRY(const auto there, directory.list(kBookFilesMax));
  for (const std::string& id : there.parts) DISTRI_TRY_VOID(remove_left_over(directory, id));
  entries.reserve(there.whole.size());
  for (const std::string& id : there.whole) {
    DISTRI_TRY(SecretBytes entry, read_entry(directory, book, id));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace distri::peer
