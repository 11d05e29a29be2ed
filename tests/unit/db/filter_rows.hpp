// filter_rows.hpp: tables of filters, documents and what should come of them.
#pragma once

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <string_view>

#include "distri/bson/json.hpp"
#include "distri/db/filter.hpp"

namespace db_test {

inline distri::db::Filter compile(std::string_view text) {
  const auto source = distri::bson::from_json(text);
  REQUIRE_MESSAGE(source.has_value(), text);
  auto filter = distri::db::Filter::compile(*source);
  REQUIRE_MESSAGE(filter.has_value(), text << ": " << (filter ? "" : filter.error().message));
  return *std::move(filter);
}

inline std::string compile_error(std::string_view text) {
  const auto source = distri::bson::from_json(text);
  REQUIRE_MESSAGE(source.has_value(), text);
  const auto filter = distri::db::Filter::compile(*source);
  return filter ? "accepted" : filter.error().message;
}

struct MatchRow {
  const char* filter;
  const char* document;
  bool matches;
};

inline void check_matches(std::span<const MatchRow> rows) {
  for (const MatchRow& row : rows) {
    const distri::db::Filter filter = compile(row.filter);
    const auto document = distri::bson::from_json(row.document);
    REQUIRE_MESSAGE(document.has_value(), row.document);
    const auto matched = filter.check(*document);
    REQUIRE_MESSAGE(matched.has_value(), row.filter);
    CHECK_MESSAGE(*matched == row.matches, std::string(row.filter) << " on " << std::string(row.document));
    CHECK(filter.matches(*document) == *matched);
  }
}

struct ErrorRow {
  std::string filter;
  const char* part;  // of the message
};

inline void check_errors(std::span<const ErrorRow> rows) {
  for (const ErrorRow& row : rows) {
    const std::string error = compile_error(row.filter);
    CHECK_MESSAGE(error.find(row.part) != std::string::npos, row.filter.substr(0, 100) << ": " << error);
  }
}

}  // namespace db_test
