#include <array>

#include "distri/db/expression_node.hpp"
#include "distri/db/field_list.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

Result<Value> merge(const Call& call) {
  FieldList fields;
  for (const Value& value : call.arguments) {
    // A single array is the list of objects.
    if (value.type() == Type::kArray && call.size() == 1) {
      for (const Element& element : value.as_object()) {
        if (is_nullish(element.value)) continue;
        if (element.value.type() != Type::kObject) {
          return refuse(40400, "$mergeObjects requires object inputs, but an input is of type {}",
                        kind_of(element.value));
        }
        fields.set_all(element.value.as_object());
      }
      continue;
    }
    if (is_nullish(value)) continue;
    if (value.type() != Type::kObject) {
      return refuse(40400, "$mergeObjects requires object inputs, but an input is of type {}", kind_of(value));
    }
    fields.set_all(value.as_object());
  }
  return fields.finish(call.state);
}

Result<Value> object_to_array(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kObject) {
    return refuse(40390, "$objectToArray requires a document input, found: {}", kind_of(call[0]));
  }
  ArrayResult result;
  for (const Element& element : call[0].as_object()) {
    ObjectWriter pair;
    pair.append("k", call.arena().string(element.key));
    pair.append("v", element.value);
    DISTRI_TRY(const Value value, std::move(pair).finish(call.state));
    result.append(value);
    if (result.full()) break;
  }
  return std::move(result).finish(call.state);
}

Result<std::string_view> field_name(const Call& call, const Value& value) {
  if (value.type() != Type::kString) {
    return refuse(40394, "{} requires a field's name to be a string, not {}", call.name, kind_of(value));
  }
  if (value.as_string().find('\0') != std::string_view::npos) {
    return refuse(4940400, "{}: a field's name must not hold a zero byte", call.name);
  }
  return value.as_string();
}

// Elements [name, value] or {k: name, v: value}; the last of a name counts.
Result<Value> array_to_object(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(40386, "$arrayToObject requires an array input, found: {}", kind_of(call[0]));
  }
  FieldList fields;
  std::optional<Type> form;
  for (const Element& element : call[0].as_object()) {
    const Value& item = element.value;
    if (item.type() != Type::kArray && item.type() != Type::kObject) {
      return refuse(40398, "$arrayToObject takes arrays or objects as elements, found: {}", kind_of(item));
    }
    if (form.value_or(item.type()) != item.type()) {
      return refuse(40391, "$arrayToObject: elements must be all [k, v] arrays or all {{k, v}} objects");
    }
    form = item.type();
    const bool pair = item.type() == Type::kArray;
    const auto name = item.as_object().find(pair ? "0" : "k");
    const auto value = item.as_object().find(pair ? "1" : "v");
    if (!name || !value || item.as_object().count() != 2) {
      return refuse(pair ? 40397 : 40392, "$arrayToObject takes elements with exactly {}",
                    pair ? "two values" : "the fields k and v");
    }
    DISTRI_TRY(const std::string_view text, field_name(call, *name));
    fields.set(text, *value);
  }
  return fields.finish(call.state);
}

// Arguments: field, input.
Result<Value> get_field(const Call& call) {
  const Value input = call.given(1) ? call[1] : Value(Type::kObject, call.state.root.bytes());
  if (is_nullish(call[0])) return call.null();
  DISTRI_TRY(const std::string_view name, field_name(call, call[0]));
  if (is_missing(input)) return missing_value();
  if (is_nullish(input)) return call.null();
  if (input.type() != Type::kObject) return missing_value();
  return input.as_object().find(name).value_or(missing_value());
}

// Arguments: field, input, value.
Result<Value> set_field(const Call& call) {
  DISTRI_TRY(const std::string_view name, field_name(call, call[0]));
  if (is_nullish(call[1])) return call.null();
  if (call[1].type() != Type::kObject) {
    return refuse(4161105, "{} requires 'input' to evaluate to type object, found: {}", call.name, kind_of(call[1]));
  }
  FieldList fields;
  fields.set_all(call[1].as_object());
  fields.set(name, call.size() > 2 ? call[2] : missing_value());
  return fields.finish(call.state);
}

Result<ExpressionNode> parse_get_field(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                       int depth) {
  // {$getField: "name"} is short for {$getField: {field: "name"}}, where the name is taken as it is.
  if (source.type() == Type::kObject && source.as_object().find("field")) {
    return compiler.arguments_named(entry, source, depth);
  }
  if (source.type() != Type::kString && source.type() != Type::kObject) {
    return refuse(5654602, "$getField requires 'field' to evaluate to a string, found: {}", kind_of(source));
  }
  return compiler.arguments_listed(entry, source, depth);
}

constexpr std::array kTable = {
    OperatorEntry{"$mergeObjects", 0, -1, merge},
    OperatorEntry{"$objectToArray", 1, 1, object_to_array},
    OperatorEntry{"$arrayToObject", 1, 1, array_to_object},
    OperatorEntry{"$getField", 1, 1, get_field, nullptr, "field! input", parse_get_field},
    OperatorEntry{"$setField", 1, 1, set_field, nullptr, "field! input! value!"},
    OperatorEntry{"$unsetField", 1, 1, set_field, nullptr, "field! input!"},
};

}  // namespace

std::span<const OperatorEntry> object_operators() {
  return kTable;
}

}  // namespace distri::db
