// supervisor.hpp: node processes that belong to this process.
//
// A child is this same program in server mode. One that dies is started again after a pause that doubles with every
// death and shrinks again once it has lived a while. Children never outlive the supervisor: the destructor ends them,
// and the kernel kills them when the supervising thread ends in any other way (PR_SET_PDEATHSIG), even by SIGKILL.
// Processes are only ever addressed by their own id.
//
// Invariant: a process id is forgotten at the moment the process is reaped, so that no signal can hit a stranger.
// Threads: one, which must live as long as the children should: the program's first thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "distri/utils/address.hpp"
#include "distri/utils/result.hpp"
#include "latency.hpp"
#include "options.hpp"

namespace example {

struct SupervisorOptions {
  std::vector<distri::Address> addresses;  // one node each; all are peers of each other
  std::vector<std::string> arguments;      // more options of the servers
  distri::Bytes service_key;               // handed on in the environment, where `ps` does not show it
  std::string log_file;                    // where the servers' standard error goes; empty: to ours
  std::function<void(const std::string&)> say = [](const std::string&) {
  };  // "node 127.0.0.1:3001 ended by signal 9; ..."
};

// The options of servers that were given to this program.
SupervisorOptions supervise_like(const Options& options, std::vector<distri::Address> addresses);

class Supervisor {
 public:
  explicit Supervisor(SupervisorOptions options);
  // Kills what still lives.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts all. kUnavailable: a port is taken, or the system gives no process.
  distri::Result<> start();
  // Collects children that have died and restarts those whose pause is over. Call often. kUnavailable: a server cannot
  // start at all (it ended by itself, with an error, again and again).
  distri::Result<> tend();
  // tend() until every node answers `Stats` and is connected to all the others. kDeadlineExceeded names the node that
  // does not.
  distri::Result<> wait_ready(std::int64_t timeout_ms);
  // SIGKILL, and reaped. It stays dead until revive().
  void kill_node(std::size_t index);
  distri::Result<> revive(std::size_t index);
  // SIGTERM to all, and SIGKILL to those that live longer than `timeout_ms`. False when one had to be killed or did not
  // exit 0.
  bool stop(std::int64_t timeout_ms);

  const std::vector<distri::Address>& addresses() const { return options_.addresses; }
  pid_t pid(std::size_t index) const { return nodes_[index].pid; }  // 0: not running
  std::uint64_t restarts() const { return restarts_; }

 private:
  struct Node {
    pid_t pid = 0;
    bool held = false;  // dead on purpose
    std::int64_t pause_ms = 0;
    int failed_starts = 0;
    Moment started{};
    Moment restart_at{};
  };

  distri::Result<> spawn(std::size_t index);
  distri::Result<> note_death(std::size_t index, int status);

  SupervisorOptions options_;
  std::vector<Node> nodes_;
  std::uint64_t restarts_ = 0;
};

// "127.0.0.1:3001,127.0.0.1:3002"
std::string join_addresses(const std::vector<distri::Address>& addresses);

}  // namespace example
