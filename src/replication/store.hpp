// store.hpp: everything a replica holds, as states by collection and key: what ops become once they are applied.
//
// The live documents are in a db::Database, for reading; tombstones, the collections' stamps and the digests are beside
// it. Tombstones are kept for ever in this first form.
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
#include "distri/replication/digest.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/messages.hpp"

namespace distri::replication {

class Store {
 public:
  struct Tombstone {
    Stamp stamp;
    Dot dot;
  };

  // True: it took effect; false: it was void.
  bool apply(Op op, const Dot& dot);
  void merge(CollectionChunk chunk);

  const db::Database& database() const { return database_; }
  const db::Record* find(std::string_view collection, std::string_view key) const;
  bool exists(std::string_view collection) const { return database_.find(collection) != nullptr; }
  Digest digest(std::string_view collection) const;
  std::optional<Tombstone> tombstone(std::string_view collection, std::string_view key) const;
  CollectionStamps stamps(std::string_view collection) const;

  // What a new generation of that document must exceed.
  Stamp floor_of(std::string_view collection, std::string_view key) const;
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
  void keep_touched() { keeping_touched_ = true; }
  bool touched() const { return !touched_.empty(); }
  // Records of everything that changed since the last call: one for each document or tombstone (kStateRecord), one for
  // each collection's head (kCollectionRecord). Each value ends in its checksum.
  void take_changes(std::vector<std::pair<Bytes, std::optional<Bytes>>>& changes);
  // Takes such records into an empty store, heads before states. `body` is the value without its checksum. kDataLoss.
  Result<> load_collection(BytesView key, BytesView body);
  Result<> load_state(BytesView key, BytesView body);
  // Collections ever known, and tombstones.
  std::size_t collections_known() const { return shelves_.size(); }
  std::size_t tombstones() const;
  // After the last record: counts and digests are as the heads say. kDataLoss.
  Result<> finish_load();

  // The first broken invariant. Also: every dot is covered by `vector`.
  std::optional<std::string> check(const VersionVector& vector) const;

 private:
  struct Shelf {
    std::string name;
    CollectionStamps stamps;
    absl::btree_map<std::string, Tombstone, std::less<>> tombstones;
    Digest digest;
  };

  Shelf& open(std::string_view collection);
  void touch(const Shelf& shelf, std::string_view key) {
    if (keeping_touched_) touched_.emplace_back(&shelf, key);
  }
  const Shelf* shelf(std::string_view collection) const;
  void put(Shelf& shelf, std::string_view collection, std::string_view key, const db::Record* old, State state);
  void merge_stamps(Shelf& shelf, const std::string& collection, const CollectionStamps& stamps);
  void bury_dead(Shelf& shelf, std::string_view collection);
  void settle_existence(const Shelf& shelf, std::string_view collection);
  std::optional<std::string> check_collection(const std::string& name, const Shelf& shelf,
                                              const VersionVector& vector) const;

  db::Database database_;
  // By pointer: a shelf stays where it is while others are added.
  absl::btree_map<std::string, std::unique_ptr<Shelf>, std::less<>> shelves_;
  bool keeping_touched_ = false;
  std::vector<std::pair<const Shelf*, std::string>> touched_;  // an empty key: the head
  // While loading: what the heads promise.
  struct Promised {
    Digest digest;
    std::uint64_t documents = 0;
  };
  absl::btree_map<std::string, Promised> promised_;
};

// What stands for a live document in its collection's digest: its bytes and all of its revisions.
Hash256 member_hash(std::string_view collection, const bson::Document& document, const db::Revision& revision);

}  // namespace distri::replication
