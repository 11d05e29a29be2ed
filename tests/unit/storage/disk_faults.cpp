#include "disk_faults.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace distri::test {
namespace {

std::atomic<DiskFault> fault{DiskFault::kNone};
std::atomic<std::int64_t> room_bytes_left{0};
std::atomic<std::uint64_t> sync_calls{0};

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool is_regular(int file) {
  struct stat status{};
  return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

// 0: let it through.
int sync_error(int file) {
  const DiskFault now = fault;
  if ((now != DiskFault::kSyncNoRoom && now != DiskFault::kSyncBroken) || !is_regular(file)) return 0;
  return now == DiskFault::kSyncNoRoom ? ENOSPC : EIO;
}

}  // namespace

FaultyDisk::FaultyDisk(DiskFault kind, std::int64_t room_bytes) {
  room_bytes_left = room_bytes;
  fault = kind;
}
FaultyDisk::~FaultyDisk() {
  clear();
}
void FaultyDisk::clear() {
  fault = DiskFault::kNone;
}

std::uint64_t data_syncs() {
  return sync_calls;
}

}  // namespace distri::test

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  using namespace distri::test;
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  if (fault == DiskFault::kNoRoom && is_regular(file)) {
    const auto room = room_bytes_left.fetch_sub(static_cast<std::int64_t>(size));
    if (room <= 0) {
      errno = ENOSPC;
      return -1;
    }
    if (static_cast<std::size_t>(room) < size) size = static_cast<std::size_t>(room);
  }
  return real(file, bytes, size);
}

int fdatasync(int file) {
  using namespace distri::test;
  static auto* const real = next<int(int)>("fdatasync");
  ++sync_calls;
  if (const int error = sync_error(file)) {
    errno = error;
    return -1;
  }
  return real(file);
}

int fsync(int file) {
  using namespace distri::test;
  static auto* const real = next<int(int)>("fsync");
  if (const int error = sync_error(file)) {
    errno = error;
    return -1;
  }
  return real(file);
}
}
