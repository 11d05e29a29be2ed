// rocks_journal.hpp: the journal on a disk, by RocksDB (7.8).
//
// The live copy of the data is in the node's memory; the journal is read once, at the start. So the options are tuned
// for sequential writes and little memory: two memtables, a small block cache, few open files. write() is one atomic
// WriteBatch into the write-ahead log, sync() is one fdatasync of that log.
//
// Recovery after a crash replays the log up to the first record that is torn or damaged ("point in time"), which is
// invariant (1) of journal.hpp. Tables carry checksums, which load() verifies.
//
// No room: write() and sync() fail with kStorageFull. After any error RocksDB takes nothing more; its own way back
// (Resume) can wait for ever in 7.8. So the database is closed, and each later call tries to open it again, which needs
// some room itself (up to two memtables). What was written and not synced is kept in memory and written once more then;
// a batch whose write() failed is gone. The same way leads back from any other error that passes.
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
  std::size_t log_bytes_max = 64u << 20;   // of the write-ahead log; beyond, memtables are written out
};

class RocksJournal final : public Journal {
 public:
  // Opens the journal in this directory; creates it when there is none (its parent must exist).
  static Result<std::unique_ptr<RocksJournal>> open(const std::string& directory, const RocksOptions& options = {});
  ~RocksJournal() override;

  Result<> write(const std::vector<Change>& changes) override;
  Result<> sync() override;
  Result<> load(const Visit& visit) override;
  Result<> backup(const std::string& directory) override;

 private:
  struct Impl;
  explicit RocksJournal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::storage
