// Computed fields of projections, and the projections of the stages $project and $addFields.
#include "distri/db/projection.hpp"
#include "update_cases.hpp"

using namespace distri;
using db::ProjectionKind;
using db::test::document;

namespace {

struct Row {
  ProjectionKind kind;
  std::string_view projection;
  std::string_view document;
  std::string_view expected;  // "!text": an error that contains the text
};

constexpr auto kRead = ProjectionKind::kRead;
constexpr auto kProject = ProjectionKind::kProject;
constexpr auto kAdd = ProjectionKind::kAddFields;

std::string project(const Row& row) {
  const auto compiled = db::Projection::compile(document(row.projection), row.kind, {"v"});
  if (!compiled) return "!" + compiled.error().message;
  db::Evaluation evaluation;
  evaluation.set_now(1000);
  const bson::Document variable = document(R"({"v":{"w":8}})");
  evaluation.set_variable(0, *variable.view().find("v"));
  db::ProjectionContext context;
  context.evaluation = &evaluation;
  const auto result = compiled->apply(document(row.document), context);
  if (!result) return "!" + result.error().message;
  CHECK(bson::validate(result->bytes()).has_value());
  return bson::to_json(*result);
}

void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.projection);
    CAPTURE(row.document);
    const std::string result = project(row);
    if (row.expected.starts_with('!')) {
      CHECK_MESSAGE((result.starts_with('!') && result.find(row.expected.substr(1)) != std::string::npos), result);
    } else {
      CHECK(result == row.expected);
    }
  }
}

// 1 in an array in an array ..., `levels` of them.
std::string nested_array(int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += "[";
  text += "1";
  for (int i = 0; i < levels; ++i) text += "]";
  return text;
}

constexpr std::string_view kDoc = R"({"_id":1,"a":2,"b":{"c":3,"d":4},"e":[{"f":5},6,[{"f":7}]],"n":null})";

}  // namespace

TEST_CASE("a computed field comes after the included ones, from the whole document") {
  for (const auto kind : {kRead, kProject}) {
    check({
        {kind, R"({"x":"$b.c","a":1})", kDoc, R"({"_id":1,"a":2,"x":3})"},
        {kind, R"({"x":{"$add":["$a","$b.c"]}})", kDoc, R"({"_id":1,"x":5})"},
        {kind, R"({"x":"text","_id":0})", kDoc, R"({"x":"text"})"},
        {kind, R"({"x":null,"_id":0})", kDoc, R"({"x":null})"},
        {kind, R"({"x":["$a",{"y":"$missing"},"$missing"],"_id":0})", kDoc, R"({"x":[2,{},null]})"},
        {kind, R"({"x":{"$literal":1},"y":{"$literal":"$a"},"_id":0})", kDoc, R"({"x":1,"y":"$a"})"},
        {kind, R"({"x":"$missing","y":"$n","z":"$$REMOVE"})", kDoc, R"({"_id":1,"y":null})"},
        {kind, R"({"y":"$a","b.d":1,"x":"$a","a":"$b.d"})", kDoc, R"({"_id":1,"b":{"d":4},"y":2,"x":2,"a":4})"},
        {kind, R"({"_id":"$a"})", kDoc, R"({"_id":2})"},
        {kind, R"({"_id":"$missing","a":1})", kDoc, R"({"a":2})"},
        {kind, R"({"_id":{"k":"$a"},"a":1})", kDoc, R"({"a":2,"_id":{"k":2}})"},
        {kind, R"({"x":"$$NOW","_id":0})", kDoc, R"({"x":{"$date":"1970-01-01T00:00:01Z"}})"},
        {kind, R"({"x":"$$v.w","y":"$$ROOT.a","_id":0})", kDoc, R"({"x":8,"y":2})"},
    });
  }
}

TEST_CASE("a computed field below a path is put into the objects on the way, which are made where there are none") {
  check({
      {kProject, R"({"b.x":"$a"})", kDoc, R"({"_id":1,"b":{"x":2}})"},
      {kProject, R"({"b":{"x":"$a","c":1}})", kDoc, R"({"_id":1,"b":{"c":3,"x":2}})"},
      {kProject, R"({"b.c":"$a","b.d":1})", kDoc, R"({"_id":1,"b":{"d":4,"c":2}})"},
      {kProject, R"({"q.r.s":"$a"})", kDoc, R"({"_id":1,"q":{"r":{"s":2}}})"},
      {kProject, R"({"q.r":"$missing"})", kDoc, R"({"_id":1,"q":{}})"},
      {kProject, R"({"a.x":"$a","n":1})", kDoc, R"({"_id":1,"n":null,"a":{"x":2}})"},
      {kProject, R"({"e.x":"$a"})", kDoc, R"({"_id":1,"e":[{"x":2},[{"x":2}]]})"},
      {kProject, R"({"e.x":"$a","e.f":1})", kDoc, R"({"_id":1,"e":[{"f":5,"x":2},[{"f":7,"x":2}]]})"},
      {kAdd, R"({"e.x":"$a"})", R"({"_id":1,"a":2,"e":[{"f":5},6,[{"f":7}]]})",
       R"({"_id":1,"a":2,"e":[{"f":5,"x":2},{"x":2},[{"f":7,"x":2}]]})"},
      {kAdd, R"({"a.x.y":9})", R"({"a":2,"b":3})", R"({"a":{"x":{"y":9}},"b":3})"},
  });
}

TEST_CASE("$addFields leaves the other fields where they are") {
  constexpr std::string_view kShort = R"({"_id":1,"a":2,"b":{"c":3}})";
  check({
      {kAdd, R"({"x":1})", kShort, R"({"_id":1,"a":2,"b":{"c":3},"x":1})"},
      {kAdd, R"({"a":true})", kShort, R"({"_id":1,"a":true,"b":{"c":3}})"},
      {kAdd, R"({"y":"$a","_id":"$b.c","a":"$_id"})", kShort, R"({"_id":3,"a":1,"b":{"c":3},"y":2})"},
      {kAdd, R"({"a":"$$REMOVE","b.c":"$$REMOVE"})", kShort, R"({"_id":1,"b":{}})"},
      {kAdd, R"({"b":{"d":1}})", kShort, R"({"_id":1,"a":2,"b":{"c":3,"d":1}})"},
      {kAdd, R"({"b":{}})", kShort, R"({"_id":1,"a":2,"b":{}})"},
      {kAdd, R"({"b":{"$literal":{"d":1}}})", kShort, R"({"_id":1,"a":2,"b":{"d":1}})"},
      {kAdd, R"({"a":{"$slice":[[1,2,3],2]}})", kShort, R"({"_id":1,"a":[1,2],"b":{"c":3}})"},
      {kAdd, R"({})", kShort, kShort},
  });
}

TEST_CASE("in $project, $slice is the expression, and $elemMatch and the positional operator do not exist") {
  check({
      {kProject, R"({"e":{"$slice":["$e",1]}})", kDoc, R"({"_id":1,"e":[{"f":5}]})"},
      {kRead, R"({"e":{"$slice":1},"x":"$a"})", kDoc, R"({"_id":1,"e":[{"f":5}],"x":2})"},
      {kRead, R"({"e":{"$elemMatch":{"f":5}},"x":"$a"})", kDoc, R"({"_id":1,"e":[{"f":5}],"x":2})"},
      {kProject, R"({"e":{"$slice":1}})", kDoc, "!projection: 'e': expression '$slice' takes at least 2"},
      {kProject, R"({"e":{"$elemMatch":{"f":5}}})", kDoc,
       "!InvalidPipelineOperator (168): projection: 'e': expression: unrecognized expression '$elemMatch'"},
      {kProject, R"({"e.$":1})", kDoc, "!projection (31394): 'e.$'"},
  });
}

TEST_CASE("a computed field that cannot be is refused") {
  check({
      {kProject, R"({"a":0,"x":"$b"})", kDoc,
       "!projection (31252): 'x': a computed field cannot be in an exclusion projection"},
      {kProject, R"({"x":"$b","a":0})", kDoc, "!projection (31254): Cannot do exclusion on field a"},
      {kProject, R"({"a":{}})", kDoc, "!projection (51270): an empty object is not a projection; found one at 'a'"},
      {kProject, R"({"x":{"$nope":1}})", kDoc, "!projection: 'x': expression: unrecognized expression '$nope'"},
      {kProject, R"({"x":{"$add":[1],"y":1}})", kDoc, "!must have exactly one field"},
      {kProject, R"({"x":{"y":1,"$add":[1]}})", kDoc, "!expression: the field name '$add' must not start with '$'"},
      {kProject, R"({"x":"$$nope"})", kDoc, "!use of undefined variable 'nope'"},
      {kProject, R"({"x":"$a","x.y":1})", kDoc, "!projection (31249): Path collision at x.y"},
      {kProject, R"({"x":{"$divide":[1,0]}})", kDoc, "!can't $divide by zero"},
      {kAdd, R"({"a":"$b","a.x":1})", kDoc, "!Path collision at a.x"},
      {kAdd, R"({"$x":1})", kDoc, "!projection (16410): the field name '$x' begins with '$'"},
      {kAdd, R"({"":1})", kDoc, "!projection (40352)"},
  });
}

TEST_CASE("computed fields cannot make a document too deep or too large") {
  const std::string deep = R"({"a":)" + nested_array(99) + "}";
  check({{kProject, R"({"x":"$a"})", deep, R"({"x":)" + nested_array(99) + "}"},
         {kProject, R"({"x.y":"$a"})", deep, "!Overflow (15): expression: a value nests deeper than 98"},
         {kAdd, R"({"a.x":1})", deep, "!Overflow (15): projection: the document nests deeper than 100"}});
  const std::string large = R"({"a":")" + std::string(9u << 20, 'x') + R"("})";
  CHECK(project({kProject, R"({"x":"$a","y":"$a"})", large, ""})
            .starts_with("!BSONObjectTooLarge (10334): projection: the computed fields take more than"));
}

TEST_CASE("the expressions of one projection share the steps of a document") {
  std::string projection = "{";
  for (int i = 0; i < 20; ++i) {
    projection += fmt::format(R"({}"x{}":{{"$sum":{{"$range":[0,1000000]}}}})", i == 0 ? "" : ",", i);
  }
  const std::string result = project({kProject, projection + "}", "{}", ""});
  CHECK_MESSAGE(result.starts_with("!Exceeded"), result);
}
