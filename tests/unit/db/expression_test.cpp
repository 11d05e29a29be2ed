#include "expression_rows.hpp"

#include "filter_rows.hpp"

using namespace distri;
using db_test::check_results;
using db_test::ExpressionRow;
using db_test::result_of;

TEST_CASE("fields, literals, objects, arrays and variables") {
  check_results(std::vector<ExpressionRow>{
      {"5", "{}", "5"},
      {R"("x")", "{}", R"("x")"},
      {R"("$a")", R"({"a":5})", "5"},
      {R"("$a")", "{}", "missing"},
      {R"("$a.b")", R"({"a":{"b":5}})", "5"},
      {R"("$a.b")", R"({"a":5})", "missing"},
      {R"("$a.b")", R"({"a":[{"b":1},{"c":2},3,{"b":4}]})", "[1,4]"},
      {R"("$a.b")", R"({"a":[[{"b":1}]]})", "[]"},
      {R"("$a.b.c")", R"({"a":[{"b":[{"c":1},{"c":2}]},{"b":{"c":3}}]})", "[[1,2],3]"},
      {R"("$a.0")", R"({"a":[1,2]})", "[]"},
      {R"("$$ROOT")", R"({"a":5})", R"({"a":5})"},
      {R"("$$ROOT.a")", R"({"a":5})", "5"},
      {R"("$$CURRENT.a")", R"({"a":5})", "5"},
      {R"("$$NOW")", "{}", R"({"$date":"1970-01-01T00:00:01Z"})"},
      {R"("$$REMOVE")", "{}", "missing"},
      {R"({"x":"$a","y":{"z":1}})", R"({"a":5})", R"({"x":5,"y":{"z":1}})"},
      {R"({"x":"$a","y":1})", "{}", R"({"y":1})"},
      {R"(["$a",1])", "{}", "[null,1]"},
      {R"({"$literal":"$a"})", R"({"a":5})", R"("$a")"},
      {R"({"$literal":{"$add":[1,2]}})", "{}", R"({"$add":[1,2]})"},
      {R"({"x":{"$literal":1}})", "{}", R"({"x":1})"},
      {R"({"$let":{"vars":{"v":2,"w":"$a"},"in":{"$add":["$$v","$$w"]}}})", R"({"a":5})", "7"},
      {R"({"$let":{"vars":{"v":{"b":2}},"in":"$$v.b"}})", "{}", "2"},
      {R"({"$let":{"vars":{"v":1},"in":{"$let":{"vars":{"v":2,"w":"$$v"},"in":["$$v","$$w"]}}}})", "{}", "[2,1]"},
      {R"({"$let":{"vars":{"v":"$none"},"in":"$$v"}})", "{}", "missing"},
  });
}

TEST_CASE("wrong expressions are refused with MongoDB's code and the operator") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$foo":1})", "{}", "error: InvalidPipelineOperator (168): expression: unrecognized expression '$foo'"},
      {R"({"$add":[1],"x":1})", "{}", "error: Location15983 (15983)"},
      {R"({"x":1,"$add":[1]})", "{}", "error: Location16410 (16410)"},
      {R"({"x.y":1})", "{}", "error: Location16405 (16405)"},
      {R"("$")", "{}", "error: Location16872 (16872)"},
      {R"("$a.")", "{}", "error: Location40353 (40353)"},
      {R"("$a..b")", "{}", "error: Location15998 (15998)"},
      {R"("$a.$b")", "{}", "error: Location16410 (16410)"},
      {R"("$$foo")", "{}", "error: Location17276 (17276): expression: use of undefined variable 'foo'"},
      {R"({"$let":{"vars":{"V":1},"in":1}})", "{}", "error: Location16867 (16867)"},
      {R"({"$let":{"vars":{"v-w":1},"in":1}})", "{}", "error: Location16868 (16868)"},
      {R"({"$let":{"vars":{"v":1}}})", "{}", "error: Location16877 (16877)"},
      {R"({"$let":{"in":1}})", "{}", "error: Location16876 (16876)"},
      {R"({"$let":{"vars":{},"in":1,"x":1}})", "{}", "error: Location16875 (16875)"},
      {R"({"$let":5})", "{}", "error: Location16874 (16874)"},
      {R"({"$let":{"vars":{"v":1,"w":"$$v"},"in":1}})", "{}", "error: Location17276 (17276)"},
      {R"({"$ifNull":[1]})", "{}", "error: Location28667 (28667): expression '$ifNull' takes at least 2 arguments, 1"},
      {R"({"$slice":[1,2,3,4]})", "{}", "error: takes at least 2 arguments, and at most 3, but 4"},
      {R"({"$trim":"x"})", "{}", "error: FailedToParse (9): expression '$trim' takes an object of named arguments"},
      {R"({"$trim":{"chars":"x"}})", "{}", "error: expression '$trim' needs the argument 'input'"},
      {R"({"$trim":{"input":"x","foo":1}})", "{}", "error: expression '$trim' does not know the argument 'foo'"},
  });
  std::string deep = "1";
  for (int i = 0; i < 60; ++i) deep = R"({"$abs":[)" + deep + "]}";
  CHECK(result_of(R"({"$abs":1})") == "1");
  bson::Builder builder;  // beyond what a document may nest: $abs inside $abs without arrays
  builder.begin_object("e");
  for (int i = 0; i < 120; ++i) builder.begin_object("$abs");
  builder.append_int32("$abs", 1);
  for (int i = 0; i < 121; ++i) builder.end();
  const bson::Document source = std::move(builder).finish();
  const auto compiled = db::Expression::compile(*source.view().find("e"));
  REQUIRE_FALSE(compiled.has_value());
  CHECK(compiled.error().message.find("nests deeper than 100") != std::string::npos);
}

TEST_CASE("comparisons go across all types, missing below null") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$cmp":[1,2]})", "{}", "-1"},
      {R"({"$cmp":[2,1.0]})", "{}", "1"},
      {R"({"$cmp":[1,1.0]})", "{}", "0"},
      {R"({"$eq":["$a",null]})", "{}", "false"},
      {R"({"$eq":["$a","$b"]})", "{}", "true"},
      {R"({"$lt":["$a",null]})", "{}", "true"},
      {R"({"$gt":["x",5]})", "{}", "true"},
      {R"({"$gte":[5,5]})", "{}", "true"},
      {R"({"$lte":[5,4]})", "{}", "false"},
      {R"({"$ne":[5,4]})", "{}", "true"},
      {R"({"$gt":[[1],[0,5]]})", "{}", "true"},
      {R"({"$lt":[{"$numberDouble":"NaN"},1]})", "{}", "true"},
      {R"({"$eq":[{"$numberDouble":"NaN"},{"$numberDouble":"NaN"}]})", "{}", "true"},
      {R"({"$gt":["$a","$b"]})", R"({"a":{"$numberLong":"9007199254740993"},"b":9007199254740992.0})", "true"},
  });
}

TEST_CASE("boolean and conditional operators evaluate only what they need") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$and":[]})", "{}", "true"},
      {R"({"$or":[]})", "{}", "false"},
      {R"({"$and":[1,"x",{}]})", "{}", "true"},
      {R"({"$and":[1,0,{"$divide":[1,0]}]})", "{}", "false"},
      {R"({"$or":[0,5,{"$divide":[1,0]}]})", "{}", "true"},
      {R"({"$or":[null,"$a",false,0.0]})", "{}", "false"},
      {R"({"$not":[0]})", "{}", "true"},
      {R"({"$not":["$a"]})", "{}", "true"},
      {R"({"$not":[[]]})", "{}", "false"},
      {R"({"$cond":[true,1,{"$divide":[1,0]}]})", "{}", "1"},
      {R"({"$cond":{"if":"$a","then":1,"else":2}})", "{}", "2"},
      {R"({"$cond":{"if":"$a","then":1}})", "{}", "error: needs the argument 'else'"},
      {R"({"$cond":[1,2]})", "{}", "error: Location16020 (16020)"},
      {R"({"$ifNull":["$a",5]})", "{}", "5"},
      {R"({"$ifNull":["$a",null,5]})", R"({"a":0})", "0"},
      {R"({"$ifNull":["$a","$b"]})", "{}", "missing"},
      {R"({"$switch":{"branches":[{"case":false,"then":1},{"case":"$a","then":2}],"default":3}})", R"({"a":1})", "2"},
      {R"({"$switch":{"branches":[{"case":false,"then":1}],"default":3}})", "{}", "3"},
      {R"({"$switch":{"branches":[{"case":false,"then":1}]}})", "{}", "error: Location40066 (40066)"},
      {R"({"$switch":{"branches":[]}})", "{}", "error: Location40068 (40068)"},
      {R"({"$switch":{"branches":5}})", "{}", "error: Location40061 (40061)"},
      {R"({"$switch":5})", "{}", "error: Location40060 (40060)"},
      {R"({"$switch":{"branches":[5]}})", "{}", "error: Location40062 (40062)"},
      {R"({"$switch":{"branches":[{"case":1,"then":1}],"x":1}})", "{}", "error: Location40067 (40067)"},
  });
}

TEST_CASE("types and conversions") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$type":"$a"})", "{}", R"("missing")"},
      {R"({"$type":"$a"})", R"({"a":null})", R"("null")"},
      {R"({"$type":5})", "{}", R"("int")"},
      {R"({"$type":[[1]]})", "{}", R"("array")"},
      {R"({"$isNumber":5.5})", "{}", "true"},
      {R"({"$isNumber":"5"})", "{}", "false"},
      {R"({"$isNumber":"$a"})", "{}", "false"},
      {R"({"$toInt":"42"})", "{}", "42"},
      {R"({"$toInt":"-42"})", "{}", "-42"},
      {R"({"$toInt":5.9})", "{}", "5"},
      {R"({"$toInt":-5.9})", "{}", "-5"},
      {R"({"$toInt":true})", "{}", "1"},
      {R"({"$toInt":{"$numberDecimal":"5.5"}})", "{}", "5"},
      {R"({"$toInt":2147483648})", "{}", "error: ConversionFailure (241): conversion of 2147483648 would overflow"},
      {R"({"$toInt":"5.5"})", "{}", "error: failed to parse '5.5' as int (in $toInt)"},
      {R"({"$toInt":""})", "{}", "error: failed to parse"},
      {R"({"$toInt":{"$numberDouble":"NaN"}})", "{}", "error: attempt to convert NaN"},
      {R"({"$toInt":[[1]]})", "{}", "error: unsupported conversion from array to int"},
      {R"({"$toInt":null})", "{}", "null"},
      {R"({"$toInt":"$a"})", "{}", "null"},
      {R"({"$toLong":"9223372036854775807"})", "{}", "long 9223372036854775807"},
      {R"({"$toLong":"9223372036854775808"})", "{}", "error: failed to parse"},
      {R"({"$toLong":1e19})", "{}", "error: would overflow the target type long"},
      {R"({"$toLong":{"$date":"1970-01-01T00:00:01Z"}})", "{}", "long 1000"},
      {R"({"$toDouble":"2.5"})", "{}", "double 2.5"},
      {R"({"$toDouble":"x"})", "{}", "error: failed to parse 'x' as double"},
      {R"({"$toDouble":true})", "{}", "double 1.0"},
      {R"({"$toDouble":{"$numberDecimal":"1E+1000"}})", "{}", "error: would overflow the target type double"},
      {R"({"$toDecimal":"1.50"})", "{}", R"({"$numberDecimal":"1.50"})"},
      {R"({"$toDecimal":0.1})", "{}", R"({"$numberDecimal":"0.1"})"},
      {R"({"$toString":2.5})", "{}", R"("2.5")"},
      {R"({"$toString":3.0})", "{}", R"("3")"},
      {R"({"$toString":true})", "{}", R"("true")"},
      {R"({"$toString":{"$oid":"0123456789abcdef01234567"}})", "{}", R"("0123456789abcdef01234567")"},
      {R"({"$toString":{"$date":"2018-03-27T16:58:51.538Z"}})", "{}", R"("2018-03-27T16:58:51.538Z")"},
      {R"({"$toString":[[1]]})", "{}", "error: unsupported conversion from array to string"},
      {R"({"$toBool":"false"})", "{}", "true"},
      {R"({"$toBool":0.0})", "{}", "false"},
      {R"({"$toDate":"2018-03-03"})", "{}", R"({"$date":"2018-03-03T00:00:00Z"})"},
      {R"({"$toDate":{"$numberLong":"120000000000"}})", "{}", R"({"$date":"1973-10-20T21:20:00Z"})"},
      {R"({"$toDate":5})", "{}", "error: unsupported conversion from int to date"},
      {R"({"$toDate":"x"})", "{}", "error: failed to parse 'x' as date"},
      {R"({"$toDate":{"$oid":"5ab9c3da31c2ab715d421285"}})", "{}", R"({"$date":"2018-03-27T04:08:58Z"})"},
      {R"({"$toObjectId":"5ab9cbfa31c2ab715d42129e"})", "{}", R"({"$oid":"5ab9cbfa31c2ab715d42129e"})"},
      {R"({"$toObjectId":"5ab9"})", "{}", "error: failed to parse '5ab9' as objectId"},
      {R"({"$toObjectId":"zab9cbfa31c2ab715d42129e"})", "{}", "error: failed to parse"},
      {R"({"$convert":{"input":"5","to":"int"}})", "{}", "5"},
      {R"({"$convert":{"input":"5","to":16}})", "{}", "5"},
      {R"({"$convert":{"input":"x","to":"int","onError":"bad"}})", "{}", R"("bad")"},
      {R"({"$convert":{"input":"x","to":"int"}})", "{}", "error: (in $convert, with no onError value)"},
      {R"({"$convert":{"input":null,"to":"int","onNull":7}})", "{}", "7"},
      {R"({"$convert":{"input":null,"to":"int"}})", "{}", "null"},
      {R"({"$convert":{"input":1,"to":"foo"}})", "{}", "error: BadValue (2): $convert: 'to' does not name a type"},
      {R"({"$convert":{"input":1,"to":"object","onError":3}})", "{}", "3"},
      {R"({"$convert":{"input":1}})", "{}", "error: needs the argument 'to'"},
  });
}

TEST_CASE("no expression holds the evaluation up or fills the memory") {
  const std::string million = R"({"$range":[0,1000000]})";
  // a thousand times a million
  const std::string nested = R"({"$map":{"input":{"$range":[0,1000]},"in":{"$sum":)" + million + "}}}";
  CHECK(result_of(nested).starts_with("error: ExceededMemoryLimit (146)"));
  const std::string steps =
      R"({"$reduce":{"input":)" + million +
      R"(,"initialValue":0,"in":{"$reduce":{"input":[1,2,3,4,5,6,7,8,9,10,11,12],"initialValue":0,"in":"$$this"}}}})";
  CHECK(result_of(steps).starts_with("error: ExceededTimeLimit (50)"));
  const std::string doubling = R"({"$reduce":{"input":{"$range":[0,64]},"initialValue":"xxxxxxxxxxxxxxxx","in":)"
                               R"({"$concat":["$$value","$$value"]}}})";
  CHECK(result_of(doubling).starts_with("error: "));
  const std::string nesting = R"({"$reduce":{"input":{"$range":[0,1000]},"initialValue":[],"in":["$$value"]}})";
  CHECK(result_of(nesting).find("nests deeper than 99") != std::string::npos);
  CHECK(result_of(R"({"$range":[0,2147483647]})").starts_with("error: "));
}

TEST_CASE("an evaluation is used again, with variables of the caller") {
  const auto source = bson::from_json(R"({"e":{"$concat":["$$greeting"," ","$name"]}})");
  const auto compiled = db::Expression::compile(*source->view().find("e"), {"greeting"});
  REQUIRE(compiled);
  CHECK(compiled->constant() == nullptr);
  const auto greeting = bson::from_json(R"({"v":"hello"})");
  db::Evaluation evaluation;
  evaluation.set_variable(0, *greeting->view().find("v"));
  for (int i = 0; i < 1000; ++i) {
    const auto document = bson::from_json(R"({"name":")" + std::to_string(i) + "\"}");
    const auto value = compiled->evaluate(*document, evaluation);
    REQUIRE(value);
    CHECK(value->as_string() == "hello " + std::to_string(i));
    if (i % 10 == 0) evaluation.clear();
  }
  CHECK(evaluation.bytes() < 10'000);
  const auto five = bson::from_json(R"({"e":5})");
  const auto literal = db::Expression::compile(*five->view().find("e"));
  REQUIRE(literal);
  REQUIRE(literal->constant() != nullptr);
  CHECK(literal->constant()->as_int32() == 5);
}

TEST_CASE("$expr asks an expression of the whole document") {
  db_test::check_matches(std::vector<db_test::MatchRow>{
      {R"({"$expr":{"$gt":["$spent","$budget"]}})", R"({"spent":5,"budget":3})", true},
      {R"({"$expr":{"$gt":["$spent","$budget"]}})", R"({"spent":3,"budget":5})", false},
      {R"({"$expr":"$a"})", "{}", false},
      {R"({"$expr":"$a"})", R"({"a":0})", false},
      {R"({"$expr":true,"a":1})", R"({"a":2})", false},
      {R"({"$or":[{"$expr":{"$eq":["$a","$b"]}},{"c":1}]})", R"({"a":1,"b":1.0})", true},
      {R"({"a":{"$elemMatch":{"$and":[{"$expr":{"$eq":["$x","$y"]}}]}}})", R"({"a":[{"x":1,"y":1}]})", true},
  });
  const auto failing = db_test::compile(R"({"$nor":[{"$expr":{"$divide":[1,"$a"]}}]})");
  const auto zero = bson::from_json(R"({"a":0})");
  const auto checked = failing.check(*zero);
  REQUIRE_FALSE(checked.has_value());
  CHECK(checked.error().message == "BadValue (2): can't $divide by zero");
  CHECK_FALSE(failing.matches(*zero));
  const auto timed = bson::from_json(R"({"$expr":{"$lt":["$t","$$NOW"]}})");
  const auto early = bson::from_json(R"({"t":{"$date":"1970-01-01T00:00:00Z"}})");
  const auto with_time = db::Filter::compile(*timed, 1);
  REQUIRE(with_time);
  CHECK(with_time->matches(*early));
  const auto without = db::Filter::compile(*timed);
  REQUIRE(without);
  CHECK_FALSE(without->check(*early).has_value());
  CHECK(db_test::compile_error(R"({"$expr":{"$foo":1}})").find("unrecognized expression '$foo'") != std::string::npos);
}
