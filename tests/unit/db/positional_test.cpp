#include "distri/db/positional.hpp"

#include "update_cases.hpp"

using namespace distri;
using db::test::document;

namespace {

// -1: none.
int matched(std::string_view filter, std::string_view text, std::string_view path) {
  const bson::Document source = document(filter);
  const auto compiled = db::Filter::compile(source);
  REQUIRE(compiled.has_value());
  REQUIRE(compiled->matches(document(text)));
  const auto index = db::positional_match(source, *compiled, document(text), path);
  REQUIRE(index.has_value());
  return *index ? static_cast<int>(**index) : -1;
}

}  // namespace

TEST_CASE("The positional element is the first that lets the filter match") {
  CHECK(matched(R"({"_id":1,"g":80})", R"({"_id":1,"g":[85,80,80]})", "g") == 1);
  CHECK(matched(R"({"g":{"$gte":90}})", R"({"_id":1,"g":[85,80,95]})", "g") == 2);
  CHECK(matched(R"({"g.m":5})", R"({"_id":1,"g":[{"m":4},{"m":5,"x":1}]})", "g") == 1);
  CHECK(matched(R"({"g.m":5,"g.x":1})", R"({"_id":1,"g":[{"m":5},{"m":5,"x":1}]})", "g") == 1);
  CHECK(matched(R"({"a.g":7,"b":2})", R"({"_id":1,"b":2,"a":{"z":1,"g":[1,7]},"c":3})", "a.g") == 1);
  CHECK(matched(R"({"$or":[{"g":7},{"g":8}]})", R"({"_id":1,"g":[1,8,7]})", "g") == 1);
  CHECK(matched(R"({"g":{"$in":[3,4]}})", R"({"_id":1,"g":[1,4,3]})", "g") == 1);
}

TEST_CASE("There is no positional element where the filter does not name the array, or nothing in it matches alone") {
  CHECK(matched(R"({"_id":1})", R"({"_id":1,"g":[1,2]})", "g") == -1);
  CHECK(matched(R"({"gx":1})", R"({"_id":1,"g":[1,2],"gx":1})", "g") == -1);
  CHECK(matched(R"({"g":[1,2]})", R"({"_id":1,"g":[1,2]})", "g") == -1);
  CHECK(matched(R"({"g":5})", R"({"_id":1,"g":5})", "g") == -1);
  CHECK(matched(R"({"g":1})", R"({"_id":1,"g":[1]})", "h.g") == -1);
  CHECK(matched(R"({"$and":[{"g":1},{"g":2}]})", R"({"_id":1,"g":[1,2]})", "g") == -1);
}

TEST_CASE("A search for the positional element that would take too long is refused") {
  bson::Builder out(9u << 20);
  out.append_int32("_id", 1).append_string("rest", std::string(8u << 20, 'x')).begin_array("g");
  for (int i = 0; i < 100; ++i) out.append_int32(std::to_string(i), i);
  out.end();
  const bson::Document large = std::move(out).finish();
  const bson::Document source = document(R"({"g":99})");
  const auto compiled = db::Filter::compile(source);
  const auto index = db::positional_match(source, *compiled, large, "g");
  REQUIRE_FALSE(index.has_value());
  CHECK(index.error().code == Code::kTooLarge);
}
