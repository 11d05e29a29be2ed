#include "distri/replication/slots.hpp"

namespace distri::replication {

const db::FieldRevision* find(const std::vector<db::FieldRevision>& fields, std::string_view name) {
  if (fields.empty()) return nullptr;
  const auto at = lower_bound(fields, name);
  return at != fields.end() && at->name == name ? &*at : nullptr;
}

Slots slots_of(bson::View document, const std::vector<db::FieldRevision>& fields) {
  std::vector<std::uint32_t> taken;
  for (const db::FieldRevision& field : fields) {
    if (field.ordinal != db::FieldRevision::kAdded) taken.push_back(field.ordinal);
  }
  std::sort(taken.begin(), taken.end());
  Slots slots;
  std::uint32_t next = 0;
  auto next_taken = taken.begin();
  for (const bson::Element& element : document) {
    if (const db::FieldRevision* field = find(fields, element.key)) {
      slots.push_back({field->ordinal, element});
      continue;
    }
    while (next_taken != taken.end() && *next_taken <= next) {
      if (*next_taken == next) ++next;
      ++next_taken;
    }
    slots.push_back({next++, element});
  }
  return slots;
}

Slot* slot_of(Slots& slots, std::string_view name) {
  const auto at =
      std::find_if(slots.begin(), slots.end(), [name](const Slot& slot) { return slot.element.key == name; });
  return at == slots.end() ? nullptr : &*at;
}

bool in_order(const Slot& a, const Slot& b) {
  if (a.ordinal != b.ordinal) return a.ordinal < b.ordinal;
  return a.element.key < b.element.key;
}

std::size_t bytes_of(const Slots& slots) {
  std::size_t bytes = 5;
  for (const Slot& slot : slots) bytes += slot.element.raw.size();
  return bytes;
}

bson::Document build(Slots& slots) {
  std::sort(slots.begin(), slots.end(), in_order);
  bson::Builder builder(bytes_of(slots));
  for (const Slot& slot : slots) builder.append_element(slot.element);
  return std::move(builder).finish();
}

}  // namespace distri::replication
