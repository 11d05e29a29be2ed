// conflicts.hpp: what lost to a concurrent write, kept until somebody has dealt with it.
//
// A conflict is named by collection, key and the dot of the loser (losers.hpp), on every node alike. It is bounded per
// collection in entries and bytes; beyond, the oldest arrivals go and are counted. Conflicts outlive their documents
// and their collection. A node that writes restores or dismisses; a kResolve op then removes the conflict everywhere.
//
// Invariants: (1) per collection, entries and bytes are within their bounds, unless a single conflict exceeds the bytes
// alone. (2) arrivals are unique and ascend.
// Threads: none; the owner serialises calls. Errors: only the decoder's.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distri/replication/losers.hpp"
#include "distri/utils/result.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::replication {

inline constexpr std::size_t kConflictBytesMax = 16u << 20;  // per collection

struct ConflictName {
  std::string collection;
  Bytes key;  // order_key of the _id
  Dot loser;

  auto operator<=>(const ConflictName&) const = default;
};

struct Conflict {
  ConflictName name;
  Loser loser;
  std::uint64_t arrival = 0;  // on this node; greater is newer

  std::size_t bytes() const;
  bool operator==(const Conflict&) const = default;
};
void encode(wire::Writer& out, const Conflict& conflict);
// Total and bounded: names, kinds, documents. kProtocolError.
Result<Conflict> decode_conflict(wire::Reader& in);

class Conflicts {
 public:
  explicit Conflicts(std::size_t entries_max, std::size_t bytes_max = kConflictBytesMax)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}

  // Takes it in as the newest arrival and drops what is too much then. When one of that name is there, the two are
  // joined; increments that a sum holds are not kept twice. True: there was none of that name, and it stays.
  bool add(Conflict conflict);
  // The same, with its arrival: from a journal, or in the place of what it was before.
  void load(Conflict conflict);
  // True: there was one.
  bool erase(const ConflictName& name);
  // It has been dealt with. With `since`, so have the increments of that actor from there on.
  void resolve(const ConflictName& name, std::uint64_t since);
  const Conflict* find(const ConflictName& name) const;

  struct Query {
    std::string collection;             // empty: all
    std::optional<Bytes> key;           // of one document only; needs a collection
    std::optional<ConflictName> after;  // the last of the page before
    std::size_t limit = 100;
  };
  // In the order of names. Valid until the next change.
  std::vector<const Conflict*> list(const Query& query) const;
  // In the order of names.
  using Entries = absl::btree_map<ConflictName, Conflict>;
  const Entries& entries() const { return entries_; }
  // The first one of a key behind `key`, in this collection or a later one.
  Entries::const_iterator after(std::string_view collection, BytesView key) const;
  void for_each(const std::function<void(const Conflict&)>& visit) const;

  std::size_t size() const { return entries_.size(); }
  std::size_t size(std::string_view collection) const;
  std::size_t bytes() const;
  std::uint64_t evicted() const { return evicted_; }  // in this life

  // ---- For a journal. From keep_touched() on, the names of what came, changed or went are remembered.
  void keep_touched() { keeping_touched_ = true; }
  const absl::btree_set<ConflictName>& touched() const { return touched_; }
  absl::btree_set<ConflictName> take_touched() { return std::exchange(touched_, {}); }

  // The first broken invariant.
  std::optional<std::string> check() const;

 private:
  struct Shelf {
    absl::btree_map<std::uint64_t, ConflictName> arrivals;
    std::size_t bytes = 0;
  };

  void put(Conflict conflict);
  void fold_increments(Conflict& conflict);
  void shrink(const std::string& collection);
  void touch(const ConflictName& name) {
    if (keeping_touched_) touched_.insert(name);
  }

  std::size_t entries_max_;
  std::size_t bytes_max_;
  std::uint64_t next_arrival_ = 1;
  std::uint64_t evicted_ = 0;
  Entries entries_;
  absl::btree_map<std::string, Shelf, std::less<>> shelves_;
  bool keeping_touched_ = false;
  absl::btree_set<ConflictName> touched_;
};

}  // namespace distri::replication
