#include "distri/db/distinct.hpp"

#include "distri/bson/compare.hpp"
#include "update_cases.hpp"

using namespace distri;
using db::test::document;

namespace {

db::Collection collection_of(std::initializer_list<std::string_view> documents) {
  db::Collection collection;
  for (const std::string_view text : documents) {
    db::Record record{document(text), {}};
    const Bytes key = bson::order_key(*record.document.view().find("_id"));
    collection.put(key, std::move(record));
  }
  return collection;
}

Result<db::DistinctRun> run(const db::Collection& collection, std::string_view path, const db::Filter* filter,
                            std::size_t bytes_max = bson::kDocumentBytesMax) {
  DISTRI_TRY(auto made, db::DistinctRun::make(path, filter, bytes_max));
  // In slices of one document.
  for (;;) {
    std::uint64_t budget = 1;
    DISTRI_TRY(const bool complete, made.step(&collection, budget));
    if (complete) return made;
  }
}

std::string distinct(const db::Collection& collection, std::string_view path, std::string_view filter = "{}") {
  const auto compiled = db::Filter::compile(document(filter));
  REQUIRE(compiled.has_value());
  const auto made = run(collection, path, &*compiled);
  if (!made) return "!" + made.error().message;
  const auto values = made->values();
  bson::Builder out;
  out.begin_array("v");
  for (std::size_t i = 0; i < values.size(); ++i) out.append_value(std::to_string(i), values[i]);
  out.end();
  return bson::to_json(std::move(out).finish());
}

}  // namespace

TEST_CASE("distinct gives each value once, in order, arrays by their elements") {
  const auto c = collection_of({R"({"_id":1,"a":3,"b":{"c":"x"},"l":[1,2],"o":[{"k":1},{"k":[5,6]},7]})",
                                R"({"_id":2,"a":1.0,"b":{"c":"y"},"l":[2,[3]],"o":[{"k":1},{"z":1}]})",
                                R"({"_id":3,"a":1,"b":5,"l":[]})", R"({"_id":4,"a":null,"b":{"c":null},"l":"s"})",
                                R"({"_id":5,"a":"1","b":[{"c":"x"}],"l":{"x":1}})"});
  CHECK(distinct(c, "a") == R"({"v":[null,1.0,3,"1"]})");
  CHECK(distinct(c, "b.c") == R"({"v":[null,"x","y"]})");
  CHECK(distinct(c, "l") == R"({"v":[1,2,"s",{"x":1},[3]]})");
  CHECK(distinct(c, "l.0") == R"({"v":[1,2]})");
  CHECK(distinct(c, "l.1") == R"({"v":[2,3]})");
  CHECK(distinct(c, "o.k") == R"({"v":[1,5,6]})");
  CHECK(distinct(c, "o.1.k") == R"({"v":[5,6]})");
  CHECK(distinct(c, "x") == R"({"v":[]})");
  CHECK(distinct(c, "a", R"({"_id":{"$lt":3}})") == R"({"v":[1.0,3]})");
  CHECK(distinct(c, "a", R"({"_id":5})") == R"({"v":["1"]})");
  CHECK(distinct(c, "a", R"({"_id":6})") == R"({"v":[]})");
  CHECK(distinct(c, "_id") == R"({"v":[1,2,3,4,5]})");
}

TEST_CASE("distinct refuses bad paths and too many bytes") {
  const auto c = collection_of({R"({"_id":1,"a":["aaaaaaaaaa","bbbbbbbbbb","aaaaaaaaaa"]})"});
  CHECK(distinct(c, "") == "!BadValue (2): distinct: the path '' has an empty part");
  CHECK(distinct(c, "a..b") == "!BadValue (2): distinct: the path 'a..b' has an empty part");
  CHECK(distinct(c, "$a") == "!BadValue (2): distinct: the path '$a' begins with '$'");
  CHECK(run(c, "a", nullptr, 46).has_value());
  const auto large = run(c, "a", nullptr, 45);
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == Code::kTooLarge);
}

TEST_CASE("a condition that fails on a document fails distinct") {
  const db::Collection collection = collection_of({R"({"_id":1,"a":2})", R"({"_id":2,"a":0})"});
  CHECK(distinct(collection, "a", R"({"$expr":{"$divide":[1,"$a"]}})").starts_with("!"));
  CHECK(distinct(collection, "a", R"({"_id":1,"$expr":{"$divide":[1,"$a"]}})") == R"({"v":[2]})");
}
