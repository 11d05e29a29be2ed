// $lookup, $facet, $out and $merge.
#include "pipeline_cases.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

constexpr std::string_view kOrders = R"([{"item":"a","n":2},{"item":"b","n":5},{"n":1},{"item":["b","c"],"n":0}])";
constexpr std::string_view kItems =
    R"([{"_id":"x","sku":"a","stock":3},{"_id":"y","sku":["b","z"],"stock":4},{"_id":"z","stock":5},{"_id":"w","sku":null,"stock":6}])";

}  // namespace

TEST_CASE("$lookup puts the documents with an equal field into an array") {
  check_pipelines({
      {R"([{"$lookup":{"from":"o","localField":"item","foreignField":"sku","as":"f"}},{"$project":{"f._id":1}}])",
       kOrders,
       R"([{"_id":1,"f":[{"_id":"x"}]},{"_id":2,"f":[{"_id":"y"}]},{"_id":3,"f":[{"_id":"w"},{"_id":"z"}]},{"_id":4,"f":[{"_id":"y"}]}])",
       kItems},
      {R"([{"$lookup":{"from":"o","localField":"a.b","foreignField":"_id","as":"r.f"}}])",
       R"([{"a":[{"b":1},{"b":3}],"r":{"q":0}},{"a":[]},{"a":{"b":2}}])",
       R"([{"_id":1,"a":[{"b":1},{"b":3}],"r":{"q":0,"f":[{"_id":1},{"_id":3}]}},{"_id":2,"a":[],"r":{"f":[]}},{"_id":3,"a":{"b":2},"r":{"f":[{"_id":2}]}}])",
       R"([{},{},{}])"},
      {R"([{"$lookup":{"from":"o","localField":"k","foreignField":"k","as":"k"}}])", R"([{"k":1.0,"z":0}])",
       R"([{"_id":1,"k":[{"_id":1,"k":1},{"_id":2,"k":[1,2]}],"z":0}])", R"([{"k":1},{"k":[1,2]},{"k":"1"}])"},
      {R"([{"$lookup":{"from":"o","localField":"k","foreignField":"k","as":"f"}},{"$project":{"f._id":1}}])",
       R"([{"k":{"$regularExpression":{"pattern":"a","options":""}}},{"k":["b",{"$regularExpression":{"pattern":"a","options":""}}]}])",
       R"([{"_id":1,"f":[{"_id":2}]},{"_id":2,"f":[{"_id":2},{"_id":3}]}])",
       R"([{"k":"a"},{"k":{"$regularExpression":{"pattern":"a","options":""}}},{"k":"b"}])"},
      {R"([{"$lookup":{"from":"none","localField":"k","foreignField":"k","as":"f"}}])", R"([{}])",
       R"([{"_id":1,"f":[]}])"},
      {R"([{"$lookup":{"from":"c","localField":"_id","foreignField":"p","as":"f"}}])", R"([{},{"p":1}])",
       R"([{"_id":1,"f":[{"_id":2,"p":1}]},{"_id":2,"p":1,"f":[]}])"},
  });
}

TEST_CASE("$lookup runs a pipeline, which sees variables of the document and of the pipelines around it") {
  check_pipelines({
      {R"([{"$lookup":{"from":"o","let":{"m":"$n"},"pipeline":[{"$match":{"$expr":{"$gt":["$stock","$$m"]}}},{"$project":{"_id":1}}],"as":"f"}},{"$project":{"f":1}}])",
       kOrders,
       R"([{"_id":1,"f":[{"_id":"w"},{"_id":"x"},{"_id":"y"},{"_id":"z"}]},{"_id":2,"f":[{"_id":"w"}]},{"_id":3,"f":[{"_id":"w"},{"_id":"x"},{"_id":"y"},{"_id":"z"}]},{"_id":4,"f":[{"_id":"w"},{"_id":"x"},{"_id":"y"},{"_id":"z"}]}])",
       kItems},
      {R"([{"$lookup":{"from":"o","localField":"k","foreignField":"k","let":{"m":"$n"},"pipeline":[{"$match":{"_id":{"$gt":1},"$and":[{"$expr":{"$lt":["$v","$$m"]}},{"v":{"$ne":3}}]}},{"$set":{"w":"$$m"}}],"as":"f"}}])",
       R"([{"k":1,"n":5}])", R"([{"_id":1,"k":1,"n":5,"f":[{"_id":2,"k":1,"v":2,"w":5}]}])",
       R"([{"k":1,"v":1},{"k":1,"v":2},{"k":1,"v":3},{"k":1,"v":9},{"k":2,"v":2}])"},
      {R"([{"$lookup":{"from":"o","let":{"a":"$n","none":"$none"},"pipeline":[{"$lookup":{"from":"c","let":{"b":"$v"},"pipeline":[{"$limit":1},{"$project":{"_id":0,"a":"$$a","b":"$$b","none":"$$none","sum":{"$sum":{"$map":{"input":[1,2],"in":{"$add":["$$this","$$a","$$b"]}}}}}}],"as":"g"}}],"as":"f"}}])",
       R"([{"n":10}])", R"([{"_id":1,"n":10,"f":[{"_id":1,"v":3,"g":[{"a":10,"b":3,"sum":29}]}]}])", R"([{"v":3}])"},
      {R"([{"$lookup":{"from":"o","pipeline":[{"$sort":{"v":-1}},{"$limit":1}],"as":"f"}}])", R"([{},{}])",
       R"([{"_id":1,"f":[{"_id":2,"v":2}]},{"_id":2,"f":[{"_id":2,"v":2}]}])", R"([{"v":1},{"v":2}])"},
      {R"([{"$lookup":{"from":"o","let":{"k":"$k"},"pipeline":[{"$facet":{"n":[{"$match":{"$expr":{"$eq":["$v","$$k"]}}},{"$count":"n"}]}}],"as":"f"}}])",
       R"([{"k":2}])", R"([{"_id":1,"k":2,"f":[{"n":[{"n":1}]}]}])", R"([{"v":1},{"v":2}])"},
      {R"([{"$lookup":{"from":"o","let":{"k":"$k"},"pipeline":[{"$match":{"$or":[{"$expr":{"$eq":["$v","$$k"]}}]}}],"as":"f"}}])",
       R"([{}])", "!use of undefined variable 'k'", R"([{}])"},
      {R"([{"$lookup":{"from":"o","pipeline":[{"$set":{"a":{"$divide":[1,0]}}}],"as":"f"}}])", R"([{}])",
       "!stage 0 ($lookup): stage 0 ($set): ", R"([{}])"},
  });
}

TEST_CASE("a wrong $lookup is refused") {
  check_pipelines({
      {R"([{"$lookup":5}])", "[]", "!FailedToParse (9): stage 0 ($lookup): it takes an object, not int"},
      {R"([{"$lookup":{}}])", "[]", "!the field 'from' is missing"},
      {R"([{"$lookup":{"from":"o"}}])", "[]", "!the field 'as' is missing"},
      {R"([{"$lookup":{"from":"o","as":"f"}}])", "[]", "!it needs 'pipeline', or both"},
      {R"([{"$lookup":{"from":"o","as":"f","localField":"a"}}])", "[]", "!'localField' and 'foreignField' go together"},
      {R"([{"$lookup":{"from":"o","as":"f","foreignField":"a"}}])", "[]",
       "!'localField' and 'foreignField' go together"},
      {R"([{"$lookup":{"from":"o","as":"f","localField":"a","foreignField":"b","let":{"x":1}}}])", "[]",
       "!'let' needs a 'pipeline'"},
      {R"([{"$lookup":{"from":"o","as":"f","pipeline":5}}])", "[]", "!'pipeline' must be an array, not int"},
      {R"([{"$lookup":{"from":"o","as":"f","pipeline":[],"let":5}}])", "[]", "!'let' must be an object, not int"},
      {R"([{"$lookup":{"from":"o","as":"f","pipeline":[],"let":{"X":1}}}])", "[]", "!Location16867 (16867)"},
      {R"([{"$lookup":{"from":"o","as":"$f","pipeline":[]}}])", "[]", "!Location16410 (16410)"},
      {R"([{"$lookup":{"from":"o","as":"","pipeline":[]}}])", "[]", "!'as' must be a string that is not empty"},
      {R"([{"$lookup":{"from":7,"as":"f","pipeline":[]}}])", "[]", "!'from' must be a string that is not empty"},
      {R"([{"$lookup":{"from":"system.x","as":"f","pipeline":[]}}])", "[]",
       "!names that begin with 'system.' are reserved"},
      {R"([{"$lookup":{"from":"o","as":"f","localField":"$a","foreignField":"b"}}])", "[]", "!Location16410 (16410)"},
      {R"([{"$lookup":{"from":"o","as":"f","pipeline":[],"x":1}}])", "[]", "!there is no field 'x'"},
      {R"([{"$lookup":{"from":"o","as":"f","pipeline":[{"$nope":1}]}}])", "[]",
       "!Location40324 (40324): stage 0 ($lookup): stage 0 ($nope): unrecognized"},
      {R"([{"$lookup":{"from":"o","as":"f","pipeline":[{"$out":"x"}]}}])", "[]", "!Location51047 (51047)"},
  });
  std::string deep = "[]";
  for (int i = 0; i < db::kPipelineDepthMax; ++i) {
    deep = R"([{"$lookup":{"from":"o","as":"f","pipeline":)" + deep + "}}]";
  }
  CHECK(run_pipeline(deep, db::Database()).find("pipelines nest deeper than 20") != std::string::npos);
}

TEST_CASE("$facet runs several pipelines on the same documents") {
  check_pipelines({
      {R"([{"$facet":{"n":[{"$count":"n"}],"big":[{"$match":{"a":{"$gt":1}}},{"$sort":{"a":-1}}],"none":[{"$match":{"a":9}}],"all":[]}}])",
       R"([{"a":1},{"a":2}])",
       R"([{"n":[{"n":2}],"big":[{"_id":2,"a":2}],"none":[],"all":[{"_id":1,"a":1},{"_id":2,"a":2}]}])"},
      {R"([{"$facet":{"n":[{"$count":"n"}]}}])", "[]", R"([{"n":[]}])"},
      {R"([{"$match":{"a":1}},{"$facet":{"n":[{"$match":{"_id":1}},{"$count":"n"}]}},{"$unwind":"$n"}])",
       R"([{"a":1},{"a":2},{"a":1}])", R"([{"n":{"n":1}}])"},
      {R"([{"$facet":{"f":[{"$lookup":{"from":"o","localField":"a","foreignField":"_id","as":"l"}},{"$project":{"l":1}}]}}])",
       R"([{"a":1}])", R"([{"f":[{"_id":1,"l":[{"_id":1,"z":5}]}]}])", R"([{"z":5}])"},
      {R"([{"$facet":{}}])", "[]", "!Location40169 (40169): stage 0 ($facet)"},
      {R"([{"$facet":5}])", "[]", "!Location40169 (40169)"},
      {R"([{"$facet":{"a":5}}])", "[]", "!Location40170 (40170): stage 0 ($facet): 'a' must be an array of stages"},
      {R"([{"$facet":{"a.b":[]}}])", "[]", "!'a.b' cannot be the name of a field"},
      {R"([{"$facet":{"$a":[]}}])", "[]", "!'$a' cannot be the name of a field"},
      {R"([{"$facet":{"a":[{"$facet":{"b":[]}}]}}])", "[]",
       "!Location40600 (40600): stage 0 ($facet): 'a': stage 0 ($facet): $facet is not allowed within $facet"},
      {R"([{"$facet":{"a":[{"$out":"x"}]}}])", "[]", "!Location51047 (51047)"},
      {R"([{"$facet":{"a":[],"b":[{"$set":{"a":{"$divide":[1,0]}}}]}}])", R"([{}])",
       "!stage 0 ($facet): 'b': stage 0 ($set): "},
  });
}

TEST_CASE("a result of $lookup or $facet is no larger than a document may be") {
  db::Database database;
  for (std::int32_t i = 0; i < 17; ++i) {
    bson::Builder document;
    document.append_int32("_id", i).append_string("t", std::string(1u << 20, 'x'));
    put(database, "c", std::move(document).finish());
  }
  CHECK(run_pipeline(R"([{"$limit":1},{"$lookup":{"from":"c","pipeline":[],"as":"f"}}])", database)
            .starts_with("!Location4568 (4568): stage 1 ($lookup): the documents of one result take more than"));
  CHECK(run_pipeline(R"([{"$facet":{"all":[]}}])", database).starts_with("!Location4568 (4568): stage 0 ($facet)"));
  CHECK(run_pipeline(R"([{"$facet":{"a":[{"$limit":9}],"b":[{"$limit":9}]}}])", database)
            .starts_with("!BSONObjectTooLarge (10334): stage 0 ($facet): the document of all facets"));
}

TEST_CASE("a document that would nest too deep is an error") {
  std::string deep = "1";
  for (int i = 0; i < 99; ++i) deep = "[" + deep + "]";
  db::Database database;
  const auto document = bson::from_json(R"({"_id":1,"a":)" + deep + "}");
  REQUIRE(document.has_value());
  put(database, "c", *document);
  const auto starts = [&](std::string_view stages, std::string_view text) {
    const std::string result = run_pipeline(stages, database);
    CHECK_MESSAGE(result.starts_with(text), result);
  };
  starts(R"([{"$group":{"_id":null,"a":{"$push":"$a"}}}])", "!Overflow (15): stage 0 ($group): ");
  starts(R"([{"$facet":{"a":[]}}])", "!Overflow (15): stage 0 ($facet): ");
  starts(R"([{"$lookup":{"from":"c","localField":"_id","foreignField":"_id","as":"f"}}])",
         "!Overflow (15): stage 0 ($lookup): ");
  starts(R"([{"$unwind":"$a"},{"$unwind":"$a"},{"$facet":{"a":[{"$limit":1}]}}])", R"([{"a":[{"_id":1,"a":)");
}

TEST_CASE("$out and $merge say what is to be written") {
  const auto compile = [](std::string_view stages) {
    const bson::Document source = listed(stages);
    return db::Pipeline::compile(source.view().find("v")->as_object());
  };
  const auto out = compile(R"([{"$limit":1},{"$out":"t"}])");
  REQUIRE(out.has_value());
  CHECK(out->write()->collection == "t");
  CHECK(out->write()->replace_collection);
  const auto merge = compile(R"([{"$merge":"t"}])");
  REQUIRE(merge.has_value());
  CHECK_FALSE(merge->write()->replace_collection);
  CHECK(merge->write()->when_matched == db::PipelineWrite::WhenMatched::kMerge);
  CHECK(merge->write()->when_not_matched == db::PipelineWrite::WhenNotMatched::kInsert);
  const auto kept =
      compile(R"([{"$merge":{"into":"t","on":["_id"],"whenMatched":"keepExisting","whenNotMatched":"discard"}}])");
  REQUIRE(kept.has_value());
  CHECK(kept->write()->when_matched == db::PipelineWrite::WhenMatched::kKeepExisting);
  CHECK(kept->write()->when_not_matched == db::PipelineWrite::WhenNotMatched::kDiscard);
  const auto failing = compile(R"([{"$merge":{"into":"t","on":"_id","whenMatched":"fail","whenNotMatched":"fail"}}])");
  REQUIRE(failing.has_value());
  CHECK(failing->write()->when_matched == db::PipelineWrite::WhenMatched::kFail);
  CHECK(failing->write()->when_not_matched == db::PipelineWrite::WhenNotMatched::kFail);
  CHECK(compile(R"([{"$merge":{"into":"t","whenMatched":"replace"}}])")->write()->when_matched ==
        db::PipelineWrite::WhenMatched::kReplace);
  CHECK_FALSE(compile("[]")->write().has_value());
  check_pipelines({
      {R"([{"$out":"t"},{"$limit":1}])", "[]", "!Location40601 (40601): stage 0 ($out): it can only be the last stage"},
      {R"([{"$out":5}])", "[]", "!TypeMismatch (14): stage 0 ($out)"},
      {R"([{"$out":"a b"}])", "[]", "!stage 0 ($out): collection name"},
      {R"([{"$merge":{}}])", "[]", "!Location40414 (40414): stage 0 ($merge): the field 'into' is missing"},
      {R"([{"$merge":{"into":"t","on":5}}])", "[]", "!Location51186 (51186)"},
      {R"([{"$merge":{"into":"t","on":[]}}])", "[]", "!Location51187 (51187)"},
      {R"([{"$merge":{"into":"t","on":["k",5]}}])", "[]", "!Location51134 (51134)"},
      {R"([{"$merge":{"into":"t","on":["k","k"]}}])", "[]", "!Location31465 (31465)"},
      {R"([{"$merge":{"into":"t","whenMatched":"x"}}])", "[]",
       "!BadValue (2): stage 0 ($merge): 'whenMatched' must be"},
      {R"([{"$merge":{"into":"t","whenMatched":[]}}])", "[]", "!NotImplemented (238)"},
      {R"([{"$merge":{"into":"t","whenNotMatched":1}}])", "[]",
       "!BadValue (2): stage 0 ($merge): 'whenNotMatched' must be"},
      {R"([{"$merge":{"into":"t","let":{}}}])", "[]", "!NotImplemented (238)"},
      {R"([{"$merge":{"into":"t","x":1}}])", "[]", "!Location40415 (40415)"},
  });
  const auto joined = compile(
      R"([{"$lookup":{"from":"z","as":"f","pipeline":[{"$lookup":{"from":"a","as":"f","pipeline":[]}}]}},{"$facet":{"q":[{"$lookup":{"from":"z","as":"g","pipeline":[]}}]}}])");
  REQUIRE(joined.has_value());
  CHECK(joined->lookups() == std::vector<std::string>{"a", "z"});
}

TEST_CASE("$lookup without an index finds what it finds with one, whatever the values are") {
  const std::vector<std::string> values = {"",
                                           "null",
                                           "0",
                                           "1",
                                           "1.0",
                                           R"({"$numberLong":"1"})",
                                           R"({"$numberDecimal":"1"})",
                                           R"({"$numberDouble":"NaN"})",
                                           R"({"$numberDouble":"-0.0"})",
                                           R"("a")",
                                           R"({"$symbol":"a"})",
                                           R"({"$undefined":true})",
                                           "[]",
                                           "[1]",
                                           "[1,1,2]",
                                           "[[1]]",
                                           "[null]",
                                           R"([{"b":1}])",
                                           R"({"b":1})",
                                           R"({"b":[1,"a"]})",
                                           R"({"$minKey":1})",
                                           R"({"$regularExpression":{"pattern":"a","options":""}})",
                                           R"(["a",{"$regularExpression":{"pattern":"a","options":""}}])",
                                           "true",
                                           R"({"$date":"1970-01-01T00:00:00Z"})"};
  std::string documents = "[";
  for (const std::string& value : values) {
    if (documents.size() > 1) documents += ",";
    documents += value.empty() ? "{}" : fmt::format(R"({{"k":{}}})", value);
  }
  documents += "]";
  db::Database database;
  put_all(database, "o", documents);
  // As a local value it is an error.
  const std::string_view undefined = R"({"$undefined":true})";
  documents.replace(documents.find(undefined), undefined.size(), "false");
  put_all(database, "c", documents);
  for (const char* foreign : {"k", "k.b", "k.0"}) {
    const std::string lookup = fmt::format(
        R"({{"$lookup":{{"from":"o","localField":"k","foreignField":"{}","as":"f"}}}},{{"$project":{{"f._id":1}}}}])",
        foreign);
    // One document alone is one read through all.
    std::string expected = "[";
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string one = run_pipeline(fmt::format(R"([{{"$match":{{"_id":{}}}}},{})", i + 1, lookup), database);
      expected += (i == 0 ? "" : ",") + one.substr(1, one.size() - 2);
    }
    CHECK(run_pipeline("[" + lookup, database) == expected + "]");
  }
}
