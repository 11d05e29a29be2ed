// replica_impl.hpp: the parts of a Replica, spread over replica*.cpp:
//
//   replica.cpp          the facade; looking at the state; invariants
//   replica_writes.cpp   local writes, and the batch of a turn
//   replica_conflicts.cpp increments; restoring and dismissing what lost
//   replica_delivery.cpp messages from peers; batches into the store
//   replica_tree.cpp     batches to and from neighbours in the broadcast tree
//   replica_gossip.cpp   peers, UpdateInfo, the clock of timeouts
//   replica_pull.cpp     pulling from logs, and streams of states: both sides
//   replica_mend.cpp     tombstones that have done their work; finding and mending what differs
//   replica_folds.cpp    actors that write no more
//   replica_requests.cpp which requests have been executed, here or elsewhere
//   replica_sessions.cpp what callers may be shown, and which of what they have seen is gone
//   replica_sweep.cpp    documents that have expired, by which clock; the oldest of capped collections
//   replica_durable.cpp  commits for a journal, loading, who holds what durably
//   change_feed.cpp      the log, read as changes
#pragma once

#include "distri/replication/broadcast_tree.hpp"
#include "distri/replication/hlc.hpp"
#include "distri/replication/holdback.hpp"
#include "distri/replication/messages.hpp"
#include "distri/replication/op_log.hpp"
#include "distri/replication/replica.hpp"
#include "distri/replication/store.hpp"
#include "distri/replication/stretches.hpp"
#include "distri/utils/recent_map.hpp"

namespace distri::replication {

// Elapsed time, made from wall readings: it never runs back, and a leap of the wall clock moves it by at most
// kLeapMsMax.
using Elapsed = std::int64_t;
inline constexpr std::int64_t kLeapMsMax = 60'000;
inline constexpr Elapsed kNever = -1'000'000'000'000;

// The states of a peer on their way to us. Nothing of it is visible before commit.
struct Staging {
  VersionVector start;   // the peer's vector when the stream began: what the states at least contain
  VersionVector reach;   // the peer's vector at the last chunk: what they at most contain
  VersionVector staged;  // start and the tail so far, and what we had
  struct Part {
    CollectionChunk chunk;
    std::shared_ptr<const VersionVector> theirs;  // the peer's vector when it made the chunk
  };
  std::vector<Part> parts;
  bool chunks_done = false;
  std::vector<Holdback::Held> tail;  // batches from `start` to `reach`, in the peer's log order
  StateCursor cursor;
  std::size_t bytes = 0;  // of the chunks and the tail as they travelled
};

// A staging whose peer has gone. It goes on if the peer comes back soon, in the same life.
struct Orphan {
  NodeId node;
  ActorId actor;
  Staging staging;
  Elapsed since = 0;
};

// One question to a peer that has not been answered yet.
struct Pull {
  std::uint64_t id = 0;
  Elapsed since = 0;
  int timeouts = 0;
  std::optional<Staging> staging;
};

struct PeerState {
  std::optional<VersionVector> announced;  // since it connected
  Elapsed announced_at = kNever;           // unless that was its first word
  std::optional<Pull> pull;
  std::vector<Dot> ack_wanted;      // its questions that are not answered yet
  std::uint64_t info_sent = 0;      // checksum of the UpdateInfo that it was sent last; 0: none
  std::uint64_t info_received = 0;  // and of its own that we have
  Elapsed heard_at = kNever;        // its newest UpdateInfo or heartbeat
  Elapsed agreed_at = kNever;       // when it last said that it knows the same members; kNever: it knows others
  bool leaving = false;
  Elapsed last_timeout = kNever;
  Elapsed resting_until = kNever;  // it answered without use: not asked before
  Elapsed last_clock_notice = kNever;
  Elapsed last_duplicate_notice = kNever;
  VersionVector diverged_at;  // the vector at which divergence was last reported
  bool diverged = false;
};

struct Replica::Impl {
  using Peer = PeerState;

  explicit Impl(ReplicaConfig c);

  // ---- replica_writes.cpp
  Result<Stamp> next_stamp(const Stamp& floor, std::int64_t now_ms);
  Result<> write(Op op);
  Result<> ensure_collection(std::string_view name, std::int64_t now_ms);
  // `record` is what is there now, nullptr: nothing.
  Result<> put_document(std::string_view collection, Bytes key, bson::Document document, const db::Record* record,
                        std::int64_t now_ms);
  Result<> update_document(const db::Record& record, std::string_view collection, BytesView key, bson::View set,
                           const std::vector<std::string>& unset, std::int64_t now_ms);
  Result<> remove_document(const db::Record& record, std::string_view collection, BytesView key, std::int64_t now_ms);
  void seal();

  // ---- replica_conflicts.cpp
  Result<> increment_document(const db::Record& record, std::string_view collection, BytesView key,
                              std::vector<Increment> increments, std::int64_t now_ms);

  // ---- replica_delivery.cpp
  Result<> receive(const NodeId& from, MessageKind kind, BytesView payload);
  Result<> on_batch(const NodeId& from, BytesView payload);
  void deliver(const NodeId& from, Batch batch, std::shared_ptr<const Bytes> encoded,
               int hops = BroadcastTree::kNotByTree);
  // `taken`: states that may contain some of it already.
  void apply(const NodeId& from, Batch batch, std::shared_ptr<const Bytes> encoded, const Stretches* taken = nullptr);
  void drain_holdback();
  void observe_clock(const NodeId& from, const Stamp& stamp);

  // ---- replica_tree.cpp
  void publish(const Dot& last, const std::shared_ptr<const Bytes>& batch);
  void apply_and_relay(Holdback::Held held);
  void relay(const BroadcastTree::Relay& onward, BytesView batch);
  bool on_its_way(const Peer& peer) const;
  void tree_tick();
  void send_control();
  Result<> on_tree_batch(const NodeId& from, BytesView payload);
  Result<> on_graft(const NodeId& from, BytesView payload);

  // ---- replica_gossip.cpp
  void pass_time(std::int64_t now_ms);
  void tick();
  // Something has waited longer than it may, at the last tick; for check_invariants().
  std::optional<std::string> overdue() const;
  UpdateInfo own_info() const;
  void send_info(const NodeId& to, Peer& peer);
  void gossip();
  Result<> on_heartbeat(const NodeId& from, BytesView payload);
  Result<> on_update_info(const NodeId& from, BytesView payload);
  void check_divergence(const NodeId& from, Peer& peer, const UpdateInfo& info);
  bool covers_but_own(const VersionVector& mine, const VersionVector& theirs) const;
  void report_copy(const NodeId& from, std::uint64_t incarnation);
  void report_duplicate_identity(const NodeId& from, std::uint64_t counter);

  // ---- replica_pull.cpp
  void consider_pulls();
  void start_pull(const NodeId& from, Peer& peer);
  void send_pull(const NodeId& to, Pull& pull);
  void end_pull(Peer& peer, bool useful);
  void check_timeouts();
  Result<> on_pull(const NodeId& from, BytesView payload);
  void send_states(const NodeId& to, const PullRequest& request);
  Result<> on_pull_reply(const NodeId& from, BytesView payload);
  Result<> stage_tail(const NodeId& from, Peer& peer, const PullReply& reply);
  Result<> on_state(const NodeId& from, BytesView payload);
  bool begin_staging(const NodeId& from, Peer& peer, const StateChunk& chunk);
  void commit(const NodeId& from, Peer& peer);
  bool staging() const;
  void orphan_staging(const NodeId& node, Peer& peer);
  void resume_staging(const NodeId& from, Peer& peer, const ActorId& actor);

  // ---- replica_mend.cpp
  VersionVector seen_by_all() const;
  void collect_tombstones();
  void start_mending(const NodeId& peer, const std::string& collection);
  void compare_next();
  Result<> on_range_digests(const NodeId& from, BytesView payload);
  Result<> on_range_states(const NodeId& from, BytesView payload);

  // ---- replica_sweep.cpp
  void heard_clock(const NodeId& from, std::int64_t wall_ms);
  std::optional<std::int64_t> expiry_clock_ms() const;
  bool sweeps() const;
  bool remove_expired(std::size_t& budget, std::int64_t now_ms);
  bool trim_all(std::size_t& budget, std::int64_t now_ms);
  bool trim(std::string_view collection, std::size_t& budget, std::int64_t now_ms);
  Stamp newest_inserted(std::string_view collection) const;

  // ---- replica_folds.cpp
  void apply_fold(const Op& op, const Dot& dot);
  void learn_fold(const ActorId& actor, const Fold& fold);
  void propose_folds();

  // ---- replica_requests.cpp
  void remember_request(const Op& op);
  void recall_requests();

  // ---- replica_sessions.cpp
  // At every tick: since when all members are here.
  void watch_members();

  // Documents have changed, and the log does not say how.
  void interrupt_feed() {
    feed_floor = vector;
    ++feed_epoch;
  }

  // ---- replica_durable.cpp
  Result<> load_record(BytesView key, BytesView value, LoadReport& report);
  Result<> load_head(BytesView body, LoadReport& report);
  Result<> load_log_entry(BytesView key, BytesView body);
  Result<> load_fold(BytesView key, BytesView body);
  void journal_log(std::vector<Change>& changes);
  void journal_folds(std::vector<Change>& changes);
  Result<> on_want_ack(const NodeId& from, BytesView payload);
  Result<> on_ack(const NodeId& from, BytesView payload);
  void send_wants();
  void send_acks();
  const VersionVector& durable() const;
  bool refusing() const { return refusal.has_value(); }

  std::uint64_t own_counter() const { return next_counter - 1; }
  void send(const NodeId& to, MessageKind kind, std::shared_ptr<const Bytes> payload) {
    outgoing.push_back({to, kind, std::move(payload)});
  }
  void notice(Notice::Kind kind, const NodeId& peer, std::string text) {
    notices.push_back({kind, peer, std::move(text)});
  }
  std::vector<CollectionSummary> summaries() const;

  ReplicaConfig config;
  ActorId self;
  Store store;
  std::shared_ptr<Folds> folds = std::make_shared<Folds>();
  VersionVector vector;
  HybridClock clock;
  OpLog log;
  Holdback holdback;
  BroadcastTree tree;
  std::uint64_t next_counter = 1;

  // The batch of this turn: its ops are encoded as they are made.
  Bytes pending;
  EffectsWriter pending_effects;
  std::size_t pending_ops = 0;
  std::uint64_t pending_first = 0;
  VersionVector pending_before;

  absl::btree_map<NodeId, Peer> connected;
  absl::btree_map<NodeId, UpdateInfo> infos;
  Load load;
  std::vector<std::string> services;
  std::vector<std::string> known_addresses;
  bool newcomer = false;

  // What the nodes that were heard of in this life last said of their wall clocks.
  struct HeardClock {
    std::int64_t wall_ms;
    Elapsed heard_at;
  };
  absl::btree_map<NodeId, HeardClock> clocks;

  std::int64_t wall_ms = 0;  // at the last call that brought the time
  Elapsed elapsed = 0;
  Elapsed last_gossip = kNever;
  Elapsed last_tick = kNever;
  std::size_t gossip_rounds = 0;
  std::uint64_t next_pull_id = 1;

  // ---- Durability. What commits up to the last reported one hold is durable.
  std::uint64_t last_commit = 0;
  std::uint64_t durable_commit = 0;
  struct InFlight {
    std::uint64_t number;
    VersionVector vector;
  };
  std::deque<InFlight> in_flight;
  VersionVector durable_vector;       // with config.journal
  VersionVector committed_vector;     // at the last take_commit()
  std::uint64_t journaled_first = 0;  // positions of the log that the journal holds
  std::uint64_t journaled_end = 0;
  std::optional<Error> refusal;
  std::uint8_t loaded_format = 0;  // of the journal that is being loaded
  VersionVector loaded_log;        // what its log covers so far

  // Nodes that were connected in this life and are not now: what they had seen when they went.
  struct Away {
    VersionVector vector;
    Elapsed since;
  };
  absl::btree_map<NodeId, Away> away;
  // What all members had seen at `since`: tombstones below it go when nothing older can still be on its way.
  struct Cut {
    VersionVector vector;
    Elapsed since;
  };
  std::optional<Cut> cut;
  std::optional<Elapsed> whole_since;  // all members have been connected, and each has announced what it has
  bool keyed = false;                  // who is a member is said by a table that nodes tell each other
  bool all_members_known = true;       // and it names all of whom this node has heard

  // ---- Mending: one collection with one peer at a time.
  struct Mending {
    NodeId peer;
    std::uint64_t id = 0;
    std::string collection;
    Bytes from;
    std::uint64_t ranges = 0;  // that differed
    Elapsed since = 0;
  };
  std::optional<Mending> mending;
  std::uint64_t next_mending_id = 1;

  std::optional<Orphan> orphan;

  // ---- The change feed. Changes that came as states are in no log: who has not seen feed_floor has missed some.
  VersionVector feed_floor;
  std::uint64_t feed_epoch = 0;  // counts such events: nobody reads on across one

  // ---- Requests.
  RequestId current_request;  // of the local writes to come
  RecentMap<RequestId, AppliedRequest> requests;

  // ---- Folds.
  struct Idle {
    std::uint64_t counter;
    Elapsed since;
  };
  absl::btree_map<ActorId, Idle> idle;    // actors that nobody connected is, and that all have the same of
  std::vector<ActorId> folds_to_journal;  // new or changed

  // ---- Write concern.
  using Dots = absl::btree_map<Dot, std::uint32_t>;     // how many ask for it
  Dots wanted;                                          // own questions
  std::vector<Dot> wants_to_send;                       // of this turn
  absl::btree_map<NodeId, VersionVector> acknowledged;  // what peers have confirmed to hold

  std::vector<Outgoing> outgoing;
  std::vector<Notice> notices;
  ReplicaCounters counters;
};

}  // namespace distri::replication
