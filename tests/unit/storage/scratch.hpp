// scratch.hpp: directories that go away with the test, this program run again as a process of its own, and shorthand
// for journals.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "distri/storage/journal.hpp"

namespace distri::test {

// A new, empty directory.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }

 private:
  std::string path_;
};

// Starts this program with one (skipped) test case only and DISTRI_TEST_DIRECTORY set to `directory`.
pid_t start_own_test(const std::string& test_case, const std::string& directory);
// What start_own_test() handed over; empty in an ordinary run.
std::string handed_directory();
// Waits for the process; its exit code, or minus the signal that ended it.
int wait_for(pid_t process);

using Records = std::map<Bytes, Bytes>;
// All records; fails the test on an error.
Records records_of(storage::Journal& journal);
// Key "k" and the number, eight digits.
Bytes numbered_key(unsigned n);
// Batch n of a run: two new records that name it, and "last" = n. So the state after n batches is known.
std::vector<storage::Change> numbered_batch(unsigned n, std::size_t value_bytes);
// n, when the records are exactly those after batches 1 to n; fails the test otherwise.
unsigned prefix_length(const Records& records, std::size_t value_bytes);

}  // namespace distri::test
