// database.hpp: collections by name, and which indexes and options they have.
//
// Both are documents: of the collections `system.indexes` (index_catalog.hpp) and `system.collections`
// (collection_options.hpp), so they replicate, are stored and are streamed as any document is. put() and
// erase_document() notice them: whoever holds such a document has the index, from the next turns on, or the options;
// when it goes, or its collection, so do they. A document there that is no definition (a peer of another version may
// send one) is stored and means nothing.
//
// Invariant: a collection has an index of a name exactly when `system.indexes` has a sound definition of it, and
// options exactly when `system.collections` has sound ones; it keeps the order of insertion exactly when it is capped.
// Threads: none. Errors: none.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "distri/db/collection.hpp"
#include "distri/db/collection_options.hpp"
#include "distri/db/index.hpp"

namespace distri::db {

class Database {
 public:
  // A collection stays where it is as long as it is there.
  using Collections = std::map<std::string, Collection, std::less<>>;

  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // nullptr when there is none.
  const Collection* find(std::string_view name) const;
  // Existing, or new with its indexes.
  const Collection& open(std::string_view name) { return open_for_writing(name); }
  bool erase(std::string_view name);
  const Collections& collections() const { return collections_; }
  // Of all documents.
  std::size_t bytes() const;

  // What the collection was told, whether it is there or not.
  const CollectionOptions& options(std::string_view collection) const;
  // Those that are not plain, by collection.
  using Options = absl::btree_map<std::string, CollectionOptions, std::less<>>;
  const Options& options() const { return options_; }

  // The only ways by which documents change. put() opens the collection; erase_document() leaves an empty one.
  void put(std::string_view collection, std::string_view key, Record record);
  // The same for who has looked: `old` is what is there now, nullptr: nothing.
  void put(std::string_view collection, std::string_view key, Record record, const Record* old);
  bool erase_document(std::string_view collection, std::string_view key);

  // Goes on building indexes, and freeing dropped ones, for about `budget` documents or keys. The owner calls it between
  // other work, as long as building_indexes().
  void build_indexes(std::size_t budget);
  bool building_indexes() const { return building_; }
  // Of the indexes by which documents expire: collection and name, whether they are there or not.
  using Expiring = absl::btree_set<std::pair<std::string, std::string>>;
  const Expiring& expiring() const { return expiring_; }
  // The first broken invariant of indexes, options and their definitions. Slow.
  std::optional<std::string> check_indexes() const;

 private:
  Collection& open_for_writing(std::string_view name);
  Collection* find_for_writing(std::string_view name) const;
  void define(const Record& definition);
  void undefine(const Record& definition);
  void set_options(const Record& entry);
  void forget_options(const Record& entry);
  void follow_options(std::string_view collection);

  mutable Collections collections_;                        // find() hands out what only writers change
  mutable Collections::value_type* last_asked_ = nullptr;  // the next question is nearly always for the same one
  Options options_;
  Expiring expiring_;
  bool building_ = false;
  std::vector<Index::Entries> retired_;  // of dropped indexes
};

}  // namespace distri::db
