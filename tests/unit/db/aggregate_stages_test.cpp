// Stages that take one document after the other, and what holds for all pipelines.
#include "pipeline_cases.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

constexpr std::string_view kThree = R"([{"a":3},{"a":1},{"a":2}])";

}  // namespace

TEST_CASE("a pipeline without stages gives the documents in the order of _id") {
  check_pipelines({
      {"[]", kThree, R"([{"_id":1,"a":3},{"_id":2,"a":1},{"_id":3,"a":2}])"},
      {"[]", "[]", "[]"},
      {R"([{"$match":{}}])", R"([{"_id":"b"},{"_id":{"$numberLong":"1"}},{"_id":null}])",
       R"([{"_id":null},{"_id":long 1},{"_id":"b"}])"},
  });
  db::Database empty;
  CHECK(run_pipeline(R"([{"$match":{"a":1}},{"$count":"n"}])", empty) == "[]");
}

TEST_CASE("$match takes filters, at the beginning and later") {
  check_pipelines({
      {R"([{"$match":{"a":{"$gte":2}}}])", kThree, R"([{"_id":1,"a":3},{"_id":3,"a":2}])"},
      {R"([{"$match":{"_id":{"$gt":1}}},{"$match":{"a":2}}])", kThree, R"([{"_id":3,"a":2}])"},
      {R"([{"$match":{"_id":{"$in":[3,1,9]}}}])", kThree, R"([{"_id":1,"a":3},{"_id":3,"a":2}])"},
      {R"([{"$limit":2},{"$match":{"a":2}}])", kThree, "[]"},
      {R"([{"$match":{"a":null}}])", R"([{},{"a":null},{"a":1},{"a":[null]}])",
       R"([{"_id":1},{"_id":2,"a":null},{"_id":4,"a":[null]}])"},
      {R"([{"$match":{"$expr":{"$gt":["$$NOW",{"$toDate":{"$numberLong":"999"}}]}}},{"$limit":1}])", kThree,
       R"([{"_id":1,"a":3}])"},
      {R"([{"$match":{"$expr":{"$divide":["$a",0]}}}])", kThree, "!can't $divide by zero"},
      {R"([{"$skip":0},{"$match":{"$expr":{"$divide":["$a",0]}}}])", kThree, "!stage 1 ($match): "},
      {R"([{"$match":5}])", kThree, "!Location15959 (15959): stage 0 ($match): the match filter must be an object"},
      {R"([{"$match":{"$foo":1}}])", kThree, "!BadValue (2): stage 0 ($match): filter: unknown operator '$foo'"},
  });
}

TEST_CASE("$project, $addFields, $set and $unset are projections") {
  check_pipelines({
      {R"([{"$project":{"b":{"$add":["$a",0.5]},"_id":0}},{"$limit":1}])", kThree, R"([{"b":double 3.5}])"},
      {R"([{"$project":{"a":0}}])", R"([{"a":1,"b":2}])", R"([{"_id":1,"b":2}])"},
      {R"([{"$addFields":{"b":"$a","c.d":"x"}}])", R"([{"a":1}])", R"([{"_id":1,"a":1,"b":1,"c":{"d":"x"}}])"},
      {R"([{"$set":{"a":{"$multiply":["$a",2]}}}])", R"([{"a":1,"z":0}])", R"([{"_id":1,"a":2,"z":0}])"},
      {R"([{"$unset":"a"}])", R"([{"a":1,"b":2}])", R"([{"_id":1,"b":2}])"},
      {R"([{"$unset":["_id","b.c","x"]}])", R"([{"a":1,"b":{"c":1,"d":2}}])", R"([{"a":1,"b":{"d":2}}])"},
      {R"([{"$project":{}}])", kThree, "!Location51272 (51272): stage 0 ($project)"},
      {R"([{"$project":[]}])", kThree, "!Location15969 (15969): stage 0 ($project)"},
      {R"([{"$project":{"a":1,"b":0}}])", kThree, "!projection (31254): stage 0 ($project): Cannot do exclusion"},
      {R"([{"$addFields":{}}])", kThree, "!Location40177 (40177): stage 0 ($addFields)"},
      {R"([{"$set":5}])", kThree, "!Location40272 (40272): stage 0 ($set)"},
      {R"([{"$addFields":{"a":{"$nope":1}}}])", kThree, "!unrecognized expression '$nope'"},
      {R"([{"$set":{"b":{"$divide":[1,"$a"]}}}])", R"([{"a":0}])", "!stage 0 ($set): "},
      {R"([{"$unset":5}])", kThree, "!Location31002 (31002): stage 0 ($unset)"},
      {R"([{"$unset":[]}])", kThree, "!Location31119 (31119)"},
      {R"([{"$unset":["a",5]}])", kThree, "!Location31120 (31120)"},
      {R"([{"$unset":["a","a.b"]}])", kThree, "!Path collision at a.b"},
      {R"([{"$unset":""}])", kThree, "!a field name is empty"},
  });
}

TEST_CASE("$replaceRoot and $replaceWith make a document of an object") {
  check_pipelines({
      {R"([{"$replaceRoot":{"newRoot":"$a"}}])", R"([{"a":{"b":1}},{"a":{}}])", R"([{"b":1},{}])"},
      {R"([{"$replaceWith":{"x":"$a","y":"$missing"}}])", R"([{"a":1}])", R"([{"x":1}])"},
      {R"([{"$replaceWith":{"$mergeObjects":[{"d":0},"$$ROOT"]}}])", R"([{"a":1}])", R"([{"d":0,"_id":1,"a":1}])"},
      {R"([{"$replaceWith":"$a"}])", R"([{"a":1}])",
       "!Location40228 (40228): stage 0 ($replaceWith): the new root must be an object, but is int 1"},
      {R"([{"$replaceWith":"$a"}])", R"([{}])", "!the new root must be an object, but is missing"},
      {R"([{"$replaceWith":"$a"}])", R"([{"a":[{}]}])", "!(40228)"},
      {R"([{"$replaceRoot":{}}])", kThree,
       "!Location40231 (40231): stage 0 ($replaceRoot): the field 'newRoot' is missing"},
      {R"([{"$replaceRoot":{"newRoot":"$a","x":1}}])", kThree, "!Location40230 (40230)"},
      {R"([{"$replaceRoot":5}])", kThree, "!Location40229 (40229)"},
  });
}

TEST_CASE("$limit, $skip and $count count documents") {
  check_pipelines({
      {R"([{"$limit":2}])", kThree, R"([{"_id":1,"a":3},{"_id":2,"a":1}])"},
      {R"([{"$limit":2.0},{"$skip":1}])", kThree, R"([{"_id":2,"a":1}])"},
      {R"([{"$skip":2}])", kThree, R"([{"_id":3,"a":2}])"},
      {R"([{"$skip":{"$numberLong":"9223372036854775807"}}])", kThree, "[]"},
      {R"([{"$limit":{"$numberLong":"9223372036854775807"}},{"$count":"n"}])", kThree, R"([{"n":3}])"},
      {R"([{"$count":"n"}])", "[]", "[]"},
      {R"([{"$count":"n"},{"$set":{"m":"$n"}}])", kThree, R"([{"n":3,"m":3}])"},
      {R"([{"$limit":0}])", kThree,
       "!Location15958 (15958): stage 0 ($limit): it takes a whole number, at least 1, not 0"},
      {R"([{"$limit":-1}])", kThree, "!(15958)"},
      {R"([{"$limit":1.5}])", kThree, "!(15958)"},
      {R"([{"$limit":{"$numberDouble":"NaN"}}])", kThree, "!(15958)"},
      {R"([{"$limit":"1"}])", kThree, "!(15958)"},
      {R"([{"$skip":-1}])", kThree, "!Location15956 (15956): stage 0 ($skip)"},
      {R"([{"$skip":null}])", kThree, "!(15956)"},
      {R"([{"$count":""}])", kThree, "!Location40156 (40156): stage 0 ($count)"},
      {R"([{"$count":1}])", kThree, "!(40156)"},
      {R"([{"$count":"$n"}])", kThree, "!Location40158 (40158)"},
      {R"([{"$count":"a.b"}])", kThree, "!Location40160 (40160)"},
      {R"([{"$count":"a\u0000b"}])", kThree, "!Location40159 (40159)"},
  });
}

TEST_CASE("$unwind gives one document for each element") {
  constexpr std::string_view kKinds = R"([{"a":[1,[2],{"b":3}],"z":0},{"a":[]},{"a":null},{},{"a":"x"},{"a":[null]}])";
  check_pipelines({
      {R"([{"$unwind":"$a"}])", kKinds,
       R"([{"_id":1,"a":1,"z":0},{"_id":1,"a":[2],"z":0},{"_id":1,"a":{"b":3},"z":0},{"_id":5,"a":"x"},{"_id":6,"a":null}])"},
      {R"([{"$unwind":{"path":"$a","preserveNullAndEmptyArrays":true}},{"$match":{"_id":{"$gt":1}}}])", kKinds,
       R"([{"_id":2},{"_id":3,"a":null},{"_id":4},{"_id":5,"a":"x"},{"_id":6,"a":null}])"},
      {R"([{"$unwind":{"path":"$a","includeArrayIndex":"i","preserveNullAndEmptyArrays":true}},{"$project":{"i":1}}])",
       kKinds,
       R"([{"_id":1,"i":long 0},{"_id":1,"i":long 1},{"_id":1,"i":long 2},{"_id":2,"i":null},{"_id":3,"i":null},{"_id":4,"i":null},{"_id":5,"i":null},{"_id":6,"i":long 0}])"},
      {R"([{"$unwind":{"path":"$a.b","includeArrayIndex":"i.j"}}])", R"([{"a":{"b":[1,2],"c":3}}])",
       R"([{"_id":1,"a":{"b":1,"c":3},"i":{"j":long 0}},{"_id":1,"a":{"b":2,"c":3},"i":{"j":long 1}}])"},
      {R"([{"$unwind":"$a.b"}])", R"([{"a":[{"b":[1]}]},{"a":1}])", "[]"},
      {R"([{"$unwind":{"path":"$a","includeArrayIndex":"z"}}])", R"([{"a":[7],"z":1}])",
       R"([{"_id":1,"a":7,"z":long 0}])"},
      {R"([{"$unwind":"$a"},{"$unwind":"$a"}])", R"([{"a":[[1,2],[3],4]}])",
       R"([{"_id":1,"a":1},{"_id":1,"a":2},{"_id":1,"a":3},{"_id":1,"a":4}])"},
      {R"([{"$unwind":"a"}])", kThree, "!Location28818 (28818): stage 0 ($unwind): the path must begin with '$'"},
      {R"([{"$unwind":""}])", kThree, "!Location28812 (28812)"},
      {R"([{"$unwind":{}}])", kThree, "!Location28812 (28812)"},
      {R"([{"$unwind":5}])", kThree, "!Location15981 (15981)"},
      {R"([{"$unwind":"$"}])", kThree, "!empty part"},
      {R"([{"$unwind":"$a..b"}])", kThree, "!Location15998 (15998)"},
      {R"([{"$unwind":"$$ROOT"}])", kThree, "!Location16410 (16410)"},
      {R"([{"$unwind":{"path":5}}])", kThree, "!Location28808 (28808)"},
      {R"([{"$unwind":{"path":"$a","preserveNullAndEmptyArrays":1}}])", kThree, "!Location28809 (28809)"},
      {R"([{"$unwind":{"path":"$a","includeArrayIndex":""}}])", kThree, "!Location28810 (28810)"},
      {R"([{"$unwind":{"path":"$a","includeArrayIndex":"$i"}}])", kThree, "!Location28822 (28822)"},
      {R"([{"$unwind":{"path":"$a","x":1}}])", kThree,
       "!Location28811 (28811): stage 0 ($unwind): there is no option 'x'"},
  });
}

TEST_CASE("stages that are none are refused with their place") {
  check_pipelines({
      {R"([{"$limit":1},{"$nope":1}])", kThree,
       "!Location40324 (40324): stage 1 ($nope): unrecognized pipeline stage name '$nope'"},
      {R"([{"$limit":1,"$skip":1}])", kThree, "!Location40323 (40323): stage 0: "},
      {R"([{}])", kThree, "!Location40323 (40323): stage 0: "},
      {R"([5])", kThree, "!TypeMismatch (14): stage 0: a stage must be an object, not int"},
  });
  std::string many = R"([{"$skip":0})";
  for (std::size_t i = 1; i < db::kPipelineStagesMax; ++i) many += R"(,{"$skip":0})";
  check_pipelines({{many + "]", R"([{}])", R"([{"_id":1}])"},
                   {many + R"(,{"$skip":0}])", R"([{}])", "!FailedToParse (9): a pipeline has more than 1000 stages"}});
}

TEST_CASE("$$NOW is an error where nobody says what it is") {
  db::Database database;
  put_all(database, "c", R"([{}])");
  const bson::Document source = listed(R"([{"$set":{"t":"$$NOW"}}])");
  const auto pipeline = db::Pipeline::compile(source.view().find("v")->as_object());
  REQUIRE(pipeline.has_value());
  CHECK(run_compiled(*pipeline, database, 1'000).starts_with("!Location51144 (51144): stage 0 ($set)"));
}

TEST_CASE("a run that takes more steps than it may ends with an error") {
  db::Database database;
  put_all(database, "c", kThree);
  const bson::Document source = listed(R"([{"$set":{"b":{"$sum":{"$range":[0,1000]}}}}])");
  const auto pipeline = db::Pipeline::compile(source.view().find("v")->as_object());
  REQUIRE(pipeline.has_value());
  CHECK(run_compiled(*pipeline, database, 100'000, 20).starts_with("!ExceededTimeLimit (50): "));
  CHECK(run_compiled(*pipeline, database, 100'000, 100'000).starts_with("[{"));
}

TEST_CASE("between two steps the collection may change") {
  db::Database database;
  put_all(database, "c", R"([{"a":[1,2]},{"a":[3,4]}])");
  const bson::Document source = listed(R"([{"$unwind":"$a"}])");
  const auto pipeline = db::Pipeline::compile(source.view().find("v")->as_object());
  REQUIRE(pipeline.has_value());
  Random random(1);
  db::PipelineRun run(*pipeline, "c", random);
  std::uint64_t budget = 1'000;
  REQUIRE(run.next(database, budget).value() == db::Pull::kDocument);
  db::PipelineRun moved = std::move(run);
  database.erase("c");
  std::vector<std::string> rest;
  while (moved.next(database, budget).value() == db::Pull::kDocument) rest.push_back(bson::to_json(moved.document()));
  CHECK(rest == std::vector<std::string>{R"({"_id":1,"a":2})", R"({"_id":2,"a":3})", R"({"_id":2,"a":4})"});
}
