#include "scratch.hpp"

#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "distri/utils/random.hpp"

namespace distri::test {

Scratch::Scratch() {
  // In memory where that is possible: no test here cuts the power, and real disks take milliseconds to sync.
  const std::filesystem::path memory = "/dev/shm";
  const bool usable = ::access(memory.c_str(), W_OK) == 0;
  std::string name = ((usable ? memory : std::filesystem::temp_directory_path()) / "distri-storage-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

pid_t start_own_test(const std::string& test_case, const std::string& directory) {
  const std::string filter = "--test-case=" + test_case;
  std::vector<std::string> arguments = {"/proc/self/exe", filter, "--no-skip=true"};
  std::vector<char*> argv;
  for (auto& each : arguments) argv.push_back(each.data());
  argv.push_back(nullptr);
  std::string variable = "DISTRI_TEST_DIRECTORY=" + directory;
  std::vector<char*> environment;
  for (char** each = environ; *each != nullptr; ++each) environment.push_back(*each);
  environment.push_back(variable.data());
  environment.push_back(nullptr);
  pid_t process = -1;
  REQUIRE(::posix_spawn(&process, "/proc/self/exe", nullptr, nullptr, argv.data(), environment.data()) == 0);
  return process;
}

std::string handed_directory() {
  const char* directory = std::getenv("DISTRI_TEST_DIRECTORY");
  return directory == nullptr ? "" : directory;
}

int wait_for(pid_t process) {
  int status = 0;
  REQUIRE(::waitpid(process, &status, 0) == process);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

Records records_of(storage::Journal& journal) {
  Records records;
  Bytes previous;
  const auto result = journal.load([&](BytesView key, BytesView value) -> Result<> {
    CHECK_MESSAGE((records.empty() || previous < key), "keys are not in order");
    previous = key;
    records.emplace(key, value);
    return {};
  });
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
  return records;
}

Bytes numbered_key(unsigned n) {
  return fmt::format("k{:08}", n);
}

std::vector<storage::Change> numbered_batch(unsigned n, std::size_t value_bytes) {
  Bytes value = fmt::format("{}:", n);
  Random random(n);  // bytes that do not compress
  const std::size_t head = value.size();
  value.resize(head + value_bytes);
  for (std::size_t i = 0; i < value_bytes; i += 8) {
    const std::uint64_t eight = random.next();
    std::memcpy(value.data() + head + i, &eight, std::min<std::size_t>(8, value_bytes - i));
  }
  std::vector<storage::Change> batch;
  batch.emplace_back(numbered_key(2 * n), value);
  batch.emplace_back(numbered_key(2 * n + 1), value);
  batch.emplace_back("last", std::to_string(n));
  return batch;
}

unsigned prefix_length(const Records& records, std::size_t value_bytes) {
  if (records.empty()) return 0;
  REQUIRE(records.contains("last"));
  const auto n = static_cast<unsigned>(std::stoul(records.at("last")));
  Records expected;
  for (unsigned i = 1; i <= n; ++i) {
    for (const auto& [key, value] : numbered_batch(i, value_bytes)) expected[key] = *value;
  }
  REQUIRE(records.size() == expected.size());
  REQUIRE(records == expected);
  return n;
}

}  // namespace distri::test
