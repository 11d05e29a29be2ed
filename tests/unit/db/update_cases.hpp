// update_cases.hpp: running an update given as JSON, and rows of a table of them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "distri/bson/json.hpp"
#include "distri/db/update.hpp"

namespace distri::db::test {

inline bson::Document document(std::string_view text) {
  auto parsed = bson::from_json(text);
  REQUIRE_MESSAGE(parsed.has_value(), text << ": " << (parsed ? "" : parsed.error().message));
  return *std::move(parsed);
}

// {"v": [...]} without its braces, so that tables can give array filters as JSON.
inline Result<Update> compile(std::string_view update, std::string_view array_filters = "") {
  if (array_filters.empty()) return Update::compile(document(update));
  const bson::Document filters = document("{\"v\":" + std::string(array_filters) + "}");
  return Update::compile(document(update), {filters.view().find("v")->as_object()});
}

inline constexpr std::int64_t kNowMs = 1'700'000'000'123;

inline Result<UpdateResult> run(std::string_view before, std::string_view update, std::string_view array_filters = "",
                                UpdateContext context = {}) {
  context.now_ms = kNowMs;
  auto compiled = compile(update, array_filters);
  if (!compiled) return fail(compiled.error());
  return compiled->apply(document(before), context);
}

inline std::string canonical(bson::View view) {
  return bson::to_json(view, bson::JsonMode::kCanonical);
}

struct Row {
  std::string_view before;
  std::string_view update;
  std::string_view after;  // "": as before, and not changed; "!text": an error that contains the text
  std::string_view array_filters = "";
};

inline void check(const Row& row, const UpdateContext& context = {}) {
  CAPTURE(row.before);
  CAPTURE(row.update);
  const auto result = run(row.before, row.update, row.array_filters, context);
  if (row.after.starts_with('!')) {
    REQUIRE_FALSE(result.has_value());
    CHECK_MESSAGE(result.error().message.find(row.after.substr(1)) != std::string::npos, result.error().message);
    return;
  }
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
  const bool same = row.after.empty();
  CHECK(canonical(result->document) == canonical(document(same ? row.before : row.after)));
  CHECK(result->changed == !same);
  CHECK(bson::validate(result->document.bytes()).has_value());
}

inline void check_all(std::initializer_list<Row> rows) {
  for (const Row& row : rows) check(row);
}

}  // namespace distri::db::test
