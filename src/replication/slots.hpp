// slots.hpp: the fields of a document with their places, and the registers beside them; private to merging.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/revision.hpp"

namespace distri::replication {

// One field of a document on its way to its place.
struct Slot {
  std::uint32_t ordinal;
  bson::Element element;
};
using Slots = std::vector<Slot>;

// Where the register of that name is, or belongs.
inline auto lower_bound(auto& fields, std::string_view name) {
  return std::lower_bound(fields.begin(), fields.end(), name,
                          [](const db::FieldRevision& field, std::string_view wanted) { return field.name < wanted; });
}
const db::FieldRevision* find(const std::vector<db::FieldRevision>& fields, std::string_view name);

// The fields with their ordinals, in the document's order.
Slots slots_of(bson::View document, const std::vector<db::FieldRevision>& fields);
// nullptr when there is none.
Slot* slot_of(Slots& slots, std::string_view name);
bool in_order(const Slot& a, const Slot& b);
std::size_t bytes_of(const Slots& slots);
// The document; sorts the slots.
bson::Document build(Slots& slots);

}  // namespace distri::replication
