// database.hpp: collections by name, and which indexes they have.
//
// Index definitions are documents of the collection `system.indexes` (index_catalog.hpp), so they replicate, are stored
// and are streamed as any document is. put() and erase_document() notice them: whoever holds such a document has the
// index, from the next turns on; when it goes, or its collection, so does the index. A document there that is no
// definition (a peer of another version may send one) is stored and makes no index.
//
// Invariant: a collection has an index of a name exactly when `system.indexes` has a sound definition of it. Threads:
// none. Errors: none.
#pragma once

#include <absl/container/btree_map.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "distri/db/collection.hpp"

namespace distri::db {

class Database {
 public:
  using Collections = absl::btree_map<std::string, Collection, std::less<>>;

  // nullptr when there is none.
  const Collection* find(std::string_view name) const;
  // Existing, or new with its indexes.
  const Collection& open(std::string_view name) { return open_for_writing(name); }
  bool erase(std::string_view name);
  const Collections& collections() const { return collections_; }

  // The only ways by which documents change. put() opens the collection; erase_document() leaves an empty one.
  void put(std::string_view collection, std::string_view key, Record record);
  bool erase_document(std::string_view collection, std::string_view key);

  // Goes on building indexes, for about `budget` documents or keys. The owner calls it between other work, as long as
  // building_indexes().
  void build_indexes(std::size_t budget);
  bool building_indexes() const { return building_; }
  // The first broken invariant of indexes and definitions. Slow.
  std::optional<std::string> check_indexes() const;

 private:
  Collection& open_for_writing(std::string_view name);
  Collection* find_for_writing(std::string_view name);
  void define(const Record& definition);
  void undefine(const Record& definition);

  Collections collections_;
  bool building_ = false;
};

}  // namespace distri::db
