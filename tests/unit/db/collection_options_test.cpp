#include "distri/db/collection_options.hpp"

#include "distri/db/database.hpp"
#include "index_support.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

void put_options(db::Database& database, std::string_view text) {
  put(database, db::kOptionsCollection, text);
}

std::string shown(const db::CollectionOptions& options) {
  bson::Builder out;
  db::append_options(out, options);
  return bson::to_json(std::move(out).finish());
}

}  // namespace

TEST_CASE("A collection has the options that system.collections tells, as long as it does") {
  db::Database database;
  CHECK(database.options("c").plain());
  put_options(database, R"({"_id":"c","validator":{"a":1},"validationLevel":"moderate"})");
  CHECK(shown(database.options("c")) == R"({"validator":{"a":1},"validationLevel":"moderate"})");
  CHECK(database.options("d").plain());
  CHECK(database.find("c") == nullptr);
  put_options(database, R"({"_id":"c","validator":{"a":2}})");
  CHECK(shown(database.options("c")) == R"({"validator":{"a":2},"validationLevel":"strict"})");
  CHECK(database.check_indexes() == std::nullopt);
  // What is no definition is kept and means nothing.
  for (const char* text : {R"({"_id":"c","validator":{"a":{"$foo":1}}})", R"({"_id":"c","validationLevel":7})",
                           R"({"_id":"system.indexes","validator":{"a":1}})", R"({"_id":7,"validator":{"a":1}})"}) {
    put_options(database, text);
    CHECK(database.options("c").plain());
    CHECK(database.options("system.indexes").plain());
    CHECK(database.check_indexes() == std::nullopt);
  }
  put_options(database, R"({"_id":"c","validator":{"a":2}})");
  put_options(database, R"({"_id":"d","validationLevel":"off"})");
  CHECK(database.erase_document(db::kOptionsCollection, key_of(json(R"({"_id":"c"})"))));
  CHECK(database.options("c").plain());
  CHECK_FALSE(database.options("d").plain());
  CHECK(database.check_indexes() == std::nullopt);
  CHECK(database.erase(db::kOptionsCollection));
  CHECK(database.options("d").plain());
  CHECK(database.check_indexes() == std::nullopt);
}

TEST_CASE("Options come back from the document that they make") {
  for (const char* text : {R"({"validator":{"a":{"$gt":1},"$or":[{"b":1},{"c":2}]}})", R"({"validationLevel":"off"})",
                           R"({"validator":{"$jsonSchema":{"required":["a"]}},"validationLevel":"moderate"})",
                           R"({"capped":true,"size":1000})", R"({"capped":true,"size":1,"max":7})",
                           R"({"ownerField":"_id"})", R"({"ownerField":"owner","takerField":"to"})"}) {
    db::CollectionOptions options;
    REQUIRE(db::change_options(options, json(text)));
    const auto again = db::read_options(db::options_document("c", options));
    REQUIRE(again.has_value());
    CHECK(again->collection == "c");
    CHECK(again->options == options);
    CHECK_FALSE(options.plain());
  }
}

TEST_CASE("A change that is refused leaves the options as they were") {
  db::CollectionOptions options;
  REQUIRE(db::change_options(options, json(R"({"validator":{"a":1}})")));
  const db::CollectionOptions before = options;
  CHECK_FALSE(db::change_options(options, json(R"({"validator":{"b":1},"validationLevel":"x"})")));
  CHECK(options == before);
}

TEST_CASE("A capped collection needs a size, and only it has one") {
  struct Row {
    const char* options;
    const char* message;
  };
  for (const Row& row : {
           Row{R"({"capped":true})",
               "InvalidOptions (72): a capped collection needs a 'size', in bytes of its documents"},
           Row{R"({"capped":true,"max":5})", "InvalidOptions (72): a capped collection needs a 'size'"},
           Row{R"({"size":5})",
               "InvalidOptions (72): 'size' and 'max' belong to a capped collection; give 'capped': true"},
           Row{R"({"capped":false,"max":5})", "InvalidOptions (72): 'size' and 'max' belong to a capped collection"},
           Row{R"({"capped":1,"size":5})", "TypeMismatch (14): 'capped' must be true or false"},
           Row{R"({"capped":true,"size":0})", "BadValue (2): 'size' must be a number from 1 to 1125899906842624"},
           Row{R"({"capped":true,"size":"1k"})", "TypeMismatch (14): 'size' must be a number from 1 to"},
           Row{R"({"capped":true,"size":5,"max":-1})", "BadValue (2): 'max' must be a number from 0 to 2147483647"},
       }) {
    db::CollectionOptions options;
    const auto changed = db::change_options(options, json(row.options));
    REQUIRE_FALSE(changed.has_value());
    CHECK_MESSAGE(changed.error().message.starts_with(row.message), changed.error().message);
    CHECK(options.plain());
  }
}
