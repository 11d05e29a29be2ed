// index.hpp: an index over the documents of one collection.
//
// An ordered set of entries: the key of index_key.hpp and behind it the document's `_id` key, so that byte order is the
// order of the index and equal keys are in the order of `_id`; it knows the record, too, which stays where it is as
// long as it is in the collection. Documents are never refused: what cannot be indexed (arrays in parallel, too many or
// too long keys; a peer may send such a document) is on a list beside the entries that every scan visits, too. So a
// scan sees every document that a filter's bounds let through, whatever the peers wrote.
//
// An index is built in slices: until build() has come to the last document it holds those up to the build's position,
// add() and remove() keep it so, and the planner does not use it.
//
// Uniqueness is a question that the node which takes a write asks first (conflict()). Equal keys that two nodes took at
// the same time are both kept, and counted (duplicates()).
//
// Invariants (check() tests them): (1) the entries are the keys of the documents up to the build's position that belong
// into the index; (2) every other such document is unindexable, in the sparse or partial part left out, or behind the
// position; (3) the counts are those of the entries. Threads: none; the owner serialises calls. Errors: see each.
#pragma once

#include <absl/container/btree_set.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "distri/db/filter.hpp"
#include "distri/db/index_definition.hpp"
#include "distri/db/records.hpp"

namespace distri::db {

class IndexKeyMaker;
struct IndexKeys;

struct IndexEntry {
  std::string bytes;  // key, then the `_id` key
  std::uint32_t key_size = 0;
  const Record* record = nullptr;

  std::string_view key() const { return std::string_view(bytes).substr(0, key_size); }
  std::string_view id_key() const { return std::string_view(bytes).substr(key_size); }
};

struct IndexEntryOrder {
  using is_transparent = void;
  static std::string_view view(const IndexEntry& entry) { return entry.bytes; }
  static std::string_view view(std::string_view bytes) { return bytes; }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return view(a) < view(b);
  }
};

class Index : public std::enable_shared_from_this<Index> {
 public:
  using Entries = absl::btree_set<IndexEntry, IndexEntryOrder>;
  using Ids = absl::btree_set<std::string, std::less<>>;

  // Empty, and ready when `complete`: when there are no documents yet.
  Index(IndexDefinition definition, bool complete);
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  ~Index();

  const IndexDefinition& definition() const { return definition_; }
  // The only part of a definition that changes without another index. Precondition: of a single field, or nullopt.
  void set_expire_after(std::optional<std::int64_t> seconds) { definition_.expire_after_s = seconds; }
  // nullptr: not partial.
  const Filter* partial() const { return partial_ ? &*partial_ : nullptr; }

  // A document is here now, or is going. Precondition of remove(): it is what add() was given.
  void add(std::string_view id_key, const Record& record);
  void remove(std::string_view id_key, const Record& record);
  // The record is about to hold `next`. Quick when no key changes.
  void replace(std::string_view id_key, const Record& record, bson::View next);

  // ---- Building. The owner calls visit() with the documents in the order of `_id`, from behind position() on, and
  // finish() after the last.
  bool ready() const { return !position_; }
  const std::string& position() const { return *position_; }
  // The work it took, in entries (at least 1; long documents count as more).
  std::size_t visit(std::string_view id_key, const Record& record);
  void finish() { position_.reset(); }

  const Entries& entries() const { return entries_; }
  // Of an index that goes: freeing them all at once may take long.
  Entries release_entries() && { return std::move(entries_); }
  // `_id` keys of documents that belong into the index but have no key.
  const Ids& unindexable() const { return unindexable_; }
  // Documents (of the entries) in which the path of that field meets an array.
  std::uint64_t multikey(std::size_t field) const { return multikey_[field]; }
  bool multikey() const { return multikey_documents_ != 0; }
  std::uint64_t duplicates() const { return duplicates_; }  // entries whose key the entry before has, too
  std::size_t bytes() const { return bytes_; }

  // May a client write this document? kInvalidArgument, CannotIndexParallelArrays.
  Result<> check_document(bson::View document) const;
  // For a unique index: the key (without id) of `document` that another document than `id_key` has.
  std::optional<std::string> conflict(std::string_view id_key, bson::View document) const;

  // The first broken invariant; `each` calls back with all documents.
  std::optional<std::string> check(
      const std::function<void(const std::function<void(std::string_view, const Record&)>&)>& each) const;

 private:
  enum class Place : std::uint8_t { kEntries, kUnindexable, kNowhere };
  Place place_of(bson::View document, IndexKeys& keys) const;
  bool covers(std::string_view id_key) const { return ready() || id_key <= *position_; }
  void insert(std::string_view id_key, const Record& record, Place place, const IndexKeys& keys);
  void erase(std::string_view id_key, Place place, const IndexKeys& keys);
  bool shares_key(Entries::const_iterator at) const;

  IndexDefinition definition_;
  std::optional<Filter> partial_;
  std::unique_ptr<IndexKeyMaker> maker_;
  std::optional<std::string> position_;
  Entries entries_;
  Ids unindexable_;
  std::array<std::uint64_t, kIndexFieldsMax> multikey_{};
  std::uint64_t multikey_documents_ = 0;
  std::uint64_t duplicates_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace distri::db
