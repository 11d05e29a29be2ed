// fsync_direct.cpp: the yardstick of durable writes: a file that grows by one document and is synced, without a node.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "prepare.hpp"

namespace bench {
namespace {

using distri::Code;
using distri::Result;

// A file without a name is enough: syncing it costs the same, and nothing is left behind.
class NamelessFile {
 public:
  explicit NamelessFile(const std::string& directory)
      : descriptor_(open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)) {}
  ~NamelessFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  bool append_and_sync(distri::BytesView bytes) {
    return write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
           fsync(descriptor_) == 0;
  }

 private:
  int descriptor_;
};

}  // namespace

Result<Figures> run_fsync(const Options& options) {
  using Clock = std::chrono::steady_clock;
  NamelessFile file(options.directory);
  const auto failed = [&](std::string_view what) {
    return distri::fail(Code::kStorageFailed, "--directory: {} in '{}': {}", what, options.directory,
                        std::strerror(errno));
  };
  if (!file.is_open()) return failed("cannot make a file");
  const distri::Bytes document(options.doc_bytes, 'd');
  Figures figures;
  Clock::time_point start = Clock::now();
  double cpu_start = cpu_seconds();
  for (std::uint64_t i = 0; i < options.warmup + options.requests; ++i) {
    if (i == options.warmup) {
      start = Clock::now();
      cpu_start = cpu_seconds();
    }
    const Clock::time_point begun = Clock::now();
    if (!file.append_and_sync(document)) return failed("cannot append and sync");
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun).count();
    if (i >= options.warmup) figures.samples_us.push_back(static_cast<std::uint32_t>(us));
  }
  figures.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  figures.client_cpu_share = (cpu_seconds() - cpu_start) / figures.seconds;
  return figures;
}

}  // namespace bench
