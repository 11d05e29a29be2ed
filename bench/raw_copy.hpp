// raw_copy.hpp: files copied over loopback TCP in the clear: what transfers between peers are held against.
//
// What "raw" does, and all it does: threads that read the files and send() them, threads that recv() and write() them
// to new files; no digest, no framing, no fsync. `synced` also calls fsync() and renames each file, as a transfer must
// before it may say that a file is there. Both ends are in this process. Threads: one copy at a time.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/result.hpp"

namespace bench {

// What it took to bring a job to its end.
struct Cost {
  double megabytes_per_s = 0;
  double cpu_ms_per_megabyte = 0;  // of this process
};

// From its construction on.
class Meter {
 public:
  Meter();
  Cost read(double megabytes) const;

 private:
  double began_s_;
  double began_cpu_s_;
};

double median(std::vector<double> values);
std::string hex_name(std::size_t number);

// Files named hex_name(0), hex_name(1), ... of one size.
struct CopyJob {
  std::filesystem::path from, to;  // folders
  std::size_t files = 0;
  std::size_t bytes = 0;  // of each

  double megabytes() const { return static_cast<double>(files * bytes) / 1e6; }
  // Ready for the next round: nothing arrived, and nothing waits for the disk.
  void clear() const;
  // All are there, and whole.
  distri::Result<> check() const;
};

distri::Result<Cost> raw_copy(const CopyJob& job, std::size_t connections, bool synced);

// Memory of this process: a line of /proc/self/status ("VmRSS:", "VmHWM:"), in megabytes.
double status_megabytes(std::string_view name);
// From here on the peak (VmHWM) is counted anew.
void forget_peak();

}  // namespace bench
