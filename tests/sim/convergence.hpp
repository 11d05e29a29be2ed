// convergence.hpp: how soon after a write every node holds it, and what silence costs, in simulated time.
//
// One cluster of memory-only replicas on links of equal latency that lose a share of all messages (a lost message is
// gone: nothing below the replicas sends it again, unlike TCP). Every node is linked to every other. Nodes start at
// different moments; then one write at a time by a drawn node, some tens of milliseconds apart; then silence.
//
// A node holds a write when its version vector covers it, that is: when it shows it to readers. A write's time is that
// from the writer's turn until a node, or the last of all nodes, holds it. Traffic is what nodes send, lost or not:
// payloads as they are encoded, with kFrameBytes on each for the protocol's frame, and on a network kNetworkBytes more.
// Configuration (gossip_ms and all the rest) is that of a real node. Single thread; the same seed gives the same
// figures.
#pragma once

#include <bitset>

#include "world.hpp"

namespace distri::sim {

struct ConvergenceOptions {
  std::size_t nodes = 10;
  Millis latency_ms = 1;
  double loss = 0.01;
  std::size_t writes = 200;
  std::uint64_t seed = 1;
};

struct Traffic {
  std::size_t nodes = 0;
  Millis duration_ms = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;          // payloads and frames
  std::uint64_t network_bytes = 0;  // on the network

  // By one node.
  double kbit_per_s() const { return rate(bytes); }
  double network_kbit_per_s() const { return rate(network_bytes); }
  double messages_per_s() const { return rate(messages) / 8 * 1000; }
  void add(const Traffic& other);

 private:
  double rate(std::uint64_t sent) const {
    const double node_ms = static_cast<double>(duration_ms) * static_cast<double>(nodes);
    return node_ms == 0 ? 0 : static_cast<double>(sent) * 8 / node_ms;
  }
};

struct ConvergenceFigures {
  std::vector<Millis> every_node_ms;  // for each write, until the last node held it
  std::vector<Millis> each_node_ms;   // for each write and each other node
  Traffic writing;
  Traffic idle;
  void add(const ConvergenceFigures& other);
};

class Convergence {
 public:
  static constexpr Millis kJitterMs = 1;           // on top of the latency, drawn for each message: 0 or this
  static constexpr Millis kIdleMs = 60'000;        // how long silence is measured
  static constexpr Millis kSettleMs = 5'000;       // before that, and after the start
  static constexpr Millis kGiveUpMs = 120'000;     // a write that is not everywhere then fails the run
  static constexpr std::uint64_t kGapMsMax = 100;  // between writes: 1 to this
  static constexpr std::size_t kFrameBytes = 14;   // a frame's head and the kind of message
  // TLS 1.3 record (22), TCP with timestamps (32) and IPv4 (20); a message in a segment of its own.
  static constexpr std::size_t kNetworkBytes = 74;
  static constexpr std::size_t kNodesMax = 100;

  Convergence(const ConvergenceOptions& options, EventLog& log);
  // kDataLoss: the cluster does not converge, or a checker is not content.
  Result<ConvergenceFigures> run();

 private:
  struct Write {
    Dot dot;
    Millis at = 0;
    std::bitset<kNodesMax> held;
  };
  static WorldOptions world_options(const ConvergenceOptions& options);
  void start(std::size_t i);
  void write();
  void look(std::size_t i);
  void count(std::size_t payload_bytes);
  void begin_counting();
  Traffic counted() const;

  ConvergenceOptions options_;
  Random random_;
  World world_;
  std::size_t writes_left_;
  std::vector<Write> under_way_;
  Traffic sent_;
  Millis counting_since_ = 0;
  ConvergenceFigures figures_;
};

}  // namespace distri::sim
