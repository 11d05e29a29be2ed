#include "node_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "distri/utils/check.hpp"
#include "distri/utils/random.hpp"

namespace bench {
namespace {

using distri::Address;
using distri::Code;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr auto kPoll = std::chrono::milliseconds(5);
constexpr std::int64_t kStats_ms = 2'000;
constexpr std::int64_t kBulkCall_ms = 60'000;
constexpr int kStopMax_ms = 30'000;
constexpr std::uint64_t kFirstPort = 10'000;
constexpr std::uint64_t kPorts = 20'000;

std::string node_program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "distri-example").string();
}

bool is_free(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool free = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return free;
}

// Runs in the child between fork and exec: only calls that are safe there.
[[noreturn]] void become_node(pid_t parent, const char* program, char* const* arguments, int log) {
  setpgid(0, 0);  // Ctrl-C reaches the benchmark alone, which then ends its nodes
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execv(program, arguments);
  _exit(2);
}

}  // namespace

NodeProcess::NodeProcess(Address address, const std::vector<Address>& cluster, std::vector<std::string> arguments,
                         std::string log)
    : address_(std::move(address)), log_(std::move(log)) {
  std::string ips = distri::to_string(address_);
  for (const Address& other : cluster) {
    if (other != address_) ips += "," + distri::to_string(other);
  }
  arguments_ = {"distri-example", "--mode", "server", "--ips", ips};
  arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
}

NodeProcess::~NodeProcess() {
  kill();
}

Result<> NodeProcess::start() {
  const std::string program = node_program();
  if (access(program.c_str(), X_OK) != 0)
    return distri::fail(Code::kUnavailable, "'{}' is not there; build it first", program);
  std::vector<char*> pointers;
  for (std::string& argument : arguments_) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int log = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become_node(parent, program.c_str(), pointers.data(), log);
  close(log);
  if (child < 0) return distri::fail(Code::kUnavailable, "cannot start a node: {}", std::strerror(errno));
  pid_ = child;
  return {};
}

Result<> NodeProcess::stop() {
  ::kill(pid_, SIGTERM);
  for (int waited_ms = 0; waited_ms < kStopMax_ms; ++waited_ms) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
      return distri::fail(Code::kInternal, "the node at {} did not end well; see {}", distri::to_string(address_),
                          log_);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kill();
  return distri::fail(Code::kInternal, "the node at {} did not stop within {} ms; see {}", distri::to_string(address_),
                      kStopMax_ms, log_);
}

void NodeProcess::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::uint64_t NodeProcess::rss_bytes() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/statm");
  std::uint64_t size = 0, resident = 0;
  in >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::vector<Address> free_addresses(std::size_t count) {
  distri::Random random = distri::Random::from_system();
  std::vector<Address> result;
  while (result.size() < count) {
    const Address candidate{"127.0.0.1", static_cast<std::uint16_t>(kFirstPort + random.below(kPorts))};
    if (std::find(result.begin(), result.end(), candidate) == result.end() && is_free(candidate.port))
      result.push_back(candidate);
  }
  return result;
}

TemporaryFolder::TemporaryFolder(const std::string& parent) : path_(parent + "/bench.XXXXXX") {
  DISTRI_CHECK(mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint64_t disk_bytes(const std::string& folder) {
  std::uint64_t blocks = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    struct stat info{};
    if (stat(entry.path().c_str(), &info) == 0) blocks += static_cast<std::uint64_t>(info.st_blocks);
  }
  return blocks * 512;
}

std::int64_t monotonic_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

double seconds_since(std::int64_t start_ns) {
  return static_cast<double>(monotonic_ns() - start_ns) / 1e9;
}

Result<json> stats_of(Client& client, const Address& node) {
  distri::client::CallOptions there;
  there.only_node = node;
  there.timeout_ms = kStats_ms;
  there.idempotent = true;
  DISTRI_TRY(const distri::Bytes text, client.send_data("", "Stats", there));
  return json::parse(text);
}

Result<> wait_serving(Client& client, const Address& node, std::uint64_t others, std::int64_t timeout_ms) {
  const std::int64_t start_ns = monotonic_ns();
  std::string last;
  while (seconds_since(start_ns) * 1000 < static_cast<double>(timeout_ms)) {
    const auto stats = stats_of(client, node);
    if (stats && (*stats)["state"] == "serving" && (*stats)["connections"]["nodes"] >= others) return {};
    last = stats ? (*stats)["state"].get<std::string>() : stats.error().message;
    std::this_thread::sleep_for(kPoll);
  }
  return distri::fail(Code::kDeadlineExceeded, "{} does not serve within {} ms: {}", distri::to_string(node),
                      timeout_ms, last);
}

Result<> wait_equal(Client& client, const std::vector<Address>& nodes, std::int64_t timeout_ms) {
  const std::int64_t start_ns = monotonic_ns();
  std::string last;
  while (seconds_since(start_ns) * 1000 < static_cast<double>(timeout_ms)) {
    bool equal = true;
    last.clear();
    json first;
    for (const Address& node : nodes) {
      DISTRI_TRY(const json stats, stats_of(client, node));
      const json seen{stats["digest"], stats["vector"]};
      if (first.is_null()) first = seen;
      equal = equal && seen == first;
      last += distri::to_string(node) + " " + seen.dump() + "; ";
    }
    if (equal) return {};
    std::this_thread::sleep_for(kPoll);
  }
  return distri::fail(Code::kDeadlineExceeded, "the nodes do not agree within {} ms: {}", timeout_ms, last);
}

Result<> run_bulk(Client& client, const Bulk& bulk) {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t in_flight = 0;
  Result<> result;
  distri::client::CallOptions there;
  there.only_node = bulk.node;
  there.timeout_ms = kBulkCall_ms;
  std::unique_lock lock(mutex);
  for (std::uint64_t i = bulk.first; i < bulk.first + bulk.count && result; ++i) {
    changed.wait(lock, [&] { return in_flight < bulk.in_flight; });
    ++in_flight;
    lock.unlock();
    client.async_call(bulk.body == nullptr ? distri::Bytes() : bulk.body(i, bulk.doc_bytes), bulk.service,
                      bulk.params == nullptr ? json::object() : bulk.params(i), there,
                      [&](Result<distri::client::Reply> reply) {
                        const std::scoped_lock guard(mutex);
                        if (!reply && result) result = distri::fail(reply.error());
                        --in_flight;
                        changed.notify_all();
                      });
    lock.lock();
  }
  changed.wait(lock, [&] { return in_flight == 0; });
  return result;
}

}  // namespace bench
