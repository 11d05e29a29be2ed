#include <algorithm>

#include "distri/db/collection.hpp"
#include "distri/replication/counter.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/slots.hpp"

namespace distri::replication {

namespace {

Result<> check_counter(const db::FieldRevision& field, bson::View document) {
  const Counter& counter = *field.counter;
  if (counter.parts.empty()) return fail(Code::kProtocolError, "state: the counter of '{}' has no parts", field.name);
  const bson::Document expected = element_of(field.name, value_of(counter));
  const auto element = document.find_element(field.name);
  if (!element || element->raw != expected.view().begin()->raw) {
    return fail(Code::kProtocolError, "state: field '{}' is not the sum of its counter", field.name);
  }
  for (const CounterPart& part : counter.parts) {
    if (part.first == 0 || part.first > part.counter || part.sum.kind == Number::Kind::kNone ||
        (&part != &counter.parts.front() && (&part)[-1].actor >= part.actor)) {
      return fail(Code::kProtocolError, "state: the parts of the counter of '{}' are not in order", field.name);
    }
  }
  return {};
}

Result<> check_fields(const State& state) {
  const auto& fields = state.revision.fields();
  std::size_t present = 0;
  std::vector<std::uint32_t> ordinals;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const db::FieldRevision& field = fields[i];
    if (i > 0 && fields[i - 1].name >= field.name)
      return fail(Code::kProtocolError, "state: field registers are not sorted by name");
    if (field.name == "_id") return fail(Code::kProtocolError, "state: _id has a register of its own");
    // A counter may have begun on the value that the generation itself gave the field.
    const bool on_insert = field.counter && field.stamp == state.revision.stamp() && field.dot == state.revision.dot();
    if (field.stamp <= state.revision.stamp() && !on_insert) {
      return fail(Code::kProtocolError, "state: the register of field '{}' is not newer than its generation",
                  field.name);
    }
    if (field.unset == state.document->view().find(field.name).has_value()) {
      return fail(Code::kProtocolError, "state: field '{}' and its register disagree on whether it is set", field.name);
    }
    if (field.counter) DISTRI_TRY_VOID(check_counter(field, *state.document));
    present += field.unset ? 0 : 1;
    if (field.ordinal != db::FieldRevision::kAdded) ordinals.push_back(field.ordinal);
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
    if (!state.revision.fields().empty()) return fail(Code::kProtocolError, "state: a tombstone has field registers");
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
  const Slots slots = slots_of(view, state.revision.fields());
  if (!std::is_sorted(slots.begin(), slots.end(), in_order) || slots.front().ordinal != 0) {
    return fail(Code::kProtocolError, "state: the fields are out of order");
  }
  return {};
}

}  // namespace distri::replication
