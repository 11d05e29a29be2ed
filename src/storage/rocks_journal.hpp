// rocks_journal.hpp: the journal on a disk, by RocksDB (7.8).
//
// The live copy of the data is in the node's memory; the journal is read once, at the start. So the options are tuned
// for sequential writes and little memory: two memtables, a small block cache, few open files.
//
// What a caller waits for is the log (write_ahead_log.hpp), which stands in for RocksDB's own: write() appends one
// record to it, sync() is one fdatasync. The records go into the memtable in idle(), when nobody waits, or when there
// are too many. The database holds the number of its newest record under a key of its own (the empty one), so it is
// known after a crash which records of the log the tables lack; and a file of the log is used again when the tables
// hold all that is in it.
//
// Recovery after a crash takes records from the log up to the first one that is torn or damaged, which is invariant (1)
// of journal.hpp; with `sync_each` damage is kDataLoss, but of the newest record. Tables carry checksums, which load()
// verifies.
//
// No room: write() fails with kStorageFull, and sync() when it is the log that has none. After any error RocksDB takes
// nothing more; its own way back (Resume) can wait for ever in 7.8. So the database is closed, and each later write()
// tries to open it again, which needs some room itself (up to two memtables), and takes what was lost with its memory
// from the log. A batch whose write() failed is gone. The same way leads back from any other error that passes. open()
// works on a full disk, too: a file `reserve` keeps the little room that RocksDB needs for it, as long as there was
// some.
//
// Threads: see journal.hpp. Errors of open(): kStorageFailed: another process uses the directory, or the disk says no;
// kDataLoss: files are missing or damaged (the text names the file); kStorageFull.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "distri/storage/journal.hpp"

namespace distri::storage {

struct RocksOptions {
  std::size_t memtable_bytes = 16u << 20;  // at most two of them are in memory
  std::size_t cache_bytes = 8u << 20;      // of blocks read from tables
  std::size_t log_bytes_max = 64u << 20;   // of the log; beyond, memtables are written out
  bool sync_each = false;                  // each write() is followed by sync(), so that damage is told from a crash
};

class RocksJournal final : public Journal {
 public:
  // Opens the journal in this directory; creates it when there is none (its parent must exist).
  static Result<std::unique_ptr<RocksJournal>> open(const std::string& directory, const RocksOptions& options = {});
  ~RocksJournal() override;

  Result<> write(const std::vector<Change>& changes) override;
  Result<> sync() override;
  void idle() override;
  Result<> load(const Visit& visit) override;
  Result<> backup(const std::string& directory) override;

 private:
  struct Impl;
  explicit RocksJournal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::storage
