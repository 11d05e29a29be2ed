// disk_faults.hpp: a disk that has no room or fails, without a disk: this program's own write(), pwrite(), fdatasync()
// and fsync() stand before those of the C library, also for the libraries it is linked with.
//
// Only regular files are affected, all of them or those below one directory. Threads: any; one object at a time.
#pragma once

#include <cstdint>
#include <string>

namespace distri::test {

enum class DiskFault {
  kNone,
  kNoRoom,      // writes fail with ENOSPC once `room_bytes` more were written; the last one is cut short
  kSyncNoRoom,  // fdatasync and fsync fail with ENOSPC
  kSyncBroken,  // ... with EIO
};

// For as long as it lives, or until clear().
class FaultyDisk {
 public:
  explicit FaultyDisk(DiskFault fault, std::int64_t room_bytes = 0);
  // `below`: an absolute path without links.
  FaultyDisk(DiskFault fault, const std::string& below);
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;
  void clear();
};

// How often fdatasync() was called in this process.
std::uint64_t data_syncs();

}  // namespace distri::test
