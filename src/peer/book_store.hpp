// book_store.hpp: entries of books (ledger, holdings, contacts) on the disk, many of them made durable by one sync.
//
//   lock       held (flock) as long as the store is open
//   journal/   storage::RocksJournal; an entry's key is "<book>/<id>"
//
// Every entry carries checksums there, against accidents (a disk that lies, a file that was cut short), not against who
// may write to the directory: he has the user's keys as well. A save that a crash has interrupted is not there at all.
// What cannot be told from that is damage to the very last save, which then is not there either; any other damage is
// found and named, and nothing is guessed.
//
// Entries may hold secrets: both directories are for their owner alone (mode 0700). What is replaced stays on the disk
// until the journal writes something else over it, and in memory until the store closes, where the books themselves
// are.
//
// Threads: one caller at a time. Errors: kBusy, kInvalidArgument (book or id; a link, or a file where a directory
// should be, or somebody else's; books of an earlier version), kPermissionDenied (others may get at it), kTooLarge
// (kBookEntryBytesMax), kDataLoss, kNotFound (the directory's parent), kStorageFull, kStorageFailed, kUnavailable (no
// descriptors left). Each names the file and what to do, and nothing that an entry holds.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "distri/peer/files.hpp"
#include "distri/storage/journal.hpp"
#include "distri/utils/sealed_box.hpp"

namespace distri::peer {

// `book`: 1 to kBookNameLettersMax lower-case letters. `id`: lower-case hexadecimal digits (check_blob_id). At most
// kBookEntryBytesMax bytes.
struct BookEntry {
  std::string book;
  std::string id;
  SecretBytes bytes;
};

class BookStore {
 public:
  // Makes the directory (mode 0700) where it is not there; its parent has to be. One at a time, whatever process:
  // kBusy.
  static Result<BookStore> open(const std::string& path);

  // All of them or none, durable when it returns. Each takes the place of an earlier one; none occurs twice. After an
  // error there is what was there before, or (when it was the sync that failed) perhaps this: whoever called saves
  // again before he says to others what is in them.
  Result<> save(const std::vector<BookEntry>& entries);

  // All entries, by book and then by id. An error of `visit` ends it and is returned.
  using Visit = std::function<Result<>(std::string_view book, std::string_view id, BytesView bytes)>;
  Result<> load(const Visit& visit);

 private:
  BookStore(FileDescriptor lock, std::unique_ptr<storage::Journal> journal)
      : lock_(std::move(lock)), journal_(std::move(journal)) {}

  FileDescriptor lock_;  // given back after the journal
  std::unique_ptr<storage::Journal> journal_;
};

}  // namespace distri::peer
