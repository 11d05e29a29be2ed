#include "distri/peer/book_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "distri/peer/blob_directory.hpp"
#include "distri/peer/limits.hpp"
#include "distri/storage/rocks_journal.hpp"

namespace distri::peer {
namespace {

// Entries are small, and all of them are in the books' memory.
constexpr storage::RocksOptions kJournalOptions = {
    .memtable_bytes = 1u << 20, .cache_bytes = 1u << 20, .log_bytes_max = 16u << 20, .sync_each = true};

Result<> check_book(std::string_view book) {
  const bool letters = std::ranges::all_of(book, [](char c) { return c >= 'a' && c <= 'z'; });
  if (letters && !book.empty() && book.size() <= kBookNameLettersMax) return {};
  return fail(Code::kInvalidArgument, "a book's name is 1 to {} lower-case letters", kBookNameLettersMax);
}

// As a journal says it, and what to do.
std::unexpected<Error> with_advice(Error error) {
  switch (error.code) {
    case Code::kStorageFull:
      error.message += "; make room on the disk";
      break;
    case Code::kDataLoss:
      error.message += "; put the directory of the books back from a copy";
      break;
    default:
      break;
  }
  return std::unexpected(std::move(error));
}

Result<FileDescriptor> lock_of(const FileDescriptor& directory, const std::string& path) {
  const std::string what = path + "/lock";
  FileDescriptor lock(::openat(directory.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!lock) return file_error(what, errno);
  DISTRI_TRY_VOID(regular_bytes(what, lock));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return file_error(what, errno);
  return fail(Code::kBusy, "{} is used by another program; stop that one, or choose another directory", path);
}

// A file for each entry, below a directory for each book. To begin anew beside it would give views twice.
Result<> check_form(const FileDescriptor& directory, const std::string& path) {
  if (::faccessat(directory.get(), "device", F_OK, AT_SYMLINK_NOFOLLOW) != 0) return {};
  return fail(
      Code::kInvalidArgument,
      "{} holds books in the form of an earlier version, which this one does not read; go on with that version, "
      "or choose another directory",
      path);
}

}  // namespace

Result<BookStore> BookStore::open(const std::string& path) {
  if (path.empty()) return fail(Code::kInvalidArgument, "the directory of the books: the path is empty");
  DISTRI_TRY(const FileDescriptor directory, make_private_directory(path));
  DISTRI_TRY(FileDescriptor lock, lock_of(directory, path));
  DISTRI_TRY_VOID(check_form(directory, path));
  const std::string inside = path + "/journal";
  DISTRI_TRY_VOID(make_private_directory(directory, "journal", inside));
  auto journal = storage::RocksJournal::open(inside, kJournalOptions);
  if (!journal) return with_advice(std::move(journal).error());
  return BookStore(std::move(lock), *std::move(journal));
}

Result<> BookStore::save(const std::vector<BookEntry>& entries) {
  std::vector<storage::Change> changes;
  changes.reserve(entries.size());
  for (const BookEntry& each : entries) {
    DISTRI_TRY_VOID(check_book(each.book));
    DISTRI_TRY_VOID(check_blob_id(each.id));
    if (each.bytes.size() > kBookEntryBytesMax) {
      return fail(Code::kTooLarge, "{}/{} has {} bytes; an entry of a book has at most {}", each.book, each.id,
                  each.bytes.size(), kBookEntryBytesMax);
    }
    changes.emplace_back(fmt::format("{}/{}", each.book, each.id), Bytes(each.bytes.view()));
  }
  auto saved = journal_->write(changes);
  for (auto& [key, bytes] : changes) wipe(*bytes);
  if (saved) saved = journal_->sync();
  if (!saved) return with_advice(std::move(saved).error());
  journal_->idle();
  return {};
}

Result<> BookStore::load(const Visit& visit) {
  Result<> visited;
  auto loaded = journal_->load([&](BytesView key, BytesView bytes) -> Result<> {
    const std::size_t slash = key.find('/');
    if (slash == BytesView::npos) {
      visited = fail(Code::kDataLoss, "the journal of the books holds a record of another program; move it away");
    } else {
      visited = visit(key.substr(0, slash), key.substr(slash + 1), bytes);
    }
    return visited;
  });
  if (!visited) return visited;
  if (!loaded) return with_advice(std::move(loaded).error());
  return {};
}

}  // namespace distri::peer
