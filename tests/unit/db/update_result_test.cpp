// What replication is told, replacement, and upserts.
#include "update_cases.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

// "set|unset|deltas"
std::string told(std::string_view before, std::string_view update, const db::UpdateContext& context = {}) {
  const auto result = run(before, update, "", context);
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
  CHECK(result->changed == (!result->set.view().empty() || !result->unset.empty() || !result->deltas.view().empty()));
  std::string unset;
  for (const std::string& name : result->unset) unset += (unset.empty() ? "" : ",") + name;
  return bson::to_json(result->set) + "|" + unset + "|" + bson::to_json(result->deltas);
}

std::string upserted(std::string_view filter, std::string_view update) {
  const auto compiled = compile(update);
  REQUIRE_MESSAGE(compiled.has_value(), update);
  const auto result = db::upsert_document(document(filter), *compiled, {.now_ms = kNowMs});
  return result ? bson::to_json(*result) : "!" + result.error().message;
}

}  // namespace

TEST_CASE("Replication is told the top-level fields that changed, those that went, and increments as deltas") {
  CHECK(told(R"({"_id":1,"a":1,"b":2})", R"({"$set":{"a":1,"b":3,"c":4}})") == R"({"b":3,"c":4}||{})");
  CHECK(told(R"({"_id":1,"a":{"x":1,"y":2}})", R"({"$set":{"a.x":5}})") == R"({"a":{"x":5,"y":2}}||{})");
  CHECK(told(R"({"_id":1,"a":1,"b":{"c":1}})", R"({"$unset":{"a":1,"b.c":1,"d":1}})") == R"({"b":{}}|a|{})");
  CHECK(told(R"({"_id":1,"a":1})", R"({"$rename":{"a":"b"}})") == R"({"b":1}|a|{})");
  // increments
  CHECK(told(R"({"_id":1,"a":1})", R"({"$inc":{"a":2,"b":0.5}})") == R"({}||{"a":2,"b":0.5})");
  CHECK(told(R"({"_id":1,"a":1})", R"({"$inc":{"a":0}})") == R"({}||{})");
  CHECK(told(R"({"_id":1})", R"({"$inc":{"a":0}})") == R"({}||{"a":0})");
  CHECK(told(R"({"_id":1,"a":{"b":1}})", R"({"$inc":{"a.b":2}})") == R"({"a":{"b":3}}||{})");
  CHECK(told(R"({"_id":1,"a":2})", R"({"$mul":{"a":2}})") == R"({"a":4}||{})");
  CHECK(told(R"({"_id":1})", R"({"$inc":{"a":{"$numberDecimal":"1"}}})") == R"({"a":{"$numberDecimal":"1"}}||{})");
  // An increment that is too small to show counts: together with others it may.
  CHECK(told(R"({"_id":1,"a":9007199254740992.0})", R"({"$inc":{"a":1}})") == R"({}||{"a":1})");
  // Of a document that is being made there is nothing to merge with.
  CHECK(told(R"({"_id":1})", R"({"$inc":{"a":2}})", {.insert = true}) == R"({}||{"a":2})");
}

TEST_CASE("A replacement is written as a whole, and keeps _id") {
  const auto result = run(R"({"_id":1,"a":1})", R"({"b":2,"c":{"d":3}})");
  REQUIRE(result.has_value());
  CHECK(result->whole);
  CHECK(result->changed);
  CHECK(result->set.view().empty());
  CHECK(bson::to_json(result->document) == R"({"_id":1,"b":2,"c":{"d":3}})");
  check_all({
      {R"({"_id":1,"a":1})", R"({})", R"({"_id":1})"},
      {R"({"_id":1,"a":1})", R"({"a":1})", ""},
      {R"({"_id":1,"a":1})", R"({"a":2,"_id":1})", R"({"_id":1,"a":2})"},
      {R"({"_id":1,"a":1,"b":2})", R"({"b":2,"a":1})", R"({"_id":1,"b":2,"a":1})"},
      {R"({"_id":1,"a":1})", R"({"_id":2})", "!ImmutableField (66)"},
  });
}

TEST_CASE("An upsert begins with the filter's equality conditions") {
  CHECK(upserted(R"({"_id":7})", R"({"$set":{"a":1}})") == R"({"_id":7,"a":1})");
  CHECK(upserted(R"({"name":"x","n":{"$gt":3}})", R"({"$inc":{"v":1}})") == R"({"name":"x","v":1})");
  CHECK(upserted(R"({"name":{"$eq":"x"},"n":{"$in":[1]}})", R"({"$setOnInsert":{"v":1}})") == R"({"name":"x","v":1})");
  CHECK(upserted(R"({"$and":[{"b":1},{"_id":9}],"$or":[{"c":2}]})", R"({"$set":{"a":1}})") ==
        R"({"_id":9,"b":1,"c":2,"a":1})");
  CHECK(upserted(R"({"$or":[{"c":2},{"d":2}]})", R"({"$set":{"a":1}})") == R"({"a":1})");
  CHECK(upserted(R"({"a.b":1,"a.c":{"x":2}})", R"({"$set":{"a.d":3}})") == R"({"a":{"b":1,"c":{"x":2},"d":3}})");
  CHECK(upserted(R"({"a.0":1})", R"({"$set":{"b":3}})") == R"({"a":{"0":1},"b":3})");
  CHECK(upserted(R"({"n":5})", R"({"$inc":{"n":1},"$push":{"l":1},"$unset":{"q":1},"$min":{"m":3}})") ==
        R"({"n":6,"l":[1],"m":3})");
  CHECK(upserted(R"({"a":1})", R"({"$setOnInsert":{"_id":3}})") == R"({"_id":3,"a":1})");
  CHECK(upserted(R"({"_id":3})", R"({"$set":{"_id":3,"b":1}})") == R"({"_id":3,"b":1})");
  CHECK(upserted(R"({"_id":7,"a":1})", R"({"b":2})") == R"({"_id":7,"b":2})");
  CHECK(upserted(R"({"a":1})", R"({"b":2,"_id":4})") == R"({"_id":4,"b":2})");
  CHECK(upserted(R"({})", R"({"b":2})") == R"({"b":2})");
}

TEST_CASE("An upsert whose filter does not say what to insert is refused") {
  CHECK(upserted(R"({"$and":[{"a":1},{"a":2}]})", R"({"$set":{"b":1}})")
            .starts_with("!NotSingleValueField (54): upsert"));
  CHECK(upserted(R"({"a":1,"a.b":2})", R"({"$set":{"b":1}})").starts_with("!NotSingleValueField (54): upsert"));
  CHECK(upserted(R"({"_id.x":1})", R"({"$set":{"b":1}})").starts_with("!NotExactValueField (111): upsert"));
  CHECK(upserted(R"({"_id":1})", R"({"$set":{"_id":2}})").starts_with("!ImmutableField (66)"));
  CHECK(upserted(R"({"_id":1})", R"({"_id":2})").starts_with("!ImmutableField (66)"));
  CHECK(upserted(R"({"a":1})", R"({"$set":{"_id":[1]}})").starts_with("!document: '_id' cannot be of type array"));
  CHECK(upserted(R"({"a":[1]})", R"({"$set":{"a.$":1}})").starts_with("!BadValue (2): $set at 'a.$': The positional"));
  CHECK(upserted(R"({"a":1})", R"({"$set":{"a.b":1}})").starts_with("!PathNotViable (28)"));
}
