// memory_journal.hpp: a journal that keeps everything in memory, for tests: the same contract, plus a crash at will.
//
// Threads: all methods may be called from any thread. Errors: those of backup() and open(), which use a file.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "distri/storage/journal.hpp"

namespace distri::storage {

class MemoryJournal final : public Journal {
 public:
  MemoryJournal() = default;
  // What backup() has written. kDataLoss: it is damaged; kNotFound: there is none.
  static Result<std::unique_ptr<MemoryJournal>> open(const std::string& directory);

  Result<> write(const std::vector<Change>& changes) override;
  Result<> sync() override;
  Result<> load(const Visit& visit) override;
  Result<> backup(const std::string& directory) override;

  // What was not synced is gone.
  void crash();
  // Batches written and not synced.
  std::size_t unsynced() const;

 private:
  using Records = std::map<Bytes, Bytes, std::less<>>;
  static void apply(Records& records, const std::vector<Change>& changes);

  mutable std::mutex mutex_;
  Records written_;
  Records synced_;
  std::vector<std::vector<Change>> unsynced_;  // what makes written_ of synced_
};

}  // namespace distri::storage
