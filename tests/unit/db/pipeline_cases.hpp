// pipeline_cases.hpp: running a pipeline given as JSON on documents given as JSON, and rows of tables of them.
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/aggregate.hpp"

namespace distri::db::test {

inline constexpr std::int64_t kPipelineNowMs = 1'000;

// {"v": [...]}
inline bson::Document listed(std::string_view list) {
  auto parsed = bson::from_json(R"({"v":)" + std::string(list) + "}");
  REQUIRE_MESSAGE(parsed.has_value(), list << ": " << (parsed ? "" : parsed.error().message));
  return *std::move(parsed);
}

inline void put(Database& database, std::string_view collection, bson::View document) {
  const auto id = document.find("_id");
  REQUIRE(id.has_value());
  database.put(collection, bson::order_key(*id), {bson::Document(document), {}});
}

// Documents without `_id` get 1, 2, ...
inline void put_all(Database& database, std::string_view collection, std::string_view list) {
  const bson::Document documents = listed(list);
  std::int32_t id = 0;
  for (const auto& element : documents.view().find("v")->as_object()) {
    bson::Builder with_id;
    ++id;
    if (!element.value.as_object().find("_id")) with_id.append_int32("_id", id);
    for (const auto& field : element.value.as_object()) with_id.append_element(field);
    put(database, collection, std::move(with_id).finish());
  }
}

// Types that relaxed JSON does not tell apart show: "double 1.0", "long 1".
inline std::string shown_types(const bson::Value& value) {
  std::string text;
  if (value.type() == bson::Type::kObject || value.type() == bson::Type::kArray) {
    const bool object = value.type() == bson::Type::kObject;
    for (const auto& element : value.as_object()) {
      if (!text.empty()) text += ",";
      if (object) text += "\"" + std::string(element.key) + "\":";
      text += shown_types(element.value);
    }
    return object ? "{" + text + "}" : "[" + text + "]";
  }
  bson::append_json(text, value, bson::JsonMode::kRelaxed);
  if (value.type() == bson::Type::kInt64) return "long " + text;
  if (value.type() == bson::Type::kDouble) return "double " + text;
  return text;
}

// The results as "[{...},...]", or "!" and the error; each step with so much of a budget.
inline std::string run_compiled(const Pipeline& pipeline, const Database& database, std::uint64_t budget,
                                std::uint64_t steps_max = kPipelineStepsMax) {
  Random random(7);
  PipelineRun run(pipeline, "c", random, steps_max);
  std::string text = "[";
  for (;;) {
    std::uint64_t left = budget;
    const auto pulled = run.next(database, left);
    if (!pulled) {
      CHECK(run.next(database, left).error() == pulled.error());
      return "!" + pulled.error().message;
    }
    CHECK(left <= budget);
    if (*pulled == Pull::kPaused) {
      CHECK(left == 0);
      continue;
    }
    if (*pulled == Pull::kEnd) return text + "]";
    CHECK(bson::validate(run.document().bytes()).has_value());
    if (text.size() > 1) text += ",";
    text += shown_types(bson::Value(bson::Type::kObject, run.document().bytes()));
  }
}

// As a whole and step by step, which must be the same.
inline std::string run_pipeline(std::string_view stages, const Database& database) {
  const bson::Document source = listed(stages);
  const auto pipeline = Pipeline::compile(source.view().find("v")->as_object(), kPipelineNowMs);
  if (!pipeline) return "!" + pipeline.error().message;
  std::string whole = run_compiled(*pipeline, database, 1'000'000'000);
  for (const std::uint64_t budget : {1, 2, 7}) CHECK(run_compiled(*pipeline, database, budget) == whole);
  return whole;
}

struct PipelineRow {
  std::string_view stages;
  std::string_view documents;  // of the collection "c"
  std::string_view expected;   // "!text": an error that contains the text
  std::string_view others{};   // of the collection "o"
};

inline void check_pipelines(std::initializer_list<PipelineRow> rows) {
  for (const PipelineRow& row : rows) {
    CAPTURE(row.stages);
    CAPTURE(row.documents);
    Database database;
    put_all(database, "c", row.documents);
    if (!row.others.empty()) put_all(database, "o", row.others);
    const std::string result = run_pipeline(row.stages, database);
    if (row.expected.starts_with('!')) {
      CHECK_MESSAGE((result.starts_with('!') && result.find(row.expected.substr(1)) != std::string::npos), result);
    } else {
      CHECK(result == row.expected);
    }
  }
}

}  // namespace distri::db::test
