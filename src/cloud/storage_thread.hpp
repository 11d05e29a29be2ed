// storage_thread.hpp: the thread that owns a node's journal.
//
// The main thread hands over commits and goes on; this thread writes all that wait, syncs once for all of them (group
// commit) and reports the newest number that is durable. Reports are run on the main thread, through `post`.
//
// When the disk refuses, the commits stay here, in order, and are tried again every second until they are written; the
// owner is told at the beginning and at the end of such a time, and keeps it short of work by refusing writes: nothing
// else bounds the queue.
//
// Invariants: (1) commits reach the journal in the order of their numbers, each once it succeeded not again. (2) what
// was reported durable is so in the sense of `durability`. (3) stop() leaves nothing unsynced but what the disk
// refuses. Threads: all methods from the main thread; figures() from any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "distri/cloud/durability.hpp"
#include "distri/storage/journal.hpp"

namespace distri::cloud {

class StorageThread {
 public:
  struct Reports {
    std::function<void(std::uint64_t number)> durable;  // all commits up to this one
    std::function<void(const Error&)> failed;           // the disk refuses; trying on
    std::function<void()> recovered;
  };
  using Post = std::function<void(std::function<void()>)>;

  struct Figures {
    std::uint64_t commits = 0;  // written in this life
    std::uint64_t waiting = 0;  // handed over, not written yet
    std::uint64_t bytes = 0;    // of keys and values written in this life
    std::uint64_t syncs = 0;
    std::uint64_t last_sync_us = 0;
    std::optional<Error> trouble;  // what the disk says now
  };

  // `durability` is kBatched or kSync. The first number is `first_commit`.
  StorageThread(std::unique_ptr<storage::Journal> journal, Durability durability, Post post, Reports reports);
  ~StorageThread();
  StorageThread(const StorageThread&) = delete;
  StorageThread& operator=(const StorageThread&) = delete;

  void submit(std::uint64_t number, std::vector<storage::Change> changes);
  // Writes what waits (once more, if the disk refuses), syncs, ends the thread. No report comes after it. Returns how
  // many commits could not be made durable.
  std::size_t stop();

  // Makes `directory` (which must not be there, or be empty) and a copy of the journal in `directory`/db, on a thread
  // of its own, while writes go on. `done` gets kBusy when a backup is under way.
  void backup(const std::string& directory, std::function<void(Result<>)> done);

  Figures figures() const;

 private:
  struct Commit {
    std::uint64_t number;
    std::vector<storage::Change> changes;
  };

  void work();
  Result<> write_queued();
  Result<> sync_now();
  void report_durable(std::uint64_t number);
  void set_trouble(std::optional<Error> error);

  const std::unique_ptr<storage::Journal> journal_;
  const Durability durability_;
  const Post post_;
  const Reports reports_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Commit> queue_;
  bool stopping_ = false;
  bool durable_posted_ = false;  // a report is on its way and will pick up durable_
  std::uint64_t durable_ = 0;
  Figures figures_;

  // Of the thread.
  std::deque<Commit> writing_;
  std::uint64_t written_ = 0;  // newest number in the journal
  std::uint64_t synced_ = 0;   // newest number known to be on the disk
  std::int64_t unsynced_since_ms_ = 0;

  std::thread backup_thread_;
  bool backup_runs_ = false;
  std::thread thread_;
};

}  // namespace distri::cloud
