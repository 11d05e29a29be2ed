// Comparison, boolean and conditional operators, $let and $literal.
#include <array>

#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

bool truthy(const Value& value) {
  return !is_missing(value) && is_truthy(value);
}

Result<Value> compare(const Call& call) {
  const int order = compare_values(call[0], call[1]);
  return call.arena().int32(order < 0 ? -1 : (order > 0 ? 1 : 0));
}

template <bool kLess, bool kEqual, bool kGreater>
Result<Value> comparison(const Call& call) {
  const int order = compare_values(call[0], call[1]);
  return call.arena().boolean(order < 0 ? kLess : (order > 0 ? kGreater : kEqual));
}

Result<Value> negation(const Call& call) {
  return call.arena().boolean(!truthy(call[0]));
}

// $and and $or end at the first value that decides.
template <bool kDecides>
Result<Value> junction(const ExpressionNode& node, EvaluationState& state) {
  for (const ExpressionNode& argument : node.arguments) {
    DISTRI_TRY(const Value value, evaluate_node(argument, state));
    if (truthy(value) == kDecides) return state.arena.boolean(kDecides);
  }
  return state.arena.boolean(!kDecides);
}

Result<Value> condition(const ExpressionNode& node, EvaluationState& state) {
  DISTRI_TRY(const Value decision, evaluate_node(node.arguments[0], state));
  return evaluate_node(node.arguments[truthy(decision) ? 1 : 2], state);
}

Result<Value> if_null(const ExpressionNode& node, EvaluationState& state) {
  Value value = missing_value();
  for (const ExpressionNode& argument : node.arguments) {
    DISTRI_TRY(value, evaluate_node(argument, state));
    if (!is_nullish(value)) break;
  }
  return value;
}

// Arguments: case, then, case, then, ..., and the default if there is one.
Result<Value> choose(const ExpressionNode& node, EvaluationState& state) {
  std::size_t i = 0;
  for (; i + 1 < node.arguments.size(); i += 2) {
    DISTRI_TRY(const Value decision, evaluate_node(node.arguments[i], state));
    if (truthy(decision)) return evaluate_node(node.arguments[i + 1], state);
  }
  if (i < node.arguments.size()) return evaluate_node(node.arguments[i], state);
  return refuse(40066, "$switch could not find a matching branch, and no default was given");
}

// Arguments: the values, then the body.
Result<Value> let(const ExpressionNode& node, EvaluationState& state) {
  for (std::size_t i = 0; i < node.slots.size(); ++i) {
    DISTRI_TRY(state.variables[node.slots[i]], evaluate_node(node.arguments[i], state));
  }
  return evaluate_node(node.arguments.back(), state);
}

Result<ExpressionNode> parse_condition(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                       int depth) {
  if (source.type() != Type::kObject) return compiler.arguments_listed(entry, source, depth);
  static constexpr OperatorEntry kNamed{"$cond", 3, 3, nullptr, condition, "if! then! else!"};
  return compiler.arguments_named(kNamed, source, depth);
}

Result<ExpressionNode> parse_switch(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                    int depth) {
  if (source.type() != Type::kObject) {
    return refuse(40060, "$switch takes an object with 'branches' and 'default', not {}", kind_of(source));
  }
  ExpressionNode node;
  node.entry = &entry;
  node.run = choose;
  const auto branches = source.as_object().find("branches");
  const auto otherwise = source.as_object().find("default");
  for (const Element& element : source.as_object()) {
    if (element.key != "branches" && element.key != "default") {
      return refuse(40067, "$switch does not know the argument '{}'", shown(element.key));
    }
  }
  if (branches && branches->type() != Type::kArray) {
    return refuse(40061, "$switch takes an array of branches, not {}", kind_of(*branches));
  }
  if (!branches || branches->as_object().empty()) return refuse(40068, "$switch needs at least one branch");
  for (const Element& branch : branches->as_object()) {
    if (branch.value.type() != Type::kObject) {
      return refuse(40062, "$switch takes objects as branches, not {}", kind_of(branch.value));
    }
    static constexpr OperatorEntry kBranch{"$switch", 2, 2, nullptr, choose, "case! then!"};
    DISTRI_TRY(auto both, compiler.arguments_named(kBranch, branch.value, depth));
    for (ExpressionNode& argument : both.arguments) node.arguments.push_back(std::move(argument));
  }
  if (otherwise) {
    DISTRI_TRY(auto argument, compiler.compile(*otherwise, depth + 1));
    node.arguments.push_back(std::move(argument));
  }
  return node;
}

Result<ExpressionNode> parse_let(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                 int depth) {
  if (source.type() != Type::kObject) return refuse(16874, "$let only supports an object as its argument");
  const auto variables = source.as_object().find("vars");
  const auto body = source.as_object().find("in");
  for (const Element& element : source.as_object()) {
    if (element.key != "vars" && element.key != "in") {
      return refuse(16875, "$let does not know the argument '{}'", shown(element.key));
    }
  }
  if (!variables) return refuse(16876, "$let needs the argument 'vars'");
  if (!body) return refuse(16877, "$let needs the argument 'in'");
  if (variables->type() != Type::kObject)
    return refuse(10065, "$let: 'vars' must be an object, not {}", kind_of(*variables));
  ExpressionNode node;
  node.entry = &entry;
  node.run = let;
  // The values do not see each other.
  for (const Element& variable : variables->as_object()) {
    DISTRI_TRY(auto value, compiler.compile(variable.value, depth + 1));
    node.arguments.push_back(std::move(value));
  }
  for (const Element& variable : variables->as_object()) {
    DISTRI_TRY(const std::uint32_t slot, compiler.bind(variable.key));
    node.slots.push_back(slot);
  }
  DISTRI_TRY(auto inner, compiler.compile(*body, depth + 1));
  for (std::size_t i = 0; i < node.slots.size(); ++i) compiler.unbind();
  node.arguments.push_back(std::move(inner));
  return node;
}

Result<ExpressionNode> parse_literal(ExpressionCompiler&, const OperatorEntry&, const Value& source, int) {
  return literal_node(source);
}

constexpr std::array kTable = {
    OperatorEntry{"$cmp", 2, 2, compare},
    OperatorEntry{"$eq", 2, 2, comparison<false, true, false>},
    OperatorEntry{"$ne", 2, 2, comparison<true, false, true>},
    OperatorEntry{"$gt", 2, 2, comparison<false, false, true>},
    OperatorEntry{"$gte", 2, 2, comparison<false, true, true>},
    OperatorEntry{"$lt", 2, 2, comparison<true, false, false>},
    OperatorEntry{"$lte", 2, 2, comparison<true, true, false>},
    OperatorEntry{"$not", 1, 1, negation},
    OperatorEntry{"$and", 0, -1, nullptr, junction<false>},
    OperatorEntry{"$or", 0, -1, nullptr, junction<true>},
    OperatorEntry{"$cond", 3, 3, nullptr, condition, {}, parse_condition},
    OperatorEntry{"$ifNull", 2, -1, nullptr, if_null},
    OperatorEntry{"$switch", 1, 1, nullptr, choose, {}, parse_switch},
    OperatorEntry{"$let", 1, 1, nullptr, let, {}, parse_let},
    OperatorEntry{"$literal", 1, 1, nullptr, nullptr, {}, parse_literal},
};

}  // namespace

std::span<const OperatorEntry> logic_operators() {
  return kTable;
}

}  // namespace distri::db
