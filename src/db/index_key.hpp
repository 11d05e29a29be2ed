// index_key.hpp: the keys under which an index finds a document. Private to the module.
//
// A key is the order keys of one value per field, one after another, complemented where the field is descending. Where
// the paths meet an array there is a key for each of its elements: all fields that go through that array take their
// value from the same element. A missing field counts as null; an empty array at the end of a path as undefined.
// What a filter finds at a path (path.hpp) is among the keys, but for whole arrays at the end of a path.
//
// Threads: none. Errors: none; what cannot be indexed is an answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/db/find.hpp"
#include "distri/db/path.hpp"

namespace distri::db {

inline constexpr std::size_t kIndexKeyBytesMax = 4096;
inline constexpr std::size_t kIndexKeysPerDocumentMax = 10'000;

struct IndexKeys {
  enum class Fit : std::uint8_t {
    kFits,
    kParallelArrays,  // two fields go through different arrays
    kTooMany,         // more than kIndexKeysPerDocumentMax
    kTooLong,         // a key of more than kIndexKeyBytesMax
  };
  Fit fit = Fit::kFits;
  std::vector<std::string> keys;  // sorted, each once; at least one if it fits
  std::uint32_t multikey = 0;     // bit i: the path of field i meets an array
  bool exists = false;            // some field is there
  std::string parallel_a;         // of kParallelArrays: the fields
  std::string parallel_b;
};

class IndexKeyMaker {
 public:
  // `fields` must outlive it.
  explicit IndexKeyMaker(const std::vector<SortKey>& fields);
  IndexKeys keys_of(bson::View document) const;

  struct Field {
    const SortKey* key;
    Path path;
  };

 private:
  std::vector<Field> fields_;
};

// The first bytes that are above everything that begins with `prefix`; empty: there are none.
std::string after_prefix(std::string prefix);

void complement(std::string& bytes, std::size_t from = 0);

}  // namespace distri::db
