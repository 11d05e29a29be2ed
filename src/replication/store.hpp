// store.hpp: everything a replica holds, as states by collection and key: what ops become once they are applied.
//
// The live documents are in a db::Database, for reading; tombstones, the collections' stamps and the digests are beside
// it. Tombstones stay until the owner says that they have done their work (purge_tombstones()).
//
// Invariants:
//   (1) a key has a live document or a tombstone, not both; no generation is at or below its collection's drop stamp.
//   (2) the database holds a collection exactly when it exists: it has documents, or was created after it was last
//   dropped. (3) a collection's digest is the sum of its live documents' member hashes.
// Threads: none. Errors: none; input has been checked.
#pragma once

#include <absl/container/btree_map.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/db/database.hpp"
#include "distri/replication/conflicts.hpp"
#include "distri/replication/digest.hpp"
#include "distri/replication/effect.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/messages.hpp"
#include "distri/replication/plant.hpp"
#include "distri/replication/undurable.hpp"

namespace distri::replication {

class Store {
 public:
  struct Tombstone {
    Stamp stamp;
    Dot dot;
  };

  explicit Store(std::size_t conflicts_max = 1'000, Plant plant = Plant::kNone)
      : conflicts_(conflicts_max), plant_(plant) {}

  // What it did; without took_effect it was void. `seen`: what its writer had seen; a local writer has seen everything.
  Effect apply(Op op, const Dot& dot, const Seen& seen = Seen());
  // What a document means that is here, lies in a chunk's range and is not in the chunk.
  enum class Absence {
    // The sender has deleted it, if its vector covers the document (the covered-dot rule): a stream of states.
    kDeleted,
    // Both have seen the same writes, so one side lost it. Deleted, if that side has removed tombstones that may have
    // been its; else damage, and it is kept. For mending.
    kDoubtful,
  };
  // Joins a peer's states. `mine`: our vector before; `theirs`: the peer's when it made the chunk.
  // `start`: what the peer had seen when its stream of states began. A create or drop of the collection that came later
  // is left out: it comes as an op behind the stream.
  void merge(CollectionChunk chunk, const VersionVector& mine, const VersionVector& theirs, Absence absence,
             const VersionVector* start = nullptr);

  // A stretch of a collection's live documents, for comparing with a peer.
  struct Range {
    std::string to;  // the last key; meaningless with to_end
    bool to_end = true;
    std::uint64_t documents = 0;
    Digest digest;
  };
  // At most `documents_max` documents after `from`.
  Range range(std::string_view collection, std::string_view from, std::size_t documents_max) const;
  Range range_to(std::string_view collection, std::string_view from, std::string_view to, bool to_end) const;
  // Its states, as a collection of a StateChunk.
  void encode_range(wire::Writer& out, std::string_view collection, std::string_view from, std::string_view to,
                    bool to_end) const;

  // ---- Conflicts (store_conflicts.cpp): what lost in apply() and merge().
  const Conflicts& conflicts() const { return conflicts_; }
  // Those that are new since the last call, oldest first; of too many the newest kNewConflictsMax.
  std::vector<Conflict> take_new_conflicts() { return std::exchange(new_conflicts_, {}); }
  static constexpr std::size_t kNewConflictsMax = 1'000;

  // Removes tombstones that are `done`; looks at no more than `examined_max`, and goes on from there the next time.
  // New generations in those collections exceed what was removed.
  std::size_t purge_tombstones(const std::function<bool(const Tombstone&)>& done, std::size_t examined_max);
  // The last purge looked at the last tombstone.
  bool purge_complete() const { return purge_cursor_ == StateCursor{}; }
  // The greatest stamp among the `count` oldest tombstones.
  Stamp stamp_of_oldest_tombstones(std::size_t count) const;

  const db::Database& database() const { return database_; }
  void build_indexes(std::size_t budget) { database_.build_indexes(budget); }
  const db::Record* find(std::string_view collection, std::string_view key) const;
  bool exists(std::string_view collection) const { return database_.find(collection) != nullptr; }
  Digest digest(std::string_view collection) const;
  std::optional<Tombstone> tombstone(std::string_view collection, std::string_view key) const;
  CollectionStamps stamps(std::string_view collection) const;

  // What a new generation of that document must exceed; `record` is what find() gives.
  Stamp floor_of(std::string_view collection, std::string_view key, const db::Record* record) const;
  // What a drop must exceed: every stamp in the collection.
  Stamp floor_of_all(std::string_view collection) const;

  // The states after `after` (default-constructed: from the start), as much as about `bytes_max` holds but at least
  // one, encoded as the collections of a StateChunk. `end`: these were the last.
  struct Scan {
    Bytes encoded;
    StateCursor cursor;
    bool end = true;
  };
  Scan scan(const StateCursor& after, std::size_t bytes_max) const;

  // ---- For a journal (store_journal.cpp). From keep_touched() on, what changes is remembered for take_changes().
  void keep_touched() {
    keeping_touched_ = true;
    conflicts_.keep_touched();
  }
  bool touched() const { return !touched_.empty() || !conflicts_.touched().empty(); }
  // Records of everything that changed since the last call: one for each document or tombstone (kStateRecord), one for
  // each collection's head (kCollectionRecord). Each value ends in its checksum.
  void take_changes(std::vector<std::pair<Bytes, std::optional<Bytes>>>& changes);
  // What changes from now on belongs to that commit (0: it is on the disk already); commits up to `number` are durable.
  void begin_commit(std::uint64_t number) { next_commit_ = number; }
  void committed(std::uint64_t number) { undurable_.durable(number); }
  const Undurable& undurable() const { return undurable_; }
  // Takes such records into an empty store, heads before states. `body` is the value without its checksum. kDataLoss.
  Result<> load_collection(BytesView key, BytesView body);
  Result<> load_state(BytesView key, BytesView body);
  // The same for conflicts (kConflictRecord), which the heads do not count.
  void take_conflict_changes(std::vector<std::pair<Bytes, std::optional<Bytes>>>& changes);
  Result<> load_conflict(BytesView key, BytesView body);
  // Collections ever known, and tombstones.
  std::size_t collections_known() const { return shelves_.size(); }
  std::size_t tombstones() const;
  // After the last record: counts, and digests if they are of today's hash, are as the heads say. kDataLoss.
  Result<> finish_load(bool digests_fit);
  // The heads of all collections are to be written.
  void touch_heads();

  // The first broken invariant. Also: every dot is covered by `vector`.
  std::optional<std::string> check(const VersionVector& vector) const;

 private:
  using Tombstones = absl::btree_map<std::string, Tombstone, std::less<>>;
  struct Shelf {
    std::string name;
    CollectionStamps stamps;
    Tombstones tombstones;
    Digest digest;
  };

  Shelf& open(std::string_view collection);
  void touch(const Shelf& shelf, std::string_view key) {
    if (!keeping_touched_) return;
    touched_.emplace_back(&shelf, key);
    if (next_commit_ != 0) undurable_.changed(shelf.name, key, next_commit_);
  }
  const Shelf* shelf(std::string_view collection) const;
  void put(Shelf& shelf, std::string_view collection, std::string_view key, const db::Record* old, State state);
  void merge_stamps(Shelf& target, const CollectionStamps& stamps, const Seen& seen);
  void bury_dead(Shelf& target, std::string_view from, const Bytes* to, const Seen& seen);
  void settle_existence(const Shelf& shelf, std::string_view collection);
  void forget_absent(Shelf& target, const CollectionChunk& chunk, const std::function<bool(const db::Revision&)>& gone,
                     const Seen& seen);
  void forget(Shelf& target, const std::string& key, const db::Record& record, const Dot& winner, const Seen& seen);
  void keep_what_ends(const Shelf& target, const std::string& key, const db::Record& record, const Dot& winner,
                      const Seen& seen);
  void apply_to_collection(Shelf& target, const Op& op, const Dot& dot, const Seen& seen, Effect& effect);
  void apply_to_document(Shelf& target, Op op, const Dot& dot, const Seen& seen, Effect& effect);
  std::optional<State> apply_to(const Shelf& target, const db::Record* record, Op op, const Dot& dot, const Seen& seen,
                                Losers& losers) const;
  void keep_losers(std::string_view collection, std::string_view key, Losers& losers);
  void keep_conflict(Conflict conflict);
  void merge_conflicts(const Shelf& target, CollectionChunk& chunk, const VersionVector& mine,
                       const VersionVector& theirs);
  std::optional<Loser> shown_in(const Shelf& target, const Bytes& key, const Loser& loser) const;
  static std::optional<State> settle_damage(const db::Record& record, const State& other);
  std::optional<std::string> check_collection(const std::string& name, const Shelf& shelf,
                                              const VersionVector& vector) const;

  db::Database database_;
  // By pointer: a shelf stays where it is while others are added.
  absl::btree_map<std::string, std::unique_ptr<Shelf>, std::less<>> shelves_;
  mutable Shelf* last_asked_ = nullptr;  // the next question is nearly always for the same one
  StateCursor purge_cursor_;
  Conflicts conflicts_;
  std::vector<Conflict> new_conflicts_;
  Effect* effect_ = nullptr;  // of the op that is being applied
  Plant plant_;
  bool keeping_touched_ = false;
  std::vector<std::pair<const Shelf*, std::string>> touched_;  // an empty key: the head
  Undurable undurable_;
  std::uint64_t next_commit_ = 0;
  // While loading: what the heads promise.
  struct Promised {
    Digest digest;
    std::uint64_t documents = 0;
  };
  absl::btree_map<std::string, Promised> promised_;
};

// What stands for a live document in its collection's digest: its bytes and all of its revisions.
Hash256 member_hash(std::string_view collection, bson::View document, const db::Revision& revision);

}  // namespace distri::replication
