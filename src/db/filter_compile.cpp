#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/filter_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

// What an error shows of a name that somebody sent.
std::string_view shown(std::string_view text) {
  return text.substr(0, 100);
}

// An object whose first field begins with '$' holds operators; any other is a value to be equal to.
bool holds_operators(const Value& value) {
  if (value.type() != Type::kObject) return false;
  const auto first = value.as_object().begin();
  return !first.at_end() && first->key.starts_with('$');
}

bool is_true(const Value& value) {
  switch (value.type()) {
    case Type::kNull:
    case Type::kUndefined:
      return false;
    case Type::kBool:
      return value.as_bool();
    default:
      return !value.is_number() || value.to_int64() != 0;
  }
}

class Compiler {
 public:
  // All fields of `filter` must hold: kAnd.
  Result<FilterNode> all_of(View filter, int depth) {
    DISTRI_TRY_VOID(check_depth(depth));
    FilterNode node;
    for (const Element& element : filter) {
      if (element.key.starts_with('$')) {
        DISTRI_TRY(auto child, logical(element, depth));
        node.children.push_back(std::move(child));
      } else {
        DISTRI_TRY_VOID(check_path("filter", element.key));
        DISTRI_TRY_VOID(field(node.children, element.key, element.value, depth));
      }
    }
    return node;
  }

 private:
  Result<> check_depth(int depth) const {
    if (depth <= kFilterDepthMax) return {};
    return fail(Code::kInvalidArgument, "filter: conditions nest deeper than {}", kFilterDepthMax);
  }

  // {$and|$or|$nor: [filter, ...]}
  Result<FilterNode> logical(const Element& element, int depth) {
    const bool known = element.key == "$and" || element.key == "$or" || element.key == "$nor";
    if (!known) {
      return fail(Code::kInvalidArgument, "filter: unknown operator '{}' at the top; known are $and, $or, $nor",
                  shown(element.key));
    }
    if (element.value.type() != Type::kArray || element.value.as_object().empty()) {
      return fail(Code::kInvalidArgument, "filter: '{}' takes a non-empty array of filters", element.key);
    }
    FilterNode node;
    node.op = element.key == "$and" ? FilterOp::kAnd : FilterOp::kOr;
    for (const Element& item : element.value.as_object()) {
      if (item.value.type() != Type::kObject) {
        return fail(Code::kInvalidArgument, "filter: '{}' takes filters, its entry {} is of type {}", element.key,
                    item.key, type_name(item.value.type()));
      }
      DISTRI_TRY(auto child, all_of(item.value.as_object(), depth + 1));
      node.children.push_back(std::move(child));
    }
    return element.key == "$nor" ? negated(std::move(node)) : std::move(node);
  }

  Result<> field(std::vector<FilterNode>& out, std::string_view path, const Value& value, int depth) {
    if (!holds_operators(value)) {
      DISTRI_TRY(auto node, comparison(FilterOp::kEq, path, value));
      out.push_back(std::move(node));
      return {};
    }
    return operators(out, path, value.as_object(), depth);
  }

  Result<> operators(std::vector<FilterNode>& out, std::string_view path, View all, int depth) {
    for (const Element& element : all) {
      DISTRI_TRY(auto node, one_operator(path, element, depth));
      out.push_back(std::move(node));
    }
    return {};
  }

  Result<FilterNode> one_operator(std::string_view path, const Element& element, int depth) {
    const std::string_view name = element.key;
    if (name == "$eq") return comparison(FilterOp::kEq, path, element.value);
    if (name == "$gt") return comparison(FilterOp::kGt, path, element.value);
    if (name == "$gte") return comparison(FilterOp::kGte, path, element.value);
    if (name == "$lt") return comparison(FilterOp::kLt, path, element.value);
    if (name == "$lte") return comparison(FilterOp::kLte, path, element.value);
    if (name == "$in") return list(path, element);
    if (name == "$exists") return exists(path, element.value);
    if (name == "$not") return negation(path, element.value, depth);
    if (name == "$ne") {
      DISTRI_TRY(auto node, comparison(FilterOp::kEq, path, element.value));
      return negated(std::move(node));
    }
    if (name == "$nin") {
      DISTRI_TRY(auto node, list(path, element));
      return negated(std::move(node));
    }
    return fail(
        Code::kInvalidArgument,
        "filter: unknown operator '{}' at '{}'; known are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $not",
        shown(name), shown(path));
  }

  Result<> check_operand(std::string_view path, const Value& value) const {
    if (value.type() == Type::kRegex) {
      return fail(Code::kInvalidArgument, "filter: regular expressions are not supported (at '{}')", shown(path));
    }
    if (value.type() == Type::kUndefined) {
      return fail(Code::kInvalidArgument,
                  "filter: nothing can be compared with undefined (at '{}'); use null or $exists", shown(path));
    }
    return {};
  }

  Result<FilterNode> leaf(FilterOp op, std::string_view path) {
    if (++conditions_ > kFilterConditionsMax) {
      return fail(Code::kInvalidArgument, "filter: more than {} conditions", kFilterConditionsMax);
    }
    FilterNode node;
    node.op = op;
    node.path = split_path(path);
    return node;
  }

  Result<FilterNode> comparison(FilterOp op, std::string_view path, const Value& operand) {
    DISTRI_TRY_VOID(check_operand(path, operand));
    DISTRI_TRY(auto node, leaf(op, path));
    node.operand = operand;
    return node;
  }

  Result<FilterNode> list(std::string_view path, const Element& element) {
    if (element.value.type() != Type::kArray) {
      return fail(Code::kInvalidArgument, "filter: '{}' at '{}' takes an array", element.key, shown(path));
    }
    DISTRI_TRY(auto node, leaf(FilterOp::kIn, path));
    for (const Element& item : element.value.as_object()) {
      DISTRI_TRY_VOID(check_operand(path, item.value));
      if (holds_operators(item.value)) {
        return fail(Code::kInvalidArgument, "filter: '{}' at '{}' takes values, not operators", element.key,
                    shown(path));
      }
      if (node.list.size() == kFilterListMax) {
        return fail(Code::kInvalidArgument, "filter: '{}' at '{}' has more than {} entries", element.key, shown(path),
                    kFilterListMax);
      }
      node.has_null |= item.value.type() == Type::kNull;
      node.list.push_back(item.value);
    }
    std::sort(node.list.begin(), node.list.end(),
              [](const Value& a, const Value& b) { return bson::compare(a, b) < 0; });
    return node;
  }

  Result<FilterNode> exists(std::string_view path, const Value& wanted) {
    DISTRI_TRY(auto node, leaf(FilterOp::kExists, path));
    return is_true(wanted) ? std::move(node) : negated(std::move(node));
  }

  Result<FilterNode> negation(std::string_view path, const Value& value, int depth) {
    DISTRI_TRY_VOID(check_depth(depth + 1));
    if (!holds_operators(value)) {
      return fail(Code::kInvalidArgument, "filter: '$not' at '{}' takes an object of operators, like {{\"$gt\": 5}}",
                  shown(path));
    }
    FilterNode node;
    DISTRI_TRY_VOID(operators(node.children, path, value.as_object(), depth + 1));
    return negated(std::move(node));
  }

  static FilterNode negated(FilterNode node) {
    FilterNode outer;
    outer.op = FilterOp::kNot;
    outer.children.push_back(std::move(node));
    return outer;
  }

  std::size_t conditions_ = 0;
};

}  // namespace

Result<FilterNode> compile_filter(View source) {
  return Compiler().all_of(source, 1);
}

}  // namespace distri::db
