// object_id.hpp: generated document ids: 12 bytes, time-ordered, unique per generator.
//
// Layout as MongoDB's ObjectId: 4 bytes seconds (big-endian), 5 random bytes of the generator, 3 bytes counter
// (big-endian, starts random). Two generators collide only if their random parts do. The ids of one generator strictly
// increase, whatever the clock does: when the counter wraps or time goes back, the generator's seconds run ahead of the
// clock. Threads: none; the owner serialises calls.
#pragma once

#include <array>
#include <cstdint>

#include "distri/bson/document.hpp"
#include "distri/utils/random.hpp"

namespace distri::bson {

using ObjectId = std::array<char, 12>;

class ObjectIdGenerator {
 public:
  explicit ObjectIdGenerator(Random& random);
  ObjectId next(std::int64_t wall_ms);

 private:
  std::array<char, 5> process_{};
  std::uint32_t counter_ = 0;
  std::uint32_t seconds_ = 0;
};

// The document with `_id` as its first field: moved to the front if it has one, else the given id put there.
Document with_id_first(Document document, const ObjectId& id_if_missing);

}  // namespace distri::bson
