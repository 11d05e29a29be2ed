#include "distri/db/index_catalog.hpp"

#include "distri/db/database.hpp"
#include "index_support.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

void erase(db::Database& database, std::string_view collection, std::string_view id) {
  database.erase_document(collection, key_of(json(fmt::format(R"({{"_id":{}}})", id))));
}

constexpr std::string_view kByA = R"({"_id":"c/a_1","key":{"a":1},"name":"a_1"})";

std::string names(const db::Database& database, std::string_view collection) {
  std::string text;
  const db::Collection* found = database.find(collection);
  REQUIRE(found != nullptr);
  for (const auto& index : found->indexes()) text += (text.empty() ? "" : " ") + index->definition().name;
  return text;
}

void check(const db::Database& database) {
  const auto broken = database.check_indexes();
  CHECK_MESSAGE(!broken, broken.value_or(""));
}

}  // namespace

TEST_CASE("a definition that comes before the collection makes the index when the collection comes") {
  db::Database database;
  put(database, "system.indexes", kByA);
  put(database, "system.indexes", R"({"_id":"c.d/a_1","key":{"a":1},"name":"a_1"})");
  put(database, "system.indexes", R"({"_id":"b/a_1","key":{"a":1},"name":"a_1"})");
  put(database, "system.indexes", R"({"_id":"c/z","key":{"z":-1},"name":"z"})");
  CHECK(database.find("c") == nullptr);
  put(database, "c", R"({"_id":1,"a":5})");
  CHECK(names(database, "c") == "a_1 z");
  CHECK(database.find("c")->index("a_1")->ready());
  CHECK(database.find("c")->index("a_1")->entries().size() == 1);
  CHECK_FALSE(database.building_indexes());
  check(database);
  // The collection goes and comes: the definition is still there.
  database.erase("c");
  database.open("c");
  CHECK(names(database, "c") == "a_1 z");
  check(database);
}

TEST_CASE("a definition that comes after the documents is built in slices") {
  db::Database database;
  for (int i = 0; i < 50; ++i) put(database, "c", fmt::format(R"({{"_id":{0},"a":{0}}})", i));
  for (int i = 0; i < 50; ++i) put(database, "d", fmt::format(R"({{"_id":{0},"a":{0}}})", i));
  put(database, "system.indexes", kByA);
  put(database, "system.indexes", R"({"_id":"d/a_1","key":{"a":1},"name":"a_1"})");
  CHECK(database.building_indexes());
  int slices = 0;
  for (; database.building_indexes(); ++slices) {
    check(database);
    database.build_indexes(20);
  }
  CHECK(slices >= 5);
  CHECK(slices <= 7);
  CHECK(database.find("c")->index("a_1")->entries().size() == 50);
  CHECK(database.find("d")->index("a_1")->entries().size() == 50);
  check(database);
}

TEST_CASE("an index goes with its definition, and changes with it") {
  db::Database database;
  put(database, "c", R"({"_id":1,"a":5,"b":[1,2]})");
  put(database, "system.indexes", kByA);
  database.build_indexes(100);
  CHECK(database.find("c")->index("a_1")->ready());
  // The same again: nothing to build.
  put(database, "system.indexes", kByA);
  CHECK(database.find("c")->index("a_1")->ready());
  put(database, "system.indexes", R"({"_id":"c/a_1","key":{"b":1},"name":"a_1"})");
  database.build_indexes(100);
  CHECK(database.find("c")->index("a_1")->entries().size() == 2);
  check(database);
  // No longer a definition: another name than the _id says.
  put(database, "system.indexes", R"({"_id":"c/a_1","key":{"b":1},"name":"b"})");
  CHECK(names(database, "c").empty());
  check(database);
  put(database, "system.indexes", kByA);
  CHECK(names(database, "c") == "a_1");
  erase(database, "system.indexes", R"("c/a_1")");
  CHECK(names(database, "c").empty());
  check(database);
  put(database, "system.indexes", kByA);
  CHECK(database.erase("system.indexes"));
  CHECK(names(database, "c").empty());
  check(database);
}

TEST_CASE("what a dropped index held is freed in slices, while the next one is built") {
  db::Database database;
  for (int i = 0; i < 500; ++i) put(database, "c", fmt::format(R"({{"_id":{0},"a":{0}}})", i));
  put(database, "system.indexes", kByA);
  while (database.building_indexes()) database.build_indexes(100);
  erase(database, "system.indexes", R"("c/a_1")");
  CHECK(names(database, "c").empty());
  CHECK(database.building_indexes());
  put(database, "system.indexes", kByA);
  int slices = 0;
  for (; database.building_indexes(); ++slices) {
    check(database);
    database.build_indexes(20);
  }
  CHECK(slices >= 500 / 20 + 3);
  CHECK(database.find("c")->index("a_1")->entries().size() == 500);
  erase(database, "system.indexes", R"("c/a_1")");
  database.build_indexes(1'000);
  CHECK_FALSE(database.building_indexes());
}

TEST_CASE("what is no definition is stored and makes no index") {
  db::Database database;
  put(database, "c", R"({"_id":1,"a":5})");
  for (const std::string_view text :
       {R"({"_id":7})", R"({"_id":"c/a_1"})", R"({"_id":"a_1","key":{"a":1},"name":"a_1"})",
        R"({"_id":"c/a_1","key":{"a":1},"name":"a_1","ttl":5})", R"({"_id":"/a_1","key":{"a":1},"name":"a_1"})",
        R"({"_id":"system.indexes/a_1","key":{"a":1},"name":"a_1"})", R"({"_id":"c/a_1","key":{"a":"hashed"}})"}) {
    put(database, "system.indexes", text);
    CHECK_MESSAGE(names(database, "c").empty(), text);
    check(database);
  }
  CHECK(database.find("system.indexes")->size() == 5);
  CHECK(names(database, "system.indexes").empty());
}

TEST_CASE("the names of distri's own collections are for what is stored, not for what clients name") {
  CHECK_FALSE(db::check_collection_name("system.indexes").has_value());
  CHECK(db::check_stored_collection_name("system.indexes").has_value());
  CHECK_FALSE(db::check_stored_collection_name("system.other").has_value());
  CHECK(db::check_stored_collection_name("c").has_value());
}
