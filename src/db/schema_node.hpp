// schema_node.hpp: the compiled form of a $jsonSchema. Private to the module.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "distri/db/regex.hpp"
#include "distri/db/schema.hpp"
#include "distri/db/type_set.hpp"

namespace distri::db {

using SchemaNodes = std::vector<std::unique_ptr<SchemaNode>>;

struct SchemaDependency {
  std::string_view name;
  std::vector<std::string_view> required;
  std::unique_ptr<SchemaNode> schema;  // or this
};

struct SchemaNode {
  std::optional<TypeSet> types;
  std::optional<bson::Value> minimum;
  std::optional<bson::Value> maximum;
  bool exclusive_minimum = false;
  bool exclusive_maximum = false;
  std::optional<bson::Value> multiple_of;
  std::optional<std::uint64_t> length_min, length_max;  // of strings, in code points
  std::unique_ptr<Regex> pattern;
  std::optional<std::uint64_t> items_min, items_max;
  bool unique_items = false;
  std::unique_ptr<SchemaNode> items;  // for every element
  SchemaNodes items_by_place;         // or one for each place
  bool has_items_by_place = false;
  bool additional_items_allowed = true;
  std::unique_ptr<SchemaNode> additional_items;
  std::optional<std::uint64_t> properties_min, properties_max;
  std::vector<std::string_view> required;
  std::vector<std::pair<std::string_view, std::unique_ptr<SchemaNode>>> properties;
  std::vector<std::pair<Regex, std::unique_ptr<SchemaNode>>> pattern_properties;
  bool additional_properties_allowed = true;
  std::unique_ptr<SchemaNode> additional_properties;
  std::vector<SchemaDependency> dependencies;
  std::optional<std::vector<Bytes>> enumerated;  // schema_key(), sorted
  SchemaNodes all_of, any_of, one_of;
  bool has_any_of = false;
  bool has_one_of = false;
  std::unique_ptr<SchemaNode> negated;
};

// Equal for values that a schema holds for equal: as order keys, but the order of fields does not count.
Bytes schema_key(const bson::Value& value);

}  // namespace distri::db
