// TTL indexes: how they are defined, and which documents have expired by them.
#include "distri/db/expiry.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "distri/db/database.hpp"
#include "distri/db/index_catalog.hpp"
#include "index_support.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

std::string date(std::int64_t ms) {
  return fmt::format(R"({{"$date":{{"$numberLong":"{}"}}}})", ms);
}

// The `_id`s (integers) of what an index says has expired, in its order.
std::string expired(const db::Collection& collection, std::string_view index, std::int64_t now_ms = kNow,
                    std::size_t keys_max = 1000) {
  std::string text;
  const db::Index* found = collection.index(index);
  REQUIRE(found != nullptr);
  for (const std::string& key : db::expired_documents(*found, now_ms, keys_max)) {
    const db::Record* record = collection.find(key);
    REQUIRE(record != nullptr);
    CHECK(db::is_expired(*found, record->document, now_ms));
    if (!text.empty()) text += " ";
    append_json(text, *record->document.view().find("_id"));
  }
  return text;
}

}  // namespace

TEST_CASE("What of expireAfterSeconds is refused says why") {
  struct Row {
    const char* specification;
    const char* message;
  };
  for (const Row& row : {
           Row{R"({"key":{"a":1,"b":1},"expireAfterSeconds":5})",
               "CannotCreateIndex (67): index: 'expireAfterSeconds' goes with a single field that holds dates; this "
               "key "
               "has 2 fields"},
           Row{R"({"key":{"_id":1},"expireAfterSeconds":5})",
               "CannotCreateIndex (67): index: every collection is ordered by '_id' already, and documents cannot "
               "expire by it"},
           Row{R"({"key":{"a":1},"expireAfterSeconds":-1})",
               "CannotCreateIndex (67): index: 'expireAfterSeconds' must be from 0 to 2147483647"},
           Row{R"({"key":{"a":1},"expireAfterSeconds":2147483648})",
               "CannotCreateIndex (67): index: 'expireAfterSeconds' must be from 0 to 2147483647"},
           Row{R"({"key":{"a":1},"expireAfterSeconds":{"$numberDouble":"NaN"}})", "CannotCreateIndex (67): index: "},
           Row{R"({"key":{"a":1},"expireAfterSeconds":"5"})",
               "TypeMismatch (14): index: 'expireAfterSeconds' must be a number of seconds, not string"},
       }) {
    const auto index = db::parse_index(json(row.specification));
    REQUIRE_FALSE(index.has_value());
    CHECK_MESSAGE(index.error().message.starts_with(row.message), index.error().message);
  }
  for (const char* seconds : {"0", "2147483647", "5.9", R"({"$numberLong":"5"})", R"({"$numberDecimal":"5"})"}) {
    const auto index = db::parse_index(json(fmt::format(R"({{"key":{{"a":-1}},"expireAfterSeconds":{}}})", seconds)));
    REQUIRE_MESSAGE(index.has_value(), seconds);
    bson::Builder again;
    db::append_index(again, *index);
    const auto same = db::parse_index(std::move(again).finish());
    REQUIRE(same.has_value());
    CHECK(same->same_options(*index));
  }
}

TEST_CASE("A document expires when its date, or the lowest of several, is so many seconds ago") {
  struct Row {
    const char* name;
    std::string value;  // of the field; empty: it is missing
    bool expired;
  };
  const std::vector<Row> rows = {
      {"exactly so long ago", date(kNow - 10'000), true},
      {"a millisecond less", date(kNow - 9'999), false},
      {"long ago", date(0), true},
      {"before 1970", date(-1), true},
      {"the first date of all", date(std::numeric_limits<std::int64_t>::min()), true},
      {"the last date of all", date(std::numeric_limits<std::int64_t>::max()), false},
      {"in the future", date(kNow + 1), false},
      {"dates of which the lowest counts", fmt::format("[{},{}]", date(kNow + 5'000), date(kNow - 20'000)), true},
      {"dates that are all too young", fmt::format("[{},{}]", date(kNow + 5'000), date(kNow)), false},
      {"a date among others", fmt::format(R"(["x",1,{}])", date(0)), true},
      {"an array without dates", R"(["x",1,null])", false},
      {"an empty array", "[]", false},
      {"a date in an array in an array", fmt::format("[[{}]]", date(0)), false},
      {"a number", "0", false},
      {"a text", R"("2001-01-01")", false},
      {"null", "null", false},
      {"a timestamp", R"({"$timestamp":{"t":1,"i":1}})", false},
      {"the lowest key", R"({"$minKey":1})", false},
      {"an object", fmt::format(R"({{"a":{}}})", date(0)), false},
      {"missing", "", false},
  };
  for (const int direction : {1, -1}) {
    db::Collection collection;
    create(collection, fmt::format(R"({{"key":{{"at":{}}},"name":"i","expireAfterSeconds":10}})", direction));
    create(collection, fmt::format(R"({{"key":{{"in.at":{}}},"name":"deep","expireAfterSeconds":10}})", direction));
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string field =
          rows[i].value.empty() ? "" : fmt::format(R"(,"at":{0},"in":[{{"at":{0}}},7])", rows[i].value);
      put(collection, fmt::format(R"({{"_id":{}{}}})", i, field));
    }
    for (const std::string_view name : {"i", "deep"}) {
      const db::Index& index = *collection.index(name);
      const auto found = db::expired_documents(index, kNow, 1000);
      CHECK(std::set<std::string>(found.begin(), found.end()).size() == found.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const Bytes key = key_of(json(fmt::format(R"({{"_id":{}}})", i)));
        CHECK_MESSAGE((std::count(found.begin(), found.end(), key) == 1) == rows[i].expired, rows[i].name);
        CHECK_MESSAGE(db::is_expired(index, collection.find(key)->document, kNow) == rows[i].expired, rows[i].name);
      }
    }
  }
}

TEST_CASE("Expired documents come in slices, none while the index is built, and only those that the index holds") {
  db::Collection collection;
  for (int i = 0; i < 10; ++i) put(collection, fmt::format(R"({{"_id":{},"at":{},"n":{}}})", i, date(i), i));
  collection.create_index(*db::parse_index(json(R"({"key":{"at":1},"name":"i","expireAfterSeconds":0})")));
  collection.build_indexes(5);
  CHECK(expired(collection, "i").empty());
  while (collection.building_indexes()) collection.build_indexes(5);
  CHECK(expired(collection, "i", kNow, 3) == "0 1 2");
  CHECK(expired(collection, "i", 4) == "0 1 2 3 4");
  CHECK(expired(collection, "i", std::numeric_limits<std::int64_t>::min()).empty());
  create(collection,
         R"({"key":{"at":-1},"name":"p","expireAfterSeconds":0,"partialFilterExpression":{"n":{"$gt":6}}})");
  CHECK(expired(collection, "p") == "9 8 7");
  CHECK_FALSE(db::is_expired(*collection.index("p"), json(fmt::format(R"({{"at":{},"n":1}})", date(0))), kNow));
}

TEST_CASE("expireAfterSeconds changes in place, and the list of such indexes follows the definitions") {
  db::Database database;
  const auto write = [&](std::string_view collection, std::string_view text) {
    bson::Document document = json(text);
    const Bytes key = key_of(document);
    database.put(collection, key, {std::move(document), {}});
    const auto broken = database.check_indexes();
    CHECK_MESSAGE(!broken, broken.value_or(""));
  };
  write("c", fmt::format(R"({{"_id":1,"at":{}}})", date(kNow - 10'000)));
  write("system.indexes", R"({"_id":"c/at_1","key":{"at":1},"name":"at_1"})");
  database.build_indexes(100);
  CHECK(database.expiring().empty());
  const db::Index* index = database.find("c")->index("at_1");
  write("system.indexes", R"({"_id":"c/at_1","key":{"at":1},"name":"at_1","expireAfterSeconds":60})");
  CHECK(database.expiring().size() == 1);
  CHECK(database.find("c")->index("at_1") == index);
  CHECK(index->ready());
  CHECK(expired(*database.find("c"), "at_1").empty());
  write("system.indexes", R"({"_id":"c/at_1","key":{"at":1},"name":"at_1","expireAfterSeconds":10})");
  CHECK(expired(*database.find("c"), "at_1") == "1");
  write("system.indexes", R"({"_id":"d/at_1","key":{"at":1},"name":"at_1","expireAfterSeconds":10})");
  CHECK(database.expiring().size() == 2);
  database.erase_document("system.indexes", key_of(json(R"({"_id":"c/at_1"})")));
  CHECK(database.expiring().size() == 1);
  write("system.indexes", R"({"_id":"d/at_1","key":{"at":1},"name":"at_1"})");
  CHECK(database.expiring().empty());
  CHECK_FALSE(database.check_indexes());
}
