#include "distri/replication/merge.hpp"

#include <algorithm>
#include <deque>

#include "distri/replication/slots.hpp"

namespace distri::replication {

namespace {

using db::FieldRevision;
using db::Revision;

bool newer(const FieldRevision& a, const FieldRevision& b) {
  return std::tie(a.stamp, a.dot) > std::tie(b.stamp, b.dot);
}

bool newer(const Revision& a, const Revision& b) {
  return std::tuple(a.stamp(), a.dot()) > std::tuple(b.stamp(), b.dot());
}

std::optional<bson::View> view_of(const State& state) {
  return state.document ? std::optional(state.document->view()) : std::nullopt;
}

// An update at work on the document and the registers of its generation.
class Update {
 public:
  Update(const Revision& revision, bson::View document, const Op& op, const Dot& dot, const Seen& seen, Losers& losers)
      : op_(op), dot_(dot), seen_(seen), losers_(losers), revision_(revision), fields_(revision_.mutable_fields()) {
    slots_ = slots_of(document, fields_);
  }

  // nullptr unsets.
  void write(std::string_view name, const bson::Element* element) {
    Slot* slot = slot_of(slots_, name);
    const auto at = lower_bound(fields_, name);
    std::uint32_t ordinal = slot == nullptr ? FieldRevision::kAdded : slot->ordinal;
    if (at == fields_.end() || at->name != name) {
      fields_.insert(at, FieldRevision{std::string(name), op_.stamp, dot_, ordinal, element == nullptr});
    } else {
      const bson::Element* old = slot == nullptr ? nullptr : &slot->element;
      if (std::tie(op_.stamp, dot_) <= std::tie(at->stamp, at->dot)) {
        if (at->dot != dot_ && !wrote_the_same({element}, {old, &*at}))
          losers_.lost_field(dot_, op_.stamp, at->dot, name, element);
        return;
      }
      losers_.lost_register(*at, old, dot_, {element}, seen_);
      at->stamp = op_.stamp;
      at->dot = dot_;
      at->unset = element == nullptr;
      at->counter = nullptr;
      ordinal = at->ordinal;
    }
    changed_ = true;
    put(slot, ordinal, element);
  }

  void increment(const Increment& increment) {
    Slot* slot = slot_of(slots_, increment.field);
    auto at = lower_bound(fields_, increment.field);
    const bool has_register = at != fields_.end() && at->name == increment.field;
    if ((has_register ? at->stamp : revision_.stamp()) != increment.base) {
      const Dot winner = has_register ? at->dot : revision_.dot();
      losers_.lost_increment(dot_, increment.base, winner, increment.field, increment.delta);
      return;
    }
    Counter counter;
    if (has_register && at->counter) {
      counter = *at->counter;
    } else if (slot != nullptr) {
      // An honest writer has checked that the base is a number; it is the same here.
      const auto base = number_of(slot->element.value);
      if (!base) return;
      counter.base = *base;
    }
    if (!add(counter, dot_, increment.delta)) return;
    if (!has_register) {
      const std::uint32_t ordinal = slot == nullptr ? FieldRevision::kAdded : slot->ordinal;
      at = fields_.insert(at, FieldRevision{increment.field, revision_.stamp(), revision_.dot(), ordinal, false});
    }
    at->unset = false;
    made_.push_back(element_of(increment.field, value_of(counter)));
    at->counter = std::make_shared<const Counter>(std::move(counter));
    changed_ = true;
    put(slot, at->ordinal, &*made_.back().view().begin());
  }

  std::optional<State> finish() && {
    if (!changed_ || bytes_of(slots_) > kMergedDocumentBytesMax) return std::nullopt;
    return State{std::move(revision_), build(slots_)};
  }

 private:
  void put(Slot* slot, std::uint32_t ordinal, const bson::Element* element) {
    if (slot == nullptr) {
      if (element != nullptr) slots_.push_back({ordinal, *element});
    } else if (element != nullptr) {
      slot->element = *element;
    } else {
      slots_.erase(slots_.begin() + (slot - slots_.data()));
    }
  }

  const Op& op_;
  const Dot& dot_;
  const Seen& seen_;
  Losers& losers_;
  Revision revision_;
  std::vector<FieldRevision>& fields_;  // its
  Slots slots_;
  std::deque<bson::Document> made_;  // what slots of counters point into
  bool changed_ = false;
};

// Two states of one generation on their way to one.
class Join {
 public:
  Join(StateRef mine, const State& theirs, const Seen& mine_seen, const Seen& theirs_seen, Losers& losers)
      : mine_seen_(mine_seen),
        theirs_seen_(theirs_seen),
        losers_(losers),
        revision_(*mine.revision),
        fields_(revision_.mutable_fields()) {
    slots_ = slots_of(*mine.document, fields_);
    their_slots_ = slots_of(*theirs.document, theirs.revision.fields());
  }

  void take(const FieldRevision& theirs) {
    const auto at = lower_bound(fields_, theirs.name);
    Slot* their_slot = slot_of(their_slots_, theirs.name);
    const bson::Element* element = their_slot == nullptr ? nullptr : &their_slot->element;
    if (at == fields_.end() || at->name != theirs.name) {
      fields_.insert(at, theirs);
      put(theirs, element);
      return;
    }
    Slot* slot = slot_of(slots_, theirs.name);
    const bson::Element* old = slot == nullptr ? nullptr : &slot->element;
    if (newer(*at, theirs)) {
      losers_.lost_register(theirs, element, at->dot, {old, &*at}, mine_seen_);
    } else if (newer(theirs, *at)) {
      losers_.lost_register(*at, old, theirs.dot, {element, &theirs}, theirs_seen_);
      *at = theirs;
      put(theirs, element);
    } else {
      join_counters(*at, theirs);
    }
  }

  std::optional<State> finish() && {
    if (!changed_ || bytes_of(slots_) > kMergedDocumentBytesMax) return std::nullopt;
    State next{std::move(revision_), build(slots_)};
    // Two honest states of one generation always fit together; a forged one must not break ours.
    if (!check_state(next)) return std::nullopt;
    return next;
  }

 private:
  // Same base.
  void join_counters(FieldRevision& mine, const FieldRevision& theirs) {
    if (!theirs.counter) return;
    Counter counter = mine.counter ? *mine.counter : Counter{theirs.counter->base, {}};
    if (!merge(counter, *theirs.counter)) return;
    made_.push_back(element_of(mine.name, value_of(counter)));
    mine.counter = std::make_shared<const Counter>(std::move(counter));
    mine.unset = false;
    put(mine, &*made_.back().view().begin());
  }

  void put(const FieldRevision& field, const bson::Element* element) {
    changed_ = true;
    std::erase_if(slots_, [&field](const Slot& slot) { return slot.element.key == field.name; });
    if (!field.unset && element != nullptr) slots_.push_back({field.ordinal, *element});
  }

  const Seen& mine_seen_;
  const Seen& theirs_seen_;
  Losers& losers_;
  Revision revision_;
  std::vector<FieldRevision>& fields_;  // its
  Slots slots_;
  Slots their_slots_;
  std::deque<bson::Document> made_;
  bool changed_ = false;
};

std::optional<State> apply_inside(StateRef current, const Op& op, const Dot& dot, const Seen& seen, Losers& losers) {
  Update update(*current.revision, *current.document, op, dot, seen, losers);
  if (op.kind == OpKind::kIncrement) {
    for (const Increment& increment : op.increments) update.increment(increment);
  } else {
    for (const bson::Element& element : op.document.view()) update.write(element.key, &element);
    for (const std::string& name : op.unset) update.write(name, nullptr);
  }
  return std::move(update).finish();
}

}  // namespace

StateRef ref(const State& state) {
  if (state.never_written()) return {};
  return {&state.revision, view_of(state)};
}

StateRef ref(const db::Record& record) {
  return {&record.revision, record.document.view()};
}

void CollectionStamps::merge(const CollectionStamps& other) {
  created = std::max(created, other.created);
  dropped = std::max(dropped, other.dropped);
  purged = std::max(purged, other.purged);
}

void lose(StateRef current, const Op& op, const Dot& dot, const Dot& winner, Losers& losers) {
  const bson::View held = current.document.value_or(bson::View());
  const auto wrote_the_same_as_held = [&](std::string_view name, const bson::Element* element) {
    const auto shown = held.find_element(name);
    return wrote_the_same(
        {element}, {shown ? &*shown : nullptr, current.document ? find(current.revision->fields(), name) : nullptr});
  };
  switch (op.kind) {
    case OpKind::kInsert: {
      const Revision revision{op.stamp, dot, {}};
      if (!wrote_the_same({&revision, op.document.view()}, current))
        losers.lost_document(ConflictKind::kDocument, dot, op.stamp, winner, op.document);
      break;
    }
    case OpKind::kDelete:
      if (current.document) losers.lost_document(ConflictKind::kDelete, dot, op.stamp, winner, op.document);
      break;
    case OpKind::kUpdate:
      for (const bson::Element& element : op.document.view()) {
        if (!wrote_the_same_as_held(element.key, &element))
          losers.lost_field(dot, op.stamp, winner, element.key, &element);
      }
      for (const std::string& name : op.unset) {
        if (!wrote_the_same_as_held(name, nullptr)) losers.lost_field(dot, op.stamp, winner, name, nullptr);
      }
      break;
    case OpKind::kIncrement:
      for (const Increment& increment : op.increments)
        losers.lost_increment(dot, increment.base, winner, increment.field, increment.delta);
      break;
    case OpKind::kCreateCollection:
    case OpKind::kDropCollection:
    case OpKind::kResolve:
    case OpKind::kFold:
    case OpKind::kNote:
      break;
  }
}

std::optional<State> apply(StateRef current, Op op, const Dot& dot, const Seen& seen, Losers& losers) {
  if (op.kind == OpKind::kUpdate || op.kind == OpKind::kIncrement) {
    if (current.revision != nullptr && current.document && current.revision->stamp() == op.target)
      return apply_inside(current, op, dot, seen, losers);
    lose(current, op, dot, current.revision != nullptr ? current.revision->dot() : Dot{}, losers);
    return std::nullopt;
  }
  State next{Revision{op.stamp, dot, {}}, std::nullopt};
  if (current.revision != nullptr && !newer(next.revision, *current.revision)) {
    if (current.revision->dot() != dot) lose(current, op, dot, current.revision->dot(), losers);
    return std::nullopt;
  }
  if (op.kind == OpKind::kInsert) next.document = std::move(op.document);
  if (current.revision != nullptr) losers.lost_state(current, dot, ref(next), seen);
  return next;
}

std::optional<State> apply(StateRef current, Op op, const Dot& dot) {
  Losers losers;
  return apply(current, std::move(op), dot, Seen(), losers);
}

std::optional<State> merge(StateRef current, State other, const Seen& mine, const Seen& theirs, Losers& losers) {
  if (other.never_written()) return std::nullopt;
  if (current.revision == nullptr) return other;
  if (newer(other.revision, *current.revision)) {
    losers.lost_state(current, other.revision.dot(), ref(other), theirs);
    return other;
  }
  if (newer(*current.revision, other.revision)) {
    losers.lost_state(ref(other), current.revision->dot(), current, mine);
    return std::nullopt;
  }
  if (!current.document || !other.document) return std::nullopt;
  Join join(current, other, mine, theirs, losers);
  for (const FieldRevision& field : other.revision.fields()) join.take(field);
  return std::move(join).finish();
}

std::optional<State> merge(StateRef current, State other) {
  Losers losers;
  return merge(current, std::move(other), Seen(), Seen(), losers);
}

State merged(State a, State b) {
  std::optional<State> result = merge(ref(a), std::move(b));
  return result ? std::move(*result) : std::move(a);
}

Stamp newest_stamp(const Revision& revision) {
  Stamp newest = revision.stamp();
  for (const FieldRevision& field : revision.fields()) newest = std::max(newest, field.stamp);
  return newest;
}

bool is_covered(const FieldRevision& field, const VersionVector& vector) {
  if (!vector.covers(field.dot)) return false;
  return !field.counter ||
         std::all_of(field.counter->parts.begin(), field.counter->parts.end(),
                     [&](const CounterPart& part) { return vector.covers(Dot{part.actor, part.counter}); });
}

Result<std::vector<Increment>> plan_increments(StateRef current, const bson::View deltas, const ActorId& actor) {
  std::vector<Increment> increments;
  for (const bson::Element& element : deltas) {
    const auto delta = number_of(element.value);
    if (!delta) {
      return fail(Code::kInvalidArgument, "increment: field '{}' is incremented by a {}; use int32, int64 or double",
                  element.key, bson::type_name(element.value.type()));
    }
    const FieldRevision* field = find(current.revision->fields(), element.key);
    Counter counter;
    if (field != nullptr && field->counter) {
      counter = *field->counter;
    } else if (const auto value = current.document->find(element.key)) {
      const auto base = number_of(*value);
      if (!base) {
        return fail(Code::kInvalidArgument,
                    "increment: field '{}' holds a {}; only int32, int64 and double can be incremented", element.key,
                    bson::type_name(value->type()));
      }
      counter.base = *base;
    }
    DISTRI_TRY_VOID(check_add(counter, actor, *delta, element.key));
    const Stamp base = field != nullptr ? field->stamp : current.revision->stamp();
    increments.push_back({std::string(element.key), base, *delta});
  }
  return increments;
}

}  // namespace distri::replication
