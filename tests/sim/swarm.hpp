// swarm.hpp: one seed: clients that write and read, faults, then peace, then the proof.
//
// Phases: writes under faults; heal (faults end, machines start again, links return); then at most kLivenessMs of
// simulated time until all nodes agree; then a last write on each, which all must confirm. Size, durability, budgets,
// faults, clocks and every client's step are drawn from the seed, so a run can be repeated exactly. Single thread.
#pragma once

#include "checkers.hpp"
#include "faults.hpp"
#include "members.hpp"
#include "session_client.hpp"
#include "watch_client.hpp"
#include "world.hpp"

namespace distri::sim {

struct SwarmOptions {
  std::uint64_t seed = 1;
  std::size_t nodes = 0;  // 0: drawn
  std::size_t ops = 1000;
  std::vector<Fault> faults;  // empty: drawn
  Defect defect;
  bool members = false;  // a cluster with keys: machines join, leave, are removed and move (members.hpp)
};

class Swarm {
 public:
  static constexpr Millis kLivenessMs = 120'000;
  static constexpr std::size_t kClonesMax = 2;
  // Nothing in it is restored or deleted by a client.
  static constexpr std::string_view kCappedLog = "log";

  Swarm(const SwarmOptions& options, EventLog& log);

  // What is wrong; nullopt: the cluster converged and every checker is content.
  std::optional<std::string> run();
  Millis simulated_ms() const { return world_.now(); }

 private:
  struct Client {
    SessionClient session;
    std::size_t home = 0;
    int turned_away = 0;
    // Its last write, not yet answered.
    Dot waiting_for;
    std::shared_ptr<Outcome> outcome;
  };

  static WorldOptions draw(const SwarmOptions& options, const FaultSet& faults, Random& random, Random& later);
  std::size_t any_machine() { return random_.below(world_.size()); }
  void agree();
  bool running(std::size_t i) const { return world_.running(i); }
  bool takes_clients(std::size_t i);
  static bool has_copy(const replication::Replica& replica);

  // ---- workload.cpp
  void client_turn();
  void client_write(std::size_t i, Client& client);
  void client_read(std::size_t i, Client& client);
  void serve_session(std::size_t i, Client& client);
  // True: a document now holds `serial`.
  Result<bool> random_write(replication::Replica& replica, Millis now, std::int64_t serial);
  Result<> write_index(replication::Replica& replica, Millis now, std::string_view collection);
  bson::Document random_document(std::int64_t serial);
  void first_tallies();
  Result<bool> random_increment(replication::Replica& replica, Millis now, std::string_view collection,
                                const bson::Document& document);
  void settle_conflict(std::size_t i);
  void last_writes();
  void check_sessions();
  void check_lost();
  void check_tallies();
  void check_tallies_of(const replication::Replica& replica);

  // ---- leases.cpp
  void lease_turn(std::size_t i);
  void check_leases();

  // ---- capped.cpp
  void capped_turn(std::size_t i);
  void write_cap(std::size_t i, std::string_view collection);
  Result<> write_log(std::size_t i, replication::Replica& replica, Millis now);
  Result<> write_ring(std::size_t i, replication::Replica& replica, Millis now);
  Result<> put_capped(std::size_t i, replication::Replica& replica, Millis now, std::string_view collection,
                      bson::Document document, std::int64_t serial, bool upsert);
  void await_capped(std::size_t i, const Dot& dot, std::int64_t serial);
  void check_capped();
  void check_log(std::size_t i);
  void check_log_order();
  void check_reading(std::size_t i, std::string_view collection);

  // ---- disasters.cpp
  void disaster();
  void cut(const std::vector<int>& sides, Millis duration);
  void partition();
  void bridge();
  void long_outage();
  void one_way();
  void pause();
  void clock_jump();
  void crash();
  void power_cut();
  void lost_fsync();
  void bit_flip();
  void disk_full();
  void restored_backup();
  void replace();
  void join();
  void break_link();
  void clone();
  void settle_clone();
  void remove();
  bool crash_and_restart(std::size_t i);
  void restart_later(std::size_t i);
  void heal();

  SwarmOptions options_;
  EventLog& log_;
  Random random_;
  Random later_;   // of what this simulator could not do from the start: other draws stay what they were
  Random leases_;  // draws of documents that expire; only where there are any
  Random capped_;  // of capped collections; only where there are any
  FaultSet faults_;
  World world_;
  std::unique_ptr<Members> members_;  // nullptr: a cluster without keys
  std::vector<Client> clients_;
  std::vector<WatchClient> watchers_;  // they draw from streams of their own, and change nothing
  // What was added to the documents of the collection "tallies", which nobody does anything else to.
  struct Added {
    Dot dot;
    std::size_t tally;
    std::int64_t delta;
  };
  std::vector<Added> added_;
  std::vector<Dot> lost_;  // what sessions were told is lost
  std::size_t turns_left_ = 0;
  Millis turn_gap_ms_ = 1;
  std::int64_t log_documents_ = 1;  // the cap of kCappedLog
  std::int64_t next_serial_ = 1;
  std::size_t replaced_ = 0;
  bool removed_ = false;
  std::size_t cloned_ = 0;
  // Under way.
  struct Copy {
    std::size_t original;
    std::size_t copy;
  };
  std::optional<Copy> copy_;
  std::optional<std::size_t> renamed_;  // it waits for its start
  bool crashed_ = false;                // any machine, ever
  bool healed_ = false;
};

}  // namespace distri::sim
