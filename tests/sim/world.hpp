// world.hpp: simulated machines: real replicas with disks, clocks and links, driven by one queue of events.
//
// It does what a node's owner does (cloud::CloudNode): ends turns, sends what the replica wants sent, writes and syncs
// its commits, reports them durable, answers clients when the write concern is met. What happens to the machines is
// decided outside: by a seed (swarm.hpp) or by a script (scenario.hpp). It records every write and every promise made
// to a client, and checkers.cpp judges them.
//
// Everything is drawn from one Random, so a run can be repeated exactly. Threads: none.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "distri/replication/replica.hpp"
#include "event_log.hpp"
#include "faulty_disk.hpp"
#include "gate.hpp"
#include "history.hpp"
#include "network.hpp"
#include "plants.hpp"

namespace distri::sim {

enum class Durability { kMemory, kBatched, kSync };

struct WorldOptions {
  std::size_t nodes = 3;
  std::size_t nodes_max = 3;  // with those that join
  Durability durability = Durability::kMemory;
  std::vector<Durability> mixed;  // one for each machine, instead
  Millis sync_ms_max = 3;
  replication::ReplicaConfig config;  // node, incarnation, address, journal are filled in
  Defect defect;
};

enum class Outcome { kWaiting, kOk, kIndeterminate };

// A write that a client was told is done.
struct Promise {
  Dot dot;
  std::uint32_t holders = 1;         // as many as it was promised
  std::vector<std::size_t> keepers;  // the machines that really had it durably then
  std::uint64_t order = 0;           // when, among all events
  std::int64_t serial = -1;          // of the document, -1: not known
};

struct Machine {
  std::string name;
  NodeId id;
  std::uint64_t incarnation = 0;
  std::uint64_t life = 0;                         // counts starts: what an earlier life scheduled is void
  std::unique_ptr<replication::Replica> replica;  // nullptr: down
  Durability durability = Durability::kMemory;
  std::unique_ptr<FaultyDisk> disk;  // nullptr: memory only
  std::uint32_t members = 1;         // as it was configured when it started, or as its table of members says
  bool paused = false;
  bool gone = false;                           // for good
  bool draining = false;                       // it takes no writes from clients, because it is about to leave
  bool outside = false;                        // not a member of the cluster yet, or not any more
  bool newcomer = false;                       // let in, and has not caught up with anybody yet: takes no clients
  std::vector<std::function<void()>> waiting;  // what came while it was paused
  Millis clock_offset_ms = 0;
  Millis latest_wall_ms = 0;  // in this life
  Millis seen_offset_ms = 0;  // of the clock, at the last turn
  std::string started;        // "empty", "loaded", "damaged": how it started last

  struct Stored {
    replication::Commit commit;
    VersionVector vector;
  };
  std::deque<Stored> unwritten;
  std::deque<Stored> unsynced;  // commits without their changes
  bool write_due = false;
  bool sync_due = false;
  bool refusing = false;
  bool damaged = false;        // its disk was, and the next load must notice
  VersionVector durable;       // what it ever held durably, as its mode says
  VersionVector safe;          // what it holds durably now, unless its disk lies
  std::uint64_t loss = 0;      // when it last lost something it had held durably
  std::uint64_t recorded = 0;  // own writes in the history

  struct Awaited {
    Dot dot;
    std::uint32_t holders = 1;
    Millis deadline = 0;
    std::int64_t serial = -1;
    std::shared_ptr<Outcome> outcome;
  };
  std::vector<Awaited> awaited;
  // Conflicts that its owner was told of in this life, or that it started with.
  std::set<replication::ConflictName> announced;
  Millis full_at = -1'000'000;  // when its disk was last seen full
  int ticks_over_budget = 0;    // one after the other, with more tombstones than the budget allows
};

// A document of a capped collection.
struct Inserted {
  db::Stamp stamp;
  Bytes key;
  std::size_t bytes = 0;
};

class World {
 public:
  static constexpr Millis kEpochMs = 1'700'000'000'000;  // where the simulated wall clocks start
  static constexpr Millis kTickMs = 50;
  static constexpr std::size_t kIndexSlice = 20;  // documents or keys, so that building takes many ticks
  static constexpr std::size_t kSweepSlice = 5;

  World(const WorldOptions& options, const FaultSet& faults, Random& random, EventLog& log);

  // ---- Events.
  void schedule(Millis delay, std::function<void()> action);
  // Until `done`, which is asked now and then, or the time, or a failure. True: done.
  bool run_until(Millis end, const std::function<bool()>& done);
  void run_for(Millis duration) {
    run_until(now_ + duration, [] { return false; });
  }
  Millis now() const { return now_; }
  std::uint64_t order() const { return next_order_; }
  // The first one counts.
  void fail(std::string what);
  const std::optional<std::string>& failure() const { return failure_; }

  // ---- Membership. nullptr: everybody is a member and may link to everybody.
  void set_gate(Gate* gate) { gate_ = gate; }
  // Runs in the machine's loop: not in a later life, and when it is paused, afterwards.
  void schedule_on(std::size_t i, Millis delay, std::function<void()> action);
  // On the link between them, if it is up, with all that can happen to a message there.
  void send_membership(std::size_t from, std::size_t to, std::uint16_t kind, Bytes payload);
  // What the replica of a machine has to know of its gate's members.
  void set_members_of(std::size_t i);

  // ---- Machines (world.cpp).
  std::size_t size() const { return machines_.size(); }
  Machine& machine(std::size_t i) { return machines_[i]; }
  const Machine& machine(std::size_t i) const { return machines_[i]; }
  bool running(std::size_t i) const { return machines_[i].replica && !machines_[i].paused; }
  Millis wall(const Machine& machine) const { return kEpochMs + now_ + machine.clock_offset_ms; }
  std::size_t add_machine();
  void start(std::size_t i);
  // Memory is gone, and what the disk had not synced, perhaps.
  void crash(std::size_t i);
  // The machine and its disk are gone for good; `i` becomes another node.
  void replace(std::size_t i);
  void leave(std::size_t i);
  // A machine more, with a copy of that one's data directory, identity and all. The original has a disk.
  std::size_t clone(std::size_t i);
  // Before it leaves: that machine has all that it has, durably, and answers for it.
  void hand_over(std::size_t i, std::size_t heir);
  // The same data under a new identity, from the next start on.
  void rename(std::size_t i);
  // For all that start from now on.
  void set_members(std::uint32_t members) { options_.config.members = members; }
  // What it held durably is no longer sure to be there.
  void note_loss(std::size_t i);
  void pause(std::size_t i);
  void resume(std::size_t i);

  // ---- Clients. One turn of the machine's loop in which `write` is done; then the turn ends.
  using Write = std::function<Result<>(replication::Replica&, Millis)>;
  Result<> turn(std::size_t i, const std::vector<Write>& writes);
  // Someone waits until the newest write of that machine has so many holders. Call inside of a Write, after the write.
  std::shared_ptr<Outcome> await(std::size_t i, const Dot& dot, std::uint32_t holders, Millis timeout_ms,
                                 std::int64_t serial = -1);

  // ---- Capped collections (capped.cpp). The documents, oldest first.
  std::vector<Inserted> inserted_in(std::size_t i, std::string_view collection) const;
  // The machine had these to choose from, and keeps what it holds now.
  void judge_trimmed(std::size_t i, std::string_view collection, const std::vector<Inserted>& before);

  // ---- Links (world_links.cpp).
  Network& network() { return network_; }
  void connect(std::size_t a, std::size_t b);
  void disconnect(std::size_t a, std::size_t b);
  void connect_all();
  void reconnect_later(std::size_t i);

  // ---- What was seen.
  const History& history() const { return history_; }
  const std::vector<Promise>& promises() const { return promises_; }
  struct Heard {
    std::size_t machine;
    replication::Notice::Kind kind;
    std::string text;
  };
  const std::vector<Heard>& notices() const { return notices_; }
  // A divergence, a bad message or a second node of the same identity fails the run, unless it is expected.
  bool duplicate_identity_expected = false;
  // Asked at each step of a commit; true: the machine was crashed there.
  std::function<bool(std::size_t)> crash_point;
  // After a message of the other one was taken.
  std::function<void(std::size_t from, std::size_t to)> met;
  // After every turn of a machine, when all that it brought has been sent and stored.
  std::function<void(std::size_t)> turned;
  // For every message that is put on a link, lost or not.
  std::function<void(std::size_t from, replication::MessageKind kind, std::size_t payload_bytes)> sent;
  const WorldOptions& options() const { return options_; }
  EventLog& log() { return log_; }
  Random& random() { return random_; }
  // Some conflict was thrown out of some store, because there were too many.
  bool evicted() const;
  // Some machine ever lost something that it had held durably, as its mode says.
  bool lost_any() const;
  // That, or the write may have been on the disk of its writer only, who was removed with it.
  bool may_be_lost(const Dot& dot) const;
  // A node met two of one identity.
  bool copies_met() const { return copies_met_; }
  // Some node dropped tombstones over budget.
  bool over_budget() const { return over_budget_; }
  bool planted() const { return planted_; }
  void set_planted() { planted_ = true; }

 private:
  struct Event {
    Millis at;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
  };

  void run_on(std::size_t i, std::uint64_t life, std::function<void()> action);
  std::unique_ptr<replication::Replica> new_replica(std::size_t i);
  void tick(std::size_t i);
  void check_tombstones(std::size_t i);
  // ---- leases.cpp
  void expire(std::size_t i);
  void watch_clock(Machine& machine);
  void judge_expired(std::size_t i, const db::Index& index, bson::View document);
  void judge_refusal(std::size_t i, const Error& refusal);
  void sweep(std::size_t i);  // capped.cpp
  void record(std::size_t i);
  void settle_awaited(std::size_t i);
  void promise(std::size_t i, const Machine::Awaited& awaited);
  // ---- world_disk.cpp
  void load(std::size_t i);
  void store(std::size_t i);
  void write_commits(std::size_t i);
  void begin_sync(std::size_t i);
  void end_sync(std::size_t i, std::uint64_t up_to);
  bool crashed_here(std::size_t i, std::uint64_t life);
  // ---- world_links.cpp
  bool make_way(std::size_t here, std::size_t there);
  void report_copy(std::size_t i, std::size_t other);
  void flush(std::size_t i);
  void check_size(std::size_t from, const replication::Outgoing& message);
  void send(std::size_t from, std::size_t to, const replication::Outgoing& message);
  void arrive(std::size_t from, std::size_t to, std::uint64_t epoch, replication::MessageKind kind,
              std::shared_ptr<const Bytes> payload);
  void take_notices(std::size_t i);
  std::shared_ptr<const Bytes> spoil(std::shared_ptr<const Bytes> payload);
  // What a machine's owner does after everything that its replica took in.
  void after_turn(std::size_t i);

  WorldOptions options_;
  EventLog& log_;
  Random& random_;
  Network network_;
  std::deque<Machine> machines_;
  struct Replaced {
    NodeId id;
    VersionVector held;
  };
  std::vector<Replaced> replaced_;  // what identities that are gone held durably when they confirmed it
  History history_;
  std::vector<Promise> promises_;
  std::vector<Heard> notices_;
  std::vector<Event> events_;  // a heap
  std::uint64_t next_order_ = 0;
  std::uint64_t next_incarnation_ = 0;
  Gate* gate_ = nullptr;
  Millis now_ = 0;
  bool planted_ = false;
  bool evicted_ = false;
  bool over_budget_ = false;
  bool copies_met_ = false;
  std::size_t largest_batch_ = 0;       // ever made
  std::map<NodeId, Millis> ahead_max_;  // by how much each node's clock was ever ahead, or least behind
  Millis leaps_ = 0;                    // of clocks
  std::optional<std::string> failure_;
};

}  // namespace distri::sim
