// write_ahead_log.hpp: numbered records on the disk, in the order in which they were written, made durable at the
// price of one fdatasync.
//
// The records lie in files of a fixed size, `0.wal`, `1.wal`, ..., each begun with a header that names the first
// record. A file is filled with zeros before its blocks are used, and used again once its records are no longer needed
// (release()). So a sync changes neither a file's size nor its blocks: the file system writes the data and nothing of
// its own, which takes about a third less time than for a file that grows, and does not queue behind the other files
// that the file system's journal serves.
//
// A record is told from what lay there before by a number drawn when its file is begun ("salt"), which is in its
// checksum. Reading ends at the first record that is torn, so it gives a prefix of what was written. What of it only
// the system's memory holds, as after a kill, is on the disk before open() returns.
//
// Who syncs each record before he appends the next (Habit::kSyncEach) leaves no whole record behind a torn one,
// whatever moment a crash comes at: so that is damage, and kDataLoss. Otherwise it cannot be told from a crash.
//
// A large record goes to the disk in steps, each of which is waited for, so that others who sync on the same disk wait
// for one step at most.
//
// Invariants: (1) after a crash the log holds a prefix of the records appended, at least those that were synced. (2) a
// file is begun only when all records of earlier files are on the disk; what was not when an error came is written into
// the next file once more. (3) a failed append() changes nothing. After any error the next call begins another file.
// Threads: one caller at a time.
// Errors: kStorageFull: no room; kStorageFailed: what else the disk says; kDataLoss: records between others are
// missing or damaged.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace distri::storage {

class WriteAheadLog {
 public:
  // A file takes no further record beyond this; a single record may.
  static constexpr std::size_t kFileBytes = 8u << 20;

  using Visit = std::function<Result<>(std::uint64_t number, BytesView record)>;
  enum class Habit : std::uint8_t { kSyncMany, kSyncEach };

  // Takes the log in this directory; there need be none. Nobody else may use it meanwhile. Records up to `after` are
  // known to the caller; the others are visited, in order.
  static Result<std::unique_ptr<WriteAheadLog>> open(const std::string& directory, std::uint64_t after,
                                                     const Visit& visit, Habit habit = Habit::kSyncMany);
  ~WriteAheadLog();
  WriteAheadLog(const WriteAheadLog&) = delete;
  WriteAheadLog& operator=(const WriteAheadLog&) = delete;

  // The record gets the number newest() + 1.
  Result<> append(BytesView record);
  // Every record is durable when this returns without error.
  Result<> sync();
  // Visits the records after `after` again, in order; also those that no sync has made durable.
  Result<> replay(std::uint64_t after, const Visit& visit) const;
  // Records up to this one are not needed any more: files that hold nothing else may be used again.
  void release(std::uint64_t number);

  std::uint64_t newest() const { return newest_; }
  // Files begun in this life, and bytes of the records in files that are not released.
  std::uint64_t files_begun() const { return files_begun_; }
  std::size_t bytes_held() const;
  std::size_t files_held() const { return files_.size(); }

 private:
  struct File {
    std::string path;
    std::uint64_t age = 0;  // files are numbered in the order in which they are begun
    std::uint64_t salt = 0;
    std::uint64_t first = 0;  // number of its first record
    std::uint64_t last = 0;   // first - 1: it has none
    std::size_t bytes = 0;    // with the header
  };

  explicit WriteAheadLog(std::string directory) : directory_(std::move(directory)) {}

  Result<> find_files();
  Result<> walk(const File& file, std::uint64_t limit, const Visit& visit) const;
  Result<> sync_newest_file() const;
  // For Habit::kSyncEach.
  Result<> check_undamaged() const;
  Result<> make_room(std::size_t frame_bytes);
  Result<> begin_file();
  Result<std::size_t> write_at(std::size_t at, BytesView bytes, std::size_t needed);
  std::unexpected<Error> failed(std::string_view doing);
  Result<> sync_file();
  Result<File> spare_file();

  std::string directory_;
  std::deque<File> files_;    // by age; the last one is being written if `descriptor_` is open
  std::vector<File> spares_;  // nothing in them is needed
  int descriptor_ = -1;
  std::size_t offset_ = 0;  // where the next record goes
  std::size_t filled_ = 0;  // bytes before this have blocks
  std::uint64_t newest_ = 0;
  std::uint64_t next_age_ = 1;
  std::uint64_t next_name_ = 0;
  std::uint64_t files_begun_ = 0;
  std::vector<Bytes> unsynced_;  // the newest records, oldest first
  Bytes buffer_;
};

}  // namespace distri::storage
