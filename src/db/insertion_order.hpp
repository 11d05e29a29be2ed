// insertion_order.hpp: the documents of a capped collection in the order in which they were inserted: by the stamps of
// their generations, the same on every node. An update keeps a document's place; a replacement is a new insert.
//
// A place is the stamp in 24 bytes that compare as it does, then the `_id` key. Threads: none. Errors: none.
#pragma once

#include <absl/container/btree_set.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "distri/db/revision.hpp"

namespace distri::db {

class InsertionOrder {
 public:
  static constexpr std::size_t kStampBytes = 24;
  using Places = absl::btree_set<std::string, std::less<>>;

  static std::string place_of(const Stamp& stamp, std::string_view id_key);
  static std::string_view id_key_of(std::string_view place) { return place.substr(kStampBytes); }

  const Places& places() const { return places_; }
  void add(const Stamp& stamp, std::string_view id_key);
  // Precondition: it was added.
  void remove(const Stamp& stamp, std::string_view id_key);
  // Of memory, about.
  std::size_t bytes() const { return bytes_; }

 private:
  Places places_;
  std::size_t bytes_ = 0;
};

}  // namespace distri::db
