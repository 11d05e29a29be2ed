// expression.hpp: aggregation expressions: what $expr, $project, $group and the rest compute from a document.
//
// An expression is compiled once and evaluated on any number of documents. Language and semantics are MongoDB's (the
// table of operators is in docs/documents.md): null propagation, comparison across types, arrays along a path, results
// that widen from int to long to double, decimal arithmetic with 34 digits.
//
// A result is a bson::Value whose bytes lie in the document, in the expression, or in the Evaluation; it is good until
// the first of those changes. "Missing" (no such field) is a value of type kMissingType.
//
// Bounds: nesting and number of operators when compiling; steps, memory and size of values when evaluating, so that no
// expression and no document can hold the loop up or fill the memory. Threads: a compiled expression is constant; an
// Evaluation belongs to one thread. Errors: kInvalidArgument with MongoDB's code, the operator and what is wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"

namespace distri::db {

inline constexpr int kExpressionDepthMax = 100;
inline constexpr std::size_t kExpressionOperatorsMax = 10'000;  // operators, fields and literals of one expression
// Of one evaluation: one for each operator, and one for every 64 bytes that it looks at.
inline constexpr std::uint64_t kExpressionStepsMax = 10'000'000;
inline constexpr std::size_t kExpressionBytesMax = 64u << 20;  // held by an Evaluation until clear()

inline constexpr auto kMissingType = static_cast<bson::Type>(0);
inline bson::Value missing_value() {
  return bson::Value(kMissingType, {});
}
inline bool is_missing(const bson::Value& value) {
  return value.type() == kMissingType;
}
// Missing, null or undefined.
inline bool is_nullish(const bson::Value& value) {
  return is_missing(value) || value.type() == bson::Type::kNull || value.type() == bson::Type::kUndefined;
}
// bson::compare, where missing is as undefined: below null.
int compare_values(const bson::Value& a, const bson::Value& b);

struct ExpressionNode;
struct EvaluationState;

// The memory and the variables of evaluations.
class Evaluation {
 public:
  Evaluation();
  Evaluation(Evaluation&&) noexcept;
  Evaluation& operator=(Evaluation&&) noexcept;
  ~Evaluation();

  // What $$NOW is; without it, $$NOW is an error.
  void set_now(std::int64_t wall_ms);
  // The value of the variable that compile() was given at that place. Its bytes must outlive the evaluations; clear()
  // leaves it.
  void set_variable(std::size_t place, const bson::Value& value);
  // Forgets the results so far.
  void clear();
  std::size_t bytes() const;

  EvaluationState& state() { return *state_; }

 private:
  std::unique_ptr<EvaluationState> state_;
};

class Expression {
 public:
  // `variables`: names (without $$) of variables that the caller will set, in the order of their places.
  static Result<Expression> compile(const bson::Value& source, const std::vector<std::string>& variables = {});

  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  Result<bson::Value> evaluate(bson::View root, Evaluation& evaluation) const;
  // Set when the value does not depend on the document or on variables.
  const bson::Value* constant() const;

 private:
  struct Program;
  explicit Expression(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace distri::db
