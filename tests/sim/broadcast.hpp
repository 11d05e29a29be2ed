// broadcast.hpp: what it costs to bring a batch to every node of a large cluster, and how long it takes, in simulated
// time: by the broadcast tree and, for comparison, pushed by its writer to every node.
//
// Memory-only replicas with the configuration of a real node, all linked to all, on links of equal latency. Loss means
// that a message vanishes although its link stays up: nothing below the replicas sends it again. Real links are TCP,
// which would, so that for them it stands for what a queue had no room for and for links that break with messages on
// them. Some nodes write, one batch at a time, in turns drawn at random; in the runs with crashes several machines,
// a writer among them, go at one moment half way and do not come back.
//
// What is counted, from the first batch on, so that growing the tree is included: everything that is sent because
// there are batches, lost or not, with the protocol's framing: batches (pushed, passed on, asked for), Have, Graft,
// Prune, pulls and their answers. UpdateInfo, heartbeats and questions for them, which are sent all the same, are given
// apart. The minimum is one reception of the batch, as its writer made it, by every other node that runs. A time is
// that from the writer's turn until another node shows the batch to its readers, over all pairs of batch and node.
// Single thread; the same seed gives the same figures.
#pragma once

#include <array>
#include <bitset>

#include "world.hpp"

namespace distri::sim {

struct BroadcastOptions {
  std::size_t nodes = 100;
  Millis latency_ms = 5;
  double loss = 0.01;
  std::size_t batches = 200;
  std::uint64_t gap_ms_max = 40;  // between batches: 1 to this
  std::size_t crashes = 0;
  bool tree = true;
  std::uint64_t seed = 1;
  Defect defect;
};

struct BroadcastFigures {
  std::uint64_t batches = 0;
  std::uint64_t died = 0;  // with their writer, before anybody had them
  std::uint64_t minimum_bytes = 0;
  std::uint64_t push_bytes = 0;
  std::uint64_t control_bytes = 0;  // Have, Graft, Prune
  std::uint64_t pull_bytes = 0;
  std::uint64_t gossip_bytes = 0;
  std::uint64_t busiest_bytes = 0;  // pushed by the node that pushed most
  std::uint64_t batch_bytes = 0;    // of all batches, once each
  Millis duration_ms = 0;
  std::size_t nodes = 0;
  std::size_t eager_max = 0;  // links of a node, in the end
  std::size_t neighbours_max = 0;
  std::vector<Millis> times;
  void add(const BroadcastFigures& other);
  double ratio() const;
  // Which goal is missed (of a run with the tree); nullopt: none.
  std::optional<std::string> missed() const;
};
// The design's, for links of 5 ms and a loss of 1%. And of the traffic no more than this may be pulls: the tree mends
// itself, anti-entropy is for what it cannot mend.
inline constexpr double kBroadcastRatioMax = 1.5;
inline constexpr Millis kBroadcastP99MsMax = 1'000;
inline constexpr double kBroadcastPullsMax = 0.05;

class Broadcast {
 public:
  static constexpr std::size_t kNodesMax = 100;
  static constexpr std::size_t kWriters = 8;
  static constexpr std::size_t kDocumentBytes = 100;
  static constexpr Millis kJitterMs = 1;
  static constexpr Millis kSettleMs = 3'000;  // after the start
  static constexpr Millis kTailMs = 1'000;    // counted, too, when all is delivered
  static constexpr Millis kGiveUpMs = 60'000;
  static constexpr std::size_t kFrameBytes = 14;  // a frame's head and the kind of message

  Broadcast(const BroadcastOptions& options, EventLog& log);
  // kDataLoss: a batch does not reach all, or the nodes do not agree.
  Result<BroadcastFigures> run();

 private:
  struct Sent {
    Dot dot;
    Millis at = 0;
    std::size_t writer = 0;
    std::size_t bytes = 0;
    std::bitset<kNodesMax> held;
    std::array<Millis, kNodesMax> times{};
  };
  static WorldOptions world_options(const BroadcastOptions& options);
  void write();
  void crash_some();
  void look(std::size_t i);
  void count(std::size_t from, replication::MessageKind kind, std::size_t payload_bytes);
  bool everywhere() const;
  void judge(const Sent& batch);

  BroadcastOptions options_;
  Random random_;
  World world_;
  std::size_t left_;
  std::vector<Sent> batches_;
  std::size_t whole_ = 0;  // of batches_, the first ones: everywhere
  std::vector<std::uint64_t> pushed_;
  bool counting_ = false;
  bool crashed_ = false;
  BroadcastFigures figures_;
};

// A small one, for defects that plants bring in. What is wrong; nullopt: nothing.
std::optional<std::string> judge_broadcast(std::uint64_t seed, const Defect& defect);

struct BroadcastCommand {
  BroadcastOptions options;  // its seed, crashes and tree are filled in
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;
  std::string json_file;
};
// Runs a cluster of every kind, prints a table. 1: a goal is missed.
Result<int> run_broadcast(const BroadcastCommand& command);

}  // namespace distri::sim
