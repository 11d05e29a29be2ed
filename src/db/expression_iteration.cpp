// $map, $filter, $reduce: operators that bind variables to the elements of an array.
#include <array>

#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

// Arguments of all three: input, body, and one more perhaps (limit, initialValue).
Result<Value> input_of(const ExpressionNode& node, EvaluationState& state, int code) {
  DISTRI_TRY(const Value input, evaluate_node(node.arguments[0], state));
  if (is_nullish(input)) return Value();
  if (input.type() == Type::kArray) return input;
  return refuse(code, "{}: input must be an array, not {}", node.entry->name, kind_of(input));
}

Result<Value> map(const ExpressionNode& node, EvaluationState& state) {
  DISTRI_TRY(const Value input, input_of(node, state, 16883));
  if (is_nullish(input)) return input;
  ArrayResult result;
  for (auto at = input.as_object().begin(); !at.at_end() && !result.full(); ++at) {
    state.variables[node.slots[0]] = at->value;
    DISTRI_TRY(const Value value, evaluate_node(node.arguments[1], state));
    DISTRI_TRY_VOID(state.spend(value.raw().size() / 64));
    result.append(value);
  }
  return std::move(result).finish(state);
}

Result<Value> filter(const ExpressionNode& node, EvaluationState& state) {
  DISTRI_TRY(const Value input, input_of(node, state, 28651));
  if (is_nullish(input)) return input;
  std::int64_t limit = -1;
  if (node.arguments.size() > 2) {
    DISTRI_TRY(const Value value, evaluate_node(node.arguments[2], state));
    if (!is_nullish(value)) {
      const auto whole = value.is_number() ? value.to_int64() : std::nullopt;
      if (!whole || *whole < 1) {
        return refuse(327391, "$filter: limit must be a whole number above 0, not {}", shown_value(value));
      }
      limit = *whole;
    }
  }
  ArrayResult result;
  for (auto at = input.as_object().begin(); !at.at_end() && limit != 0; ++at) {
    state.variables[node.slots[0]] = at->value;
    DISTRI_TRY(const Value wanted, evaluate_node(node.arguments[1], state));
    if (is_missing(wanted) || !is_truthy(wanted)) continue;
    DISTRI_TRY_VOID(state.spend(at->value.raw().size() / 64));
    result.append(at->value);
    if (limit > 0) --limit;
  }
  return std::move(result).finish(state);
}

Result<Value> reduce(const ExpressionNode& node, EvaluationState& state) {
  DISTRI_TRY(const Value input, input_of(node, state, 40080));
  if (is_nullish(input)) return input;
  DISTRI_TRY(Value value, evaluate_node(node.arguments[2], state));
  for (auto at = input.as_object().begin(); !at.at_end(); ++at) {
    state.variables[node.slots[0]] = at->value;
    state.variables[node.slots[1]] = value;
    DISTRI_TRY(value, evaluate_node(node.arguments[1], state));
  }
  return value;
}

struct Shape {
  std::string_view body;   // name of the argument that is evaluated for each element
  std::string_view third;  // of one more
  bool third_needed;
  bool named_variable;  // 'as' names it
};

Result<ExpressionNode> parse(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source, int depth,
                             const Shape& shape) {
  if (source.type() != Type::kObject) {
    return refuse(28646, "{} only supports an object as its argument, not {}", entry.name, kind_of(source));
  }
  const auto arguments = source.as_object();
  for (const Element& element : arguments) {
    const bool known = element.key == "input" || element.key == shape.body ||
                       (!shape.third.empty() && element.key == shape.third) ||
                       (shape.named_variable && element.key == "as");
    if (!known) return refuse(28647, "{} does not know the argument '{}'", entry.name, shown(element.key));
  }
  const auto needed = [&](std::string_view name) -> Result<Value> {
    if (const auto value = arguments.find(name)) return *value;
    return refuse(28648, "{} needs the argument '{}'", entry.name, name);
  };
  ExpressionNode node;
  node.entry = &entry;
  node.run = entry.lazy;
  DISTRI_TRY(const Value input, needed("input"));
  DISTRI_TRY(const Value body, needed(shape.body));
  DISTRI_TRY(auto input_node, compiler.compile(input, depth + 1));
  node.arguments.push_back(std::move(input_node));
  node.arguments.emplace_back();
  const auto third = shape.third.empty() ? std::optional<Value>() : arguments.find(shape.third);
  if (!third && shape.third_needed) return refuse(40079, "{} needs the argument '{}'", entry.name, shape.third);
  if (third) {
    DISTRI_TRY(auto third_node, compiler.compile(*third, depth + 1));
    node.arguments.push_back(std::move(third_node));
  }
  std::string_view name = "this";
  if (const auto as = shape.named_variable ? arguments.find("as") : std::nullopt) {
    if (as->type() != Type::kString)
      return refuse(16868, "{}: 'as' must be a string, not {}", entry.name, kind_of(*as));
    name = as->as_string();
  }
  DISTRI_TRY(const std::uint32_t element, compiler.bind(name));
  node.slots.push_back(element);
  if (!shape.named_variable) {
    DISTRI_TRY(const std::uint32_t value, compiler.bind("value"));
    node.slots.push_back(value);
  }
  DISTRI_TRY(node.arguments[1], compiler.compile(body, depth + 1));
  for (std::size_t i = 0; i < node.slots.size(); ++i) compiler.unbind();
  return node;
}

Result<ExpressionNode> parse_map(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                 int depth) {
  return parse(compiler, entry, source, depth, {"in", {}, false, true});
}

Result<ExpressionNode> parse_filter(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                    int depth) {
  return parse(compiler, entry, source, depth, {"cond", "limit", false, true});
}

Result<ExpressionNode> parse_reduce(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                    int depth) {
  return parse(compiler, entry, source, depth, {"in", "initialValue", true, false});
}

constexpr std::array kTable = {
    OperatorEntry{"$map", 1, 1, nullptr, map, {}, parse_map},
    OperatorEntry{"$filter", 1, 1, nullptr, filter, {}, parse_filter},
    OperatorEntry{"$reduce", 1, 1, nullptr, reduce, {}, parse_reduce},
};

}  // namespace

std::span<const OperatorEntry> iteration_operators() {
  return kTable;
}

}  // namespace distri::db
