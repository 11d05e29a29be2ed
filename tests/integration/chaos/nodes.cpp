#include "nodes.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

namespace chaos {

using distri::Code;
using distri::Result;

namespace {

constexpr std::int64_t kPauseMs = 500;  // before a node that died by itself is started again
constexpr int kEndTries = 500;          // of 20 ms each

std::string describe(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

// Runs in the child between fork and exec: only calls that are safe there.
[[noreturn]] void become_node(pid_t parent, char* const* arguments, int network, int log) {
  setpgid(0, 0);  // Ctrl-C at the terminal is for the program alone
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  if (network >= 0 && setns(network, CLONE_NEWNET) != 0) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (log >= 0) {
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
  }
  close_range(3, ~0U, 0);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

Nodes::Nodes(std::vector<NodeSetup> setups, std::function<void(std::size_t, const std::string&)> died)
    : died_(std::move(died)) {
  for (auto& setup : setups) nodes_.push_back({.setup = std::move(setup)});
}

Nodes::~Nodes() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) kill(i);
}

std::vector<distri::Address> Nodes::addresses() const {
  std::vector<distri::Address> result;
  for (const Node& node : nodes_) result.push_back(node.setup.address);
  return result;
}

Result<std::vector<distri::Address>> free_loopback_addresses(std::size_t count) {
  std::vector<distri::Address> addresses;
  std::vector<int> sockets;  // all held until the last is found, so that none comes twice
  while (addresses.size() < count) {
    sockaddr_in name{};
    socklen_t name_bytes = sizeof name;
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const plain = reinterpret_cast<sockaddr*>(&name);
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets.push_back(socket);
    if (bind(socket, plain, name_bytes) != 0 || getsockname(socket, plain, &name_bytes) != 0) break;
    addresses.push_back({"127.0.0.1", ntohs(name.sin_port)});
  }
  for (const int socket : sockets) close(socket);
  if (addresses.size() < count) return distri::fail(Code::kUnavailable, "no free ports: {}", std::strerror(errno));
  return addresses;
}

Result<> Nodes::start(std::size_t index) {
  Node& node = nodes_[index];
  if (node.pid != 0) return {};
  std::vector<std::string> texts = node.setup.command;
  std::vector<char*> arguments;
  for (auto& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  const int log = open(node.setup.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become_node(parent, arguments.data(), node.setup.network, log);
  if (log >= 0) close(log);
  if (child < 0) return distri::fail(Code::kUnavailable, "cannot start {}: {}", node.setup.name, std::strerror(errno));
  node.pid = child;
  node.stopped = false;
  node.restart_ms = 0;
  return {};
}

void Nodes::kill(std::size_t index) {
  Node& node = nodes_[index];
  node.restart_ms = 0;
  if (node.pid == 0) return;
  ::kill(node.pid, SIGKILL);
  while (waitpid(node.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  node.pid = 0;
  node.stopped = false;
}

void Nodes::stop(std::size_t index) {
  if (nodes_[index].pid == 0) return;
  ::kill(nodes_[index].pid, SIGSTOP);
  nodes_[index].stopped = true;
}

void Nodes::go_on(std::size_t index) {
  if (nodes_[index].pid != 0) ::kill(nodes_[index].pid, SIGCONT);
  nodes_[index].stopped = false;
}

Result<> Nodes::tend(std::int64_t now_ms) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    int status = 0;
    if (node.pid != 0 && waitpid(node.pid, &status, WNOHANG) == node.pid) {
      node.pid = 0;
      node.stopped = false;
      node.restart_ms = now_ms + kPauseMs;
      died_(i, describe(status));
    }
    if (node.pid == 0 && node.restart_ms != 0 && now_ms >= node.restart_ms) DISTRI_TRY_VOID(start(i));
  }
  return {};
}

std::vector<std::string> Nodes::end_all() {
  std::vector<std::string> bad;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    go_on(i);
    if (nodes_[i].pid != 0) ::kill(nodes_[i].pid, SIGTERM);
  }
  const auto alive_left = [&] { return std::ranges::any_of(nodes_, [](const Node& node) { return node.pid != 0; }); };
  for (int i = 0; i < kEndTries && alive_left(); ++i) {
    for (Node& node : nodes_) {
      int status = 0;
      if (node.pid == 0 || waitpid(node.pid, &status, WNOHANG) != node.pid) continue;
      node.pid = 0;
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) bad.push_back(node.setup.name + " " + describe(status));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].pid == 0) continue;
    bad.push_back(nodes_[i].setup.name + " did not end within 10 s of SIGTERM");
    kill(i);
  }
  return bad;
}

}  // namespace chaos
