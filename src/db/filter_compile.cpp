#include "distri/db/filter_compiler.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

bool holds_operators(const Value& value) {
  if (value.type() != Type::kObject) return false;
  const auto first = value.as_object().begin();
  return !first.at_end() && first->key.starts_with('$');
}

FilterNode negated(FilterNode node) {
  FilterNode outer;
  outer.op = FilterOp::kNot;
  outer.children.push_back(std::move(node));
  return outer;
}

Result<FilterNode> FilterCompiler::all_of(View filter, int depth) {
  DISTRI_TRY_VOID(check_depth(depth));
  FilterNode node;
  for (const Element& element : filter) {
    if (element.key.starts_with('$')) {
      DISTRI_TRY(auto child, top_operator(element, depth));
      if (child) node.children.push_back(*std::move(child));
    } else {
      DISTRI_TRY_VOID(check_path("filter", element.key));
      DISTRI_TRY_VOID(field(node.children, element.key, element.value, depth));
    }
  }
  return node;
}

Result<> FilterCompiler::check_depth(int depth) const {
  if (depth <= kFilterDepthMax) return {};
  return refuse(mongo::kBadValue, "filter: conditions nest deeper than {}", kFilterDepthMax);
}

// nullopt: says nothing about documents.
Result<std::optional<FilterNode>> FilterCompiler::top_operator(const Element& element, int depth) {
  if (element.key == "$comment") return std::optional<FilterNode>();
  if (element.key == "$and" || element.key == "$or" || element.key == "$nor") {
    DISTRI_TRY(auto node, logical(element, depth));
    return std::optional(std::move(node));
  }
  if (element.key == "$jsonSchema" || element.key == "$expr") {
    DISTRI_TRY(auto node, whole_document(element));
    return std::optional(std::move(node));
  }
  return refuse(mongo::kBadValue,
                "filter: unknown operator '{}' at the top; known are $and, $or, $nor, $expr, $jsonSchema, $comment",
                shown(element.key));
}

Result<FilterNode> FilterCompiler::whole_document(const Element& element) {
  if (++conditions_ > kFilterConditionsMax) {
    return refuse(mongo::kBadValue, "filter: more than {} conditions", kFilterConditionsMax);
  }
  FilterNode node;
  if (element.key == "$expr") {
    node.op = FilterOp::kExpression;
    DISTRI_TRY(auto expression, Expression::compile(element.value));
    node.expression = std::make_unique<FilterExpression>(std::move(expression), now_ms_);
    return node;
  }
  node.op = FilterOp::kSchema;
  DISTRI_TRY(auto schema, Schema::compile(element.value));
  node.schema = std::make_unique<Schema>(std::move(schema));
  return node;
}

// {$and|$or|$nor: [filter, ...]}
Result<FilterNode> FilterCompiler::logical(const Element& element, int depth) {
  if (element.value.type() != Type::kArray || element.value.as_object().empty()) {
    return refuse(mongo::kBadValue, "filter: '{}' takes a non-empty array of filters", element.key);
  }
  FilterNode node;
  node.op = element.key == "$and" ? FilterOp::kAnd : FilterOp::kOr;
  for (const Element& item : element.value.as_object()) {
    if (item.value.type() != Type::kObject) {
      return refuse(mongo::kBadValue, "filter: '{}' takes filters, its entry {} is of type {}", element.key, item.key,
                    type_name(item.value.type()));
    }
    DISTRI_TRY(auto child, all_of(item.value.as_object(), depth + 1));
    node.children.push_back(std::move(child));
  }
  return element.key == "$nor" ? negated(std::move(node)) : std::move(node);
}

Result<> FilterCompiler::field(std::vector<FilterNode>& out, std::string_view path, const Value& value, int depth) {
  if (holds_operators(value)) return operators(out, path, value.as_object(), depth);
  DISTRI_TRY(auto node, value.type() == Type::kRegex ? regex(path, value, std::nullopt) : equality(path, value));
  out.push_back(std::move(node));
  return {};
}

Result<> FilterCompiler::operators(std::vector<FilterNode>& out, std::string_view path, View all, int depth) {
  for (const Element& element : all) {
    if (element.key == "$options") {  // belongs to $regex, which looks for it
      if (all.find("$regex")) continue;
      return refuse(mongo::kBadValue, "filter: '$options' at '{}' needs a $regex beside it", shown(path));
    }
    DISTRI_TRY(auto node, one_operator(path, element, all, depth));
    out.push_back(std::move(node));
  }
  return {};
}

Result<FilterNode> compile_filter(View source, std::optional<std::int64_t> now_ms) {
  return FilterCompiler(now_ms).all_of(source, 1);
}

}  // namespace distri::db
