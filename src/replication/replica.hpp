// replica.hpp: a node's full copy of the database and its half of the replication protocol. Sans-IO.
//
// The owner (cloud::CloudNode, or the simulator) calls local writes, passes in messages from peers and the time, and
// after every turn takes out what is to be sent. Nothing is called back, nothing sleeps, no clock is read:
//
//   replica.insert("photos", document, now);         // any number of local writes ...
//   replica.receive(peer, kind, payload, now);       // ... and of messages
//   replica.end_turn(now);                           // seals the turn's batch
//   for (auto& message : replica.take_outgoing()) send(message.to, message.kind, *message.payload);
//   for (auto& notice : replica.take_notices()) log(notice);
//   // and about every tick_ms: replica.tick(now)    // gossip, pull, timeouts
//
// Merge rules (DESIGN section 5; merge.hpp has them as pure functions):
//   * Per _id the newest generation (insert, replace, delete) by stamp wins as a whole.
//   * In a generation each top-level field is a last-writer-wins register. An update is void in any generation but its
//   target.
//   * A local write's stamp exceeds that of everything it replaces, whatever the clock says.
//   * Field order is part of a document and must converge: _id, then the fields of the generation's insert in their
//   order (a field
//     unset and set again returns to its place), then fields added later, ordered by name.
//   * A collection remembers its newest create and newest drop stamp. Generations not above the drop stamp are dead. It
//   exists when
//     it holds documents or create > drop. Inserting into a missing collection creates it (an op of its own, before the
//     insert).
//
// Delivery: batches of each turn to every connected peer, or in a larger cluster by a broadcast tree
// (broadcast_tree.hpp); a batch is applied when `before` is covered, held back
// (bounded) when early, ignored when its dots are covered. UpdateInfo goes to every connected peer each gossip_ms, and
// at once on connecting. Whoever sees that a peer has more pulls from that peer's log (one pull under way per peer,
// with a timeout), in chunks, in the log's causal order. Equal vectors with unequal digests raise Notice::kDivergence.
// When a peer's log no longer reaches back, it answers with the states of all documents (and tombstones) in chunks;
// merging states gives exactly what the ops would have given. The chunks are staged, then the writes that the peer
// applied meanwhile are pulled from its log, and all of it is taken over in one step together with the vector that it
// amounts to: state and vector fit each other at every moment, also when the peer dies half way.
//
// Invariants:
//   (1) vector() covers exactly the ops that have been applied; ops are applied in causal order, each once.
//   (2) equal vectors imply equal digests (the proof is exchanged in every UpdateInfo).
//   (3) own counters are dense from 1 within the incarnation.
//   (4) memory for peers is bounded: hold-back by holdback_bytes_max, log by log_bytes_max (oldest out), outgoing
//   pushes to one peer by
//       the owner, who drops pushes to a peer that does not drain (UpdateInfo heals).
// Threads: none; the owner serialises calls.
#pragma once

#include <absl/container/btree_map.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/db/database.hpp"
#include "distri/replication/conflicts.hpp"
#include "distri/replication/digest.hpp"
#include "distri/replication/op.hpp"
#include "distri/replication/plant.hpp"
#include "distri/replication/version_vector.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/ids.hpp"

namespace distri::replication {

class OpLog;

inline constexpr std::size_t kLeavingTextBytesMax = 1024;

// In a cluster of so many nodes every batch goes to all of them directly; in a larger one by a broadcast tree.
inline constexpr std::size_t kDirectNodesMax = 16;

struct ReplicaConfig {
  NodeId node;
  std::uint64_t incarnation = 1;  // fresh for every start without complete local state
  std::string address;            // announced in UpdateInfo
  std::int64_t gossip_ms = 1'000;
  std::int64_t pull_timeout_ms = 10'000;
  std::size_t pull_chunk_bytes = 1u << 20;
  std::size_t staging_bytes_max = std::size_t{16} << 30;  // states taken in from a peer, before they are taken over
  std::size_t holdback_bytes_max = 64u << 20;
  std::int64_t holdback_ms_max = 60'000;  // a held-back batch is dropped then; what is still missing is pulled
  // Of writes kept for peers and readers of changes: a quarter of the documents' bytes, but no less and no more than
  // these. A peer that lacks more gets the documents.
  std::size_t log_bytes_min = 16u << 20;
  std::size_t log_bytes_max = 512u << 20;
  // A peer's stamp further ahead of our wall clock than this is not adopted into our clock (the write itself is
  // merged), and reported.
  std::int64_t clock_ahead_max_ms = 60'000;
  // An actor that belongs to no connected member, and of which all members have had the same writes for so long, leaves
  // the version vectors.
  std::int64_t fold_after_ms = 60'000;
  OpLimits limits;
  // ---- Durability: changes are gathered for take_commit(), and writes count as durable when committed() says so.
  // Without, they are as durable as they get at once (memory mode).
  bool journal = false;
  std::uint32_t members = 1;  // configured size of the cluster, this node included
  std::size_t direct_nodes_max = kDirectNodesMax;
  std::size_t tombstones_max = 1'000'000;  // beyond, the oldest go although some member may not have seen them
  // Nodes that went are waited for so long before tombstones go that they have not seen, also beyond `members`.
  std::int64_t away_ms_max = 3'600'000;
  std::size_t conflicts_max = 1'000;   // per collection; beyond, the oldest go
  std::size_t requests_max = 100'000;  // request ids remembered
  Plant plant = Plant::kNone;          // test only
};

// What changed since the last commit, for a journal: to be written as one atomic batch.
using Change = std::pair<Bytes, std::optional<Bytes>>;  // nullopt erases the key
struct Commit {
  std::uint64_t number = 0;  // 1, 2, ...
  std::vector<Change> changes;
};
// Calls the visitor for every record of a journal, in the order of keys; hands an error of the visitor on.
using RecordVisitor = std::function<Result<>(BytesView key, BytesView value)>;
using RecordSource = std::function<Result<>(const RecordVisitor&)>;
struct LoadReport {
  std::uint64_t collections = 0;  // dropped ones too
  std::uint64_t documents = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t folds = 0;
  std::uint64_t log_entries = 0;
  std::uint64_t conflicts = 0;
};

// Message kinds between nodes (wire MESSAGE frames); the numbers travel.
enum class MessageKind : std::uint16_t {
  kUpdateInfo = 1,
  kBatch = 2,
  kPull = 3,
  kPullReply = 4,
  kState = 5,
  kLeaving = 6,
  kWantAck = 7,
  kAck = 8,
  kRangeDigests = 9,
  kRangeStates = 10,
  kHeartbeat = 11,
  kWantInfo = 12,
  kTreeBatch = 13,
  kHave = 14,
  kGraft = 15,
  kPrune = 16
};

// A message to one peer. Payloads of the same push are shared, not copied.
struct Outgoing {
  NodeId to;
  MessageKind kind;
  std::shared_ptr<const Bytes> payload;
};

// Load as UpdateInfo carries it: what is in flight now.
struct Load {
  std::uint32_t queued = 0;
  std::uint32_t running = 0;
  std::uint32_t workers = 0;
  std::uint32_t loop_lag_us = 0;
};

struct CollectionSummary {
  std::string name;
  std::uint64_t documents = 0;
  Digest digest;
};

// What a node tells its peers about itself.
struct UpdateInfo {
  NodeId node;
  std::uint64_t incarnation = 0;
  ActorId actor;
  std::string address;
  Load load;
  std::vector<std::string> services;
  VersionVector vector;
  std::vector<CollectionSummary> collections;
  // Addresses of the nodes it knows, so that a newcomer learns all from any one.
  std::vector<std::string> known_addresses;
  // Its wall clock when it said this. Nodes of versions without expireAfterSeconds do not say it.
  std::optional<std::int64_t> wall_ms;
  bool newcomer = false;  // it has no copy of the database yet: who has its vector need not have everything
};
void encode(wire::Writer& out, const UpdateInfo& info);
Result<UpdateInfo> decode_update_info(wire::Reader& in);

// What the owner should log, count or act on.
struct Notice {
  enum class Kind {
    kDivergence,
    kClockAhead,
    kHoldbackFull,
    kBadMessage,
    kPullTimeout,
    kLogTruncated,
    kSyncedByState,
    kDuplicateIdentity,
    kConflict,
    kMended,
    kTombstonesDropped,
  };
  Kind kind;
  NodeId peer;
  std::string text;
};

// For statistics.
struct ReplicaCounters {
  std::uint64_t local_ops = 0;
  std::uint64_t remote_ops = 0;
  std::uint64_t void_ops = 0;  // lost to a newer generation or register
  std::uint64_t duplicate_batches = 0;
  std::uint64_t relayed_batches = 0;  // pushes of other nodes' batches, by the broadcast tree
  std::uint64_t grafted_batches = 0;  // sent because a neighbour in the tree lacked them
  std::uint64_t tree_neighbours = 0;  // now
  std::uint64_t tree_eager = 0;       // of these pushed to, now
  std::uint64_t held_back = 0;        // batches, now
  std::uint64_t held_back_bytes = 0;  // now
  std::uint64_t pulls = 0;
  std::uint64_t states_sent = 0;    // documents and tombstones' chunks sent to peers that the log does not reach
  std::uint64_t state_syncs = 0;    // streams of states taken over
  std::uint64_t staging_bytes = 0;  // of states being taken in, now
  std::uint64_t state_resumes = 0;  // streams that went on after their link had broken
  std::uint64_t divergences = 0;
  std::uint64_t mended_ranges = 0;       // that differed from a peer's and were joined
  std::uint64_t tombstones = 0;          // now
  std::uint64_t tombstones_removed = 0;  // seen by all members
  std::uint64_t folds = 0;               // actors that have left the version vectors
  std::uint64_t tombstones_dropped = 0;  // over tombstones_max, although some member may not have seen them
  std::uint64_t log_bytes = 0;           // now
  std::uint64_t infos_sent = 0;
  std::uint64_t heartbeats_sent = 0;
  std::uint64_t documents_expired = 0;  // removed by this node, in this life
  std::uint64_t documents_capped = 0;   // the same, of capped collections
};

class Replica {
 public:
  explicit Replica(ReplicaConfig config);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // ---- Local writes. `now_ms` is wall time. All check their input (db::check_document, check_stored_collection_name):
  // kInvalidArgument, kTooLarge; nothing is changed on error. `document` has an _id. kAlreadyExists when a document
  // with that _id is there.
  Result<> insert(std::string_view collection, bson::Document document, std::int64_t now_ms);
  // Whole-document write: insert or replace by _id.
  Result<> replace(std::string_view collection, bson::Document document, std::int64_t now_ms);
  // Sets the given top-level fields of the document with that `_id` (which `fields` contains); inserts `fields` when
  // there is none. Fields whose value is already the same are still written (last writer wins). True: inserted.
  Result<bool> upsert_fields(std::string_view collection, bson::View fields, std::int64_t now_ms);
  // Sets and unsets fields of an existing document. kNotFound.
  Result<> update(std::string_view collection, BytesView key, bson::View set, const std::vector<std::string>& unset,
                  std::int64_t now_ms);
  // True: there was one.
  Result<bool> remove(std::string_view collection, BytesView key, std::int64_t now_ms);
  // True: it is new.
  Result<bool> create_collection(std::string_view name, std::int64_t now_ms);
  // True: it existed.
  Result<bool> drop_collection(std::string_view name, std::int64_t now_ms);

  // ---- Conflicts and counters (replica_conflicts.cpp).
  // Adds the numbers of `deltas` ({field: int32, int64 or double, ...}) to fields of an existing document; a field that
  // is not there counts as nothing. Concurrent increments all count. kNotFound. kInvalidArgument: a field or delta that
  // is not such a number (or is `_id`, or named twice), or a sum beyond 64 bits.
  Result<> increment(std::string_view collection, BytesView key, bson::View deltas, std::int64_t now_ms);
  // All of it or nothing. kInvalidArgument also: a field is named by two of the three.
  Result<> update_and_increment(std::string_view collection, BytesView key, bson::View set,
                                const std::vector<std::string>& unset, bson::View deltas, std::int64_t now_ms);
  // What lost to a concurrent write (losers.hpp). Pointers into it end with the next call that writes.
  const Conflicts& conflicts() const;
  // Conflicts that are new since the last call, oldest first; of too many the newest thousand.
  std::vector<Conflict> take_conflict_events();
  // Writes what was lost again, over what is there now: a document replaces, a delete deletes, fields are set (into a
  // document of their own when there is none), increments are added. Then the conflict is gone, everywhere. kNotFound:
  // there is no such conflict, or no document to add increments to.
  Result<> restore_conflict(std::string_view collection, BytesView key, const Dot& loser, std::int64_t now_ms);
  // Lets it go, everywhere. kNotFound.
  Result<> dismiss_conflict(std::string_view collection, BytesView key, const Dot& loser, std::int64_t now_ms);

  // ---- Peers. Links are the owner's; a peer is known by its node id from connected to disconnected.
  // `trees`: it knows the messages of the broadcast tree. One that does not is pushed our batches directly.
  void peer_connected(const NodeId& peer, std::int64_t now_ms, bool trees = true);
  void peer_disconnected(const NodeId& peer);
  // A message from a connected peer. An error (kProtocolError) means that the peer speaks badly: the owner closes the
  // link.
  Result<> receive(const NodeId& from, MessageKind kind, BytesView payload, std::int64_t now_ms);

  // Tells all connected peers that this node stops, so that they pull elsewhere. At most kLeavingTextBytesMax bytes are
  // sent.
  void announce_leaving(std::string_view reason);

  // ---- Requests that may be repeated, here or at another node.
  // Local writes carry this id from now on; empty: none.
  void set_request(const RequestId& id);
  // What a request's writes did that have been applied here, whoever made them; nullptr: none, or too long ago
  // (config.requests_max). Valid until the next call.
  struct AppliedRequest {
    std::uint32_t inserted = 0;  // documents inserted or replaced, collections created
    std::uint32_t updated = 0;
    std::uint32_t deleted = 0;  // documents deleted, collections dropped
    Bytes key;                  // of the first document
  };
  const AppliedRequest* find_request(const RequestId& id) const;
  // A write of nothing. Who holds it holds all that was seen here before, writes of others too.
  Result<> note(std::int64_t now_ms);

  // ---- Durability (config.journal).
  // Takes what a journal holds; only right after construction. kDataLoss: it does not fit together; the replica is not
  // usable then.
  Result<LoadReport> load(const RecordSource& source, std::int64_t now_ms);
  // After end_turn() or receive(): what changed since the last commit; nullopt: nothing did.
  std::optional<Commit> take_commit();
  // All commits up to this one are durable.
  void committed(std::uint64_t number, std::int64_t now_ms);
  // While the journal takes nothing: local writes fail with `reason`, and what peers send is left for later.
  void refuse_writes(Error reason);
  void accept_writes();

  // ---- Sessions (replica_sessions.cpp).
  // What of vector() a crash would not take back; without a journal, all of it. A caller's token names no more.
  const VersionVector& durable() const;
  // The commit that must be durable before a caller is shown that collection, or that document of it; 0: none. Only
  // what was shown then is still there after any crash, and a session does not read backwards.
  std::uint64_t undurable() const;  // or all of them
  std::uint64_t undurable(std::string_view collection) const;
  std::uint64_t undurable(std::string_view collection, std::string_view key) const;
  // Commits up to this one are durable.
  std::uint64_t durable_commit() const;
  // Why writes are refused; nullptr: they are not.
  const Error* refusal() const;
  // When that write is nowhere any more: the newest of its actor's writes that is still somewhere (0: none). All
  // configured members have been connected for long enough that whatever somebody held back has come out, none has it,
  // and the life that made it has ended: who waits for it waits in vain. nullopt: it may still come.
  std::optional<std::uint64_t> newest_before_lost(const Dot& dot) const;

  // ---- Write concern.
  // How many of the configured members are known to hold that write durably, as their own mode says; this node is one.
  std::uint32_t holders(const Dot& dot) const;
  // Asks the peers to confirm it; also those that connect later, until forget_holders().
  void want_holders(const Dot& dot);
  void forget_holders(const Dot& dot);
  // The newest own write; counter 0: none yet.
  Dot newest_own_dot() const;

  // ---- Turns and time.
  void end_turn(std::int64_t now_ms);
  void tick(std::int64_t now_ms);
  // Goes on building indexes, for about `budget` documents or keys. True: there is more to do, on another turn.
  bool build_indexes(std::size_t budget);
  // Removes documents that have expired (db/expiry.hpp) and the oldest of capped collections that are over their
  // limits, by ordinary deletes: about `budget` of them. True: there is more to do, on another turn. Of connected nodes
  // only the one with the smallest id does it.
  bool sweep(std::size_t budget, std::int64_t now_ms);
  // The clock by which documents expire, in milliseconds since 1970: no single node's (replica_sweep.cpp). nullopt:
  // too few clocks are known, and nothing expires.
  std::optional<std::int64_t> expiry_clock_ms() const;
  std::vector<Outgoing> take_outgoing();
  std::vector<Notice> take_notices();
  // What the next UpdateInfo says of the owner's side.
  // The configured size of the cluster has changed: ReplicaConfig::members.
  void set_members(std::uint32_t members);
  std::uint32_t members() const;
  // The same where members are known by their keys; this node may be among them. All other peers are forgotten: what
  // they have confirmed does not count for holders(), their clocks have no say, tombstones do not wait for them, and
  // those that are connected are disconnected. `all_known`: false when there are members of whom no more is known than
  // that they are there.
  void set_members(const std::vector<NodeId>& members, bool all_known = true);
  // A connected peer has said whether the table that it holds is the one which the last set_members() was made from.
  // Until it has said so again, somebody whom only it knows may be a member (newest_before_lost()).
  void peer_agrees(const NodeId& node, bool agrees);
  void set_load(const Load& load);
  void set_services(std::vector<std::string> services);
  void set_known_addresses(std::vector<std::string> addresses);
  // What UpdateInfo says of this node.
  void set_newcomer(bool newcomer);

  // ---- State.
  const db::Database& database() const;
  // Names of the collections that exist, sorted.
  std::vector<std::string> collection_names() const;
  bool collection_exists(std::string_view name) const;
  const VersionVector& vector() const;
  ActorId actor() const;
  // Order-independent digest of the live documents with their revisions.
  Digest digest(std::string_view collection) const;
  std::vector<CollectionSummary> summaries() const;
  // Digest over all collections: equal exactly when all summaries are.
  Digest database_digest() const;
  UpdateInfo own_info() const;
  // The newest UpdateInfo of each peer heard of in this life, connected or not.
  const absl::btree_map<NodeId, UpdateInfo>& peers() const;
  // Everything a connected peer announced is covered here.
  bool caught_up() const;
  // A stream of states is being taken in.
  bool syncing_states() const;
  // The log, for tests and the simulator.
  const OpLog& log() const;
  ReplicaCounters counters() const;
  // Recomputes digests from scratch and checks the invariants; a text that names the first broken one. For tests and
  // the simulator.
  std::optional<std::string> check_invariants() const;

 private:
  friend class ChangeFeed;  // reads the log and what stands beside it (change_feed.hpp)
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::replication
