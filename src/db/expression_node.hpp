// expression_node.hpp: the compiled form of an expression, and how operators are described. Private to the module.
//
// Each file expression_<theme>.cpp holds the operators of one theme and a table of them. Most are "eager": their
// arguments are evaluated first and handed over as values. Those that evaluate an argument only sometimes, or bind
// variables, are "lazy": they get the node.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "distri/db/expression_state.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/regex.hpp"

namespace distri::db {

struct OperatorEntry;

using LazyOperator = Result<bson::Value> (*)(const ExpressionNode& node, EvaluationState& state);

struct ExpressionNode {
  LazyOperator run = nullptr;  // nullptr: an argument that was not given
  const OperatorEntry* entry = nullptr;
  std::vector<ExpressionNode> arguments;
  bson::Value literal;                 // of a literal
  std::vector<std::string_view> path;  // field names: of a field or a variable's field; of an object's fields
  std::vector<std::uint32_t> slots;    // variables: read (one), or bound, in the order the operator knows
  std::shared_ptr<const Regex> regex;  // of a constant pattern
};

struct Call {
  std::string_view name;
  std::span<const bson::Value> arguments;
  const ExpressionNode& node;
  EvaluationState& state;

  const bson::Value& operator[](std::size_t i) const { return arguments[i]; }
  std::size_t size() const { return arguments.size(); }
  bool given(std::size_t i) const { return i < node.arguments.size() && node.arguments[i].run != nullptr; }
  ValueArena& arena() const { return state.arena; }
  bson::Value null() const { return {}; }
  bool any_nullish() const;
};

using EagerOperator = Result<bson::Value> (*)(const Call& call);

class ExpressionCompiler;
using OperatorParser = Result<ExpressionNode> (*)(ExpressionCompiler& compiler, const OperatorEntry& entry,
                                                  const bson::Value& source, int depth);

struct OperatorEntry {
  std::string_view name;
  int least = 1;  // arguments in an array; -1 as `most`: any number
  int most = 1;
  EagerOperator eager = nullptr;
  LazyOperator lazy = nullptr;
  std::string_view named = {};     // arguments in an object: "input! find options", ! for those that must be there
  OperatorParser parse = nullptr;  // or its own way of reading arguments
};

std::span<const OperatorEntry> arithmetic_operators();
std::span<const OperatorEntry> rounding_operators();
std::span<const OperatorEntry> logic_operators();
std::span<const OperatorEntry> string_operators();
std::span<const OperatorEntry> search_operators();
std::span<const OperatorEntry> array_operators();
std::span<const OperatorEntry> iteration_operators();
std::span<const OperatorEntry> set_operators();
std::span<const OperatorEntry> object_operators();
std::span<const OperatorEntry> date_operators();
std::span<const OperatorEntry> date_text_operators();
std::span<const OperatorEntry> type_operators();
std::span<const OperatorEntry> statistics_operators();

// Compiles expressions of one program; the bytes they are read from must outlive the nodes.
class ExpressionCompiler {
 public:
  explicit ExpressionCompiler(std::span<const std::string> variables = {});

  Result<ExpressionNode> compile(const bson::Value& source, int depth = 1);
  // The fields of an object literal, or of an operator that takes named arguments.
  Result<ExpressionNode> arguments_named(const OperatorEntry& entry, const bson::Value& source, int depth);
  Result<ExpressionNode> arguments_listed(const OperatorEntry& entry, const bson::Value& source, int depth);

  // Makes a variable known until unbind(); checks its name.
  Result<std::uint32_t> bind(std::string_view name);
  void unbind() { visible_.pop_back(); }
  // How many variables an evaluation needs room for.
  std::uint32_t slots() const { return slots_; }

 private:
  Result<> count(int depth);
  Result<ExpressionNode> text(std::string_view text);
  Result<ExpressionNode> variable(std::string_view text);
  Result<ExpressionNode> operation(const bson::Value& source, int depth);
  Result<ExpressionNode> object(const bson::Value& source, int depth);
  Result<ExpressionNode> array(const bson::Value& source, int depth);

  struct Visible {
    std::string_view name;
    std::uint32_t slot;
  };
  std::vector<Visible> visible_;
  std::uint32_t slots_ = 0;
  std::size_t operators_ = 0;
};

ExpressionNode literal_node(const bson::Value& value);

// One node, with the cost of looking at it.
inline Result<bson::Value> evaluate_node(const ExpressionNode& node, EvaluationState& state) {
  DISTRI_TRY_VOID(state.spend(1));
  return node.run(node, state);
}

// The value of a dotted path: through arrays of objects too, whose values it then gathers. `names` not empty.
Result<bson::Value> value_at(const bson::Value& start, std::span<const std::string_view> names, EvaluationState& state);

// Splits "a.b.c" and checks it. `what` begins the message.
Result<std::vector<std::string_view>> split_field_path(std::string_view what, std::string_view text);

// "string", "missing", ...
std::string_view kind_of(const bson::Value& value);

// The value as short JSON, for messages.
std::string shown_value(const bson::Value& value);

}  // namespace distri::db
