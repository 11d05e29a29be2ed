// filter_compiler.hpp: a filter document -> FilterNode. Private to the module.
//
// The structure ($and, $or, $nor, fields) is in filter_compile.cpp, the operators on a field in filter_operators.cpp.
#pragma once

#include "distri/db/filter_program.hpp"

namespace distri::db {

class FilterCompiler {
 public:
  explicit FilterCompiler(std::optional<std::int64_t> now_ms) : now_ms_(now_ms) {}

  // All fields of `filter` must hold: kAnd.
  Result<FilterNode> all_of(bson::View filter, int depth);

 private:
  Result<> check_depth(int depth) const;
  Result<std::optional<FilterNode>> top_operator(const bson::Element& element, int depth);
  Result<FilterNode> whole_document(const bson::Element& element);
  Result<FilterNode> logical(const bson::Element& element, int depth);
  Result<> field(std::vector<FilterNode>& out, std::string_view path, const bson::Value& value, int depth);
  Result<> operators(std::vector<FilterNode>& out, std::string_view path, bson::View all, int depth);

  Result<FilterNode> one_operator(std::string_view path, const bson::Element& element, bson::View siblings, int depth);
  Result<std::optional<FilterNode>> comparison_operator(std::string_view path, const bson::Element& element);
  Result<> count_regex();
  Result<FilterNode> leaf(FilterOp op, std::string_view path);
  Result<FilterNode> comparison(FilterOp op, std::string_view path, const bson::Element& element);
  Result<FilterNode> equality(std::string_view path, const bson::Value& operand);
  Result<FilterNode> list(std::string_view path, const bson::Element& element);
  Result<FilterNode> exists(std::string_view path, const bson::Value& wanted);
  Result<FilterNode> negation(std::string_view path, const bson::Value& value, int depth);
  Result<FilterNode> type(std::string_view path, const bson::Value& value);
  Result<FilterNode> regex(std::string_view path, const bson::Value& pattern,
                           const std::optional<bson::Value>& options);
  Result<FilterNode> size(std::string_view path, const bson::Value& value);
  Result<FilterNode> modulo(std::string_view path, const bson::Value& value);
  Result<FilterNode> every(std::string_view path, const bson::Value& value, int depth);
  Result<FilterNode> element(std::string_view path, const bson::Value& value, int depth);

  std::optional<std::int64_t> now_ms_;
  std::size_t conditions_ = 0;
  std::size_t regexes_ = 0;
  bool without_path_ = false;  // inside the value form of $elemMatch
};

// An object whose first field begins with '$' holds operators; any other is a value to be equal to.
bool holds_operators(const bson::Value& value);

FilterNode negated(FilterNode node);

}  // namespace distri::db
