#include "distri/db/update_apply.hpp"

#include <algorithm>

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using Kind = UpdateNode::Kind;

// "$set at 'a.b'": a path of the update that goes through this node, for errors.
std::string name_below(const UpdateNode& node) {
  const UpdateNode* at = &node;
  while (!at->action) at = at->fields.empty() ? at->elements.front().get() : at->fields.front().get();
  return fmt::format("{} at '{}'", at->action->name, shown(at->action->path));
}

std::unexpected<Error> conflict(const UpdateNode& node, std::string_view key) {
  return refuse(mongo::kConflictingUpdateOperators,
                "{}: Updating the path would create a conflict at '{}', which another path of the update reaches too",
                name_below(node), shown(key));
}

// Joins the slots of one name. Precondition: sorted.
void join_equal(UpdateSlots& slots) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (kept > 0 && slots[kept - 1].field.name == slots[i].field.name) {
      auto& nodes = slots[kept - 1].nodes;
      nodes.insert(nodes.end(), slots[i].nodes.begin(), slots[i].nodes.end());
    } else {
      if (kept != i) slots[kept] = std::move(slots[i]);
      ++kept;
    }
  }
  slots.resize(kept);
}

}  // namespace

Result<> UpdateApplier::place(const UpdateNodes& nodes, const Value* old, bool element, std::string_view key) {
  DISTRI_TRY_VOID(check_size(run_, out_));
  bool to_fields = false;
  bool to_elements = false;
  for (const UpdateNode* node : nodes) {
    if (node->action && nodes.size() > 1) return conflict(*node, key);
    to_fields = to_fields || !node->fields.empty();
    to_elements = to_elements || !node->elements.empty();
  }
  const UpdateNode& first = *nodes.front();
  if (first.action) return run_action(*first.action, old, element, key, run_, out_);
  if (to_fields && to_elements) return conflict(first, key);
  if (to_elements) return matching_elements(nodes, old, key);
  if (old == nullptr) return missing(nodes, key);
  if (old->type() == Type::kArray) return indexed_elements(nodes, *old, key);
  DISTRI_TRY(UpdateSlots slots, slots_of(nodes));
  if (old->type() == Type::kObject) {
    out_.begin_object(key);
    DISTRI_TRY_VOID(fields(slots, old->as_object()));
    out_.end();
    return {};
  }
  for (const UpdateSlot& slot : slots) DISTRI_TRY_VOID(check_viable(slot, *old));
  out_.append_value(key, *old);
  return {};
}

Result<UpdateSlots> UpdateApplier::slots_of(const UpdateNodes& nodes) const {
  UpdateSlots slots;
  bool sorted = nodes.size() == 1;
  for (const UpdateNode* node : nodes) {
    for (const auto& child : node->fields) {
      FieldName field = child->field;
      if (child->kind == Kind::kPositional) {
        if (!run_.context.matched_index) {
          return refuse(mongo::kBadValue,
                        "{}: The positional operator did not find the match needed from the query; '$' needs a filter "
                        "that matches an element of the array",
                        name_below(*child));
        }
        field = {run_.positional, *run_.context.matched_index};
        sorted = false;
      }
      slots.push_back({field, {child.get()}});
    }
  }
  if (sorted) return slots;
  std::stable_sort(slots.begin(), slots.end(),
                   [](const UpdateSlot& a, const UpdateSlot& b) { return comes_before(a.field, b.field); });
  join_equal(slots);
  return slots;
}

UpdateSlot* UpdateApplier::find(UpdateSlots& slots, std::string_view name) {
  constexpr std::size_t kWalkedMax = 8;
  if (slots.size() <= kWalkedMax) {
    const auto at = std::find_if(slots.begin(), slots.end(), [&](const UpdateSlot& s) { return s.field.name == name; });
    return at == slots.end() ? nullptr : &*at;
  }
  const FieldName wanted{name, array_index_of(name)};
  const auto at =
      std::lower_bound(slots.begin(), slots.end(), wanted,
                       [](const UpdateSlot& slot, const FieldName& field) { return comes_before(slot.field, field); });
  return at != slots.end() && at->field.name == name ? &*at : nullptr;
}

Result<bool> UpdateApplier::makes(const UpdateNode& node) const {
  if (node.action) return makes_missing(*node.action, run_);
  if (!node.elements.empty()) {
    return refuse(mongo::kBadValue, "{}: The path must exist in the document in order to apply array updates",
                  name_below(node));
  }
  for (const auto& child : node.fields) {
    // Without a match slots_of() says what is wrong.
    if (child->kind == Kind::kPositional && !run_.context.matched_index) return true;
    DISTRI_TRY(const bool made, makes(*child));
    if (made) return true;
  }
  return false;
}

Result<bool> UpdateApplier::makes(const UpdateNodes& nodes) const {
  for (const UpdateNode* node : nodes) {
    DISTRI_TRY(const bool made, makes(*node));
    if (made) return true;
  }
  return false;
}

Result<> UpdateApplier::check_viable(const UpdateSlot& slot, const Value& holder) const {
  DISTRI_TRY(const bool made, makes(slot.nodes));
  if (!made) return {};
  return refuse(mongo::kPathNotViable, "{}: Cannot create field '{}' in a value of type {}",
                name_below(*slot.nodes.front()), shown(slot.field.name), bson::type_name(holder.type()));
}

Result<> UpdateApplier::missing(const UpdateNodes& nodes, std::string_view key) {
  DISTRI_TRY(const bool made, makes(nodes));
  if (!made) return {};
  out_.begin_object(key);
  DISTRI_TRY(UpdateSlots slots, slots_of(nodes));
  DISTRI_TRY_VOID(fields(slots, {}));
  out_.end();
  return {};
}

Result<> UpdateApplier::fields(UpdateSlots& slots, bson::View object) {
  for (const Element& old : object) {
    UpdateSlot* slot = find(slots, old.key);
    if (slot == nullptr || slot->done) {
      out_.append_element(old);
      continue;
    }
    slot->done = true;
    DISTRI_TRY_VOID(place(slot->nodes, &old.value, false, old.key));
  }
  for (const UpdateSlot& slot : slots) {
    if (!slot.done) DISTRI_TRY_VOID(place(slot.nodes, nullptr, false, slot.field.name));
  }
  return {};
}

Result<> UpdateApplier::indexed_elements(const UpdateNodes& nodes, const Value& old, std::string_view key) {
  DISTRI_TRY(const UpdateSlots slots, slots_of(nodes));
  out_.begin_array(key);
  ArrayWriter writer(out_);
  auto slot = slots.begin();  // those with an index come first
  for (const Element& element : old.as_object()) {
    if (slot == slots.end() || slot->field.index != writer.size()) {
      writer.append(element.value);
    } else {
      DISTRI_TRY_VOID(place(slot->nodes, &element.value, true, writer.next_key()));
      ++slot;
    }
  }
  for (; slot != slots.end(); ++slot) {
    DISTRI_TRY_VOID(slot->field.index ? append_element(*slot, writer) : check_viable(*slot, old));
  }
  out_.end();
  return {};
}

Result<> UpdateApplier::append_element(const UpdateSlot& slot, ArrayWriter& writer) {
  DISTRI_TRY(const bool made, makes(slot.nodes));
  if (!made) return {};
  if (*slot.field.index - writer.size() > kArrayPaddingMax) {
    return refuse(mongo::kCannotBackfillArray, "{}: can't backfill more than {} elements",
                  name_below(*slot.nodes.front()), kArrayPaddingMax);
  }
  while (writer.size() < *slot.field.index) writer.append(Value());
  return place(slot.nodes, nullptr, true, writer.next_key());
}

Result<> UpdateApplier::matching_elements(const UpdateNodes& nodes, const Value* old, std::string_view key) {
  if (old == nullptr) {
    DISTRI_TRY_VOID(makes(nodes));  // which refuses
    return {};
  }
  if (old->type() != Type::kArray) {
    return refuse(mongo::kBadValue, "{}: Cannot apply array updates to a non-array element of type {} ('{}')",
                  name_below(*nodes.front()), bson::type_name(old->type()), shown(key));
  }
  out_.begin_array(key);
  ArrayWriter writer(out_);
  UpdateNodes matched;
  for (const Element& element : old->as_object()) {
    matched.clear();
    for (const UpdateNode* node : nodes) {
      for (const auto& child : node->elements) {
        if (child->kind == Kind::kAll || array_filter_matches(*child, element.value)) matched.push_back(child.get());
      }
    }
    if (matched.empty()) {
      writer.append(element.value);
    } else {
      DISTRI_TRY_VOID(place(matched, &element.value, true, writer.next_key()));
    }
  }
  out_.end();
  return {};
}

Result<> rebuild_fields(UpdateRun& run, bson::Builder& out) {
  UpdateApplier applier(run, out);
  DISTRI_TRY(UpdateSlots slots, applier.slots_of({&run.program.root}));
  return applier.fields(slots, run.original);
}

bool UpdateApplier::array_filter_matches(const UpdateNode& node, const Value& element) {
  const ArrayFilter& filter = run_.program.array_filters[node.filter];
  return filter.filter.matches(wrap_element(filter.identifier, element, run_.scratch));
}

}  // namespace distri::db
