// data_directory.hpp: the directory that belongs to one node: its lock, its identity, where its journal is.
//
//   lock                     held (flock) as long as the process lives
//   node_id                  the node's id, 64 hexadecimal digits; made once
//   incarnation              the number of its newest life
//   db/                      the journal
//   quarantine-<UTC time>/   a journal that could not be trusted, moved aside; never touched again
//
// A directory without `node_id`, for example one restored from a backup, becomes a new node that has the documents: two
// nodes must never share an id, so whoever copies a directory of a node that goes on leaves `node_id` out.
// Threads: one at a time. Errors: kInvalidArgument: there is a file of this name; kPermissionDenied: not ours to write;
// kStorageFailed: another process holds it, or the disk says no; kDataLoss: node_id is damaged; kStorageFull.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "distri/utils/ids.hpp"
#include "distri/utils/random.hpp"
#include "distri/utils/result.hpp"

namespace distri::storage {

class DataDirectory {
 public:
  // Makes the directory (mode 0700, parents too) and the node id where they are missing.
  static Result<DataDirectory> open(const std::string& path, Random& random);
  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) noexcept;
  ~DataDirectory();

  const std::string& path() const { return path_; }
  const NodeId& node_id() const { return node_id_; }
  // The number of a new life: the time in 1/4096 ms, the fraction at random, so that two copies of a directory do not
  // take the same; but always greater than the one before, wherever the clock has gone since. (In milliseconds of 2026
  // below 2^53: every JSON reader keeps it.) Durable when this returns. A damaged file is kDataLoss.
  Result<std::uint64_t> next_incarnation(std::int64_t wall_ms, Random& random);
  std::string journal_path() const { return path_ + "/db"; }
  // Moves the journal aside, to a name made of the time (wall clock, ms) that is not taken. Returns the new path.
  // Precondition: the journal is closed.
  Result<std::string> quarantine(std::int64_t wall_ms);

 private:
  DataDirectory(std::string path, int lock, const NodeId& node_id);

  std::string path_;
  int lock_ = -1;
  NodeId node_id_;
};

// A small file of a data directory. Writing: complete or not there at all, also after a crash, readable by its owner
// alone; on the disk when this returns. Reading: nullopt: there is none; kTooLarge beyond bytes_max.
Result<> write_small_file(const std::string& directory, std::string_view name, BytesView bytes);
Result<std::optional<Bytes>> read_small_file(const std::string& directory, std::string_view name,
                                             std::size_t bytes_max);

// The time as in names of files: "20260131T235959Z".
std::string utc_file_time(std::int64_t wall_ms);

}  // namespace distri::storage
