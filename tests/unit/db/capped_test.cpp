// The order of insertion, which capped collections keep and are read in.
#include "distri/db/database.hpp"
#include "index_support.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

db::Record record(std::string_view text, std::uint64_t hlc) {
  return {json(text), db::Revision(db::Stamp{hlc, {}}, db::Dot{})};
}

// Documents {_id, n, a} with stamps against the order of their ids.
void fill_capped(db::Database& database, int documents) {
  const bson::Document options = json(R"({"_id":"c","capped":true,"size":100000})");
  database.put("system.collections", key_of(options), {options, {}});
  for (int i = 0; i < documents; ++i) {
    const bson::Document document = json(fmt::format(R"({{"_id":{},"n":{},"a":{}}})", documents - i, i, i % 4));
    database.put("c", key_of(document), record(bson::to_json(document), static_cast<std::uint64_t>(i) + 1));
  }
}

// The `n`s of all pages.
std::string read(const db::Collection& collection, std::string_view filter_text, std::string_view sort,
                 std::size_t page_documents = 1000, std::string hint = "") {
  const auto source = json(filter_text);
  const auto filter = db::Filter::compile(source);
  REQUIRE(filter.has_value());
  db::FindQuery query;
  query.filter = &*filter;
  query.sort = *db::parse_sort(json(sort));
  query.page_documents_max = page_documents;
  query.hint = std::move(hint);
  std::string text;
  do {
    const auto page = db::find(collection, query);
    REQUIRE_MESSAGE(page.has_value(), (page ? "" : page.error().message));
    for (const auto* each : page->records) {
      if (!text.empty()) text += " ";
      append_json(text, *each->document.view().find("n"));
    }
    query.cursor = page->cursor;
  } while (!query.cursor.empty());
  return text;
}

}  // namespace

TEST_CASE("A capped collection is read in the order of insertion, or its reverse, in pages too, with any index") {
  db::Database database;
  fill_capped(database, 9);
  const bson::Document index = json(R"({"_id":"c/a_1","key":{"a":1},"name":"a_1"})");
  database.put("system.indexes", key_of(index), {index, {}});
  database.build_indexes(1000);
  const db::Collection& c = *database.find("c");
  for (const std::size_t page : {1u, 2u, 4u, 1000u}) {
    for (const char* hint : {"", "$natural", "a_1"}) {
      CAPTURE(page);
      CAPTURE(hint);
      CHECK(read(c, "{}", "{}", page, hint) == "0 1 2 3 4 5 6 7 8");
      CHECK(read(c, "{}", R"({"$natural":1})", page, hint) == "0 1 2 3 4 5 6 7 8");
      CHECK(read(c, "{}", R"({"$natural":-1})", page, hint) == "8 7 6 5 4 3 2 1 0");
      CHECK(read(c, R"({"a":1})", "{}", page, hint) == "1 5");
      CHECK(read(c, R"({"a":{"$gte":2}})", R"({"$natural":-1})", page, hint) == "7 6 3 2");
      CHECK(read(c, R"({"_id":{"$in":[9,1,5]}})", "{}", page) == "0 4 8");
      CHECK(read(c, R"({"_id":{"$gt":6}})", R"({"$natural":-1})", page) == "2 1 0");
      CHECK(read(c, "{}", R"({"_id":1})", page) == "8 7 6 5 4 3 2 1 0");
    }
  }
}

TEST_CASE("$natural is the order of _id elsewhere, and stands alone") {
  db::Collection collection;
  for (int i = 0; i < 5; ++i) put(collection, fmt::format(R"({{"_id":{},"n":{}}})", 5 - i, i));
  for (const std::size_t page : {1u, 2u, 1000u}) {
    CHECK(read(collection, "{}", R"({"$natural":1})", page) == "4 3 2 1 0");
    CHECK(read(collection, "{}", R"({"$natural":-1})", page) == "0 1 2 3 4");
  }
  for (const char* sort : {R"({"$natural":2})", R"({"$natural":1,"a":1})", R"({"a":1,"$natural":1})"}) {
    const auto parsed = db::parse_sort(json(sort));
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message == "BadValue (2): sort: '$natural' must be 1 or -1, and stand alone");
  }
}

TEST_CASE("The order of insertion follows updates, replacements, deletes, and options that come and go") {
  db::Database database;
  fill_capped(database, 4);
  const db::Collection* c = database.find("c");
  database.put("c", key_of(json(R"({"_id":4})")), record(R"({"_id":4,"n":0,"a":"updated"})", 1));
  CHECK(read(*c, "{}", "{}") == "0 1 2 3");
  database.put("c", key_of(json(R"({"_id":3})")), record(R"({"_id":3,"n":10})", 9));
  CHECK(read(*c, "{}", "{}") == "0 2 3 10");
  database.erase_document("c", key_of(json(R"({"_id":2})")));
  CHECK(read(*c, "{}", "{}") == "0 3 10");
  CHECK(database.check_indexes() == std::nullopt);
  const std::size_t memory = c->memory_bytes();
  database.erase_document("system.collections", key_of(json(R"({"_id":"c"})")));
  CHECK(c->insertion_order() == nullptr);
  CHECK(c->memory_bytes() < memory);
  CHECK(read(*c, "{}", "{}") == "3 10 0");
  CHECK(database.check_indexes() == std::nullopt);
  const bson::Document options = json(R"({"_id":"c","capped":true,"size":1})");
  database.put("system.collections", key_of(options), {options, {}});
  CHECK(read(*c, "{}", "{}") == "0 3 10");
  CHECK(c->memory_bytes() == memory);
  CHECK(database.erase("system.collections"));
  CHECK(c->insertion_order() == nullptr);
  CHECK(database.check_indexes() == std::nullopt);
}

TEST_CASE("explain tells how natural order was read") {
  db::Database database;
  fill_capped(database, 20);
  const db::Collection& c = *database.find("c");
  const auto plan = [&](std::string_view sort) {
    db::FindQuery query;
    query.sort = *db::parse_sort(json(sort));
    query.page_documents_max = 3;
    query.limit = 3;
    const auto explained = db::explain(c, query);
    REQUIRE(explained.has_value());
    const auto stats = explained->view().find("executionStats")->as_object();
    CHECK(stats.find("totalDocsExamined")->as_int64() == 3);
    return bson::to_json(explained->view().find("queryPlanner")->as_object().find("winningPlan")->as_object());
  };
  CHECK(plan("{}").starts_with(R"({"stage":"COLLSCAN","direction":"forward")"));
  CHECK(plan(R"({"$natural":-1})").starts_with(R"({"stage":"COLLSCAN","direction":"backward")"));
}
