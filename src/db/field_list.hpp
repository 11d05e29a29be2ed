// field_list.hpp: the fields of an object under change: each name once, in the order of their first appearance. Private
// to the module.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "distri/db/expression_state.hpp"

namespace distri::db {

class FieldList {
 public:
  // Replaces the value in place, or appends.
  void set(std::string_view name, const bson::Value& value);
  void set_all(bson::View object);
  // nullptr: no such field.
  const bson::Value* find(std::string_view name) const;
  // Fields whose value is missing are left out.
  Result<bson::Value> finish(EvaluationState& state) const;

 private:
  // The number of fields when there is none of that name.
  std::size_t place_of(std::string_view name) const;

  std::vector<std::pair<std::string_view, bson::Value>> fields_;
  std::unordered_map<std::string_view, std::size_t> places_;  // used from kIndexedFrom fields on
  static constexpr std::size_t kIndexedFrom = 16;
};

}  // namespace distri::db
