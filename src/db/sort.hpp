// sort.hpp: the place of a document in a sort order, as bytes. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "distri/db/find.hpp"
#include "distri/db/path.hpp"

namespace distri::db {

// A sort made ready for use on many documents. The keys given must outlive it.
class SortOrder {
 public:
  explicit SortOrder(const std::vector<SortKey>& keys);

  // Appends the order keys of the sort values, complemented where descending, then `id_key`: memcmp order is the order
  // of the documents, and no two documents have the same. The size of the part before `id_key`.
  std::size_t append_position(Bytes& out, bson::View document, std::string_view id_key) const;

 private:
  struct Key {
    Path path;
    bool descending;
  };
  std::vector<Key> keys_;
};

}  // namespace distri::db
