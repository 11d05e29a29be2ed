#include "distri/bson/object_id.hpp"

#include <algorithm>

namespace distri::bson {

ObjectIdGenerator::ObjectIdGenerator(Random& random) : counter_(static_cast<std::uint32_t>(random.below(1u << 24))) {
  const std::uint64_t bits = random.next();
  for (std::size_t i = 0; i < process_.size(); ++i) process_[i] = static_cast<char>(bits >> (8 * i));
}

ObjectId ObjectIdGenerator::next(std::int64_t wall_ms) {
  constexpr std::int64_t kSecondsMax = 0xffffffff;
  seconds_ = std::max(seconds_, static_cast<std::uint32_t>(std::clamp<std::int64_t>(wall_ms / 1000, 0, kSecondsMax)));
  ObjectId id;
  for (std::size_t i = 0; i < 4; ++i) id[i] = static_cast<char>(seconds_ >> (24 - 8 * i));
  std::copy(process_.begin(), process_.end(), id.begin() + 4);
  for (std::size_t i = 0; i < 3; ++i) id[9 + i] = static_cast<char>(counter_ >> (16 - 8 * i));
  counter_ = (counter_ + 1) & 0xffffff;
  if (counter_ == 0) ++seconds_;
  return id;
}

Document with_id_first(Document source, const ObjectId& id_if_missing) {
  const View document = source;
  const auto first = document.begin();
  if (!first.at_end() && first->key == "_id") return source;
  const auto id = document.find_element("_id");
  Builder builder(document.bytes().size() + 17);
  if (id) {
    builder.append_element(*id);
  } else {
    builder.append_object_id("_id", {id_if_missing.data(), id_if_missing.size()});
  }
  for (const Element& element : document) {
    if (!id || element.raw.data() != id->raw.data()) builder.append_element(element);
  }
  return std::move(builder).finish();
}

}  // namespace distri::bson
