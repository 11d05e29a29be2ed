// node_processes.hpp: a cluster without keys whose nodes are processes, so that they can be killed (SIGKILL) and come
// back, and reach each other over relays, so that they can be cut off from each other. Below one directory.
//
// The processes are this program in the role "node": its main() hands such a call to be_node().
// Threads: the program's first one.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "own_process.hpp"
#include "relays.hpp"

namespace distri::test {

class NodeProcesses {
 public:
  // As the first `count` ends of `relays`. When it returns, all of them serve.
  NodeProcesses(std::size_t count, const std::filesystem::path& below, Relays& relays);

  void kill(std::size_t node);
  // Returns when it serves again.
  void start(std::size_t node);
  std::size_t count() const { return nodes_.size(); }
  // Where it listens, not at a relay: for who is not to be cut off from it.
  Address address(std::size_t node) const { return nodes_[node].address; }
  std::vector<Address> addresses() const;
  // What a node holds of a collection, by _id, read of this very node.
  Result<nlohmann::json> read(std::size_t node, const std::string& collection) const;
  // Waits until all nodes hold the same of every collection of peers. What differs; empty: nothing.
  std::string differences() const;

 private:
  struct Node {
    Address address{"127.0.0.1", 0};
    std::unique_ptr<OwnProcess> process;
  };
  void begin(std::size_t node);
  void await(std::size_t node);

  const std::filesystem::path below_;
  Relays& relays_;
  std::vector<Node> nodes_;
};

inline constexpr std::string_view kNodeRole = "node";
// Until it is killed. `arguments`: of a process that NodeProcesses has started.
[[noreturn]] void be_node(const std::vector<std::string>& arguments);

}  // namespace distri::test
