#include "supervisor.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "cluster.hpp"

namespace example {
namespace {

using distri::Address;
using distri::Code;
using distri::Result;

constexpr std::int64_t kPauseFirst_ms = 200;
constexpr std::int64_t kPauseMax_ms = 5'000;
constexpr std::int64_t kHealthy_ms = 10'000;  // whoever lived that long starts with a short pause again
constexpr int kFailedStartsMax = 3;           // ends by itself with an error, in a row
constexpr auto kPoll = std::chrono::milliseconds(20);

std::string describe_death(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

// Runs in the child between fork and exec: only calls that are safe there.
[[noreturn]] void become_server(pid_t parent, char* const* arguments, char* const* environment, int output,
                                int errors) {
  // A group of its own: Ctrl-C at the terminal reaches the supervisor alone, which then stops the servers in good
  // order.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExitFailed);  // the parent died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (output >= 0) dup2(output, STDOUT_FILENO);
  if (errors >= 0) dup2(errors, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execve("/proc/self/exe", arguments, environment);
  _exit(kExitUsage);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(std::string_view name, const std::string& value) {
  std::vector<std::string> result{fmt::format("{}={}", name, value)};
  for (char** at = environ; *at != nullptr; ++at) {
    if (!std::string_view(*at).starts_with(fmt::format("{}=", name))) result.emplace_back(*at);
  }
  return result;
}

}  // namespace

std::string join_addresses(const std::vector<Address>& addresses) {
  std::string text;
  for (const Address& address : addresses) text += (text.empty() ? "" : ",") + distri::to_string(address);
  return text;
}

SupervisorOptions supervise_like(const Options& options, std::vector<Address> addresses) {
  SupervisorOptions result;
  result.addresses = std::move(addresses);
  result.arguments = {"--log-level", options.log_level_text, "--workers", std::to_string(options.workers)};
  if (options.insecure) result.arguments.emplace_back("--insecure");
  result.service_key = options.service_key;
  result.say = [](const std::string& text) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
  };
  return result;
}

Supervisor::Supervisor(SupervisorOptions options) : options_(std::move(options)), nodes_(options_.addresses.size()) {}

Supervisor::~Supervisor() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) kill_node(i);
}

Result<> Supervisor::start() {
  for (const Address& address : options_.addresses) DISTRI_TRY_VOID(check_port_free(address));
  for (std::size_t i = 0; i < nodes_.size(); ++i) DISTRI_TRY_VOID(spawn(i));
  return {};
}

Result<> Supervisor::spawn(std::size_t index) {
  std::vector<Address> addresses{options_.addresses[index]};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i != index) addresses.push_back(options_.addresses[i]);
  }
  std::vector<std::string> arguments{"distri-example", "--mode", "server", "--ips", join_addresses(addresses)};
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  std::vector<std::string> environment = environment_with("DISTRI_SERVICE_KEY", distri::to_hex(options_.service_key));
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  const int output = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int errors =
      options_.log_file.empty() ? -1 : open(options_.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become_server(parent, argument_pointers.data(), environment_pointers.data(), output, errors);
  const int error = errno;
  if (output >= 0) close(output);
  if (errors >= 0) close(errors);
  if (child < 0) return distri::fail(Code::kUnavailable, "cannot start a server process: {}", std::strerror(error));
  nodes_[index].pid = child;
  nodes_[index].started = now();
  return {};
}

Result<> Supervisor::note_death(std::size_t index, int status) {
  Node& node = nodes_[index];
  node.pid = 0;
  if (node.held) return {};
  const std::string name = distri::to_string(options_.addresses[index]);
  node.failed_starts = WIFEXITED(status) && WEXITSTATUS(status) == kExitUsage ? node.failed_starts + 1 : 0;
  if (node.failed_starts >= kFailedStartsMax) {
    return distri::fail(Code::kUnavailable,
                        "server {} cannot start ({} times in a row); its own message is above or in its log", name,
                        kFailedStartsMax);
  }
  const bool was_healthy = us_since(node.started) >= kHealthy_ms * 1000;
  node.pause_ms = was_healthy || node.pause_ms == 0 ? kPauseFirst_ms : std::min(kPauseMax_ms, node.pause_ms * 2);
  node.restart_at = now() + std::chrono::milliseconds(node.pause_ms);
  options_.say(fmt::format("server {} {}; starting it again in {} ms", name, describe_death(status), node.pause_ms));
  return {};
}

Result<> Supervisor::tend() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    int status = 0;
    if (node.pid != 0 && waitpid(node.pid, &status, WNOHANG) == node.pid) DISTRI_TRY_VOID(note_death(i, status));
    if (node.pid == 0 && !node.held && now() >= node.restart_at) {
      DISTRI_TRY_VOID(spawn(i));
      ++restarts_;
      options_.say(fmt::format("server {} started again, pid {}", distri::to_string(options_.addresses[i]), node.pid));
    }
  }
  return {};
}

Result<> Supervisor::wait_ready(std::int64_t timeout_ms) {
  const Moment start = now();
  std::string missing;
  while (us_since(start) < timeout_ms * 1000) {
    DISTRI_TRY_VOID(tend());
    missing = first_node_not_ready(options_.addresses);
    if (missing.empty()) return {};
    std::this_thread::sleep_for(kPoll);
  }
  return distri::fail(Code::kDeadlineExceeded, "the servers were not ready after {} ms: {}", timeout_ms, missing);
}

void Supervisor::kill_node(std::size_t index) {
  Node& node = nodes_[index];
  node.held = true;
  if (node.pid == 0) return;
  kill(node.pid, SIGKILL);
  while (waitpid(node.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  node.pid = 0;
}

Result<> Supervisor::revive(std::size_t index) {
  nodes_[index].held = false;
  nodes_[index].pause_ms = 0;
  if (nodes_[index].pid != 0) return {};
  ++restarts_;
  return spawn(index);
}

bool Supervisor::stop(std::int64_t timeout_ms) {
  bool clean = true;
  for (Node& node : nodes_) {
    node.held = true;
    if (node.pid != 0) kill(node.pid, SIGTERM);
  }
  const Moment start = now();
  const auto alive = [this] {
    return std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.pid != 0; });
  };
  while (alive() && us_since(start) < timeout_ms * 1000) {
    for (Node& node : nodes_) {
      int status = 0;
      if (node.pid == 0 || waitpid(node.pid, &status, WNOHANG) != node.pid) continue;
      node.pid = 0;
      clean = clean && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    std::this_thread::sleep_for(kPoll);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    clean = clean && nodes_[i].pid == 0;
    kill_node(i);
  }
  return clean;
}

}  // namespace example
