// nodes.hpp: the node processes: started, killed, stopped, continued and watched.
//
// A node that ends by itself is a finding, unless its disk is full just then; it is started again in both cases.
// Children never outlive the program: the kernel kills them when the thread that started them ends (PR_SET_PDEATHSIG).
// Processes are only ever addressed by their own id.
//
// Invariant: a process id is forgotten at the moment the process is reaped. Threads: the program's first thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "distri/utils/address.hpp"
#include "distri/utils/result.hpp"

namespace chaos {

struct NodeSetup {
  std::string name;  // "n0"
  distri::Address address;
  int network = -1;  // descriptor of its network namespace; -1: ours
  std::vector<std::string> command;
  std::string log_file;
};

class Nodes {
 public:
  // `died` hears of a node that ended without being asked.
  Nodes(std::vector<NodeSetup> setups, std::function<void(std::size_t, const std::string&)> died);
  ~Nodes();
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  distri::Result<> start(std::size_t node);
  void kill(std::size_t node);
  void stop(std::size_t node);
  void go_on(std::size_t node);
  // Collects the dead and starts again those that died by themselves.
  distri::Result<> tend(std::int64_t now_ms);
  // Continues, then SIGTERM, then SIGKILL when that takes longer than a few seconds. Names of nodes that did not end
  // in good order.
  std::vector<std::string> end_all();

  std::size_t count() const { return nodes_.size(); }
  bool running(std::size_t node) const { return nodes_[node].pid != 0 && !nodes_[node].stopped; }
  bool alive(std::size_t node) const { return nodes_[node].pid != 0; }
  const NodeSetup& setup(std::size_t node) const { return nodes_[node].setup; }
  std::vector<distri::Address> addresses() const;

 private:
  struct Node {
    NodeSetup setup;
    pid_t pid = 0;
    bool stopped = false;
    std::int64_t restart_ms = 0;  // 0: it is dead on purpose, or alive
  };

  std::vector<Node> nodes_;
  std::function<void(std::size_t, const std::string&)> died_;
};

// 127.0.0.1, ports that were free a moment ago.
distri::Result<std::vector<distri::Address>> free_loopback_addresses(std::size_t count);

}  // namespace chaos
