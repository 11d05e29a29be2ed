#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/filter_compiler.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"

namespace distri::db {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

namespace {

Result<> check_operand(std::string_view path, const Value& value) {
  if (value.type() != Type::kUndefined) return {};
  return refuse(mongo::kBadValue, "filter: nothing can be compared with undefined (at '{}'); use null or $exists",
                shown(path));
}

bool is_string_like(const Value& value) {
  return value.type() == Type::kString || value.type() == Type::kSymbol;
}

}  // namespace

Result<FilterNode> FilterCompiler::one_operator(std::string_view path, const Element& element, View siblings,
                                                int depth) {
  const std::string_view name = element.key;
  DISTRI_TRY(auto compared, comparison_operator(path, element));
  if (compared) return *std::move(compared);
  if (name == "$in") return list(path, element);
  if (name == "$nin") {
    DISTRI_TRY(auto node, list(path, element));
    return negated(std::move(node));
  }
  if (name == "$exists") return exists(path, element.value);
  if (name == "$not") return negation(path, element.value, depth);
  if (name == "$type") return type(path, element.value);
  if (name == "$regex") return regex(path, element.value, siblings.find("$options"));
  if (name == "$size") return size(path, element.value);
  if (name == "$mod") return modulo(path, element.value);
  if (name == "$all") return every(path, element.value, depth);
  if (name == "$elemMatch") return this->element(path, element.value, depth);
  return refuse(mongo::kBadValue,
                "filter: unknown operator '{}' at '{}'; known are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, "
                "$not, $type, $regex, $options, $size, $mod, $all, $elemMatch",
                shown(name), shown(path));
}

Result<std::optional<FilterNode>> FilterCompiler::comparison_operator(std::string_view path, const Element& element) {
  struct Known {
    std::string_view name;
    FilterOp op;
  };
  static constexpr Known kKnown[] = {{"$eq", FilterOp::kEq},   {"$ne", FilterOp::kEq}, {"$gt", FilterOp::kGt},
                                     {"$gte", FilterOp::kGte}, {"$lt", FilterOp::kLt}, {"$lte", FilterOp::kLte}};
  for (const Known& known : kKnown) {
    if (element.key != known.name) continue;
    if (element.value.type() == Type::kRegex && known.name != "$eq") {
      return refuse(mongo::kBadValue, "filter: '{}' at '{}' cannot take a regular expression; use $regex or $not",
                    known.name, shown(path));
    }
    DISTRI_TRY(auto node, comparison(known.op, path, element));
    if (known.name == "$ne") node = negated(std::move(node));
    return std::optional(std::move(node));
  }
  return std::optional<FilterNode>();
}

Result<FilterNode> FilterCompiler::leaf(FilterOp op, std::string_view path) {
  if (++conditions_ > kFilterConditionsMax) {
    return refuse(mongo::kBadValue, "filter: more than {} conditions", kFilterConditionsMax);
  }
  FilterNode node;
  node.op = op;
  if (!without_path_) node.path = split_path(path);
  return node;
}

Result<> FilterCompiler::count_regex() {
  if (++regexes_ <= kFilterRegexesMax) return {};
  return refuse(mongo::kBadValue, "filter: more than {} regular expressions", kFilterRegexesMax);
}

Result<FilterNode> FilterCompiler::comparison(FilterOp op, std::string_view path, const Element& element) {
  DISTRI_TRY_VOID(check_operand(path, element.value));
  DISTRI_TRY(auto node, leaf(op, path));
  node.operand = element.value;
  return node;
}

Result<FilterNode> FilterCompiler::equality(std::string_view path, const Value& operand) {
  return comparison(FilterOp::kEq, path, Element{"$eq", operand, {}});
}

Result<FilterNode> FilterCompiler::list(std::string_view path, const Element& element) {
  if (element.value.type() != Type::kArray) {
    return refuse(mongo::kBadValue, "filter: '{}' at '{}' takes an array", element.key, shown(path));
  }
  DISTRI_TRY(auto node, leaf(FilterOp::kIn, path));
  for (const Element& item : element.value.as_object()) {
    DISTRI_TRY_VOID(check_operand(path, item.value));
    if (holds_operators(item.value)) {
      return refuse(mongo::kBadValue, "filter: '{}' at '{}' takes values, not operators", element.key, shown(path));
    }
    if (node.list.size() == kFilterListMax) {
      return refuse(mongo::kBadValue, "filter: '{}' at '{}' has more than {} entries", element.key, shown(path),
                    kFilterListMax);
    }
    if (item.value.type() == Type::kRegex) {
      DISTRI_TRY_VOID(count_regex());
      const std::string where = fmt::format("filter: '{}' at '{}'", element.key, shown(path));
      DISTRI_TRY(auto compiled, Regex::compile(where, item.value.regex_pattern(), item.value.regex_options()));
      node.regexes.push_back(std::move(compiled));
    }
    node.has_null |= item.value.type() == Type::kNull;
    node.list.push_back(item.value);
  }
  std::sort(node.list.begin(), node.list.end(), [](const Value& a, const Value& b) { return bson::compare(a, b) < 0; });
  return node;
}

Result<FilterNode> FilterCompiler::exists(std::string_view path, const Value& wanted) {
  DISTRI_TRY(auto node, leaf(FilterOp::kExists, path));
  return is_truthy(wanted) ? std::move(node) : negated(std::move(node));
}

Result<FilterNode> FilterCompiler::negation(std::string_view path, const Value& value, int depth) {
  DISTRI_TRY_VOID(check_depth(depth + 1));
  if (value.type() == Type::kRegex) {
    DISTRI_TRY(auto node, regex(path, value, std::nullopt));
    return negated(std::move(node));
  }
  if (!holds_operators(value)) {
    return refuse(mongo::kBadValue,
                  "filter: '$not' at '{}' takes an object of operators, like {{\"$gt\": 5}}, or a regular expression",
                  shown(path));
  }
  FilterNode node;
  DISTRI_TRY_VOID(operators(node.children, path, value.as_object(), depth + 1));
  return negated(std::move(node));
}

Result<FilterNode> FilterCompiler::type(std::string_view path, const Value& value) {
  const std::string where = fmt::format("filter: '$type' at '{}'", shown(path));
  DISTRI_TRY(auto node, leaf(FilterOp::kType, path));
  if (value.type() != Type::kArray) {
    DISTRI_TRY(node.types, parse_type(where, value, true));
    return node;
  }
  if (value.as_object().empty()) {
    return refuse(mongo::kFailedToParse, "{}: at least one type is needed", where);
  }
  for (const Element& item : value.as_object()) {
    DISTRI_TRY(const TypeSet types, parse_type(where, item.value, true));
    node.types.add_all(types);
  }
  return node;
}

Result<FilterNode> FilterCompiler::regex(std::string_view path, const Value& pattern,
                                         const std::optional<Value>& options) {
  const std::string where = fmt::format("filter: '$regex' at '{}'", shown(path));
  DISTRI_TRY_VOID(count_regex());
  if (options && options->type() != Type::kString) {
    return refuse(mongo::kBadValue, "filter: '$options' at '{}' must be a string", shown(path));
  }
  std::string_view text;
  std::string_view flags;
  if (pattern.type() == Type::kRegex) {
    text = pattern.regex_pattern();
    flags = pattern.regex_options();
    if (options && !flags.empty()) {
      return refuse(51074, "{}: options are set both in $regex and in $options", where);
    }
  } else if (is_string_like(pattern)) {
    text = pattern.as_string();
  } else {
    return refuse(mongo::kBadValue, "{} must be a string or a regular expression, not {}", where,
                  type_name(pattern.type()));
  }
  if (options) flags = options->as_string();
  DISTRI_TRY(auto node, leaf(FilterOp::kRegex, path));
  DISTRI_TRY(auto compiled, Regex::compile(where, text, flags));
  node.regexes.push_back(std::move(compiled));
  node.operand = pattern.type() == Type::kRegex ? pattern : Value();
  return node;
}

Result<FilterNode> FilterCompiler::size(std::string_view path, const Value& value) {
  const auto size = value.to_int64();
  if (!size) {
    return refuse(mongo::kBadValue, "filter: '$size' at '{}' must be a whole number, not {}", shown(path),
                  value.is_number() ? "a fraction" : type_name(value.type()));
  }
  if (*size < 0) return refuse(mongo::kBadValue, "filter: '$size' at '{}' must not be negative", shown(path));
  DISTRI_TRY(auto node, leaf(FilterOp::kSize, path));
  node.number = *size;
  return node;
}

Result<FilterNode> FilterCompiler::modulo(std::string_view path, const Value& value) {
  const std::string where = fmt::format("filter: malformed mod: '$mod' at '{}'", shown(path));
  if (value.type() != Type::kArray) {
    return refuse(mongo::kBadValue, "{} takes an array [divisor, remainder]", where);
  }
  const View array = value.as_object();
  if (const std::size_t count = array.count(); count != 2) {
    return refuse(mongo::kBadValue, "{}: {} elements, it takes two: [divisor, remainder]", where,
                  count < 2 ? "not enough" : "too many");
  }
  DISTRI_TRY(auto node, leaf(FilterOp::kMod, path));
  bool divisor = true;
  for (const Element& item : array) {
    const std::string_view name = divisor ? "divisor" : "remainder";
    if (!item.value.is_number()) return refuse(mongo::kBadValue, "{}: the {} is not a number", where, name);
    const auto whole = truncate_to_int64(item.value);
    if (!whole) {
      return refuse(mongo::kBadValue, "{}: the {} is NaN, infinite or does not fit into 64 bits", where, name);
    }
    (divisor ? node.number : node.remainder) = *whole;
    divisor = false;
  }
  if (node.number == 0) return refuse(mongo::kBadValue, "{}: the divisor cannot be 0", where);
  return node;
}

// $all: each entry is a condition of its own; none at all matches nothing.
Result<FilterNode> FilterCompiler::every(std::string_view path, const Value& value, int depth) {
  if (value.type() != Type::kArray) {
    return refuse(mongo::kBadValue, "filter: '$all' at '{}' takes an array", shown(path));
  }
  FilterNode node;
  if (value.as_object().empty()) node.op = FilterOp::kOr;
  const auto is_element_match = [](const Value& item) {
    return holds_operators(item) && item.as_object().begin()->key == "$elemMatch";
  };
  const bool elements = !value.as_object().empty() && is_element_match(value.as_object().begin()->value);
  for (const Element& item : value.as_object()) {
    if (is_element_match(item.value) != elements || (!elements && holds_operators(item.value))) {
      return refuse(mongo::kBadValue,
                    "filter: '$all' at '{}' takes either values or {{$elemMatch: ...}} objects, no other operators",
                    shown(path));
    }
    DISTRI_TRY_VOID(check_depth(depth + 1));
    if (elements) {
      DISTRI_TRY_VOID(operators(node.children, path, item.value.as_object(), depth + 1));
    } else {
      DISTRI_TRY_VOID(field(node.children, path, item.value, depth + 1));
    }
  }
  return node;
}

Result<FilterNode> FilterCompiler::element(std::string_view path, const Value& value, int depth) {
  if (value.type() != Type::kObject) {
    return refuse(mongo::kBadValue, "filter: '$elemMatch' at '{}' takes an object", shown(path));
  }
  DISTRI_TRY_VOID(check_depth(depth + 1));
  const View inner = value.as_object();
  const std::string_view first = inner.empty() ? std::string_view() : inner.begin()->key;
  const bool values = first.starts_with('$') && first != "$and" && first != "$or" && first != "$nor";
  DISTRI_TRY(auto node, leaf(values ? FilterOp::kElementValue : FilterOp::kElementObject, path));
  const bool outer = std::exchange(without_path_, values);
  if (values) {
    node.children.emplace_back();
    DISTRI_TRY_VOID(operators(node.children.back().children, path, inner, depth + 1));
  } else {
    DISTRI_TRY(auto child, all_of(inner, depth + 1));
    node.children.push_back(std::move(child));
  }
  without_path_ = outer;
  return node;
}

}  // namespace distri::db
