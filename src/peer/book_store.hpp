// book_store.hpp: entries of books (ledger, holdings, contacts) on the disk, one file for each, so that a change costs
// the writing of one entry.
//
//   lock            held (flock) as long as the store is open
//   <book>/         mode 0700
//     <id>          an entry: "distriB1", a checksum of 32 bytes, and what was saved. The checksum is BLAKE2b-256 of
//                   "<book>/<id>", a zero byte, and what was saved.
//     <id>.part     what a crash left half written; load() removes it
//
// The checksum is against accidents (a disk that lies, a file under another's name, a copy that was cut short), not
// against who may write to the directory: he has the user's keys as well. Entries may hold secrets: directories are for
// their owner alone, as are files (mode 0600), and buffers are wiped. What is removed or replaced may stay on the disk
// until something else is written over it. Links are not followed, nothing but regular files of this user is read.
//
// Threads: any may save and remove different entries at once; of two that save the same one, one may get kBusy. A book
// is loaded while nobody saves or removes entries of it. Errors: kBusy, kInvalidArgument (book or id; a link, or a file
// or directory where the other should be, or somebody else's), kPermissionDenied (not ours, or others may get at it),
// kTooLarge (kBookEntryBytesMax), kDataLoss (an entry is damaged), kNotFound (the directory's parent), kStorageFull,
// kStorageFailed, kUnavailable (no descriptors left). Each names the file and what to do, and nothing that an entry
// holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "distri/peer/files.hpp"
#include "distri/utils/sealed_box.hpp"

namespace distri::peer {

class BookStore {
 public:
  // Makes the directory (mode 0700) where it is not there; its parent has to be. One at a time, whatever process:
  // kBusy.
  static Result<BookStore> open(const std::string& path);

  // Durable when it returns. After a crash there are the new bytes or the old ones; after an error the same, and
  // whoever called saves again before he says to others what is in them. `book`: 1 to kBookNameLettersMax lower-case
  // letters. `id`: lower-case hexadecimal digits (check_blob_id). At most kBookEntryBytesMax bytes.
  Result<> save(std::string_view book, std::string_view id, BytesView bytes);

  // Durable when it returns. Not there is no error.
  Result<> remove(std::string_view book, std::string_view id);

  // All entries of a book, in the order of their ids; none where there is no such book. Each is whole, and the one that
  // was saved under its id: the first one that is not is kDataLoss. Files with other names are left alone.
  Result<std::vector<SecretBytes>> load(std::string_view book) const;

 private:
  BookStore(std::string path, FileDescriptor directory, FileDescriptor lock)
      : path_(std::move(path)), directory_(std::move(directory)), lock_(std::move(lock)) {}
  std::string book_path(std::string_view book) const { return path_ + "/" + std::string(book); }

  std::string path_;  // for messages
  FileDescriptor directory_;
  FileDescriptor lock_;
};

}  // namespace distri::peer
