// expression_rows.hpp: tables of expressions, documents and results.
#pragma once

#include <doctest/doctest.h>

#include <span>
#include <string>

#include "distri/bson/json.hpp"
#include "distri/db/expression.hpp"

namespace db_test {

inline std::string text_of(const distri::bson::Value& value) {
  if (distri::db::is_missing(value)) return "missing";
  std::string text;
  distri::bson::append_json(text, value, distri::bson::JsonMode::kRelaxed);
  // Relaxed JSON does not tell int from long and double.
  using distri::bson::Type;
  if (value.type() == Type::kInt64) return "long " + text;
  if (value.type() == Type::kDouble) return "double " + text;
  return text;
}

// The result as text_of() shows it, or "error: ...".
inline std::string result_of(std::string_view expression, std::string_view document = "{}") {
  const auto source = distri::bson::from_json(R"({"e":)" + std::string(expression) + "}");
  REQUIRE_MESSAGE(source.has_value(), expression << ": " << (source ? "" : source.error().message));
  const auto root = distri::bson::from_json(document);
  REQUIRE_MESSAGE(root.has_value(), document);
  const auto compiled = distri::db::Expression::compile(*source->view().find("e"));
  if (!compiled) return "error: " + compiled.error().message;
  distri::db::Evaluation evaluation;
  evaluation.set_now(1'000);
  const auto value = compiled->evaluate(*root, evaluation);
  return value ? text_of(*value) : "error: " + value.error().message;
}

struct ExpressionRow {
  const char* expression;
  const char* document;
  const char* result;  // or a part of the message, after "error: "
};

inline void check_results(std::span<const ExpressionRow> rows) {
  for (const ExpressionRow& row : rows) {
    const std::string result = result_of(row.expression, row.document);
    const std::string_view wanted = row.result;
    const bool as_wanted = wanted.starts_with("error: ")
                               ? result.starts_with("error: ") && result.find(wanted.substr(7)) != std::string::npos
                               : result == wanted;
    CHECK_MESSAGE(as_wanted, std::string(row.expression) << " on " << std::string(row.document) << " is " << result
                                                         << ", should be " << std::string(row.result));
  }
}

}  // namespace db_test
