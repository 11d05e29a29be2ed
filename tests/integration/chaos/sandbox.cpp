#include "sandbox.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace chaos {

using distri::Address;
using distri::Code;
using distri::Result;

namespace {

constexpr std::string_view kBallast = "/ballast";
constexpr std::uint16_t kPort = 3000;

auto system_error(std::string_view what) {
  return distri::fail(Code::kUnavailable, "{}: {}", what, std::strerror(errno));
}

std::string host(std::size_t index) {
  return fmt::format("10.77.0.{}", index == Network::kClients ? 254 : index + 1);
}

Result<> write_file(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return system_error(path);
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(file);
  if (!written) return system_error(path);
  return {};
}

// A new network namespace has its loopback down.
Result<> raise_loopback() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return system_error("a socket");
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  const int done = ioctl(socket, SIOCSIFFLAGS, &request);
  close(socket);
  if (done != 0) return system_error("the loopback interface");
  return {};
}

}  // namespace

Result<> run_tool(const std::vector<std::string>& command, int network) {
  std::vector<std::string> texts = command;
  std::vector<char*> arguments;
  for (auto& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return system_error("pipe");
  const pid_t child = fork();
  if (child == 0) {
    if (network >= 0 && setns(network, CLONE_NEWNET) != 0) _exit(126);
    dup2(pipe_ends[1], STDOUT_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  close(pipe_ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t got = 0; child > 0 && (got = read(pipe_ends[0], buffer, sizeof buffer)) != 0;) {
    if (got > 0) said.append(buffer, static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  close(pipe_ends[0]);
  if (child < 0) return system_error("fork");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return distri::fail(Code::kUnavailable, "the program '{}' is not installed", command[0]);
  }
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return distri::fail(Code::kUnavailable, "'{}' failed: {}", fmt::join(command, " "), said);
}

Result<> enter_sandbox(bool network) {
  const int wanted = CLONE_NEWNS | (network ? CLONE_NEWNET : 0);
  if (unshare(wanted) != 0) {
    const auto user = getuid();
    const auto group = getgid();
    if (unshare(wanted | CLONE_NEWUSER) != 0) return system_error("namespaces are not allowed here");
    DISTRI_TRY_VOID(write_file("/proc/self/setgroups", "deny"));
    DISTRI_TRY_VOID(write_file("/proc/self/uid_map", fmt::format("0 {} 1", user)));
    DISTRI_TRY_VOID(write_file("/proc/self/gid_map", fmt::format("0 {} 1", group)));
  }
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return system_error("private mounts");
  return network ? raise_loopback() : Result<>{};
}

Result<Network> Network::create(std::size_t nodes) {
  Network network;
  DISTRI_TRY_VOID(run_tool({"ip", "link", "add", "chaos", "type", "bridge"}));
  DISTRI_TRY_VOID(run_tool({"ip", "address", "add", host(kClients) + "/24", "dev", "chaos"}));
  DISTRI_TRY_VOID(run_tool({"ip", "link", "set", "chaos", "up"}));
  const int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (ours < 0) return system_error("/proc/self/ns/net");
  for (std::size_t i = 0; i < nodes; ++i) {
    const bool made = unshare(CLONE_NEWNET) == 0;
    const int descriptor = made ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
    if (setns(ours, CLONE_NEWNET) != 0 || descriptor < 0) return system_error("a network namespace for a node");
    network.descriptors_.push_back(descriptor);
  }
  close(ours);
  for (std::size_t i = 0; i < nodes; ++i) {
    const int inside = network.descriptors_[i];
    const std::string cable = fmt::format("cable{}", i);
    DISTRI_TRY_VOID(run_tool({"ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns",
                              fmt::format("/proc/{}/fd/{}", getpid(), inside)}));
    DISTRI_TRY_VOID(run_tool({"ip", "link", "set", cable, "master", "chaos", "up"}));
    DISTRI_TRY_VOID(run_tool({"ip", "link", "set", "lo", "up"}, inside));
    DISTRI_TRY_VOID(run_tool({"ip", "address", "add", host(i) + "/24", "dev", "eth0"}, inside));
    DISTRI_TRY_VOID(run_tool({"ip", "link", "set", "eth0", "up"}, inside));
    // Rules that cut come before the one that delivers to this host, which is the first of all by default.
    DISTRI_TRY_VOID(run_tool({"ip", "rule", "add", "pref", "1000", "lookup", "local"}, inside));
    DISTRI_TRY_VOID(run_tool({"ip", "rule", "del", "pref", "0"}, inside));
  }
  return network;
}

Network::~Network() {
  for (const int descriptor : descriptors_) close(descriptor);
}

Address Network::address(std::size_t node) const {
  return {host(node), kPort};
}

Result<> Network::cut(std::size_t from, std::size_t to) {
  if (++cuts_[{from, to}] > 1) return {};
  return run_tool({"ip", "rule", "add", "pref", "50", "from", host(from), "blackhole"}, descriptors_[to]);
}

Result<> Network::mend(std::size_t from, std::size_t to) {
  if (--cuts_[{from, to}] > 0) return {};
  return run_tool({"ip", "rule", "del", "pref", "50", "from", host(from)}, descriptors_[to]);
}

Result<> Network::plug(std::size_t node, bool in) {
  return run_tool({"ip", "link", "set", fmt::format("cable{}", node), in ? "up" : "down"});
}

Result<SmallDisk> SmallDisk::mount(const std::string& directory, std::size_t megabytes) {
  if (::mount("chaos", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, fmt::format("size={}m", megabytes).c_str()) !=
      0) {
    return system_error("mounting a file system in memory");
  }
  return SmallDisk(directory);
}

SmallDisk::~SmallDisk() {
  if (!directory_.empty()) umount2(directory_.c_str(), MNT_DETACH);
}

void SmallDisk::leave(std::int64_t bytes) {
  const int file = open((directory_ + std::string(kBallast)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  struct stat ballast{};
  struct statvfs room{};
  if (fstat(file, &ballast) == 0 && fstatvfs(file, &room) == 0) {
    const auto free_bytes = static_cast<std::int64_t>(room.f_bavail * room.f_frsize);
    if (free_bytes > bytes + kRoomBytes / 4) {
      // Another may be faster and take some of it: then this fails as a whole, and the next call is right.
      posix_fallocate(file, ballast.st_size, free_bytes - bytes);
    } else if (free_bytes < bytes - kRoomBytes / 4) {
      (void)!ftruncate(file, std::max<std::int64_t>(0, ballast.st_size - (bytes - free_bytes)));
    }
  }
  close(file);
}

void SmallDisk::tend() {
  if (!full_) leave(kRoomBytes);
}

Result<> SmallDisk::fill() {
  full_ = true;
  leave(0);
  const std::string path = directory_ + std::string(kBallast);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return errno == ENOSPC ? Result<>{} : system_error(path);
  static const char block[4096] = {};
  while (write(file, block, sizeof block) > 0) {
  }
  const int reason = errno;
  close(file);
  if (reason == ENOSPC) return {};
  errno = reason;
  return system_error(path);
}

void SmallDisk::empty() {
  full_ = false;
  leave(kRoomBytes);
}

}  // namespace chaos
