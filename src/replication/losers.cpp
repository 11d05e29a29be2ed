#include "distri/replication/losers.hpp"

#include <algorithm>

#include "distri/replication/counter.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/slots.hpp"

namespace distri::replication {

namespace {

const db::Counter* counter_of(const ShownField& shown) {
  return shown.field == nullptr ? nullptr : shown.field->counter.get();
}

// The number that the write of a field put there; kNone: it is missing. nullopt: something else than a number.
std::optional<Number> written_number(const ShownField& shown) {
  if (const db::Counter* counter = counter_of(shown)) return counter->base;
  return shown.element == nullptr ? Number{} : number_of(shown.element->value);
}

bson::Document with(bson::View fields, const bson::Element& element) {
  bson::Builder one;
  one.append_element(element);
  return bson::merge_fields(fields, std::move(one).finish());
}

// Sums of fields that both increment; what cannot be summed is taken over.
bson::Document joined_increments(bson::View a, bson::View b) {
  bson::Document result(a);
  for (const bson::Element& element : b) {
    const auto mine = a.find(element.key);
    const auto left = mine ? number_of(*mine) : std::nullopt;
    const auto right = number_of(element.value);
    if (!left || !right) {
      result = with(result, element);
      continue;
    }
    Counter sum{*left, {}};
    add(sum, {{}, 1}, *right);
    result = bson::merge_fields(result, element_of(element.key, value_of(sum)));
  }
  return result;
}

// The dots in a register that `seen` does not cover.
bool has_unseen(const db::FieldRevision& field, const Seen& seen) {
  if (!seen.covers(field.dot)) return true;
  if (!field.counter) return false;
  return std::any_of(field.counter->parts.begin(), field.counter->parts.end(),
                     [&](const CounterPart& part) { return !seen.covers(Dot{part.actor, part.counter}); });
}

// The register holds that write, or its increment.
bool shows(const db::FieldRevision& field, const Dot& dot) {
  if (field.dot == dot) return true;
  return field.counter &&
         std::any_of(field.counter->parts.begin(), field.counter->parts.end(), [&dot](const CounterPart& part) {
           return part.actor == dot.actor && part.first <= dot.counter && dot.counter <= part.counter;
         });
}

}  // namespace

std::string_view conflict_kind_name(ConflictKind kind) {
  switch (kind) {
    case ConflictKind::kDocument:
      return "document";
    case ConflictKind::kDelete:
      return "delete";
    case ConflictKind::kFields:
      return "fields";
    case ConflictKind::kIncrement:
      return "increment";
  }
  return "unknown";
}

bool wrote_the_same(const ShownField& one, const ShownField& other) {
  if (counter_of(one) != nullptr || counter_of(other) != nullptr) {
    const auto number = written_number(one);
    return number && number == written_number(other);
  }
  const bson::Element* a = one.element;
  const bson::Element* b = other.element;
  if (a == nullptr || b == nullptr) return a == b;
  return a->value.type() == b->value.type() && a->value.raw() == b->value.raw();
}

bool wrote_the_same(StateRef one, StateRef other) {
  return one.document && other.document && one.revision->fields().empty() && other.revision->fields().empty() &&
         one.document->bytes() == other.document->bytes();
}

void Loser::join(Loser other) {
  if (kind == ConflictKind::kDocument || kind == ConflictKind::kDelete) return;
  if (other.kind == ConflictKind::kDocument || other.kind == ConflictKind::kDelete) {
    *this = std::move(other);
    return;
  }
  // Several winners: whoever has seen one of them may not have seen the others, nor have kept this.
  if (other.winner != winner) winner = {};
  if (other.kind == ConflictKind::kFields) kind = ConflictKind::kFields;
  content = bson::merge_fields(content, other.content);
  for (std::string& name : other.unset) {
    if (std::find(unset.begin(), unset.end(), name) == unset.end()) unset.push_back(std::move(name));
  }
  // Of two sums the longer one holds the other. A field that one loss knows by value and the other by increment keeps
  // the value.
  const bool longer = since != 0 && (other.since == 0 || since <= other.since);
  if (!longer) since = other.since;
  bson::Builder builder;
  const bson::Document both =
      longer ? bson::merge_fields(other.increments, increments) : bson::merge_fields(increments, other.increments);
  for (const bson::Element& element : both.view()) {
    if (!content.view().find(element.key)) builder.append_element(element);
  }
  increments = std::move(builder).finish();
  if (increments.view().empty()) since = 0;
}

void Loser::subtract_held_by(const Loser& sum) {
  const bool inside = since != 0 && sum.since != 0 && dot.actor == sum.dot.actor && dot.counter != sum.dot.counter &&
                      sum.since <= since && dot.counter <= sum.dot.counter;
  if (!inside) return;
  bson::Builder builder;
  for (const bson::Element& element : increments.view()) {
    if (!sum.increments.view().find(element.key)) builder.append_element(element);
  }
  increments = std::move(builder).finish();
  if (increments.view().empty()) since = 0;
}

Loser& Losers::open(const Dot& dot, const Stamp& stamp, const Dot& winner) {
  for (Loser& loser : losers_) {
    if (loser.dot != dot || loser.kind == ConflictKind::kDocument || loser.kind == ConflictKind::kDelete) continue;
    if (loser.winner != winner) loser.winner = {};
    return loser;
  }
  losers_.push_back({ConflictKind::kIncrement, dot, stamp, winner, {}, {}, {}, 0});
  return losers_.back();
}

std::optional<Loser> shown_in(StateRef state, const Loser& loser) {
  if (state.revision == nullptr) return std::nullopt;
  const db::Revision& revision = *state.revision;
  const auto shown = [&](std::string_view name) {
    const db::FieldRevision* field = find(revision.fields(), name);
    return field != nullptr && shows(*field, loser.dot);
  };
  if (loser.kind == ConflictKind::kDelete || loser.kind == ConflictKind::kDocument) {
    const bool alive = state.document.has_value();
    const bool whole = revision.dot() == loser.dot && alive == (loser.kind == ConflictKind::kDocument);
    const bool in_field = alive && std::any_of(revision.fields().begin(), revision.fields().end(),
                                               [&](const auto& field) { return shows(field, loser.dot); });
    return whole || in_field ? std::optional(loser) : std::nullopt;
  }
  if (!state.document) return std::nullopt;
  const auto shown_fields = [&](const bson::View fields) {
    bson::Builder builder;
    for (const bson::Element& element : fields) {
      if (shown(element.key)) builder.append_element(element);
    }
    return std::move(builder).finish();
  };
  Loser rest = loser;
  rest.content = shown_fields(loser.content);
  rest.increments = shown_fields(loser.increments);
  std::erase_if(rest.unset, [&](const std::string& name) { return !shown(name); });
  const bool sets = !rest.content.view().empty() || !rest.unset.empty();
  if (rest.empty()) return std::nullopt;
  if (rest.increments.view().empty()) rest.since = 0;
  rest.kind = sets ? ConflictKind::kFields : ConflictKind::kIncrement;
  return rest;
}

void Losers::lost_field(const Dot& dot, const Stamp& stamp, const Dot& winner, std::string_view name,
                        const bson::Element* element) {
  Loser& loser = open(dot, stamp, winner);
  loser.kind = ConflictKind::kFields;
  if (element != nullptr) {
    loser.content = with(loser.content, *element);
  } else {
    loser.unset.emplace_back(name);
  }
}

void Losers::lost_increment(const Dot& dot, const Stamp& base, const Dot& winner, std::string_view name,
                            const db::Number& delta, std::uint64_t since) {
  if (delta.kind != Number::Kind::kDouble && delta.integer == 0) return;
  Loser& loser = open(dot, base, winner);
  if (since == 0) since = dot.counter;
  loser.since = loser.since == 0 ? since : std::min(loser.since, since);
  loser.increments = joined_increments(loser.increments, element_of(name, delta));
}

void Losers::lost_document(ConflictKind kind, const Dot& dot, const Stamp& stamp, const Dot& winner,
                           bson::View content) {
  losers_.push_back({kind, dot, stamp, winner, bson::Document(content), {}, {}, 0});
}

void Losers::lost_register(const db::FieldRevision& field, const bson::Element* element, const Dot& winner,
                           const ShownField& in_place, const Seen& seen) {
  const bool base_is_lost = !seen.covers(field.dot) && !wrote_the_same({element, &field}, in_place);
  if (!field.counter) {
    if (base_is_lost) lost_field(field.dot, field.stamp, winner, field.name, element);
    return;
  }
  const Counter& counter = *field.counter;
  if (base_is_lost) {
    const bson::Document base = element_of(field.name, counter.base);
    const bool missing = counter.base.kind == Number::Kind::kNone;
    const auto old = base.view().find_element(field.name);
    lost_field(field.dot, field.stamp, winner, field.name, missing ? nullptr : &*old);
  }
  for (const CounterPart& part : counter.parts) {
    const Dot dot{part.actor, part.counter};
    if (seen.covers(dot)) continue;
    if (!seen.covers(Dot{part.actor, part.first})) {
      Counter alone{{}, {part}};
      lost_increment(dot, field.stamp, winner, field.name, value_of(alone), part.first);
    } else if (element != nullptr) {
      // The winner had seen some of its increments: what is missing cannot be told apart, so the value is kept.
      lost_field(dot, field.stamp, winner, field.name, element);
    }
  }
}

void Losers::lost_state(StateRef loser, const Dot& winner, StateRef in_place, const Seen& seen) {
  if (seen.everything()) return;
  const std::optional<bson::View>& document = in_place.document;
  const db::Revision& revision = *loser.revision;
  if (!loser.document) {
    if (!document || seen.covers(revision.dot())) return;
    bson::Builder id_only;
    id_only.append_element(*document->begin());
    lost_document(ConflictKind::kDelete, revision.dot(), revision.stamp(), winner, std::move(id_only).finish().view());
    return;
  }
  if (document && wrote_the_same(loser, in_place)) return;
  const bool generation_unseen = !seen.covers(revision.dot());
  if (generation_unseen)
    lost_document(ConflictKind::kDocument, revision.dot(), revision.stamp(), winner, *loser.document);
  const std::size_t before = losers_.size();
  for (const db::FieldRevision& field : revision.fields()) {
    if (!has_unseen(field, seen)) continue;
    const auto element = loser.document->find_element(field.name);
    const auto other = document ? document->find_element(field.name) : std::nullopt;
    // In a document that is gone as a whole an unset field is no loss.
    if (!element && !document) continue;
    const ShownField shown{other ? &*other : nullptr,
                           document ? find(in_place.revision->fields(), field.name) : nullptr};
    lost_register(field, element ? &*element : nullptr, winner, shown, seen);
  }
  if (document || generation_unseen || losers_.size() == before) return;
  Loser& newest = *std::max_element(
      losers_.begin() + static_cast<std::ptrdiff_t>(before), losers_.end(),
      [](const Loser& a, const Loser& b) { return std::tie(a.stamp, a.dot) < std::tie(b.stamp, b.dot); });
  newest = {ConflictKind::kDocument, newest.dot, newest.stamp, winner, bson::Document(*loser.document), {}, {}, 0};
}

}  // namespace distri::replication
