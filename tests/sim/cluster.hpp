// cluster.hpp: one seed: real replicas on simulated links and clocks, clients that write, faults, then peace, then the
// proof.
//
// Phases: writes under faults; heal (faults end, crashed nodes start again, links return); then at most kLivenessMs of
// simulated time until all nodes agree. Everything is drawn from the seed, so a run can be repeated exactly. Single
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "distri/replication/replica.hpp"
#include "event_log.hpp"
#include "faults.hpp"
#include "naive_model.hpp"
#include "network.hpp"

namespace distri::sim {

struct ClusterOptions {
  std::uint64_t seed = 1;
  std::size_t nodes = 5;
  std::size_t ops = 1000;
  std::optional<Fault> fault;
  Plant plant = Plant::kNone;
};

class Cluster {
 public:
  static constexpr Millis kEpochMs = 1'700'000'000'000;  // where the simulated wall clocks start
  static constexpr Millis kLivenessMs = 120'000;

  Cluster(const ClusterOptions& options, EventLog& log);

  // What is wrong; nullopt: the cluster converged and every checker is content.
  std::optional<std::string> run();
  Millis simulated_ms() const { return now_; }

 private:
  struct Node {
    NodeId id;
    std::uint64_t incarnation = 0;
    std::unique_ptr<replication::Replica> replica;  // nullptr: down
    bool ever_crashed = false;
    bool paused = false;
    std::vector<std::function<void()>> waiting;  // what came while it was paused
    Millis clock_offset_ms = 0;
  };
  struct Event {
    Millis at;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
  };
  // A write that a client was told is done.
  struct Acked {
    std::size_t node;
    replication::Dot dot;
    std::int64_t serial;
  };

  void schedule(Millis delay, std::function<void()> action);
  void run_until(Millis end, const std::function<bool()>& done);
  void fail(std::string what);
  Millis wall(const Node& node) const;

  // ---- cluster.cpp
  void start(std::size_t node);
  void stop(std::size_t node);
  void tick(std::size_t node);
  void connect(std::size_t a, std::size_t b);
  void disconnect(std::size_t a, std::size_t b);
  void reconnect_later(std::size_t a, std::size_t b);
  void flush(std::size_t node);
  void arrive(std::size_t from, std::size_t to, std::uint64_t epoch, replication::MessageKind kind,
              std::shared_ptr<const Bytes> payload);
  std::shared_ptr<const Bytes> spoil(std::shared_ptr<const Bytes> payload);

  // ---- workload.cpp
  void client_turn();
  void client_write(Node& node, std::size_t index);
  Result<> random_write(Node& node, std::int64_t serial, bool& acked);
  bson::Document random_document(std::int64_t serial);
  void record_new_batches(const Node& node, std::uint64_t from_position);

  // ---- disasters.cpp
  void disaster();
  void partition();
  void one_way();
  void pause();
  void clock_jump();
  void crash();
  void break_link();
  void heal();

  // ---- checkers.cpp
  void check_step(std::size_t node);
  void check_meeting(std::size_t a, std::size_t b);
  bool agreed() const;
  void check_end();
  void check_against_model(std::size_t node);
  void check_acknowledged();

  ClusterOptions options_;
  EventLog& log_;
  Random random_;
  FaultSet faults_;
  Network network_;
  std::vector<Node> nodes_;
  NaiveModel model_;
  std::vector<Acked> acked_;
  std::priority_queue<Event> events_;
  std::uint64_t next_order_ = 0;
  Millis now_ = 0;
  replication::ReplicaConfig config_;
  std::size_t turns_left_ = 0;
  Millis turn_gap_ms_ = 1;
  std::int64_t next_serial_ = 1;
  bool healed_ = false;
  bool planted_ = false;
  std::optional<std::string> failure_;
};

}  // namespace distri::sim
