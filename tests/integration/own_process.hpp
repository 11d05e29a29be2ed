// own_process.hpp: this program once more, as a process of its own in another role, and what that says.
//
// It is killed when the object goes, and by the kernel when this program ends however it does (be_child()).
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace distri::test {

class OwnProcess {
 public:
  explicit OwnProcess(std::vector<std::string> arguments) {
    int ends[2] = {};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    arguments.insert(arguments.begin(), "/proc/self/exe");
    std::vector<char*> raw;
    for (std::string& each : arguments) raw.push_back(each.data());
    raw.push_back(nullptr);
    REQUIRE(::posix_spawn(&pid_, raw[0], &actions, nullptr, raw.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    says_ = ::fdopen(ends[0], "r");
  }
  ~OwnProcess() {
    kill();
    std::fclose(says_);
  }
  OwnProcess(const OwnProcess&) = delete;
  OwnProcess& operator=(const OwnProcess&) = delete;

  // To be called first in every other role: that it ends with who started it. Precondition: that was a thread which
  // lives as long as its program.
  static void be_child() { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

  // The next line; empty: it has ended.
  std::string line() {
    char text[64] = {};
    if (std::fgets(text, sizeof(text), says_) == nullptr) return "";
    return std::string(text, std::strcspn(text, "\n"));
  }
  void kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return status;
  }

 private:
  pid_t pid_ = 0;
  FILE* says_ = nullptr;
};

}  // namespace distri::test
