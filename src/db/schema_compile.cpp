#include <algorithm>

#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"
#include "distri/db/schema_node.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

class SchemaCompiler {
 public:
  using Node = std::unique_ptr<SchemaNode>;

  Result<Node> compile(std::string_view where, const Value& source, int depth) {
    if (source.type() != Type::kObject) {
      return refuse(mongo::kTypeMismatch, "$jsonSchema: '{}' must be an object, not {}", shown(where),
                    type_name(source.type()));
    }
    if (depth > kSchemaDepthMax) {
      return refuse(mongo::kFailedToParse, "$jsonSchema: schemas nest deeper than {}", kSchemaDepthMax);
    }
    auto node = std::make_unique<SchemaNode>();
    const View object = source.as_object();
    for (const Element& element : object) {
      DISTRI_TRY_VOID(count());
      DISTRI_TRY_VOID(keyword(*node, element, depth));
    }
    DISTRI_TRY_VOID(check_pairs(object));
    return node;
  }

 private:
  Result<> count() {
    if (++keywords_ <= kSchemaKeywordsMax) return {};
    return refuse(mongo::kFailedToParse, "$jsonSchema: more than {} keywords", kSchemaKeywordsMax);
  }

  static std::unexpected<Error> mismatch(const Element& element, std::string_view wanted) {
    return refuse(mongo::kTypeMismatch, "$jsonSchema keyword '{}' must be {}, not {}", shown(element.key), wanted,
                  type_name(element.value.type()));
  }

  static Result<> check_pairs(View object) {
    if (object.find("type") && object.find("bsonType")) {
      return refuse(mongo::kFailedToParse, "$jsonSchema: cannot specify both 'type' and 'bsonType'");
    }
    for (const auto& [flag, bound] : {std::pair("exclusiveMinimum", "minimum"), {"exclusiveMaximum", "maximum"}}) {
      if (object.find(flag) && !object.find(bound)) {
        return refuse(mongo::kFailedToParse, "$jsonSchema: '{}' must be present if '{}' is", bound, flag);
      }
    }
    return {};
  }

  Result<> keyword(SchemaNode& node, const Element& element, int depth) {
    DISTRI_TRY(const bool number, number_keyword(node, element));
    if (number) return {};
    DISTRI_TRY(const bool counted, counting_keyword(node, element));
    if (counted) return {};
    DISTRI_TRY(const bool nested, nesting_keyword(node, element, depth));
    if (nested) return {};
    const std::string_view name = element.key;
    if (name == "type" || name == "bsonType") return types(node, element);
    if (name == "enum") return enumeration(node, element);
    if (name == "required") return names(element, node.required);
    if (name == "dependencies") return dependencies(node, element, depth);
    if (name == "pattern") {
      if (element.value.type() != Type::kString) return mismatch(element, "a string");
      DISTRI_TRY(auto regex, Regex::compile("$jsonSchema keyword 'pattern'", element.value.as_string(), ""));
      node.pattern = std::make_unique<Regex>(std::move(regex));
      return {};
    }
    if (name == "title" || name == "description") {
      if (element.value.type() != Type::kString) return mismatch(element, "a string");
      return {};
    }
    for (const std::string_view known : {"$ref", "$schema", "default", "definitions", "format", "id"}) {
      if (name == known) {
        return refuse(mongo::kFailedToParse, "$jsonSchema keyword '{}' is not supported", known);
      }
    }
    return refuse(mongo::kFailedToParse, "unknown $jsonSchema keyword '{}'", shown(name));
  }

  // false: another kind of keyword.
  static Result<bool> number_keyword(SchemaNode& node, const Element& element) {
    const std::string_view name = element.key;
    if (name == "minimum" || name == "maximum" || name == "multipleOf") {
      if (!element.value.is_number()) return mismatch(element, "a number");
      if (name == "multipleOf") {
        const bson::Decimal128 factor = to_decimal(element.value);
        if (factor.kind != bson::Decimal128::Kind::kFinite || factor.negative || factor.digits.empty()) {
          return refuse(mongo::kFailedToParse, "$jsonSchema keyword 'multipleOf' must be a positive number");
        }
      }
      (name == "minimum" ? node.minimum : name == "maximum" ? node.maximum : node.multiple_of) = element.value;
      return true;
    }
    if (name == "exclusiveMinimum" || name == "exclusiveMaximum" || name == "uniqueItems") {
      if (element.value.type() != Type::kBool) return mismatch(element, "true or false");
      (name == "exclusiveMinimum"   ? node.exclusive_minimum
       : name == "exclusiveMaximum" ? node.exclusive_maximum
                                    : node.unique_items) = element.value.as_bool();
      return true;
    }
    return false;
  }

  static Result<bool> counting_keyword(SchemaNode& node, const Element& element) {
    using Bound = std::optional<std::uint64_t> SchemaNode::*;
    static constexpr std::pair<std::string_view, Bound> kBounds[] = {
        {"minLength", &SchemaNode::length_min},         {"maxLength", &SchemaNode::length_max},
        {"minItems", &SchemaNode::items_min},           {"maxItems", &SchemaNode::items_max},
        {"minProperties", &SchemaNode::properties_min}, {"maxProperties", &SchemaNode::properties_max}};
    for (const auto& [name, bound] : kBounds) {
      if (element.key != name) continue;
      if (!element.value.is_number()) return mismatch(element, "a number");
      const auto number = element.value.to_int64();
      if (!number || *number < 0) {
        return refuse(mongo::kFailedToParse, "$jsonSchema keyword '{}' must be a whole number from 0 on", name);
      }
      node.*bound = static_cast<std::uint64_t>(*number);
      return true;
    }
    return false;
  }

  Result<bool> nesting_keyword(SchemaNode& node, const Element& element, int depth) {
    const std::string_view name = element.key;
    if (name == "allOf" || name == "anyOf" || name == "oneOf") {
      node.has_any_of |= name == "anyOf";
      node.has_one_of |= name == "oneOf";
      DISTRI_TRY_VOID(schemas(element,
                              name == "allOf"   ? node.all_of
                              : name == "anyOf" ? node.any_of
                                                : node.one_of,
                              depth));
      return true;
    }
    if (name == "not") {
      DISTRI_TRY(node.negated, compile(name, element.value, depth + 1));
      return true;
    }
    if (name == "items" && element.value.type() == Type::kArray) {
      node.has_items_by_place = true;
      DISTRI_TRY_VOID(schemas(element, node.items_by_place, depth));
      return true;
    }
    if (name == "items") {
      DISTRI_TRY(node.items, compile(name, element.value, depth + 1));
      return true;
    }
    if (name == "additionalItems" || name == "additionalProperties") {
      const bool items = name == "additionalItems";
      if (element.value.type() == Type::kBool) {
        (items ? node.additional_items_allowed : node.additional_properties_allowed) = element.value.as_bool();
        return true;
      }
      if (element.value.type() != Type::kObject) return mismatch(element, "an object, true or false");
      DISTRI_TRY((items ? node.additional_items : node.additional_properties), compile(name, element.value, depth + 1));
      return true;
    }
    if (name != "properties" && name != "patternProperties") return false;
    if (element.value.type() != Type::kObject) return mismatch(element, "an object");
    for (const Element& property : element.value.as_object()) {
      DISTRI_TRY_VOID(count());
      DISTRI_TRY(auto schema, compile(property.key, property.value, depth + 1));
      if (name == "properties") {
        node.properties.emplace_back(property.key, std::move(schema));
      } else {
        DISTRI_TRY(auto regex, Regex::compile("$jsonSchema keyword 'patternProperties'", property.key, ""));
        node.pattern_properties.emplace_back(std::move(regex), std::move(schema));
      }
    }
    return true;
  }

  Result<> schemas(const Element& element, SchemaNodes& out, int depth) {
    if (element.value.type() != Type::kArray) return mismatch(element, "an array of schemas");
    if (element.value.as_object().empty() && element.key != "items") {
      return refuse(mongo::kBadValue, "$jsonSchema keyword '{}' must be a non-empty array", element.key);
    }
    for (const Element& item : element.value.as_object()) {
      DISTRI_TRY(auto schema, compile(element.key, item.value, depth + 1));
      out.push_back(std::move(schema));
    }
    return {};
  }

  Result<> types(SchemaNode& node, const Element& element) {
    TypeSet set;
    std::vector<Value> names;
    if (element.value.type() == Type::kArray) {
      for (const Element& item : element.value.as_object()) names.push_back(item.value);
      if (names.empty()) return refuse(mongo::kFailedToParse, "$jsonSchema keyword '{}' names no type", element.key);
    } else {
      names.push_back(element.value);
    }
    for (const Value& name : names) {
      if (name.type() != Type::kString) return mismatch(element, "a string or an array of strings");
      DISTRI_TRY(const TypeSet one, element.key == "type" ? json_type(name.as_string())
                                                          : parse_type("$jsonSchema keyword 'bsonType'", name, false));
      set.add_all(one);
    }
    node.types = set;
    return {};
  }

  static Result<TypeSet> json_type(std::string_view name) {
    TypeSet set;
    if (name == "number") {
      set.add_numbers();
    } else if (name == "boolean") {
      set.add(Type::kBool);
    } else if (name == "object" || name == "array" || name == "string" || name == "null") {
      set.add(*type_named(name));
    } else if (name == "integer") {
      return refuse(mongo::kFailedToParse, "$jsonSchema type 'integer' is not supported; use bsonType 'int' or 'long'");
    } else {
      return refuse(mongo::kBadValue,
                    "$jsonSchema keyword 'type': unknown type name '{}'; known are object, array, number, boolean, "
                    "string, null; others are named by bsonType",
                    shown(name));
    }
    return set;
  }

  Result<> enumeration(SchemaNode& node, const Element& element) {
    if (element.value.type() != Type::kArray) return mismatch(element, "an array");
    node.enumerated.emplace();
    for (const Element& item : element.value.as_object()) {
      DISTRI_TRY_VOID(count());
      node.enumerated->push_back(schema_key(item.value));
    }
    std::sort(node.enumerated->begin(), node.enumerated->end());
    if (node.enumerated->empty()) return refuse(mongo::kFailedToParse, "$jsonSchema keyword 'enum' must not be empty");
    if (std::adjacent_find(node.enumerated->begin(), node.enumerated->end()) != node.enumerated->end()) {
      return refuse(mongo::kFailedToParse, "$jsonSchema keyword 'enum' names a value twice");
    }
    return {};
  }

  Result<> names(const Element& element, std::vector<std::string_view>& out) {
    if (element.value.type() != Type::kArray) return mismatch(element, "an array of strings");
    for (const Element& item : element.value.as_object()) {
      DISTRI_TRY_VOID(count());
      if (item.value.type() != Type::kString) return mismatch(element, "an array of strings");
      out.push_back(item.value.as_string());
    }
    std::vector<std::string_view> sorted = out;
    std::sort(sorted.begin(), sorted.end());
    if (sorted.empty()) {
      return refuse(mongo::kFailedToParse, "$jsonSchema keyword '{}' must not be an empty array", shown(element.key));
    }
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
      return refuse(mongo::kFailedToParse, "$jsonSchema keyword '{}' names a property twice", shown(element.key));
    }
    return {};
  }

  Result<> dependencies(SchemaNode& node, const Element& element, int depth) {
    if (element.value.type() != Type::kObject) return mismatch(element, "an object");
    for (const Element& item : element.value.as_object()) {
      DISTRI_TRY_VOID(count());
      SchemaDependency dependency{item.key, {}, nullptr};
      if (item.value.type() == Type::kObject) {
        DISTRI_TRY(dependency.schema, compile(item.key, item.value, depth + 1));
      } else {
        DISTRI_TRY_VOID(names(item, dependency.required));
      }
      node.dependencies.push_back(std::move(dependency));
    }
    return {};
  }

  std::size_t keywords_ = 0;
};

}  // namespace

Result<Schema> Schema::compile(const Value& source) {
  DISTRI_TRY(auto root, SchemaCompiler().compile("$jsonSchema", source, 1));
  return Schema(std::move(root));
}

}  // namespace distri::db
