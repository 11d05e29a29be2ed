#include "distri/db/filter_implies.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

bool is_end(const Value& value) {
  return value.type() == Type::kMinKey || value.type() == Type::kMaxKey;
}

// A leaf with a path that a missing field cannot satisfy.
bool needs_value(const FilterNode& leaf) {
  switch (leaf.op) {
    case FilterOp::kEq:
    case FilterOp::kGt:
    case FilterOp::kGte:
    case FilterOp::kLt:
    case FilterOp::kLte:
      return leaf.operand.type() != Type::kNull && !is_end(leaf.operand);
    case FilterOp::kIn:
      return !leaf.has_null;
    case FilterOp::kExists:
    case FilterOp::kType:
    case FilterOp::kRegex:
    case FilterOp::kSize:
    case FilterOp::kMod:
    case FilterOp::kElementObject:
    case FilterOp::kElementValue:
      return true;
    default:
      return false;
  }
}

bool is_range(FilterOp op) {
  return op == FilterOp::kGt || op == FilterOp::kGte || op == FilterOp::kLt || op == FilterOp::kLte;
}

// Values that order as numbers and the like do: neither NaN, null nor the ends.
bool is_plain(const Value& value) {
  return !is_end(value) && value.type() != Type::kNull && !(value.is_number() && is_nan(value));
}

// Does `value` satisfy the comparison? Both plain.
bool satisfies(const Value& value, const FilterNode& leaf) {
  if (!is_plain(value) || !is_plain(leaf.operand)) return false;
  if (bson::type_bracket(value.type()) != bson::type_bracket(leaf.operand.type())) return false;
  const int order = bson::compare(value, leaf.operand);
  switch (leaf.op) {
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

bool upward(FilterOp op) {
  return op == FilterOp::kGt || op == FilterOp::kGte;
}

bool same_list(const FilterNode& a, const FilterNode& b) {
  return a.regexes.empty() && b.regexes.empty() && a.list.size() == b.list.size() &&
         std::equal(a.list.begin(), a.list.end(), b.list.begin(),
                    [](const Value& x, const Value& y) { return bson::compare(x, y) == 0; });
}

bool in_list(const Value& value, const FilterNode& leaf) {
  return is_plain(value) && leaf.regexes.empty() &&
         std::any_of(leaf.list.begin(), leaf.list.end(),
                     [&](const Value& item) { return bson::compare(item, value) == 0; });
}

// Is `value` in the set of `leaf`?
bool value_in(const Value& value, const FilterNode& leaf) {
  if (leaf.op == FilterOp::kType) return false;  // equal numbers may be of different types
  return leaf.op == FilterOp::kIn ? in_list(value, leaf) : satisfies(value, leaf);
}

// Both leaves, at the same path.
bool leaf_implies(const FilterNode& query, const FilterNode& leaf) {
  if (leaf.op == FilterOp::kExists) return needs_value(query);
  if (query.op == leaf.op) {
    if (query.op == FilterOp::kType) return query.types.is_subset_of(leaf.types);
    if (query.op == FilterOp::kIn && same_list(query, leaf)) return true;
    if ((query.op == FilterOp::kEq || is_range(query.op)) && query.operand.type() == leaf.operand.type() &&
        bson::compare(query.operand, leaf.operand) == 0) {
      return true;
    }
  }
  if (query.op == FilterOp::kEq) return value_in(query.operand, leaf);
  if (query.op == FilterOp::kIn) {
    return query.regexes.empty() &&
           std::all_of(query.list.begin(), query.list.end(), [&](const Value& value) { return value_in(value, leaf); });
  }
  if (!is_range(query.op) || !is_range(leaf.op) || upward(query.op) != upward(leaf.op)) return false;
  // {$gt: 5} implies {$gte: 5} and {$gt: 4}; {$gte: 5} implies {$gt: 4}.
  if (satisfies(query.operand, leaf)) return true;
  const bool open = query.op == FilterOp::kGt || query.op == FilterOp::kLt;
  return open && is_plain(query.operand) && is_plain(leaf.operand) &&
         bson::type_bracket(query.operand.type()) == bson::type_bracket(leaf.operand.type()) &&
         bson::compare(query.operand, leaf.operand) == 0;
}

bool is_leaf(FilterOp op) {
  return op != FilterOp::kAnd && op != FilterOp::kOr && op != FilterOp::kNot && op != FilterOp::kSchema &&
         op != FilterOp::kExpression;
}

bool same_path(const Path& a, const Path& b) {
  return !a.empty() && std::equal(a.begin(), a.end(), b.begin(), b.end(),
                                  [](const PathPart& x, const PathPart& y) { return x.name == y.name; });
}

bool implies(const FilterNode& query, const FilterNode& node, std::size_t& steps) {
  if (steps == 0) return false;
  --steps;
  const auto by_query = [&](const FilterNode& part) { return implies(query, part, steps); };
  if (node.op == FilterOp::kAnd) return std::all_of(node.children.begin(), node.children.end(), by_query);
  const auto by_part = [&](const FilterNode& part) { return implies(part, node, steps); };
  if (query.op == FilterOp::kAnd && std::any_of(query.children.begin(), query.children.end(), by_part)) return true;
  if (query.op == FilterOp::kOr && !query.children.empty() &&
      std::all_of(query.children.begin(), query.children.end(), by_part)) {
    return true;
  }
  if (node.op == FilterOp::kOr) return std::any_of(node.children.begin(), node.children.end(), by_query);
  return is_leaf(query.op) && is_leaf(node.op) && same_path(query.path, node.path) && leaf_implies(query, node);
}

}  // namespace

bool implies(const FilterNode& query, const FilterNode& node) {
  constexpr std::size_t kStepsMax = 100'000;  // what is not proved by then is not known
  std::size_t steps = kStepsMax;
  return implies(query, node, steps);
}

bool implies_existence(const FilterNode& query, std::string_view path) {
  const auto by_part = [&](const FilterNode& part) { return implies_existence(part, path); };
  if (query.op == FilterOp::kAnd) return std::any_of(query.children.begin(), query.children.end(), by_part);
  if (query.op == FilterOp::kOr) {
    return !query.children.empty() && std::all_of(query.children.begin(), query.children.end(), by_part);
  }
  return is_leaf(query.op) && !query.path.empty() && needs_value(query) && join_path(query.path) == path;
}

std::string join_path(const Path& path) {
  std::string text;
  for (const PathPart& part : path) {
    if (&part != path.data()) text += '.';
    text += part.name;
  }
  return text;
}

}  // namespace distri::db
