#include <algorithm>
#include <array>

#include "distri/bson/json.hpp"
#include "distri/db/expression_node.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

Result<Value> run_literal(const ExpressionNode& node, EvaluationState&) {
  return node.literal;
}

Result<Value> run_root_path(const ExpressionNode& node, EvaluationState& state) {
  return value_at(Value(Type::kObject, state.root.bytes()), node.path, state);
}

Result<Value> run_variable(const ExpressionNode& node, EvaluationState& state) {
  return value_at(state.variables[node.slots.front()], node.path, state);
}

Result<Value> run_now(const ExpressionNode&, EvaluationState& state) {
  if (!state.now_ms) return refuse(51144, "expression: $$NOW is not known here");
  return state.arena.date(*state.now_ms);
}

Result<Value> run_object(const ExpressionNode& node, EvaluationState& state) {
  ObjectWriter object;
  for (std::size_t i = 0; i < node.arguments.size(); ++i) {
    DISTRI_TRY(const Value value, evaluate_node(node.arguments[i], state));
    object.append(node.path[i], value);
  }
  return std::move(object).finish(state);
}

Result<Value> run_array(const ExpressionNode& node, EvaluationState& state) {
  ArrayResult array;
  for (const ExpressionNode& argument : node.arguments) {
    DISTRI_TRY(const Value value, evaluate_node(argument, state));
    array.append(value);
  }
  return std::move(array).finish(state);
}

Result<Value> run_eager(const ExpressionNode& node, EvaluationState& state) {
  constexpr std::size_t kFewMax = 6;
  std::array<Value, kFewMax> few;
  std::vector<Value> many;
  const std::size_t count = node.arguments.size();
  if (count > kFewMax) many.resize(count);
  const std::span<Value> values = count > kFewMax ? std::span(many) : std::span(few).first(count);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = missing_value();
    if (node.arguments[i].run == nullptr) continue;
    DISTRI_TRY(values[i], evaluate_node(node.arguments[i], state));
    bytes += values[i].raw().size();
  }
  DISTRI_TRY_VOID(state.spend(bytes / 64));
  return node.entry->eager(Call{node.entry->name, values, node, state});
}

const OperatorEntry* find_operator(std::string_view name) {
  static const std::vector<const OperatorEntry*> kAll = [] {
    std::vector<const OperatorEntry*> all;
    for (const auto table :
         {arithmetic_operators(), rounding_operators(), logic_operators(), string_operators(), search_operators(),
          array_operators(), iteration_operators(), set_operators(), object_operators(), date_operators(),
          date_text_operators(), type_operators(), statistics_operators()}) {
      for (const OperatorEntry& entry : table) all.push_back(&entry);
    }
    std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    return all;
  }();
  const auto at =
      std::lower_bound(kAll.begin(), kAll.end(), name,
                       [](const OperatorEntry* entry, std::string_view wanted) { return entry->name < wanted; });
  return at != kAll.end() && (*at)->name == name ? *at : nullptr;
}

}  // namespace

ExpressionNode literal_node(const Value& value) {
  ExpressionNode node;
  node.run = run_literal;
  node.literal = value;
  return node;
}

std::string_view kind_of(const Value& value) {
  return is_missing(value) ? "missing" : type_name(value.type());
}

std::string shown_value(const Value& value) {
  if (is_missing(value)) return "missing";
  constexpr std::size_t kShownRawMax = 200;
  if (value.raw().size() > kShownRawMax) return fmt::format("({} of {} bytes)", kind_of(value), value.raw().size());
  std::string text;
  bson::append_json(text, value);
  return std::string(shown(text));
}

Result<std::vector<std::string_view>> split_field_path(std::string_view what, std::string_view text) {
  constexpr std::size_t kPartsMax = 200;
  if (text.find('\0') != std::string_view::npos) return refuse(16411, "{}: a field path holds a zero byte", what);
  std::vector<std::string_view> names;
  for (std::string_view rest = text;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    if (name.empty() && (dot == std::string_view::npos) && !names.empty()) {
      return refuse(40353, "{}: the field path '{}' must not end with '.'", what, shown(text));
    }
    if (name.empty()) return refuse(15998, "{}: the field path '{}' has an empty part", what, shown(text));
    if (name.front() == '$') {
      return refuse(16410, "{}: field names may not start with '$', as in '{}'", what, shown(text));
    }
    names.push_back(name);
    if (names.size() > kPartsMax) {
      return refuse(mongo::kOverflow, "{}: a field path has more than {} parts", what, kPartsMax);
    }
    if (dot == std::string_view::npos) return names;
    rest.remove_prefix(dot + 1);
  }
}

ExpressionCompiler::ExpressionCompiler(std::span<const std::string> variables) {
  for (const std::string& name : variables) visible_.push_back({name, slots_++});
}

Result<> ExpressionCompiler::count(int depth) {
  if (depth > kExpressionDepthMax) {
    return refuse(mongo::kOverflow, "expression: it nests deeper than {}", kExpressionDepthMax);
  }
  if (++operators_ <= kExpressionOperatorsMax) return {};
  return refuse(mongo::kBadValue, "expression: more than {} operators, fields and literals", kExpressionOperatorsMax);
}

Result<ExpressionNode> ExpressionCompiler::compile(const Value& source, int depth) {
  DISTRI_TRY_VOID(count(depth));
  if (source.type() == Type::kString && source.as_string().starts_with('$')) return text(source.as_string());
  if (source.type() == Type::kArray) return array(source, depth);
  if (source.type() != Type::kObject) return literal_node(source);
  const auto first = source.as_object().begin();
  return !first.at_end() && first->key.starts_with('$') ? operation(source, depth) : object(source, depth);
}

Result<ExpressionNode> ExpressionCompiler::text(std::string_view text) {
  if (text.starts_with("$$")) return variable(text.substr(2));
  if (text.size() == 1) return refuse(16872, "expression: '$' by itself is not a field path");
  ExpressionNode node;
  node.run = run_root_path;
  DISTRI_TRY(node.path, split_field_path("expression", text.substr(1)));
  return node;
}

Result<ExpressionNode> ExpressionCompiler::variable(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::string_view name = text.substr(0, dot);
  ExpressionNode node;
  if (dot != std::string_view::npos) {
    DISTRI_TRY(node.path, split_field_path("expression", text.substr(dot + 1)));
  }
  if (name.empty()) return refuse(16869, "expression: empty variable names are not allowed");
  // The innermost of that name.
  const auto bound =
      std::find_if(visible_.rbegin(), visible_.rend(), [&](const Visible& each) { return each.name == name; });
  if (bound != visible_.rend()) {
    node.run = run_variable;
    node.slots = {bound->slot};
  } else if (name == "ROOT" || name == "CURRENT") {
    node.run = run_root_path;
  } else if (name == "NOW") {
    if (!node.path.empty()) return literal_node(missing_value());
    node.run = run_now;
  } else if (name == "REMOVE") {
    return literal_node(missing_value());
  } else {
    return refuse(17276, "expression: use of undefined variable '{}'", shown(name));
  }
  return node;
}

Result<std::uint32_t> ExpressionCompiler::bind(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0; };
  const auto other = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), other)) {
    return refuse(16868, "expression: '{}' contains a character that is not allowed in a variable's name", shown(name));
  }
  if (!letter(name.front()) || (name.front() >= 'A' && name.front() <= 'Z')) {
    return refuse(16867, "expression: '{}' starts with a character that is not allowed for a user's variable",
                  shown(name));
  }
  visible_.push_back({name, slots_});
  return slots_++;
}

Result<ExpressionNode> ExpressionCompiler::object(const Value& source, int depth) {
  ExpressionNode node;
  bool constant = true;
  for (const Element& element : source.as_object()) {
    if (element.key.find('.') != std::string_view::npos) {
      return refuse(16405, "expression: the field name '{}' must not contain '.'", shown(element.key));
    }
    if (element.key.starts_with('$')) {
      return refuse(16410, "expression: the field name '{}' must not start with '$'", shown(element.key));
    }
    if (std::find(node.path.begin(), node.path.end(), element.key) != node.path.end() && node.path.size() < 1000) {
      return refuse(16406, "expression: the field '{}' occurs twice", shown(element.key));
    }
    DISTRI_TRY(auto argument, compile(element.value, depth + 1));
    constant &= argument.run == run_literal && argument.literal.raw().data() == element.value.raw().data();
    node.path.push_back(element.key);
    node.arguments.push_back(std::move(argument));
  }
  if (constant) return literal_node(source);
  node.run = run_object;
  return node;
}

Result<ExpressionNode> ExpressionCompiler::array(const Value& source, int depth) {
  ExpressionNode node;
  node.run = run_array;
  bool constant = true;
  for (const Element& element : source.as_object()) {
    DISTRI_TRY(auto argument, compile(element.value, depth + 1));
    constant &= argument.run == run_literal && argument.literal.raw().data() == element.value.raw().data();
    node.arguments.push_back(std::move(argument));
  }
  return constant ? literal_node(source) : std::move(node);
}

Result<ExpressionNode> ExpressionCompiler::operation(const Value& source, int depth) {
  const auto first = source.as_object().begin();
  const OperatorEntry* entry = find_operator(first->key);
  if (entry == nullptr) {
    return refuse(mongo::kInvalidPipelineOperator, "expression: unrecognized expression '{}'", shown(first->key));
  }
  if (source.as_object().count() != 1) {
    return refuse(15983, "expression: an object that holds the operator '{}' must have exactly one field", entry->name);
  }
  const Value value = first->value;
  if (entry->parse != nullptr) return entry->parse(*this, *entry, value, depth);
  return entry->named.empty() ? arguments_listed(*entry, value, depth) : arguments_named(*entry, value, depth);
}

namespace {

ExpressionNode node_of(const OperatorEntry& entry) {
  ExpressionNode node;
  node.entry = &entry;
  node.run = entry.lazy != nullptr ? entry.lazy : run_eager;
  return node;
}

}  // namespace

Result<ExpressionNode> ExpressionCompiler::arguments_listed(const OperatorEntry& entry, const Value& source,
                                                            int depth) {
  ExpressionNode node = node_of(entry);
  if (source.type() == Type::kArray) {
    for (const Element& element : source.as_object()) {
      DISTRI_TRY(auto argument, compile(element.value, depth + 1));
      node.arguments.push_back(std::move(argument));
    }
  } else {
    DISTRI_TRY(auto argument, compile(source, depth + 1));
    node.arguments.push_back(std::move(argument));
  }
  const auto count = static_cast<int>(node.arguments.size());
  if (count >= entry.least && (entry.most < 0 || count <= entry.most)) return node;
  if (entry.least == entry.most) {
    return refuse(16020, "expression '{}' takes exactly {} arguments, {} were passed in", entry.name, entry.least,
                  count);
  }
  if (entry.most < 0) {
    return refuse(28667, "expression '{}' takes at least {} arguments, {} were passed in", entry.name, entry.least,
                  count);
  }
  return refuse(28667, "expression '{}' takes at least {} arguments, and at most {}, but {} were passed in", entry.name,
                entry.least, entry.most, count);
}

Result<ExpressionNode> ExpressionCompiler::arguments_named(const OperatorEntry& entry, const Value& source, int depth) {
  if (source.type() != Type::kObject) {
    return refuse(mongo::kFailedToParse, "expression '{}' takes an object of named arguments, not {}", entry.name,
                  kind_of(source));
  }
  ExpressionNode node = node_of(entry);
  std::size_t known = 0;
  for (std::string_view names = entry.named; !names.empty();) {
    const std::size_t space = names.find(' ');
    std::string_view name = names.substr(0, space);
    names.remove_prefix(space == std::string_view::npos ? names.size() : space + 1);
    const bool needed = name.ends_with('!');
    if (needed) name.remove_suffix(1);
    node.path.push_back(name);
    node.arguments.emplace_back();
    const auto value = source.as_object().find(name);
    if (value) {
      ++known;
      DISTRI_TRY(node.arguments.back(), compile(*value, depth + 1));
    } else if (needed) {
      return refuse(mongo::kFailedToParse, "expression '{}' needs the argument '{}'", entry.name, name);
    }
  }
  if (known == source.as_object().count()) return node;
  for (const Element& element : source.as_object()) {
    if (std::find(node.path.begin(), node.path.end(), element.key) == node.path.end()) {
      return refuse(mongo::kFailedToParse, "expression '{}' does not know the argument '{}'", entry.name,
                    shown(element.key));
    }
  }
  return refuse(mongo::kFailedToParse, "expression '{}' has an argument twice", entry.name);
}

}  // namespace distri::db
