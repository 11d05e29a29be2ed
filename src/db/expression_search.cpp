// $regexMatch, $regexFind, $regexFindAll.
#include <array>

#include "distri/db/expression_node.hpp"
#include "distri/db/text.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// nullptr: the pattern is null. `regex` and `options` are the values of the arguments.
Result<std::shared_ptr<const Regex>> compile_pattern(std::string_view name, const Value& regex, const Value& options) {
  if (!is_nullish(options) && options.type() != Type::kString) {
    return refuse(51106, "{} needs 'options' to be of type string, found: {}", name, kind_of(options));
  }
  if (is_nullish(regex)) return std::shared_ptr<const Regex>();
  std::string_view pattern;
  std::string_view flags = is_nullish(options) ? std::string_view() : options.as_string();
  if (regex.type() == Type::kRegex) {
    pattern = regex.regex_pattern();
    if (!regex.regex_options().empty() && !flags.empty()) {
      return refuse(51107, "{}: found regular expression options in both 'regex' and 'options'", name);
    }
    if (flags.empty()) flags = regex.regex_options();
  } else if (regex.type() == Type::kString) {
    pattern = regex.as_string();
  } else {
    return refuse(51105, "{} needs 'regex' to be of type string or regex, found: {}", name, kind_of(regex));
  }
  DISTRI_TRY(auto compiled, Regex::compile(name, pattern, flags));
  return std::make_shared<const Regex>(std::move(compiled));
}

// A pattern that is the same for all documents is compiled with the expression.
Result<ExpressionNode> parse_search(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                    int depth) {
  DISTRI_TRY(auto node, compiler.arguments_named(entry, source, depth));
  const auto constant = [](const ExpressionNode& argument) {
    return argument.run == nullptr || argument.run == literal_node({}).run;
  };
  if (!constant(node.arguments[1]) || !constant(node.arguments[2])) return node;
  DISTRI_TRY(node.regex, compile_pattern(entry.name, node.arguments[1].literal, node.arguments[2].literal));
  return node;
}

struct Search {
  std::string_view text;
  std::shared_ptr<const Regex> regex;  // nullptr: nothing can be found
};

Result<Search> search_of(const Call& call) {
  Search search{{}, call.node.regex};
  if (!search.regex) {
    DISTRI_TRY(search.regex, compile_pattern(call.name, call[1], call[2]));
  }
  if (is_nullish(call[0])) return Search{};
  if (call[0].type() != Type::kString && call[0].type() != Type::kSymbol) {
    return refuse(51104, "{} needs 'input' to be of type string, found: {}", call.name, kind_of(call[0]));
  }
  search.text = call[0].as_string();
  return search;
}

Result<bool> run(const Call& call, Regex::Outcome outcome) {
  DISTRI_TRY_VOID(call.state.spend(16));
  if (outcome != Regex::Outcome::kLimit) return outcome == Regex::Outcome::kYes;
  return refuse(51156, "{}: {}", call.name, Regex::limit_text());
}

Result<Value> matches(const Call& call) {
  DISTRI_TRY(const Search search, search_of(call));
  if (!search.regex) return call.arena().boolean(false);
  DISTRI_TRY(const bool found, run(call, search.regex->search(search.text)));
  return call.arena().boolean(found);
}

// {match, idx, captures}; `points`: the code points before `spans[0]`.
Result<Value> found_value(const Call& call, std::string_view text, const std::vector<Regex::Span>& spans,
                          std::size_t points) {
  const auto piece = [&](const Regex::Span& span) { return text.substr(span.begin, span.end - span.begin); };
  ArrayResult captures;
  for (std::size_t i = 1; i < spans.size(); ++i) {
    captures.append(spans[i].begin > text.size() ? Value() : call.arena().string(piece(spans[i])));
  }
  DISTRI_TRY(const Value all, std::move(captures).finish(call.state));
  ObjectWriter object;
  object.append("match", call.arena().string(piece(spans[0])));
  object.append("idx", call.arena().integer(static_cast<std::int64_t>(points)));
  object.append("captures", all);
  return std::move(object).finish(call.state);
}

Result<Value> find(const Call& call) {
  DISTRI_TRY(const Search search, search_of(call));
  if (!search.regex) return call.null();
  std::vector<Regex::Span> spans;
  DISTRI_TRY(const bool found, run(call, search.regex->search(search.text, 0, spans)));
  if (!found) return call.null();
  return found_value(call, search.text, spans, code_points(search.text.substr(0, spans[0].begin)));
}

Result<Value> find_all(const Call& call) {
  DISTRI_TRY(const Search search, search_of(call));
  ArrayResult all;
  if (!search.regex) return std::move(all).finish(call.state);
  std::vector<Regex::Span> spans;
  std::size_t at = 0;
  std::size_t counted = 0;  // bytes whose code points are in `points`
  std::size_t points = 0;
  while (at <= search.text.size() && !all.full()) {
    DISTRI_TRY(const bool found, run(call, search.regex->search(search.text, at, spans)));
    if (!found) break;
    const std::size_t begin = spans[0].begin;
    if (begin > counted) points += code_points(search.text.substr(counted, begin - counted));
    counted = std::max(counted, begin);
    DISTRI_TRY(const Value value, found_value(call, search.text, spans, points));
    all.append(value);
    std::size_t next = std::max(spans[0].end, at);
    if (next == at || spans[0].end == begin) {
      next = next < search.text.size() ? next + code_point_size(search.text, next) : next + 1;
    }
    DISTRI_TRY_VOID(call.state.spend((next - at) / 64));
    at = next;
  }
  return std::move(all).finish(call.state);
}

constexpr std::string_view kNamed = "input! regex! options";

constexpr std::array kTable = {
    OperatorEntry{"$regexMatch", 1, 1, matches, nullptr, kNamed, parse_search},
    OperatorEntry{"$regexFind", 1, 1, find, nullptr, kNamed, parse_search},
    OperatorEntry{"$regexFindAll", 1, 1, find_all, nullptr, kNamed, parse_search},
};

}  // namespace

std::span<const OperatorEntry> search_operators() {
  return kTable;
}

}  // namespace distri::db
