#include "distri/db/projection.hpp"

#include "update_cases.hpp"

using namespace distri;
using db::test::document;

namespace {

// The projected document as JSON, or "!" and the error.
std::string project(std::string_view projection, std::string_view text, const db::ProjectionContext& context = {}) {
  const auto compiled = db::Projection::compile(document(projection));
  if (!compiled) return "!" + compiled.error().message;
  const auto result = compiled->apply(document(text), context);
  if (!result) return "!" + result.error().message;
  CHECK(bson::validate(result->bytes()).has_value());
  return bson::to_json(*result);
}

struct ProjectionRow {
  std::string_view projection;
  std::string_view document;
  std::string_view expected;  // "!text": an error that contains the text
};

void check_projections(std::initializer_list<ProjectionRow> rows) {
  for (const ProjectionRow& row : rows) {
    CAPTURE(row.projection);
    CAPTURE(row.document);
    const std::string result = project(row.projection, row.document);
    if (row.expected.starts_with('!')) {
      CHECK_MESSAGE((result.starts_with('!') && result.find(row.expected.substr(1)) != std::string::npos), result);
    } else {
      CHECK(result == row.expected);
    }
  }
}

constexpr std::string_view kDoc = R"({"_id":1,"a":1,"b":{"c":2,"d":3},"e":[{"f":1,"g":2},5,{"g":3},[{"f":9}]]})";

}  // namespace

TEST_CASE("Inclusion keeps what is named, in the order of the document, and _id unless it is excluded") {
  check_projections({
      {R"({})", kDoc, kDoc},
      {R"({"a":1})", kDoc, R"({"_id":1,"a":1})"},
      {R"({"b":true,"a":2.5})", kDoc, R"({"_id":1,"a":1,"b":{"c":2,"d":3}})"},
      {R"({"a":1,"_id":0})", kDoc, R"({"a":1})"},
      {R"({"_id":1})", kDoc, R"({"_id":1})"},
      {R"({"_id":1,"a":1})", kDoc, R"({"_id":1,"a":1})"},
      {R"({"x":1})", kDoc, R"({"_id":1})"},
      {R"({"b.c":1})", kDoc, R"({"_id":1,"b":{"c":2}})"},
      {R"({"b":{"c":1}})", kDoc, R"({"_id":1,"b":{"c":2}})"},
      {R"({"b.c":1,"b.d":1})", kDoc, R"({"_id":1,"b":{"c":2,"d":3}})"},
      {R"({"b.x":1})", kDoc, R"({"_id":1,"b":{}})"},
      {R"({"a.x":1})", kDoc, R"({"_id":1})"},
      {R"({"e.f":1})", kDoc, R"({"_id":1,"e":[{"f":1},{},[{"f":9}]]})"},
      {R"({"e.0":1})", kDoc, R"({"_id":1,"e":[{},{},[{}]]})"},
      {R"({"_id.x":1})", R"({"_id":{"x":1,"y":2},"a":1})", R"({"_id":{"x":1}})"},
      {R"({"b.$id":1})", R"({"_id":1,"b":{"$id":5,"c":1}})", R"({"_id":1,"b":{"$id":5}})"},
  });
}

TEST_CASE("Exclusion leaves out what is named") {
  check_projections({
      {R"({"a":0})", kDoc, R"({"_id":1,"b":{"c":2,"d":3},"e":[{"f":1,"g":2},5,{"g":3},[{"f":9}]]})"},
      {R"({"_id":0})", R"({"_id":1,"a":1})", R"({"a":1})"},
      {R"({"_id":false,"a":false})", R"({"_id":1,"a":1,"b":2})", R"({"b":2})"},
      {R"({"_id":1,"a":0})", R"({"_id":1,"a":1,"b":2})", R"({"_id":1,"b":2})"},
      {R"({"b.c":0,"e":0})", kDoc, R"({"_id":1,"a":1,"b":{"d":3}})"},
      {R"({"e.f":0,"a":0,"b":0})", kDoc, R"({"_id":1,"e":[{"g":2},5,{"g":3},[{}]]})"},
      {R"({"a.x":0})", R"({"_id":1,"a":1})", R"({"_id":1,"a":1})"},
  });
}

TEST_CASE("$slice takes a part of an array") {
  constexpr std::string_view kList = R"({"_id":1,"a":[1,2,3,4],"b":5})";
  check_projections({
      {R"({"a":{"$slice":2}})", kList, R"({"_id":1,"a":[1,2],"b":5})"},
      {R"({"a":{"$slice":-3}})", kList, R"({"_id":1,"a":[2,3,4],"b":5})"},
      {R"({"a":{"$slice":0}})", kList, R"({"_id":1,"a":[],"b":5})"},
      {R"({"a":{"$slice":-9}})", kList, kList},
      {R"({"a":{"$slice":1e300}})", kList, kList},
      {R"({"a":{"$slice":[1,2]}})", kList, R"({"_id":1,"a":[2,3],"b":5})"},
      {R"({"a":{"$slice":[-2,1]}})", kList, R"({"_id":1,"a":[3],"b":5})"},
      {R"({"a":{"$slice":[-9,2]}})", kList, R"({"_id":1,"a":[1,2],"b":5})"},
      {R"({"a":{"$slice":[9,2]}})", kList, R"({"_id":1,"a":[],"b":5})"},
      {R"({"a":{"$slice":[{"$numberLong":"-9223372036854775808"},{"$numberLong":"9223372036854775807"}]}})", kList,
       kList},
      {R"({"a":{"$slice":{"$numberLong":"-9223372036854775808"}}})", kList, kList},
      {R"({"a":{"$slice":1},"b":1})", kList, R"({"_id":1,"a":[1],"b":5})"},
      {R"({"a":{"$slice":1},"b":0})", kList, R"({"_id":1,"a":[1]})"},
      {R"({"a":{"$slice":1},"c":1})", kList, R"({"_id":1,"a":[1]})"},
      {R"({"b":{"$slice":1}})", kList, kList},
      {R"({"x.y":{"$slice":1}})", R"({"_id":1,"x":[{"y":[1,2],"z":3},{"y":[4,5]}]})",
       R"({"_id":1,"x":[{"y":[1],"z":3},{"y":[4]}]})"},
      {R"({"a":{"$slice":"x"}})", kList, "!projection (28667): 'a': $slice takes a number, or [skip, count]"},
      {R"({"a":{"$slice":[1]}})", kList, "!(28667)"},
      {R"({"a":{"$slice":[1,0]}})", kList, "!projection (28729): 'a': the count of $slice must be positive"},
      {R"({"a":{"$slice":{"$numberDouble":"NaN"}}})", kList, "!(28667)"},
  });
}

TEST_CASE("$elemMatch gives the first element that matches, after the other fields") {
  constexpr std::string_view kList = R"({"_id":1,"a":[{"x":1,"y":1},{"x":2,"y":2},{"x":2,"y":3}],"n":[3,7,9],"b":5})";
  check_projections({
      {R"({"a":{"$elemMatch":{"x":2}}})", kList, R"({"_id":1,"a":[{"x":2,"y":2}]})"},
      {R"({"a":{"$elemMatch":{"x":2,"y":{"$gt":2}}},"b":1})", kList, R"({"_id":1,"b":5,"a":[{"x":2,"y":3}]})"},
      {R"({"n":{"$elemMatch":{"$gt":5}},"_id":0})", kList, R"({"n":[7]})"},
      {R"({"n":{"$elemMatch":{"$gt":50}}})", kList, R"({"_id":1})"},
      {R"({"b":{"$elemMatch":{"$gt":1}}})", kList, R"({"_id":1})"},
      {R"({"n":{"$elemMatch":{"$gt":5}},"a":{"$elemMatch":{"y":1}}})", kList,
       R"({"_id":1,"n":[7],"a":[{"x":1,"y":1}]})"},
      {R"({"a":0,"n":{"$elemMatch":{"$gt":5}}})", kList, R"({"_id":1,"b":5,"n":[7]})"},
      {R"({"a.b":{"$elemMatch":{"x":1}}})", kList,
       "!projection (31275): 'a.b': Cannot use $elemMatch projection on a nested field"},
      {R"({"a":{"b":{"$elemMatch":{"x":1}}}})", kList, "!(31275)"},
      {R"({"a":{"$elemMatch":5}})", kList,
       "!projection (31274): 'a': elemMatch: Invalid argument, object required, but got int"},
      {R"({"a":{"$elemMatch":{"$foo":5}}})", kList, "!projection: 'a': $elemMatch: filter: "},
  });
}

TEST_CASE("The positional projection gives the element that the filter matched") {
  constexpr std::string_view kList = R"({"_id":1,"a":[3,7,9],"b":{"c":[1,2]},"d":5})";
  CHECK(project(R"({"a.$":1})", kList, {.matched_index = 1}) == R"({"_id":1,"a":[7]})");
  CHECK(project(R"({"a.$":true,"d":1})", kList, {.matched_index = 0}) == R"({"_id":1,"a":[3],"d":5})");
  CHECK(project(R"({"b.c.$":1})", kList, {.matched_index = 1}) == R"({"_id":1,"b":{"c":[2]}})");
  CHECK(project(R"({"d.$":1})", kList, {.matched_index = 1}) == R"({"_id":1,"d":5})");
  CHECK(project(R"({"a.$":1})", kList)
            .starts_with("!projection (51246): positional operator '.$' couldn't find a matching"));
  CHECK(project(R"({"a.$":1})", kList, {.matched_index = 3}).starts_with("!projection (51246)"));
  check_projections({
      {R"({"a.$":0})", kList, "!projection (31395): 'a.$': the positional projection takes 1"},
      {R"({"a.$":1,"b.c.$":1})", kList,
       "!projection (31276): Cannot specify more than one positional projection per query"},
      {R"({"a.$.b":1})", kList, "!projection (31394): 'a.$.b'"},
      {R"({"a.$.$":1})", kList, "!projection (31394)"},
      {R"({"a.$":1,"a":1})", kList, "!Path collision at a"},
      {R"({"a.$":1,"d":0})", kList, "!projection (31254): Cannot do exclusion on field d in inclusion projection"},
      {R"({"$":1})", kList, "!projection (16410)"},
  });
  const auto compiled = db::Projection::compile(document(R"({"b.c.$":1})"));
  REQUIRE(compiled.has_value());
  CHECK(compiled->positional_path() == "b.c");
}

TEST_CASE("Projections that are wrong in themselves are refused") {
  check_projections({
      {R"({"a":1,"b":0})", kDoc, "!projection (31254): Cannot do exclusion on field b in inclusion projection"},
      {R"({"a":0,"b":1})", kDoc, "!projection (31253): Cannot do inclusion on field b in exclusion projection"},
      {R"({"a":1,"a.b":1})", kDoc, "!projection (31249): Path collision at a.b"},
      {R"({"a.b":1,"a":1})", kDoc, "!projection (31250): Path collision at a"},
      {R"({"a.b":1,"a":{"b":1}})", kDoc, "!Path collision at a.b"},
      {R"({"":1})", kDoc, "!projection (40352): a field name is empty"},
      {R"({"a..b":1})", kDoc, "!contains an empty field name"},
      {R"({"$a":1})", kDoc, "!projection (16410): the field name '$a' begins with '$'"},
      {R"({"a.$b":1})", kDoc, "!projection (16410): '$b' in the path 'a.$b' begins with '$'"},
      {R"({"a":{}})", kDoc, "!projection (51270): an empty object is not a projection; found one at 'a'"},
      {R"({"a":{"$slice":1,"$elemMatch":{}}})", kDoc, "!projection (31271): 'a': $slice must be the only operator"},
  });
  std::string many = R"({"f0":1)";
  for (int i = 1; i <= 1000; ++i) many += fmt::format(",\"f{}\":1", i);
  CHECK(project(many + "}", kDoc) == "!projection (2): more than 1000 paths");
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  CHECK(project("{\"" + deep + "\":1}", kDoc).find("has more than 100 parts") != std::string::npos);
}

TEST_CASE("A projection of many fields finds them all, and appends to what the builder has open") {
  std::string projection = R"({"x.z":1)";
  std::string text = R"({"_id":1)";
  std::string expected = text;
  for (int i = 0; i < 40; ++i) {
    const std::string field = fmt::format(",\"f{}\":{}", i, i);
    text += field;
    if (i % 2 == 0) continue;
    projection += fmt::format(",\"f{}\":1", i);
    expected += field;
  }
  CHECK(project(projection + "}", text + "}") == expected + "}");

  const auto compiled = db::Projection::compile(document(R"({"a":1})"));
  bson::Builder out;
  out.begin_array("list").begin_object("0");
  REQUIRE(compiled->append(document(kDoc), out).has_value());
  out.end().end();
  CHECK(bson::to_json(std::move(out).finish()) == R"({"list":[{"_id":1,"a":1}]})");
}
