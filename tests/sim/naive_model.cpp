#include "naive_model.hpp"

#include <optional>
#include <set>
#include <tuple>

namespace distri::sim {

namespace {

using replication::OpKind;
using Entry = NaiveModel::Entry;
using Ops = std::vector<const Entry*>;

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

// The newest update of one field, and the element it set (none: it unset the field).
struct Register {
  const Entry* update = nullptr;
  std::optional<bson::Element> element;
};

Bytes document_of(const Entry& generation, const Ops& updates) {
  std::map<std::string, Register, std::less<>> registers;
  for (const Entry* update : updates) {
    if (update->op.target != generation.op.stamp) continue;
    const auto put = [&](std::string_view name, std::optional<bson::Element> element) {
      Register& current = registers[std::string(name)];
      if (current.update == nullptr || age(*update) > age(*current.update)) current = {update, element};
    };
    for (const bson::Element& element : update->op.document.view()) put(element.key, element);
    for (const std::string& name : update->op.unset) put(name, std::nullopt);
  }
  bson::Builder builder;
  std::set<std::string, std::less<>> placed;
  for (const bson::Element& element : generation.op.document.view()) {
    placed.emplace(element.key);
    const auto found = registers.find(element.key);
    if (found == registers.end()) {
      builder.append_element(element);
    } else if (found->second.element) {
      builder.append_element(*found->second.element);
    }
  }
  for (const auto& [name, current] : registers) {
    if (!placed.contains(name) && current.element) builder.append_element(*current.element);
  }
  return std::move(builder).finish().bytes();
}

}  // namespace

void NaiveModel::add(const replication::Batch& batch) {
  for (std::size_t i = 0; i < batch.ops.size(); ++i) add({batch.actor, batch.first_counter + i}, batch.ops[i]);
}

NaiveModel::Collections NaiveModel::result(const replication::VersionVector& seen) const {
  struct Raw {
    db::Stamp created, dropped;
    std::map<Bytes, std::pair<Ops, Ops>> keys;  // generations, updates
  };
  std::map<std::string, Raw> raw;
  for (const Entry& entry : entries_) {
    if (!seen.covers(entry.dot)) continue;
    Raw& collection = raw[entry.op.collection];
    switch (entry.op.kind) {
      case OpKind::kCreateCollection:
        collection.created = std::max(collection.created, entry.op.stamp);
        break;
      case OpKind::kDropCollection:
        collection.dropped = std::max(collection.dropped, entry.op.stamp);
        break;
      case OpKind::kUpdate:
        collection.keys[entry.op.key].second.push_back(&entry);
        break;
      case OpKind::kInsert:
      case OpKind::kDelete:
        collection.keys[entry.op.key].first.push_back(&entry);
        break;
    }
  }
  Collections result;
  for (const auto& [name, collection] : raw) {
    Documents documents;
    for (const auto& [key, ops] : collection.keys) {
      const Entry* generation = newest(ops.first);
      if (generation == nullptr || generation->op.kind == OpKind::kDelete) continue;
      if (generation->op.stamp <= collection.dropped) continue;
      documents.emplace(key, document_of(*generation, ops.second));
    }
    if (!documents.empty() || collection.created > collection.dropped) result.emplace(name, std::move(documents));
  }
  return result;
}

}  // namespace distri::sim
