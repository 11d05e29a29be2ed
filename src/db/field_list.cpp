#include "distri/db/field_list.hpp"

#include <algorithm>

namespace distri::db {

std::size_t FieldList::place_of(std::string_view name) const {
  if (fields_.size() < kIndexedFrom) {
    const auto same = [&](const auto& field) { return field.first == name; };
    return static_cast<std::size_t>(std::find_if(fields_.begin(), fields_.end(), same) - fields_.begin());
  }
  const auto at = places_.find(name);
  return at == places_.end() ? fields_.size() : at->second;
}

const bson::Value* FieldList::find(std::string_view name) const {
  const std::size_t place = place_of(name);
  return place < fields_.size() ? &fields_[place].second : nullptr;
}

void FieldList::set(std::string_view name, const bson::Value& value) {
  if (const std::size_t place = place_of(name); place < fields_.size()) {
    fields_[place].second = value;
    return;
  }
  fields_.emplace_back(name, value);
  if (fields_.size() == kIndexedFrom) {
    for (std::size_t i = 0; i < fields_.size(); ++i) places_.emplace(fields_[i].first, i);
  } else if (fields_.size() > kIndexedFrom) {
    places_.emplace(name, fields_.size() - 1);
  }
}

void FieldList::set_all(bson::View object) {
  for (const bson::Element& element : object) set(element.key, element.value);
}

Result<bson::Value> FieldList::finish(EvaluationState& state) const {
  ObjectWriter writer;
  for (const auto& [name, value] : fields_) writer.append(name, value);
  return std::move(writer).finish(state);
}

}  // namespace distri::db
