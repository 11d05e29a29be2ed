#include "distri/db/filter.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/filter_program.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

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

bool is_whole(const Value& value) {
  return value.type() == Type::kInt32 || value.type() == Type::kInt64;
}

// Precondition: is_whole().
std::int64_t whole(const Value& value) {
  return value.type() == Type::kInt32 ? value.as_int32() : value.as_int64();
}

// `value` nullptr: missing.
bool compares(FilterOp op, const Value* value, const Value& operand) {
  // What most conditions compare, and the most often; the rest of this function says the same of them.
  if (value != nullptr && is_whole(*value) && is_whole(operand)) {
    const std::int64_t a = whole(*value);
    const std::int64_t b = whole(operand);
    return holds(op, a < b ? -1 : (b < a ? 1 : 0));
  }
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

// Strings and symbols are searched. Over the limits the answer is true, so that the search for values ends.
bool regex_finds(const Regex& regex, const Value* value, MatchState& state) {
  if (value == nullptr || (value->type() != Type::kString && value->type() != Type::kSymbol)) return false;
  const auto outcome = regex.search(value->as_string());
  if (outcome == Regex::Outcome::kLimit && !state.error) {
    state.error = refuse(51156, "filter: {}", Regex::limit_text()).error();
  }
  return outcome != Regex::Outcome::kNo;
}

bool is_in(const FilterNode& node, const Value* value, MatchState& state) {
  if (value == nullptr || value->type() == Type::kUndefined) return node.has_null;
  const auto at = std::lower_bound(node.list.begin(), node.list.end(), *value,
                                   [](const Value& a, const Value& b) { return bson::compare(a, b) < 0; });
  if (at != node.list.end() && bson::compare(*at, *value) == 0) return true;
  return std::any_of(node.regexes.begin(), node.regexes.end(),
                     [&](const Regex& regex) { return regex_finds(regex, value, state); });
}

bool has_remainder(const FilterNode& node, const Value* value) {
  if (value == nullptr || !value->is_number()) return false;
  const auto whole = truncate_to_int64(*value);
  if (!whole) return false;
  // The one quotient that does not fit: its remainder is 0 all the same.
  return (node.number == -1 ? 0 : *whole % node.number) == node.remainder;
}

bool value_matches(const FilterNode& node, const Value& value, MatchState& state);

// The index of the first element that the node's child accepts, or kNoMatch.
std::int64_t matching_element(const FilterNode& node, const Value* value, MatchState& state) {
  if (value == nullptr || value->type() != Type::kArray) return kNoMatch;
  const FilterNode& child = node.children.front();
  std::int64_t index = 0;
  for (auto at = value->as_object().begin(); !at.at_end(); ++at, ++index) {
    const Value& item = at->value;
    bool found = false;
    if (node.op == FilterOp::kElementValue) {
      found = value_matches(child, item, state);
    } else if (item.type() == Type::kObject || item.type() == Type::kArray) {
      found = filter_matches(child, item.as_object(), state);
    }
    if (found || state.error) return index;
  }
  return kNoMatch;
}

// A condition on one value.
bool leaf_holds(const FilterNode& node, const Value* value, MatchState& state) {
  switch (node.op) {
    case FilterOp::kExists:
      return value != nullptr;
    case FilterOp::kIn:
      return is_in(node, value, state);
    case FilterOp::kType:
      return value != nullptr && node.types.contains(value->type());
    case FilterOp::kRegex:
      if (value != nullptr && value->type() == Type::kRegex) {
        return node.operand.type() == Type::kRegex && bson::compare(*value, node.operand) == 0;
      }
      return regex_finds(node.regexes.front(), value, state);
    case FilterOp::kSize:
      return value != nullptr && value->type() == Type::kArray &&
             value->as_object().count() == static_cast<std::size_t>(node.number);
    case FilterOp::kMod:
      return has_remainder(node, value);
    case FilterOp::kElementObject:
    case FilterOp::kElementValue:
      return matching_element(node, value, state) != kNoMatch;
    default:
      return compares(node.op, value, node.operand);
  }
}

// A condition without a path, on an element of an array.
bool value_matches(const FilterNode& node, const Value& value, MatchState& state) {
  const auto child_matches = [&](const FilterNode& child) { return value_matches(child, value, state); };
  switch (node.op) {
    case FilterOp::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), child_matches);
    case FilterOp::kOr:
      return std::any_of(node.children.begin(), node.children.end(), child_matches);
    case FilterOp::kNot:
      return !child_matches(node.children.front());
    default:
      return leaf_holds(node, &value, state);
  }
}

bool asks_whole_arrays(FilterOp op) {
  return op == FilterOp::kSize || op == FilterOp::kElementObject || op == FilterOp::kElementValue;
}

// A condition on a field at the top that was looked for already; as any_at() with a path of one part.
bool field_matches(const FilterNode& node, const std::optional<Value>& field, MatchState& state) {
  if (!field) return leaf_holds(node, nullptr, state);
  if (field->type() == Type::kArray && !asks_whole_arrays(node.op)) {
    for (auto at = field->as_object().begin(); !at.at_end(); ++at) {
      if (leaf_holds(node, &at->value, state)) return true;
    }
  }
  return leaf_holds(node, &*field, state);
}

bool all_match(const std::vector<FilterNode>& nodes, bson::View document, MatchState& state) {
  // The conditions of {field: {$gte: 1, $lt: 5}} stand one behind the other; the field is looked for once. They were
  // compiled from one text, so it is enough to compare where their names are.
  const char* name = nullptr;
  std::optional<Value> field;
  for (const FilterNode& node : nodes) {
    if (node.path.size() != 1) {
      if (!filter_matches(node, document, state)) return false;
      continue;
    }
    const PathPart& part = node.path.front();
    if (part.name.data() != name) field = part.field.find_in(document);
    name = part.name.data();
    if (!field_matches(node, field, state)) return false;
  }
  return true;
}

// Neither a pattern, nor a list, nor what an operator could be in, nor one of the values that comparisons treat apart.
bool is_plain_id(Type type) {
  switch (type) {
    case Type::kDouble:
    case Type::kString:
    case Type::kBinary:
    case Type::kObjectId:
    case Type::kBool:
    case Type::kDate:
    case Type::kInt32:
    case Type::kInt64:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<Value> sole_id(bson::View filter) {
  const auto only = [](bson::View document, std::string_view key) -> std::optional<Value> {
    auto at = document.begin();
    if (at == document.end() || (*at).key != key) return std::nullopt;
    const Value value = (*at).value;
    return ++at == document.end() ? std::optional(value) : std::nullopt;
  };
  auto value = only(filter, "_id");
  if (value && value->type() == Type::kObject) value = only(value->as_object(), "$eq");
  return value && is_plain_id(value->type()) ? value : std::nullopt;
}

bool filter_matches(const FilterNode& node, bson::View document, MatchState& state) {
  const auto child_matches = [&](const FilterNode& child) { return filter_matches(child, document, state); };
  const PathPart* begin = node.path.data();
  const PathPart* end = begin + node.path.size();
  switch (node.op) {
    case FilterOp::kAnd:
      return all_match(node.children, document, state);
    case FilterOp::kOr:
      return std::any_of(node.children.begin(), node.children.end(), child_matches);
    case FilterOp::kNot:
      return !child_matches(node.children.front());
    case FilterOp::kSchema:
      return node.schema->accepts(Value(Type::kObject, document.bytes()), state.error);
    case FilterOp::kExpression:
      return node.expression->holds(document, state.error);
    case FilterOp::kExists:
      return any_at(document, begin, end, [](const Value* value) { return value != nullptr; });
    case FilterOp::kIn:
      return any_at(document, begin, end, [&](const Value* value) { return is_in(node, value, state); });
    case FilterOp::kSize:
    case FilterOp::kElementObject:
    case FilterOp::kElementValue:
      return any_at<false>(document, begin, end, [&](const Value* value) { return leaf_holds(node, value, state); });
    case FilterOp::kType:
    case FilterOp::kRegex:
    case FilterOp::kMod:
      return any_at(document, begin, end, [&](const Value* value) { return leaf_holds(node, value, state); });
    case FilterOp::kEq:
    case FilterOp::kGt:
    case FilterOp::kGte:
    case FilterOp::kLt:
    case FilterOp::kLte:
      break;
  }
  return any_at(document, begin, end, [&](const Value* value) { return compares(node.op, value, node.operand); });
}

std::int64_t filter_place(const FilterNode& node, bson::View document, MatchState& state) {
  switch (node.op) {
    case FilterOp::kAnd:
      for (const FilterNode& child : node.children) {
        if (const auto place = filter_place(child, document, state); place >= 0) return place;
      }
      return kNoArray;
    case FilterOp::kOr:
      for (const FilterNode& child : node.children) {
        if (!filter_matches(child, document, state)) continue;
        if (const auto place = filter_place(child, document, state); place >= 0) return place;
      }
      return kNoArray;
    case FilterOp::kNot:
    case FilterOp::kSchema:
    case FilterOp::kExpression:
      return kNoArray;
    default:
      break;
  }
  const auto predicate = [&](const Value* value) -> std::int64_t {
    if (node.op == FilterOp::kElementObject || node.op == FilterOp::kElementValue) {
      return matching_element(node, value, state);
    }
    return leaf_holds(node, value, state) ? kNoArray : kNoMatch;
  };
  return place_at(document, node.path.data(), node.path.data() + node.path.size(), !asks_whole_arrays(node.op),
                  predicate);
}

FilterExpression::FilterExpression(Expression expression, std::optional<std::int64_t> now_ms)
    : expression_(std::move(expression)), now_ms_(now_ms) {}

FilterExpression::~FilterExpression() {
  delete idle_.load();
}

bool FilterExpression::holds(bson::View document, std::optional<Error>& error) const {
  std::unique_ptr<Evaluation> evaluation(idle_.exchange(nullptr, std::memory_order_acquire));
  if (!evaluation) {
    evaluation = std::make_unique<Evaluation>();
    if (now_ms_) evaluation->set_now(*now_ms_);
  }
  const auto value = expression_.evaluate(document, *evaluation);
  if (!value && !error) error = value.error();
  const bool result = value && !is_missing(*value) && is_truthy(*value);
  evaluation->clear();
  delete idle_.exchange(evaluation.release(), std::memory_order_acq_rel);
  return result;
}

Filter::Filter(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::compile(bson::View filter, std::optional<std::int64_t> now_ms) {
  auto program = std::make_unique<Program>();
  program->source = bson::Document(filter);
  DISTRI_TRY(program->root, compile_filter(program->source, now_ms));
  find_id_bounds(program->root, program->id_key, program->id_keys, program->id_bounds);
  return Filter(std::move(program));
}

Result<bool> Filter::check(bson::View document) const {
  MatchState state;
  const bool matched = filter_matches(program_->root, document, state);
  if (state.error) return fail(*std::move(state.error));
  return matched;
}

bool Filter::matches(bson::View document) const {
  MatchState state;
  return filter_matches(program_->root, document, state) && !state.error;
}

std::optional<std::uint32_t> Filter::matched_array_index(bson::View document) const {
  MatchState state;
  const std::int64_t place = filter_place(program_->root, document, state);
  if (place < 0 || state.error) return std::nullopt;
  return static_cast<std::uint32_t>(place);
}

bool Filter::empty() const {
  return program_->root.children.empty();
}

const std::optional<std::string>& Filter::id_key() const {
  return program_->id_key;
}

const std::optional<std::vector<std::string>>& Filter::id_keys() const {
  return program_->id_keys;
}

const IdBounds& Filter::id_bounds() const {
  return program_->id_bounds;
}

const FilterNode& Filter::root() const {
  return program_->root;
}

}  // namespace distri::db
