// cluster_state.hpp: what the nodes say about themselves, and all that they hold.
//
// Threads: any one. Every question has a deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "verdict.hpp"

namespace chaos {

class ClusterState {
 public:
  ClusterState(std::vector<distri::Address> addresses, std::shared_ptr<distri::client::Runtime> runtime);

  // Digest and version vector of every node, asked one after another.
  std::vector<NodeView> look();
  // True when all answer and say the same.
  static bool agree(const std::vector<NodeView>& nodes);
  // Looks until they agree (twice in a row) and are connected to each other, or the time is up. Calls `meanwhile` in
  // between. The time it took, or the last view as the error's text.
  distri::Result<std::int64_t> converge(std::int64_t timeout_ms, const std::function<bool()>& meanwhile);
  // Every document of every node, and the conflicts, if asked. What could not be read is in the node's view.
  FinalState read_all(bool conflicts);
  // A write with w=all through each node.
  distri::Result<> write_everywhere(std::int64_t timeout_ms);

 private:
  distri::Result<> read_node(const distri::Address& node, NodeView& view, FinalState* documents);
  distri::Result<> read_conflicts(const distri::Address& node, NodeView& view, FinalState* state);

  std::vector<distri::Address> addresses_;
  distri::client::Client client_;
};

}  // namespace chaos
