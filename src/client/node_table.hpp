// node_table.hpp: what clients know about the nodes of one cluster, and the choice of the node that gets the next try.
//
// Choice: the better of two random candidates (Mitzenmacher, "The power of two choices in randomized load balancing",
// 2001), where better is the lower (load + our requests in flight + 1) x latency. Latency is relative to what is usual
// for the same service on any node, so that a node which happened to get the slow requests does not look slow; ordinary
// scatter does not count, so that equal nodes share the work; and it fades, so that a node that was slow is asked
// again.
//
// A node that failed is left alone for a while that doubles with every further failure; when all have failed, the one
// whose time is up first is tried all the same.
//
// Nodes: the seeds stay for ever; learned ones go when no node has mentioned them for kForgetMs. One node under two
// addresses (a seed by name, an advertised address) counts once: the seed becomes an alias, used only while the other
// address fails.
//
// Threads: the runtime's thread. No I/O; the time is handed in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "distri/utils/address.hpp"
#include "distri/utils/random.hpp"

namespace distri::client {

inline constexpr std::int64_t kBackoffFirstMs = 50;
inline constexpr std::int64_t kBackoffMaxMs = 1'000;
inline constexpr std::int64_t kForgetMs = 30'000;
inline constexpr std::int64_t kLatencyHalfLifeMs = 2'000;

struct Node {
  Address address;
  std::string name;  // its textual form
  bool seed = false;
  std::shared_ptr<Node> alias_of;  // the same node under the address that it advertises

  double load = 0;               // (queued + running) / workers, as last reported
  std::uint32_t in_flight = 0;   // requests of this runtime's clients
  double latency = 1;            // relative; 1: as usual, or not measured
  std::int64_t measured_ms = 0;  // when it was last measured
  std::int64_t seen_ms = 0;      // when a node last mentioned it
  std::int64_t backoff_ms = 0;
  std::int64_t backoff_until_ms = 0;

  bool in_backoff(std::int64_t now_ms) const { return now_ms < backoff_until_ms; }
  // It could not be reached, or the connection broke. Failures of many connections at once count as one.
  void failed(std::int64_t now_ms);
  void succeeded();
  // It answered busy: more loaded than the table thought.
  void overloaded();
  double score(std::int64_t now_ms) const;
};

using NodePtr = std::shared_ptr<Node>;

// One line of the reply of the service `Nodes`.
struct NodeReport {
  Address address;
  double load = 0;
  bool self = false;
};

class NodeTable {
 public:
  // With `discover` false only the seeds are ever in the table.
  NodeTable(const std::vector<Address>& seeds, bool discover);

  // nullptr when there is no such node.
  NodePtr find(const Address& address) const;
  // The node of a hint; nullptr when it is unknown and the table is fixed.
  NodePtr find_or_learn(const Address& address, std::int64_t now_ms);
  // Nodes to choose from that are not in `tried`. nullptr: all were tried (or there are none). With nothing tried, a
  // node that should be left alone is better than none.
  NodePtr choose(Random& random, std::int64_t now_ms, const std::vector<NodePtr>& tried) const;
  // Every node once, in the order of being learned.
  std::vector<NodePtr> listed() const;

  void record_latency(Node& node, std::string_view service, std::int64_t rtt_us, std::int64_t now_ms);

  // True when the table is older than refresh_ms and nobody is refreshing; then the caller is, until end_refresh().
  bool begin_refresh(std::int64_t now_ms, std::int64_t refresh_ms);
  void end_refresh(std::int64_t now_ms);
  // True once a node has said who the others are (a fixed table has nothing to learn).
  bool learned() const { return learned_; }
  // What the node reached at `asked` said.
  void merge(const Address& asked, const std::vector<NodeReport>& reports, std::int64_t now_ms);

 private:
  NodePtr add(const Address& address, bool seed, std::int64_t now_ms);
  bool candidate(const Node& node, std::int64_t now_ms) const;

  bool discover_;
  bool refreshing_ = false;
  bool learned_;
  std::int64_t refreshed_ms_ = INT64_MIN / 2;
  std::vector<NodePtr> nodes_;
  std::unordered_map<std::string, double> usual_us_;
};

}  // namespace distri::client
