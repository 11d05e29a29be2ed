#include "distri/db/expression.hpp"

#include <algorithm>

#include "distri/db/expression_node.hpp"

namespace distri::db {

using bson::Type;
using bson::Value;

struct Expression::Program {
  bson::Document source;  // {"": the expression}
  ExpressionNode root;
  std::uint32_t slots = 0;
};

Evaluation::Evaluation() : state_(std::make_unique<EvaluationState>()) {}
Evaluation::Evaluation(Evaluation&&) noexcept = default;
Evaluation& Evaluation::operator=(Evaluation&&) noexcept = default;
Evaluation::~Evaluation() = default;

void Evaluation::set_now(std::int64_t wall_ms) {
  state_->now_ms = wall_ms;
}

void Evaluation::set_variable(std::size_t place, const Value& value) {
  if (state_->variables.size() <= place) state_->variables.resize(place + 1);
  state_->variables[place] = value;
}

void Evaluation::clear() {
  state_->arena.clear();
}

std::size_t Evaluation::bytes() const {
  return state_->arena.bytes();
}

Expression::Expression(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Result<Expression> Expression::compile(const Value& source, const std::vector<std::string>& variables) {
  auto program = std::make_unique<Program>();
  bson::Builder builder(source.raw().size() + 8);
  builder.append_value("", source);
  program->source = std::move(builder).finish();
  ExpressionCompiler compiler(variables);
  DISTRI_TRY(program->root, compiler.compile(program->source.view().begin()->value));
  program->slots = compiler.slots();
  return Expression(std::move(program));
}

Result<Value> Expression::evaluate(bson::View root, Evaluation& evaluation) const {
  EvaluationState& state = evaluation.state();
  state.begin(root, program_->slots);
  return evaluate_node(program_->root, state);
}

const Value* Expression::constant() const {
  return program_->root.run == literal_node({}).run ? &program_->root.literal : nullptr;
}

bool Call::any_nullish() const {
  return std::any_of(arguments.begin(), arguments.end(), [](const Value& value) { return is_nullish(value); });
}

namespace {

// What looking for a field costs: the bytes that are walked over.
Result<std::optional<Value>> find_field(const Value& object, std::string_view name, EvaluationState& state) {
  const auto found = object.as_object().find(name);
  const char* end = found ? found->raw().data() : object.raw().data() + object.raw().size();
  const auto walked = end == nullptr ? 0 : end - object.raw().data();
  DISTRI_TRY_VOID(state.spend(1 + static_cast<std::uint64_t>(walked) / 64));
  return found;
}

}  // namespace

Result<Value> value_at(const Value& start, std::span<const std::string_view> names, EvaluationState& state) {
  Value value = start;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (value.type() == Type::kArray) {
      ArrayResult gathered;
      for (auto at = value.as_object().begin(); !at.at_end(); ++at) {
        if (at->value.type() != Type::kObject) {
          DISTRI_TRY_VOID(state.spend(1));
          continue;
        }
        DISTRI_TRY(const Value inner, value_at(at->value, names.subspan(i), state));
        if (!is_missing(inner)) gathered.append(inner);
      }
      return std::move(gathered).finish(state);
    }
    if (value.type() != Type::kObject) return missing_value();
    DISTRI_TRY(const auto field, find_field(value, names[i], state));
    if (!field) return missing_value();
    value = *field;
  }
  return value;
}

}  // namespace distri::db
