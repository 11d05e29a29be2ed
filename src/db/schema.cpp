#include "distri/db/schema.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/bson/document.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"
#include "distri/db/schema_node.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

void append_sorted(bson::Builder& builder, std::string_view key, const Value& value) {
  if (value.type() == Type::kArray) {
    builder.begin_array(key);
    for (const Element& item : value.as_object()) append_sorted(builder, item.key, item.value);
    builder.end();
  } else if (value.type() == Type::kObject) {
    std::vector<Element> fields;
    for (const Element& field : value.as_object()) fields.push_back(field);
    std::stable_sort(fields.begin(), fields.end(), [](const Element& a, const Element& b) { return a.key < b.key; });
    builder.begin_object(key);
    for (const Element& field : fields) append_sorted(builder, field.key, field.value);
    builder.end();
  } else {
    builder.append_value(key, value);
  }
}

std::uint64_t code_points(std::string_view text) {
  return static_cast<std::uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool inside(std::uint64_t count, const std::optional<std::uint64_t>& min, const std::optional<std::uint64_t>& max) {
  return (!min || count >= *min) && (!max || count <= *max);
}

class Checker {
 public:
  explicit Checker(std::optional<Error>& error) : error_(error) {}

  bool accepts(const SchemaNode& node, const Value& value) {
    if (error_) return false;
    if (node.types && !node.types->contains(value.type())) return false;
    if (node.enumerated && !std::binary_search(node.enumerated->begin(), node.enumerated->end(), schema_key(value))) {
      return false;
    }
    if (value.is_number() && !number(node, value)) return false;
    if (value.type() == Type::kString && !text(node, value.as_string())) return false;
    if (value.type() == Type::kArray && !array(node, value)) return false;
    if (value.type() == Type::kObject && !object(node, value.as_object())) return false;
    return combined(node, value);
  }

 private:
  static bool number(const SchemaNode& node, const Value& value) {
    const auto inside_bound = [&](const Value& bound, bool exclusive, int wanted) {
      if (is_nan(value) != is_nan(bound)) return false;
      const int order = bson::compare(value, bound);
      return order == 0 ? !exclusive : (order > 0 ? 1 : -1) == wanted;
    };
    if (node.minimum && !inside_bound(*node.minimum, node.exclusive_minimum, 1)) return false;
    if (node.maximum && !inside_bound(*node.maximum, node.exclusive_maximum, -1)) return false;
    return !node.multiple_of || is_multiple_of(value, *node.multiple_of);
  }

  bool finds(const Regex& regex, std::string_view text) {
    const auto outcome = regex.search(text);
    if (outcome == Regex::Outcome::kLimit) {
      error_ = refuse(51156, "filter: '$jsonSchema': {}", Regex::limit_text()).error();
    }
    return outcome == Regex::Outcome::kYes;
  }

  bool text(const SchemaNode& node, std::string_view text) {
    if ((node.length_min || node.length_max) && !inside(code_points(text), node.length_min, node.length_max)) {
      return false;
    }
    return !node.pattern || finds(*node.pattern, text);
  }

  bool array(const SchemaNode& node, const Value& value) {
    std::size_t index = 0;
    std::vector<Bytes> keys;
    for (const Element& item : value.as_object()) {
      if (!array_item(node, item.value, index++)) return false;
      if (node.unique_items) keys.push_back(schema_key(item.value));
    }
    std::sort(keys.begin(), keys.end());
    return inside(index, node.items_min, node.items_max) && std::adjacent_find(keys.begin(), keys.end()) == keys.end();
  }

  bool array_item(const SchemaNode& node, const Value& item, std::size_t index) {
    if (node.items) return accepts(*node.items, item);
    if (!node.has_items_by_place) return true;
    if (index < node.items_by_place.size()) return accepts(*node.items_by_place[index], item);
    return node.additional_items ? accepts(*node.additional_items, item) : node.additional_items_allowed;
  }

  bool object(const SchemaNode& node, View object) {
    const auto has = [&](std::string_view name) { return object.find(name).has_value(); };
    if (!std::all_of(node.required.begin(), node.required.end(), has)) return false;
    if ((node.properties_min || node.properties_max) &&
        !inside(object.count(), node.properties_min, node.properties_max)) {
      return false;
    }
    const bool fields_matter = !node.properties.empty() || !node.pattern_properties.empty() ||
                               !node.additional_properties_allowed || node.additional_properties;
    for (auto at = object.begin(); fields_matter && !at.at_end(); ++at) {
      if (!field(node, *at)) return false;
    }
    return std::all_of(node.dependencies.begin(), node.dependencies.end(), [&](const SchemaDependency& dependency) {
      if (!has(dependency.name)) return true;
      if (dependency.schema) return accepts(*dependency.schema, Value(Type::kObject, object.bytes()));
      return std::all_of(dependency.required.begin(), dependency.required.end(), has);
    });
  }

  bool field(const SchemaNode& node, const Element& element) {
    bool additional = true;
    for (const auto& [name, schema] : node.properties) {
      if (name != element.key) continue;
      additional = false;
      if (!accepts(*schema, element.value)) return false;
    }
    for (const auto& [regex, schema] : node.pattern_properties) {
      if (!finds(regex, element.key)) continue;
      additional = false;
      if (!accepts(*schema, element.value)) return false;
    }
    if (!additional) return true;
    return node.additional_properties ? accepts(*node.additional_properties, element.value)
                                      : node.additional_properties_allowed;
  }

  bool combined(const SchemaNode& node, const Value& value) {
    const auto ok = [&](const std::unique_ptr<SchemaNode>& schema) { return accepts(*schema, value); };
    if (!std::all_of(node.all_of.begin(), node.all_of.end(), ok)) return false;
    if (node.has_any_of && std::none_of(node.any_of.begin(), node.any_of.end(), ok)) return false;
    if (node.has_one_of && std::count_if(node.one_of.begin(), node.one_of.end(), ok) != 1) return false;
    return !node.negated || !ok(node.negated);
  }

  std::optional<Error>& error_;
};

}  // namespace

Bytes schema_key(const Value& value) {
  if (value.type() != Type::kObject && value.type() != Type::kArray) return bson::order_key(value);
  bson::Builder builder;
  append_sorted(builder, "v", value);
  const bson::Document sorted = std::move(builder).finish();
  return bson::order_key(*sorted.view().find("v"));
}

Schema::Schema(std::unique_ptr<SchemaNode> root) : root_(std::move(root)) {}
Schema::Schema(Schema&&) noexcept = default;
Schema& Schema::operator=(Schema&&) noexcept = default;
Schema::~Schema() = default;

bool Schema::accepts(const Value& value, std::optional<Error>& error) const {
  return Checker(error).accepts(*root_, value);
}

}  // namespace distri::db
