#include "distri/db/foreign_table.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/array_writer.hpp"
#include "distri/db/index.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// Of an entry of the table, beside its key.
constexpr std::size_t kEntryBytes = 64;

}  // namespace

bool has_equality_index(const Collection& collection, std::string_view path) {
  return std::any_of(collection.indexes().begin(), collection.indexes().end(), [path](const auto& index) {
    const IndexDefinition& definition = index->definition();
    return index->ready() && definition.fields.front().path == path && !definition.sparse && !definition.partial;
  });
}

Result<ForeignTable::State> ForeignTable::build(const Collection* collection, PipelineContext& context) {
  if (collection == nullptr) return State::kComplete;
  const auto& records = collection->records();
  for (auto at = after_ ? records.upper_bound(*after_) : records.begin(); at != records.end(); ++at) {
    const bson::View document = at->second.document;
    if (context.turn_over()) return State::kBuilding;
    DISTRI_TRY_VOID(context.spend_on(document));
    after_ = Bytes(at->first);
    const auto number = static_cast<std::uint32_t>(ids_.size());
    bson::Builder id;
    id.append_element(*document.begin());
    ids_.push_back(std::move(id).finish());
    bool fits = charge_.grow(sizeof(bson::Document) + ids_.back().bytes().size()).has_value();
    any_at(document, path_.data(), path_.data() + path_.size(), [&](const Value* value) {
      std::string found = bson::order_key(value == nullptr ? Value() : *value);
      fits = fits && charge_.grow(found.size() + kEntryBytes).has_value();
      if (!fits) return true;
      std::vector<std::uint32_t>& numbers = places_[std::move(found)];
      if (numbers.empty() || numbers.back() != number) numbers.push_back(number);
      return false;
    });
    if (!fits) return State::kTooLarge;
  }
  return State::kComplete;
}

void ForeignTable::find(const Value& value, std::vector<std::uint32_t>& found) const {
  const auto add = [&](const Value& each) {
    const auto at = places_.find(bson::order_key(each));
    if (at != places_.end()) found.insert(found.end(), at->second.begin(), at->second.end());
  };
  add(value);
  if (value.type() == Type::kNull) add(Value(Type::kUndefined, {}));
  if (value.type() == Type::kUndefined) add(Value());
}

std::optional<bson::Document> ForeignTable::candidates(const Value& local) const {
  std::vector<std::uint32_t> found;
  if (local.type() == Type::kArray) {
    for (const bson::Element& item : local.as_object()) find(item.value, found);
  } else {
    find(local, found);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.size() > kFilterListMax) return std::nullopt;
  bson::Builder filter;
  filter.begin_object("_id").begin_array("$in");
  ArrayWriter list(filter);
  for (const std::uint32_t number : found) list.append(ids_[number].view().begin()->value);
  filter.end().end();
  return std::move(filter).finish();
}

}  // namespace distri::db
