#include "naive_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace distri::sim {

namespace {

using replication::OpKind;
using Entry = NaiveModel::Entry;
using Part = NaiveModel::Part;
using Ops = std::vector<const Entry*>;
using Kind = db::Number::Kind;
__extension__ using Wide = __int128;

auto age(const Entry& entry) {
  return std::tie(entry.op.stamp, entry.dot);
}

const Entry* newest(const Ops& ops) {
  const Entry* best = nullptr;
  for (const Entry* entry : ops) {
    if (best == nullptr || age(*entry) > age(*best)) best = entry;
  }
  return best;
}

bool sets(const Entry& entry, std::string_view field) {
  return entry.op.kind == OpKind::kUpdate && entry.op.document.view().find(field).has_value();
}

bool writes(const Entry& entry, std::string_view field) {
  return sets(entry, field) || (entry.op.kind == OpKind::kUpdate &&
                                std::find(entry.op.unset.begin(), entry.op.unset.end(), field) != entry.op.unset.end());
}

// The ops of one document, and the newest drop of its collection.
struct Place {
  Ops generations;
  Ops changes;  // updates and increments
  const Entry* drop = nullptr;

  // nullptr: none, or dropped.
  const Entry* generation() const {
    const Entry* best = newest(generations);
    return best != nullptr && drop != nullptr && best->op.stamp <= drop->op.stamp ? nullptr : best;
  }
  // Whoever wrote the field last in that generation: an update, or the generation itself.
  const Entry* base(const Entry& generation, std::string_view field) const {
    Ops updates;
    for (const Entry* change : changes) {
      if (change->op.target == generation.op.stamp && writes(*change, field)) updates.push_back(change);
    }
    return updates.empty() ? &generation : newest(updates);
  }
};

std::optional<bson::Value> value_in(const Entry& base, std::string_view field) {
  return base.op.document.view().find(field);
}

std::map<ActorId, Part> parts_of(const Place& place, const Entry& generation, const Entry& base,
                                 std::string_view field) {
  Ops increments;
  for (const Entry* change : place.changes) {
    if (change->op.kind == OpKind::kIncrement && change->op.target == generation.op.stamp) increments.push_back(change);
  }
  std::sort(increments.begin(), increments.end(), [](const Entry* a, const Entry* b) { return a->dot < b->dot; });
  std::map<ActorId, Part> parts;
  for (const Entry* change : increments) {
    for (const auto& increment : change->op.increments) {
      if (increment.field != field || increment.base != base.op.stamp) continue;
      Part& part = parts[change->dot.actor];
      if (part.first == 0) part.first = change->dot.counter;
      part.last = change->dot.counter;
      part.integers += increment.delta.integer;
      if (increment.delta.kind == Kind::kDouble) part.reals += increment.delta.real;
    }
  }
  return parts;
}

// {field: sum}.
bson::Document sum_of(std::string_view field, const std::optional<bson::Value>& base,
                      const std::map<ActorId, Part>& parts, Kind widest) {
  Wide integers = 0;
  std::vector<double> terms;
  const bool base_is_integer = base && base->type() != bson::Type::kDouble;
  if (base && !base_is_integer) {
    terms.push_back(base->as_double());
    widest = Kind::kDouble;
  }
  if (base_is_integer) {
    integers += *base->to_int64();
    if (base->type() == bson::Type::kInt64) widest = std::max(widest, Kind::kInt64);
  }
  for (const auto& [actor, part] : parts) integers += part.integers;
  bson::Builder builder;
  const bool fits =
      integers >= std::numeric_limits<std::int64_t>::min() && integers <= std::numeric_limits<std::int64_t>::max();
  const bool small =
      integers >= std::numeric_limits<std::int32_t>::min() && integers <= std::numeric_limits<std::int32_t>::max();
  if (widest != Kind::kDouble && fits) {
    if (widest == Kind::kInt32 && small) {
      builder.append_int32(field, static_cast<std::int32_t>(integers));
    } else {
      builder.append_int64(field, static_cast<std::int64_t>(integers));
    }
    return std::move(builder).finish();
  }
  if (integers != 0 || base_is_integer) terms.push_back(static_cast<double>(integers));
  for (const auto& [actor, part] : parts) terms.push_back(part.reals);
  double sum = terms.front();
  for (std::size_t i = 1; i < terms.size(); ++i) sum += terms[i];
  builder.append_double(field, std::isnan(sum) ? std::bit_cast<double>(std::uint64_t{0x7ff8000000000000}) : sum);
  return std::move(builder).finish();
}

// What a field holds: {field: value}, or {} when it is not there.
bson::Document field_of(const Place& place, const Entry& generation, const std::string& field) {
  const Entry& base = *place.base(generation, field);
  const auto parts = parts_of(place, generation, base, field);
  const auto value = value_in(base, field);
  if (!parts.empty()) {
    Kind widest = Kind::kInt32;
    for (const Entry* change : place.changes) {
      for (const auto& increment : change->op.increments) {
        if (change->op.target == generation.op.stamp && increment.field == field && increment.base == base.op.stamp)
          widest = std::max(widest, increment.delta.kind);
      }
    }
    return sum_of(field, value, parts, widest);
  }
  bson::Builder builder;
  if (value) builder.append_value(field, *value);
  return std::move(builder).finish();
}

Bytes document_of(const Place& place, const Entry& generation) {
  std::set<std::string> names;
  for (const Entry* change : place.changes) {
    for (const bson::Element& element : change->op.document.view()) names.emplace(element.key);
    for (const auto& increment : change->op.increments) names.insert(increment.field);
  }
  bson::Builder builder;
  const auto append = [&](const std::string& name) {
    const bson::Document field = field_of(place, generation, name);
    for (const bson::Element& element : field.view()) builder.append_element(element);
  };
  for (const bson::Element& element : generation.op.document.view()) {
    append(std::string(element.key));
    names.erase(std::string(element.key));
  }
  for (const std::string& name : names) append(name);
  return std::move(builder).finish().bytes();
}

struct Raw {
  db::Stamp created;
  const Entry* drop = nullptr;
  Ops drops;
  std::map<Bytes, Place> places;
};

std::map<std::string, Raw> sorted(const std::vector<Entry>& entries, const replication::VersionVector& seen) {
  std::map<std::string, Raw> raw;
  for (const Entry& entry : entries) {
    if (!seen.covers(entry.dot)) continue;
    Raw& collection = raw[entry.op.collection];
    switch (entry.op.kind) {
      case OpKind::kCreateCollection:
        collection.created = std::max(collection.created, entry.op.stamp);
        break;
      case OpKind::kDropCollection:
        collection.drops.push_back(&entry);
        break;
      case OpKind::kUpdate:
      case OpKind::kIncrement:
        collection.places[entry.op.key].changes.push_back(&entry);
        break;
      case OpKind::kInsert:
      case OpKind::kDelete:
        collection.places[entry.op.key].generations.push_back(&entry);
        break;
      case OpKind::kResolve:
      case OpKind::kFold:
      case OpKind::kNote:
        break;
    }
  }
  for (auto& [name, collection] : raw) {
    collection.drop = newest(collection.drops);
    for (auto& [key, place] : collection.places) place.drop = collection.drop;
  }
  return raw;
}

// Somebody who knew the write put another whole document, a delete or a drop in its place; or another value of `field`.
bool replaced_knowingly(const Entry& write, std::string_view field, const Place& place, const Ops& drops) {
  const auto knew = [&](const Entry* other) { return other != &write && other->saw(write); };
  if (std::any_of(place.generations.begin(), place.generations.end(), knew)) return true;
  if (std::any_of(drops.begin(), drops.end(), knew)) return true;
  return !field.empty() && std::any_of(place.changes.begin(), place.changes.end(), [&](const Entry* other) {
    return knew(other) && other->op.target == write.op.target && writes(*other, field);
  });
}

}  // namespace

bool NaiveModel::Entry::saw(const Entry& other) const {
  return (other.dot.actor == dot.actor && other.dot.counter < dot.counter) || (before && before->covers(other.dot));
}

void NaiveModel::add(const replication::Batch& batch) {
  const auto before = std::make_shared<const replication::VersionVector>(batch.before);
  for (std::size_t i = 0; i < batch.ops.size(); ++i)
    entries_.push_back({{batch.actor, batch.first_counter + i}, batch.ops[i], before});
}

NaiveModel::Collections NaiveModel::result(const replication::VersionVector& seen) const {
  Collections result;
  for (const auto& [name, collection] : sorted(entries_, seen)) {
    Documents documents;
    for (const auto& [key, place] : collection.places) {
      const Entry* generation = place.generation();
      if (generation == nullptr || generation->op.kind == OpKind::kDelete) continue;
      documents.emplace(key, document_of(place, *generation));
    }
    const db::Stamp dropped = collection.drop == nullptr ? db::Stamp{} : collection.drop->op.stamp;
    if (!documents.empty() || collection.created > dropped) result.emplace(name, std::move(documents));
  }
  return result;
}

NaiveModel::Counters NaiveModel::counters(const std::string& collection, const Bytes& key,
                                          const replication::VersionVector& seen) const {
  Counters result;
  auto raw = sorted(entries_, seen);
  const Place& place = raw[collection].places[key];
  const Entry* generation = place.generation();
  if (generation == nullptr || generation->op.kind == OpKind::kDelete) return result;
  for (const Entry* change : place.changes) {
    for (const auto& increment : change->op.increments) {
      auto parts = parts_of(place, *generation, *place.base(*generation, increment.field), increment.field);
      if (!parts.empty()) result[increment.field] = std::move(parts);
    }
  }
  return result;
}

std::set<NaiveModel::Lost> NaiveModel::lost(const replication::VersionVector& seen) const {
  std::set<Lost> result;
  for (const auto& [name, collection] : sorted(entries_, seen)) {
    for (const auto& [key, place] : collection.places) {
      const Entry* generation = place.generation();
      // What took the place of every other generation.
      const Entry* winner = generation != nullptr ? generation : collection.drop;
      if (winner == nullptr) continue;
      const auto deletes = std::count_if(place.generations.begin(), place.generations.end(),
                                         [](const Entry* entry) { return entry->op.kind == OpKind::kDelete; });
      for (const Entry* write : place.generations) {
        if (write == winner || replaced_knowingly(*write, {}, place, collection.drops)) continue;
        const bool decided = write->op.kind == OpKind::kInsert ||
                             (winner->op.kind == OpKind::kInsert && deletes == 1 && collection.drops.empty());
        if (decided) result.insert({name, key, write->dot, {}});
      }
      for (const Entry* write : place.changes) {
        const bool current = generation != nullptr && write->op.target == generation->op.stamp;
        for (const bson::Element& element : write->op.document.view()) {
          const std::string field(element.key);
          if (current && place.base(*generation, field) == write) continue;
          if (!replaced_knowingly(*write, field, place, collection.drops)) result.insert({name, key, write->dot, {}});
        }
        for (const auto& increment : write->op.increments) {
          const bool zero = increment.delta.kind != Kind::kDouble && increment.delta.integer == 0;
          if (current && place.base(*generation, increment.field)->op.stamp == increment.base) continue;
          if (!zero && !replaced_knowingly(*write, increment.field, place, collection.drops))
            result.insert({name, key, write->dot, increment.field});
        }
      }
    }
  }
  for (const Entry& entry : entries_) {
    if (entry.op.kind == OpKind::kResolve && seen.covers(entry.dot))
      std::erase_if(result, [&](const Lost& one) {
        const replication::Dot& loser = entry.op.loser;
        if (one.collection != entry.op.collection || one.key != entry.op.key) return false;
        // A later increment may have stood for this one too.
        return one.dot == loser ||
               (!one.increment.empty() && one.dot.actor == loser.actor && one.dot.counter < loser.counter);
      });
  }
  return result;
}

}  // namespace distri::sim
