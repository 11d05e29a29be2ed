#include "distri/replication/merge.hpp"

#include <algorithm>

#include "distri/db/collection.hpp"

namespace distri::replication {

namespace {

using db::FieldRevision;
using db::Revision;

// One field of a document on its way to its place.
struct Slot {
  std::uint32_t ordinal;
  bson::Element element;
};

template <class T>
bool newer(const T& a, const T& b) {
  return std::tie(a.stamp, a.dot) > std::tie(b.stamp, b.dot);
}

auto lower_bound(auto& fields, std::string_view name) {
  return std::lower_bound(fields.begin(), fields.end(), name,
                          [](const FieldRevision& field, std::string_view wanted) { return field.name < wanted; });
}

const FieldRevision* find(const std::vector<FieldRevision>& fields, std::string_view name) {
  if (fields.empty()) return nullptr;
  const auto at = lower_bound(fields, name);
  return at != fields.end() && at->name == name ? &*at : nullptr;
}

// The fields with their ordinals, in the document's order.
std::vector<Slot> slots_of(bson::View document, const std::vector<FieldRevision>& fields) {
  std::vector<std::uint32_t> taken;
  for (const FieldRevision& field : fields) {
    if (field.ordinal != FieldRevision::kAdded) taken.push_back(field.ordinal);
  }
  std::sort(taken.begin(), taken.end());
  std::vector<Slot> slots;
  std::uint32_t next = 0;
  auto next_taken = taken.begin();
  for (const bson::Element& element : document) {
    if (const FieldRevision* field = find(fields, element.key)) {
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

bool in_order(const Slot& a, const Slot& b) {
  if (a.ordinal != b.ordinal) return a.ordinal < b.ordinal;
  return a.element.key < b.element.key;
}

bson::Document build(std::vector<Slot>& slots) {
  std::sort(slots.begin(), slots.end(), in_order);
  std::size_t bytes = 5;
  for (const Slot& slot : slots) bytes += slot.element.raw.size();
  bson::Builder builder(bytes);
  for (const Slot& slot : slots) builder.append_element(slot.element);
  return std::move(builder).finish();
}

std::size_t bytes_of(const std::vector<Slot>& slots) {
  std::size_t bytes = 5;
  for (const Slot& slot : slots) bytes += slot.element.raw.size();
  return bytes;
}

// Writes one register. True: the write is the newer one. `ordinal` is used when the field has no register yet.
bool write_register(std::vector<FieldRevision>& fields, std::string_view name, const Op& op, const Dot& dot, bool unset,
                    std::uint32_t ordinal) {
  const auto at = lower_bound(fields, name);
  if (at == fields.end() || at->name != name) {
    fields.insert(at, FieldRevision{std::string(name), op.stamp, dot, ordinal, unset});
    return true;
  }
  if (std::tie(op.stamp, dot) <= std::tie(at->stamp, at->dot)) return false;
  at->stamp = op.stamp;
  at->dot = dot;
  at->unset = unset;
  return true;
}

std::optional<State> apply_update(const Revision& revision, const bson::Document& document, const Op& op,
                                  const Dot& dot) {
  std::vector<Slot> slots = slots_of(document, revision.fields);
  Revision result = revision;
  const auto slot_of = [&slots](std::string_view name) {
    return std::find_if(slots.begin(), slots.end(), [name](const Slot& slot) { return slot.element.key == name; });
  };
  bool changed = false;
  for (const bson::Element& element : op.document.view()) {
    const auto slot = slot_of(element.key);
    const std::uint32_t ordinal = slot == slots.end() ? FieldRevision::kAdded : slot->ordinal;
    if (!write_register(result.fields, element.key, op, dot, false, ordinal)) continue;
    changed = true;
    if (slot != slots.end()) {
      slot->element = element;
    } else {
      slots.push_back({find(result.fields, element.key)->ordinal, element});
    }
  }
  for (const std::string& name : op.unset) {
    const auto slot = slot_of(name);
    const std::uint32_t ordinal = slot == slots.end() ? FieldRevision::kAdded : slot->ordinal;
    if (!write_register(result.fields, name, op, dot, true, ordinal)) continue;
    changed = true;
    if (slot != slots.end()) slots.erase(slot);
  }
  if (!changed || bytes_of(slots) > kMergedDocumentBytesMax) return std::nullopt;
  return State{std::move(result), build(slots)};
}

// Both hold the same generation.
std::optional<State> merge_registers(StateRef a, const State& b) {
  Revision result = *a.revision;
  bool changed = false;
  std::vector<Slot> slots_a = slots_of(*a.document, a.revision->fields);
  const std::vector<Slot> slots_b = slots_of(*b.document, b.revision.fields);
  for (const FieldRevision& theirs : b.revision.fields) {
    const auto at = lower_bound(result.fields, theirs.name);
    if (at != result.fields.end() && at->name == theirs.name) {
      if (!newer(theirs, *at)) continue;
      *at = theirs;
    } else {
      result.fields.insert(at, theirs);
    }
    changed = true;
    std::erase_if(slots_a, [&theirs](const Slot& slot) { return slot.element.key == theirs.name; });
    if (theirs.unset) continue;
    const auto slot =
        std::find_if(slots_b.begin(), slots_b.end(), [&theirs](const Slot& s) { return s.element.key == theirs.name; });
    if (slot != slots_b.end()) slots_a.push_back(*slot);
  }
  if (!changed || bytes_of(slots_a) > kMergedDocumentBytesMax) return std::nullopt;
  State next{std::move(result), build(slots_a)};
  // Two honest states of one generation always fit together; a forged one must not break ours.
  if (!check_state(next)) return std::nullopt;
  return next;
}

}  // namespace

StateRef ref(const State& state) {
  if (state.never_written()) return {};
  return {&state.revision, state.document ? &*state.document : nullptr};
}

void CollectionStamps::merge(const CollectionStamps& other) {
  created = std::max(created, other.created);
  dropped = std::max(dropped, other.dropped);
}

std::optional<State> apply(StateRef current, Op op, const Dot& dot) {
  if (op.kind == OpKind::kUpdate) {
    if (current.revision == nullptr || current.document == nullptr || current.revision->stamp != op.target)
      return std::nullopt;
    return apply_update(*current.revision, *current.document, op, dot);
  }
  State next{Revision{op.stamp, dot, {}}, std::nullopt};
  if (current.revision != nullptr && !newer(next.revision, *current.revision)) return std::nullopt;
  if (op.kind == OpKind::kInsert) next.document = std::move(op.document);
  return next;
}

std::optional<State> merge(StateRef current, State other) {
  if (other.never_written()) return std::nullopt;
  if (current.revision == nullptr || newer(other.revision, *current.revision)) return other;
  if (newer(*current.revision, other.revision)) return std::nullopt;
  if (current.document == nullptr || !other.document) return std::nullopt;
  return merge_registers(current, other);
}

State merged(State a, State b) {
  std::optional<State> result = merge(ref(a), std::move(b));
  return result ? std::move(*result) : std::move(a);
}

Stamp newest_stamp(const Revision& revision) {
  Stamp newest = revision.stamp;
  for (const FieldRevision& field : revision.fields) newest = std::max(newest, field.stamp);
  return newest;
}

namespace {

Result<> check_fields(const State& state) {
  const auto& fields = state.revision.fields;
  std::size_t present = 0;
  std::vector<std::uint32_t> ordinals;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const FieldRevision& field = fields[i];
    if (i > 0 && fields[i - 1].name >= field.name)
      return fail(Code::kProtocolError, "state: field registers are not sorted by name");
    if (field.name == "_id") return fail(Code::kProtocolError, "state: _id has a register of its own");
    if (field.stamp <= state.revision.stamp) {
      return fail(Code::kProtocolError, "state: the register of field '{}' is not newer than its generation",
                  field.name);
    }
    if (field.unset == state.document->view().find(field.name).has_value()) {
      return fail(Code::kProtocolError, "state: field '{}' and its register disagree on whether it is set", field.name);
    }
    present += field.unset ? 0 : 1;
    if (field.ordinal != FieldRevision::kAdded) ordinals.push_back(field.ordinal);
  }
  const std::size_t untouched = state.document->view().count() - present;
  std::sort(ordinals.begin(), ordinals.end());
  if (std::adjacent_find(ordinals.begin(), ordinals.end()) != ordinals.end() ||
      (!ordinals.empty() && ordinals.back() >= untouched + ordinals.size())) {
    return fail(Code::kProtocolError, "state: the places of the fields do not fit together");
  }
  return {};
}

}  // namespace

Result<> check_state(const State& state) {
  if (state.never_written()) return fail(Code::kProtocolError, "state: its dot is zero");
  if (!state.document) {
    if (!state.revision.fields.empty()) return fail(Code::kProtocolError, "state: a tombstone has field registers");
    return {};
  }
  const bson::View view = *state.document;
  if (view.empty() || view.begin()->key != "_id")
    return fail(Code::kProtocolError, "state: _id is not the first field");
  bson::Builder id_only;
  id_only.append_element(*view.begin());
  if (auto checked = db::check_document(std::move(id_only).finish()); !checked) {
    return fail(Code::kProtocolError, "state: {}", checked.error().message);
  }
  std::vector<std::string_view> names;
  for (const bson::Element& element : view) names.push_back(element.key);
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end())
    return fail(Code::kProtocolError, "state: a field occurs twice");
  DISTRI_TRY_VOID(check_fields(state));
  const std::vector<Slot> slots = slots_of(view, state.revision.fields);
  if (!std::is_sorted(slots.begin(), slots.end(), in_order) || slots.front().ordinal != 0) {
    return fail(Code::kProtocolError, "state: the fields are out of order");
  }
  return {};
}

}  // namespace distri::replication
