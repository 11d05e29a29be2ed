// database.hpp: collections by name.
//
// Threads: none. Errors: none.
#pragma once

#include <absl/container/btree_map.h>

#include <functional>
#include <string>
#include <string_view>

#include "distri/db/collection.hpp"

namespace distri::db {

class Database {
 public:
  using Collections = absl::btree_map<std::string, Collection, std::less<>>;

  // nullptr when there is none.
  const Collection* find(std::string_view name) const;
  Collection* find(std::string_view name);
  // Existing or new.
  Collection& open(std::string_view name);
  bool erase(std::string_view name);
  const Collections& collections() const { return collections_; }

 private:
  Collections collections_;
};

}  // namespace distri::db
