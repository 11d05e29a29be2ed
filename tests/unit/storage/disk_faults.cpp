#include "disk_faults.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace distri::test {
namespace {

std::atomic<DiskFault> fault{DiskFault::kNone};
std::atomic<std::int64_t> room_bytes_left{0};
std::atomic<std::uint64_t> sync_calls{0};

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::mutex of_path;
std::string below_path;

void limit_to(std::string path) {
  const std::lock_guard lock(of_path);
  below_path = std::move(path);
}

bool is_meant(int file) {
  struct stat status{};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  const std::lock_guard lock(of_path);
  if (below_path.empty()) return true;
  char path[4'096];
  const ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path, sizeof path);
  return size > 0 && std::string_view(path, static_cast<std::size_t>(size)).starts_with(below_path);
}

// 0: let it through.
int sync_error(int file) {
  const DiskFault now = fault;
  if ((now != DiskFault::kSyncNoRoom && now != DiskFault::kSyncBroken) || !is_meant(file)) return 0;
  return now == DiskFault::kSyncNoRoom ? ENOSPC : EIO;
}

// How much of so many bytes may be written to the file; nothing: there is no room.
std::size_t room_for(int file, std::size_t size) {
  if (fault != DiskFault::kNoRoom || !is_meant(file)) return size;
  const auto room = room_bytes_left.fetch_sub(static_cast<std::int64_t>(size));
  return room <= 0 ? 0 : std::min(size, static_cast<std::size_t>(room));
}

}  // namespace

FaultyDisk::FaultyDisk(DiskFault kind, std::int64_t room_bytes) {
  room_bytes_left = room_bytes;
  fault = kind;
}
FaultyDisk::FaultyDisk(DiskFault kind, const std::string& below) {
  limit_to(below + "/");
  fault = kind;
}
FaultyDisk::~FaultyDisk() {
  clear();
}
void FaultyDisk::clear() {
  fault = DiskFault::kNone;
  limit_to("");
}

std::uint64_t data_syncs() {
  return sync_calls;
}

}  // namespace distri::test

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  using namespace distri::test;
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  const std::size_t room = room_for(file, size);
  if (room == 0 && size > 0) {
    errno = ENOSPC;
    return -1;
  }
  return real(file, bytes, room);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
  using namespace distri::test;
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  const std::size_t room = room_for(file, size);
  if (room == 0 && size > 0) {
    errno = ENOSPC;
    return -1;
  }
  return real(file, bytes, room, at);
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
