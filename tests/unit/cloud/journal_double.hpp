// journal_double.hpp: a journal in memory that blocks or fails when the test says so, and outlives its node: the next
// node that opens it finds what was synced.
//
// Threads: any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "distri/storage/memory_journal.hpp"

namespace distri::test {

class JournalDouble : public std::enable_shared_from_this<JournalDouble> {
 public:
  // What a node owns. All of them are this one.
  std::unique_ptr<storage::Journal> journal();

  void block_syncs();
  void wait_until_blocked();
  void let_syncs_go();
  void wait_until_synced();  // at least one sync, and nothing unsynced
  void fail_writes(Error error);
  void fail_syncs(Error error);
  void fail_backups(Error error);
  void wait_for_failures(int n);
  void heal();
  void crash() { records_.crash(); }

  int syncs() const;
  std::string written(const std::string& key);
  std::string synced(const std::string& key);

 private:
  class Handle;
  Result<> write(const std::vector<storage::Change>& changes);
  Result<> sync();
  Result<> backup(const std::string& directory);

  storage::MemoryJournal records_;
  storage::MemoryJournal durable_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<storage::Change>> unsynced_;
  bool block_ = false;
  bool blocked_ = false;
  int syncs_ = 0;
  int failures_ = 0;
  std::optional<Error> write_error_;
  std::optional<Error> sync_error_;
  std::optional<Error> backup_error_;
};

// An empty directory that goes away with the test.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace distri::test
