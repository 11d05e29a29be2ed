// collection.hpp: the documents of one collection, by `_id`.
//
// Plain storage with ordered iteration; replication decides what is put and erased. Documents are kept in the order of
// their `_id` (bson::compare order), which is also the order of an unsorted read, so that a paging cursor is simply the
// last `_id` seen and stays valid whatever is written in between. A capped collection keeps the order of insertion
// beside it, and is read in that.
//
// Invariants: (1) every document has `_id` as its first field, and its key is order_key(_id). (2) bytes() is the sum of
// the document sizes, memory_bytes() of what they take. (3) the indexes hold these documents (index.hpp): put() and
// erase() are the only ways by which documents change, whoever wrote them, and keep all indexes current. Threads: none;
// the owner serialises calls. Errors: none; callers check documents by check_document() first.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/insertion_order.hpp"
#include "distri/db/records.hpp"

namespace distri::db {

inline constexpr std::size_t kIdBytesMax = 1024;  // an `_id`'s value: it is a key of every index, cursor and tombstone

// A document that may be stored: at most bson::kDocumentBytesMax, `_id` first, at most kIdBytesMax and of a type that
// can be one (not array, regex, undefined), no top-level field name that starts with '$', no duplicate top-level field.
// kInvalidArgument or kTooLarge.
Result<> check_document(bson::View document);

// Who may do what on nodes with keys: written and read by the module cloud, documents like any others to this one.
inline constexpr std::string_view kAccessCollection = "system.access";

// 1 to 120 bytes of [A-Za-z0-9_.-], not starting with "system." or '.'. kInvalidArgument with what is wrong.
Result<> check_collection_name(std::string_view name);
// The same, and the collections that distri itself writes: system.indexes, system.collections, system.access. For what
// is stored and replicated.
Result<> check_stored_collection_name(std::string_view name);

class Index;
struct IndexDefinition;

class Collection {
 public:
  Collection();
  Collection(Collection&&) noexcept;
  Collection& operator=(Collection&&) noexcept;
  ~Collection();

  // By order_key(_id).
  const Records& records() const { return records_; }
  // nullptr when there is none. Valid until the next put or erase.
  const Record* find(std::string_view key) const;
  // Inserts or replaces.
  void put(std::string_view key, Record record) { put(key, std::move(record), find(key)); }
  // The same for who has looked: `old` is what find(key) gives.
  void put(std::string_view key, Record record, const Record* old);
  bool erase(std::string_view key);
  std::size_t size() const { return records_.size(); }
  std::size_t bytes() const { return bytes_; }
  // What documents, keys, revisions and indexes take in memory: counted by sizes, with what allocators add; an estimate
  // that is the same on every node.
  std::size_t memory_bytes() const;

  // ---- Indexes, in the order of their creation. They stay where they are. Shared with nobody; who remembers one from
  // turn to turn learns by a weak pointer that it has gone.
  const std::vector<std::shared_ptr<Index>>& indexes() const { return indexes_; }
  // nullptr: none of that name.
  const Index* index(std::string_view name) const;
  // Precondition: none has that name. It is to be built, unless there are no documents.
  Index& create_index(IndexDefinition definition);
  bool drop_index(std::string_view name) { return take_index(name) != nullptr; }
  // The same for who wants to free what it held little by little; nullptr: none of that name.
  std::shared_ptr<Index> take_index(std::string_view name);
  // Precondition: there is an index of that name (Index::set_expire_after()).
  void set_expire_after(std::string_view name, std::optional<std::int64_t> seconds);
  // Goes on building, for about `budget` documents or keys; returns what is left of it.
  std::size_t build_indexes(std::size_t budget);
  bool building_indexes() const;
  // ---- The order of insertion. It is made at once from the documents that are there.
  void keep_insertion_order(bool keep);
  // nullptr: it is not kept.
  const InsertionOrder* insertion_order() const { return insertion_order_ ? &*insertion_order_ : nullptr; }

  // The first broken invariant of an index, or of the order of insertion. Slow.
  std::optional<std::string> check_indexes() const;

 private:
  Records records_;
  std::vector<std::shared_ptr<Index>> indexes_;
  std::optional<InsertionOrder> insertion_order_;
  std::size_t bytes_ = 0;
  std::size_t record_memory_ = 0;  // memory_bytes() without the indexes
};

}  // namespace distri::db
