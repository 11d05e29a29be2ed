// index_support.hpp: small collections with indexes, and what a query on them does.
#pragma once

#include <doctest/doctest.h>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/database.hpp"
#include "distri/db/explain.hpp"
#include "distri/db/index.hpp"

namespace distri::db::test {

inline bson::Document json(std::string_view text) {
  auto document = bson::from_json(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return *std::move(document);
}

inline Bytes key_of(bson::View document) {
  return bson::order_key(*document.find("_id"));
}

inline void put(db::Collection& collection, std::string_view text) {
  bson::Document document = json(text);
  const Bytes key = key_of(document);
  collection.put(key, {std::move(document), {}});
}

inline void put(db::Database& database, std::string_view collection, std::string_view text) {
  bson::Document document = json(text);
  const Bytes key = key_of(document);
  database.put(collection, key, {std::move(document), {}});
}

inline void create(db::Collection& collection, std::string_view text) {
  auto index = db::parse_index(json(text));
  REQUIRE_MESSAGE(index.has_value(), (index ? "" : index.error().message));
  collection.create_index(*std::move(index));
  while (collection.building_indexes()) collection.build_indexes(1000);
}

struct Answer {
  std::string ids;
  std::string stages;
  std::string bounds;
  std::int64_t keys = 0;
  std::int64_t documents = 0;
};

// The whole of a query, also against the collection read from end to end.
inline Answer ask(const db::Collection& collection, std::string_view filter_text, std::string_view sort = "{}",
                  std::uint64_t limit = 0, std::string hint = "") {
  const auto source = json(filter_text);
  const auto filter = db::Filter::compile(source);
  REQUIRE_MESSAGE(filter.has_value(), filter_text);
  db::FindQuery query;
  query.filter = &*filter;
  query.sort = *db::parse_sort(json(sort));
  query.limit = limit;
  query.page_documents_max = limit == 0 ? 1000 : limit;
  query.hint = std::move(hint);
  const auto page = db::find(collection, query);
  REQUIRE_MESSAGE(page.has_value(), (page ? "" : page.error().message));
  db::FindQuery naive = query;
  naive.hint = "$natural";
  CHECK(page->records == db::find(collection, naive)->records);
  Answer answer;
  for (const auto* record : page->records) {
    if (!answer.ids.empty()) answer.ids += " ";
    append_json(answer.ids, *record->document.view().find("_id"));
  }
  const bson::Document explained = *db::explain(collection, query);
  const bson::View stats = explained.view().find("executionStats")->as_object();
  answer.keys = stats.find("totalKeysExamined")->as_int64();
  answer.documents = stats.find("totalDocsExamined")->as_int64();
  CHECK(stats.find("nReturned")->as_int64() == static_cast<std::int64_t>(page->records.size()));
  auto stage = explained.view().find("queryPlanner")->as_object().find("winningPlan");
  for (; stage; stage = stage->as_object().find("inputStage")) {
    const bson::View each = stage->as_object();
    if (!answer.stages.empty()) answer.stages += " ";
    answer.stages += each.find("stage")->as_string();
    if (const auto name = each.find("indexName")) answer.stages += " " + std::string(name->as_string());
    if (const auto direction = each.find("direction"); direction && direction->as_string() == "backward") {
      answer.stages += " backward";
    }
    if (const auto bounds = each.find("indexBounds")) answer.bounds = bson::to_json(bounds->as_object());
  }
  return answer;
}

// a: 0 to 99, b: a % 10, c: a string.
inline db::Collection hundred() {
  db::Collection collection;
  for (int i = 0; i < 100; ++i) {
    put(collection, fmt::format(R"({{"_id":{0},"a":{0},"b":{1},"c":"x{0:02}"}})", i, i % 10));
  }
  return collection;
}

}  // namespace distri::db::test
