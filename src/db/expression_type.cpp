#include <array>

#include "distri/db/conversion.hpp"
#include "distri/db/expression_node.hpp"
#include "distri/db/type_set.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

Result<Value> type(const Call& call) {
  return call.arena().string(kind_of(call[0]));
}

Result<Value> is_number(const Call& call) {
  return call.arena().boolean(call[0].is_number());
}

std::unexpected<Error> named(const Call& call, const Error& error) {
  return fail(error.code, "{} (in {})", error.message, call.name);
}

template <Type kTo>
Result<Value> to_type(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  auto converted = convert(call[0], kTo, call.arena());
  if (!converted) return named(call, converted.error());
  return *converted;
}

Result<Type> target_of(const Value& to) {
  std::optional<Type> target;
  if (to.type() == Type::kString) {
    target = type_named(to.as_string());
  } else if (const auto number = to.is_number() ? to.to_int64() : std::nullopt) {
    target = type_numbered(*number);
  }
  if (target) return *target;
  return refuse(mongo::kBadValue, "$convert: 'to' does not name a type: {}", shown_value(to));
}

// Arguments: input, to, onError, onNull; the last two are evaluated only when needed.
Result<Value> convert_with_defaults(const ExpressionNode& node, EvaluationState& state) {
  const auto given = [&](std::size_t i) { return node.arguments[i].run != nullptr; };
  DISTRI_TRY(const Value input, evaluate_node(node.arguments[0], state));
  DISTRI_TRY(const Value to, evaluate_node(node.arguments[1], state));
  if (is_nullish(input)) return given(3) ? evaluate_node(node.arguments[3], state) : Value();
  if (is_nullish(to)) return Value();
  DISTRI_TRY(const Type target, target_of(to));
  auto converted = convert(input, target, state.arena);
  if (converted) return *converted;
  if (given(2)) return evaluate_node(node.arguments[2], state);
  return fail(converted.error().code, "{} (in $convert, with no onError value)", converted.error().message);
}

constexpr std::array kTable = {
    OperatorEntry{"$type", 1, 1, type},
    OperatorEntry{"$isNumber", 1, 1, is_number},
    OperatorEntry{"$convert", 1, 1, nullptr, convert_with_defaults, "input! to! onError onNull"},
    OperatorEntry{"$toInt", 1, 1, to_type<Type::kInt32>},
    OperatorEntry{"$toLong", 1, 1, to_type<Type::kInt64>},
    OperatorEntry{"$toDouble", 1, 1, to_type<Type::kDouble>},
    OperatorEntry{"$toDecimal", 1, 1, to_type<Type::kDecimal128>},
    OperatorEntry{"$toString", 1, 1, to_type<Type::kString>},
    OperatorEntry{"$toBool", 1, 1, to_type<Type::kBool>},
    OperatorEntry{"$toDate", 1, 1, to_type<Type::kDate>},
    OperatorEntry{"$toObjectId", 1, 1, to_type<Type::kObjectId>},
};

}  // namespace

std::span<const OperatorEntry> type_operators() {
  return kTable;
}

}  // namespace distri::db
