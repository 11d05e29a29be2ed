#include "desktop_viewer.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <thread>

#include "distri/services/image_header.hpp"
#include "new_file.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;

constexpr auto kWait = std::chrono::seconds(3);
constexpr auto kTick = std::chrono::milliseconds(10);
constexpr char kProgram[] = "xdg-open";

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// Without a shell, with nothing of the terminal, in a session of its own, and with no signal blocked.
Result<pid_t> spawn(const std::string& file) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (const int each : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::posix_spawn_file_actions_addopen(&actions, each, "/dev/null", O_RDWR, 0);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  std::string program = kProgram, argument = file;
  char* arguments[] = {program.data(), argument.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, kProgram, &actions, &attributes, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  return distri::fail(Code::kUnavailable, "{} cannot be started ({})", kProgram, std::strerror(error));
}

// Its status, when it ends in time.
std::optional<int> wait_for(pid_t pid) {
  const auto end = std::chrono::steady_clock::now() + kWait;
  for (;;) {
    int status = 0;
    if (const pid_t ended = ::waitpid(pid, &status, WNOHANG); ended == pid) return status;
    if (std::chrono::steady_clock::now() >= end) return std::nullopt;
    std::this_thread::sleep_for(kTick);
  }
}

}  // namespace

bool DesktopViewer::available() {
  if (!is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY")) return false;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, end)) + "/" + kProgram;
    if (end > 0 && ::access(file.c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

DesktopViewer::DesktopViewer(std::string folder) : folder_(std::move(folder)) {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

DesktopViewer::~DesktopViewer() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

Result<> DesktopViewer::show(distri::BytesView image) {
  const auto format = distri::services::image_format(image);
  if (!format) return distri::fail(Code::kInvalidArgument, "this is no image that viewers are known to show");
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return distri::fail(Code::kStorageFailed, "'{}' cannot be made ({})", folder_, std::strerror(errno));
  }
  std::string ending(distri::services::image_format_name(*format));
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  // Whole, as what the viewer runs in is another folder.
  const std::string path =
      std::filesystem::absolute(folder_ + "/picture-" + std::to_string(++shown_) + "." + ending).string();
  DISTRI_TRY(NewFile file, NewFile::create(path));
  DISTRI_TRY_VOID(file.write(image));
  DISTRI_TRY(const pid_t pid, spawn(path));
  const auto status = wait_for(pid);
  if (!status || (WIFEXITED(*status) && WEXITSTATUS(*status) == 0)) return {};
  return distri::fail(Code::kUnavailable, "{} has failed ({}); it may know no viewer for {} files", kProgram,
                      WIFEXITED(*status) ? "exit code " + std::to_string(WEXITSTATUS(*status)) : "a signal", ending);
}

}  // namespace example
