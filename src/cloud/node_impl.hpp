// node_impl.hpp: CloudNode's parts and how they are wired. Private to this module.
//
// Order of members is order of construction: what is used by others comes first; workers go first at the end, so that
// no result is posted to a loop that is gone. Threads: the main thread, but for stop().
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "distri/cloud/access.hpp"
#include "distri/cloud/cloud_node.hpp"
#include "distri/cloud/cluster.hpp"
#include "distri/net/connection_census.hpp"
#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/peers.hpp"
#include "distri/cloud/server_connection.hpp"
#include "distri/cloud/storage_thread.hpp"
#include "distri/membership/swim.hpp"
#include "distri/net/listener.hpp"
#include "distri/storage/data_directory.hpp"

namespace distri::cloud {

inline constexpr std::string_view kSoftware = "distri 0.1.0";

struct CloudNode::Impl {
  enum class State { kStarting, kServing, kStopping };

  explicit Impl(NodeConfig node_config);

  Result<> listen();
  Result<> run();

  void end_of_turn();
  void tick();
  void build_indexes();
  void sweep();
  void become_ready_if_complete();
  void warn_of_waiting(std::int64_t age_ms);
  void begin_stop(const std::string& reason);
  void finish_stop_if_idle();
  // Before anything is made for a connection.
  Result<> may_connect(const Address& from);
  net::ConnectionHandler* accept(const std::shared_ptr<net::Connection>& connection, bool local);
  Result<> listen_locally(const net::ConnectionOptions& options, const wire::Hello& hello);
  // ---- Membership (node_cluster.cpp).
  // The table of members has changed: counts, links, addresses.
  void members_changed();
  void start_cluster();
  void run_membership(MembershipCall call);
  // Who answers at the moment: probes that are due, and what came of those before.
  void probe();
  void send_probes();
  Result<> receive_probe(const NodeId& from, BytesView bytes);
  bool answers(const NodeId& node) const;
  // Turns out clients whose tokens or keys have changed, gone or expired.
  void check_access();
  void log_notices();
  void tell_conflicts();

  // ---- Durability (node_storage.cpp).
  Result<> open_data_directory();
  // Makes the replica, with what the journal holds; starts the storage thread.
  Result<> make_replica();
  Result<std::unique_ptr<storage::Journal>> open_journal();
  Result<> load_journal();
  // What this turn changed, to the storage thread.
  void submit_commit();
  void commits_durable(std::uint64_t number);
  void stop_storage();
  void backup(const std::string& directory, std::function<void(Result<>)> done);
  void append_storage(bson::Builder& out) const;
  // By the node's own account, in bytes.
  struct Memory {
    std::size_t documents = 0;  // with keys and revisions
    std::size_t indexes = 0;
    std::size_t conflicts = 0;
    std::size_t tombstones = 0;
    std::size_t total() const { return documents + indexes + conflicts + tombstones; }
  };
  Memory memory() const;

  replication::Load load() const;
  bson::Document stats();
  bson::Document nodes();
  std::string better_node() const;
  void append_strangers(bson::Builder& out) const;

  NodeConfig config;
  SystemClock clock;
  Random random = Random::from_system();
  NodeId node_id;
  std::uint64_t incarnation = 0;
  net::Loop loop;
  ServiceRegistry registry;
  std::optional<storage::DataDirectory> data_directory;
  Durability durability = Durability::kMemory;
  std::uint32_t members = 1;
  // From run() on.
  std::unique_ptr<replication::Replica> replica;
  std::unique_ptr<storage::Journal> journal;  // while it is loaded; then the storage thread's
  std::unique_ptr<StorageThread> storage;
  replication::LoadReport loaded;
  // Commits that are not durable yet: number, own counter then.
  std::deque<std::pair<std::uint64_t, std::uint64_t>> commits_in_flight;
  std::unique_ptr<DocumentServices> documents;
  std::unique_ptr<WorkerPool> pool;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Peers> peers;
  std::unique_ptr<Cluster> cluster;            // nullptr: without keys
  std::unique_ptr<Access> access;              // likewise; from run() on
  std::unique_ptr<membership::Swim> detector;  // likewise
  std::unique_ptr<net::Listener> listener;
  std::unique_ptr<net::Listener> local_listener;
  net::ConnectionCensus census;
  std::int64_t refusal_logged_ns = 0;
  std::unordered_map<ServerConnection*, std::unique_ptr<ServerConnection>> connections;
  Address own_address;  // as others reach it
  net::Timer tick_timer;
  net::Timer index_timer;
  bool building_indexes = false;  // index_timer runs
  net::Timer sweep_timer;
  bool sweeping = false;               // sweep_timer runs
  std::int64_t gossiped_ns = 0;        // the table's digest, to everybody
  std::int64_t access_checked_ns = 0;  // of all clients
  State state = State::kStarting;
  std::atomic<bool> stop_requested{false};
  std::int64_t started_ns = 0;
  std::int64_t next_waiting_warning_ms = 0;
  std::int64_t stop_deadline_ns = 0;
  std::int64_t loop_lag_us = 0;
  std::uint64_t conflicts_seen = 0;  // in this life
  bool closing = false;
  std::optional<Error> stop_error;  // why it stops, when nobody asked for it
};

}  // namespace distri::cloud
