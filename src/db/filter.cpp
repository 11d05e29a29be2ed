#include "distri/db/filter.hpp"

#include <algorithm>
#include <cmath>

#include "distri/bson/compare.hpp"
#include "distri/db/filter_program.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

bool is_nan(const Value& value) {
  return value.type() == Type::kDouble ? std::isnan(value.as_double())
                                       : value.type() == Type::kDecimal128 && (value.raw()[15] & 0x7c) == 0x7c;
}

bool holds(FilterOp op, int order) {
  switch (op) {
    case FilterOp::kEq:
      return order == 0;
    case FilterOp::kGt:
      return order > 0;
    case FilterOp::kGte:
      return order >= 0;
    case FilterOp::kLt:
      return order < 0;
    case FilterOp::kLte:
      return order <= 0;
    default:
      return false;
  }
}

bool accepts_equal(FilterOp op) {
  return op == FilterOp::kEq || op == FilterOp::kGte || op == FilterOp::kLte;
}

// `value` nullptr: missing.
bool compares(FilterOp op, const Value* value, const Value& operand) {
  const Type type = value == nullptr ? Type::kUndefined : value->type();
  const int bracket = bson::type_bracket(type);
  const int wanted = bson::type_bracket(operand.type());
  if (bracket != wanted) {
    if (operand.type() == Type::kNull && type == Type::kUndefined) return accepts_equal(op);
    // The ends of the order are comparable with everything.
    if (operand.type() == Type::kMinKey || operand.type() == Type::kMaxKey) return holds(op, bracket - wanted);
    return false;
  }
  if (bracket == bson::type_bracket(Type::kDouble)) {
    const bool value_nan = is_nan(*value);
    const bool operand_nan = is_nan(operand);
    if (value_nan || operand_nan) return value_nan && operand_nan && accepts_equal(op);
  }
  return holds(op, bson::compare(*value, operand));
}

bool is_in(const FilterNode& node, const Value* value) {
  if (value == nullptr || value->type() == Type::kUndefined) return node.has_null;
  const auto at = std::lower_bound(node.list.begin(), node.list.end(), *value,
                                   [](const Value& a, const Value& b) { return bson::compare(a, b) < 0; });
  return at != node.list.end() && bson::compare(*at, *value) == 0;
}

}  // namespace

bool filter_matches(const FilterNode& node, bson::View document) {
  const auto child_matches = [&](const FilterNode& child) { return filter_matches(child, document); };
  const auto any = [&](const auto& predicate) {
    return any_at(document, node.path.data(), node.path.data() + node.path.size(), predicate);
  };
  switch (node.op) {
    case FilterOp::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), child_matches);
    case FilterOp::kOr:
      return std::any_of(node.children.begin(), node.children.end(), child_matches);
    case FilterOp::kNot:
      return !child_matches(node.children.front());
    case FilterOp::kExists:
      return any([](const Value* value) { return value != nullptr; });
    case FilterOp::kIn:
      return any([&](const Value* value) { return is_in(node, value); });
    case FilterOp::kEq:
    case FilterOp::kGt:
    case FilterOp::kGte:
    case FilterOp::kLt:
    case FilterOp::kLte:
      break;
  }
  return any([&](const Value* value) { return compares(node.op, value, node.operand); });
}

Filter::Filter(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::compile(bson::View filter) {
  auto program = std::make_unique<Program>();
  program->source = bson::Document(filter);
  DISTRI_TRY(program->root, compile_filter(program->source));
  // The condition is one of several perhaps: all must hold, so it alone bounds what can match.
  for (const FilterNode& node : program->root.children) {
    if (node.op == FilterOp::kEq && node.path.size() == 1 && node.path[0].name == "_id" && !program->id_key &&
        node.operand.type() != Type::kArray) {
      program->id_key = bson::order_key(node.operand);
    }
  }
  return Filter(std::move(program));
}

bool Filter::matches(bson::View document) const {
  return filter_matches(program_->root, document);
}

bool Filter::empty() const {
  return program_->root.children.empty();
}

const std::optional<std::string>& Filter::id_key() const {
  return program_->id_key;
}

}  // namespace distri::db
