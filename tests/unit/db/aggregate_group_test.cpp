// $group with its accumulators, $bucket, $sortByCount; $sort and $sample.
#include <set>

#include "pipeline_cases.hpp"

using namespace distri;
using namespace distri::db::test;

namespace {

constexpr std::string_view kNone = R"([{}])";

// The field "x" of all documents as one group.
struct AccumulatorRow {
  std::string_view accumulator;
  std::string_view documents;
  std::string_view expected;  // the value
};

void check_accumulators(std::initializer_list<AccumulatorRow> rows) {
  for (const AccumulatorRow& row : rows) {
    const std::string stages = R"([{"$group":{"_id":null,"r":)" + std::string(row.accumulator) + "}}]";
    const std::string expected = row.expected.starts_with('!')
                                     ? std::string(row.expected)
                                     : R"([{"_id":null,"r":)" + std::string(row.expected) + "}]";
    check_pipelines({{stages, row.documents, expected}});
  }
}

}  // namespace

TEST_CASE("$sum and $avg add up numbers of all types and leave out everything else") {
  constexpr std::string_view kMixed = R"([{"x":1},{"x":"2"},{"x":null},{},{"x":[5]},{"x":2}])";
  check_accumulators({
      {R"({"$sum":"$x"})", kMixed, "3"},
      {R"({"$avg":"$x"})", kMixed, "double 1.5"},
      {R"({"$sum":1})", kMixed, "6"},
      {R"({"$sum":"$x"})", R"([{"x":"a"}])", "0"},
      {R"({"$avg":"$x"})", R"([{"x":"a"},{}])", "null"},
      {R"({"$sum":"$x"})", R"([{"x":2147483647},{"x":1}])", "long 2147483648"},
      {R"({"$sum":"$x"})", R"([{"x":{"$numberLong":"1"}},{"x":1}])", "long 2"},
      {R"({"$sum":"$x"})", R"([{"x":{"$numberLong":"9223372036854775807"}},{"x":1}])", "double 9223372036854775808.0"},
      {R"({"$sum":"$x"})", R"([{"x":{"$numberLong":"9223372036854775807"}},{"x":1},{"x":-1}])",
       "long 9223372036854775807"},
      {R"({"$sum":"$x"})", R"([{"x":1.5},{"x":1}])", "double 2.5"},
      {R"({"$sum":"$x"})", R"([{"x":{"$numberDouble":"NaN"}},{"x":1}])", R"(double {"$numberDouble":"NaN"})"},
      {R"({"$avg":"$x"})", R"([{"x":{"$numberDouble":"Infinity"}},{"x":1}])", R"(double {"$numberDouble":"Infinity"})"},
      {R"({"$sum":"$x"})", R"([{"x":{"$numberDecimal":"0.1"}},{"x":2}])", R"({"$numberDecimal":"2.1"})"},
      {R"({"$avg":"$x"})", R"([{"x":{"$numberDecimal":"1"}},{"x":2}])", R"({"$numberDecimal":"1.5"})"},
      {R"({"$sum":{"$multiply":["$x",10]}})", R"([{"x":1},{"x":2}])", "30"},
      {R"({"$sum":["$x"]})", kNone, "!Location40237 (40237): stage 0 ($group): the $sum accumulator at 'r' is a unary"},
  });
}

TEST_CASE("$min and $max go by the order of all types and leave out null and missing") {
  constexpr std::string_view kMixed = R"([{"x":"a"},{"x":5},{"x":null},{},{"x":[1]},{"x":2.5},{"x":true}])";
  check_accumulators({
      {R"({"$min":"$x"})", kMixed, "double 2.5"},
      {R"({"$max":"$x"})", kMixed, "true"},
      {R"({"$min":"$x"})", R"([{"x":null},{}])", "null"},
      {R"({"$max":"$x"})", R"([{"x":1},{"x":{"$numberDouble":"NaN"}}])", "1"},
      {R"({"$min":"$x"})", R"([{"x":1},{"x":{"$numberDouble":"NaN"}}])", R"(double {"$numberDouble":"NaN"})"},
      {R"({"$max":"$x"})", R"([{"x":1},{"x":1.0}])", "1"},
      {R"({"$max":"$x"})",
       R"([{"x":{"$numberLong":"9223372036854775807"}},{"x":9.2e18},{"x":{"$numberLong":"9223372036854775806"}}])",
       "long 9223372036854775807"},
  });
}

TEST_CASE("$first and $last take the values in their order, missing as null") {
  check_accumulators({
      {R"({"$first":"$x"})", R"([{"x":3},{"x":1}])", "3"},
      {R"({"$last":"$x"})", R"([{"x":3},{"x":1}])", "1"},
      {R"({"$first":"$x"})", R"([{},{"x":1}])", "null"},
      {R"({"$last":"$x"})", R"([{"x":1},{}])", "null"},
      {R"({"$last":"$x"})", R"([{"x":1},{"x":[{"y":2}]}])", R"([{"y":2}])"},
  });
  check_pipelines({{R"([{"$sort":{"x":-1}},{"$group":{"_id":"$k","f":{"$first":"$x"},"l":{"$last":"$x"}}}])",
                    R"([{"k":1,"x":1},{"k":1,"x":3},{"k":1,"x":2}])", R"([{"_id":1,"f":3,"l":1}])"}});
}

TEST_CASE("$push, $addToSet, $count and $mergeObjects") {
  constexpr std::string_view kMixed = R"([{"x":1},{"x":null},{},{"x":1.0},{"x":[1]},{"x":"a"},{"x":null}])";
  check_accumulators({
      {R"({"$push":"$x"})", kMixed, R"([1,null,double 1.0,[1],"a",null])"},
      {R"({"$addToSet":"$x"})", kMixed, R"([1,null,[1],"a"])"},
      {R"({"$push":{"k":"$x"}})", R"([{"x":1},{}])", R"([{"k":1},{}])"},
      {R"({"$push":"$$ROOT"})", R"([{"x":1}])", R"([{"_id":1,"x":1}])"},
      {R"({"$push":"$x"})", kNone, "[]"},
      {R"({"$addToSet":"$x"})", kNone, "[]"},
      {R"({"$count":{}})", kMixed, "7"},
      {R"({"$mergeObjects":"$x"})", R"([{"x":{"a":1,"b":2}},{"x":null},{},{"x":{"b":3,"c":4}}])",
       R"({"a":1,"b":3,"c":4})"},
      {R"({"$mergeObjects":"$x"})", kNone, "{}"},
      {R"({"$mergeObjects":"$x"})", R"([{"x":5}])",
       "!Location40400 (40400): stage 0 ($group): $mergeObjects requires object inputs, but an input is of type int"},
      {R"({"$count":5})", kNone, "!TypeMismatch (14): stage 0 ($group): $count at 'r' takes no arguments"},
      {R"({"$count":{"a":1}})", kNone, "!TypeMismatch (14)"},
  });
}

TEST_CASE("$group puts documents with equal ids together, in the order of their first ones") {
  check_pipelines({
      {R"([{"$group":{"_id":"$k","n":{"$sum":1}}}])",
       R"([{"k":2},{"k":null},{"k":1},{},{"k":2.0},{"k":{"$numberLong":"2"}},{"k":"2"},{"k":[2]},{"k":{"$numberDecimal":"2"}}])",
       R"([{"_id":2,"n":4},{"_id":null,"n":2},{"_id":1,"n":1},{"_id":"2","n":1},{"_id":[2],"n":1}])"},
      {R"([{"$group":{"_id":"$k","n":{"$sum":1}}}])",
       R"([{"k":{"$numberDouble":"NaN"}},{"k":{"$numberDecimal":"NaN"}},{"k":0.0},{"k":-0.0}])",
       R"([{"_id":double {"$numberDouble":"NaN"},"n":2},{"_id":double 0.0,"n":2}])"},
      {R"([{"$group":{"_id":{"a":"$a","b":"$b"}}}])", R"([{"a":1,"b":1},{"a":1},{"a":1,"b":null},{"b":1,"a":1}])",
       R"([{"_id":{"a":1,"b":1}},{"_id":{"a":1}},{"_id":{"a":1,"b":null}}])"},
      {R"([{"$group":{"_id":"$a.b"}}])", R"([{"a":[{"b":1},{"b":2}]}])", R"([{"_id":[1,2]}])"},
      {R"([{"$group":{"_id":{"$toUpper":"$k"},"v":{"$push":"$v"}}},{"$match":{"_id":"A"}}])",
       R"([{"k":"a","v":1},{"k":"b","v":2},{"k":"A","v":3}])", R"([{"_id":"A","v":[1,3]}])"},
      {R"([{"$group":{"_id":null,"n":{"$sum":1}}}])", "[]", "[]"},
      {R"([{"$group":5}])", kNone, "!Location15947 (15947): stage 0 ($group)"},
      {R"([{"$group":{}}])", kNone,
       "!Location15955 (15955): stage 0 ($group): a group specification must include an _id"},
      {R"([{"$group":{"_id":1,"a.b":{"$sum":1}}}])", kNone, "!Location40235 (40235)"},
      {R"([{"$group":{"_id":1,"$a":{"$sum":1}}}])", kNone, "!Location40236 (40236)"},
      {R"([{"$group":{"_id":1,"a":5}}])", kNone, "!Location40234 (40234)"},
      {R"([{"$group":{"_id":1,"a":{}}}])", kNone, "!Location40234 (40234)"},
      {R"([{"$group":{"_id":1,"a":{"$sum":1,"$avg":1}}}])", kNone, "!Location40238 (40238)"},
      {R"([{"$group":{"_id":1,"a":{"$nope":1}}}])", kNone,
       "!Location15952 (15952): stage 0 ($group): unknown group operator '$nope'"},
      {R"([{"$group":{"_id":"$$nope"}}])", kNone, "!use of undefined variable 'nope'"},
      {R"([{"$group":{"_id":{"$divide":[1,0]}}}])", kNone, "!stage 0 ($group): "},
  });
}

TEST_CASE("$bucket groups by stretches, lowest first") {
  constexpr std::string_view kNumbers = R"([{"a":5},{"a":0},{"a":10},{"a":4.5},{"a":"x"},{}])";
  check_pipelines({
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[0,5,10],"default":"rest"}}])", kNumbers,
       R"([{"_id":0,"count":2},{"_id":5,"count":1},{"_id":"rest","count":3}])"},
      {R"([{"$bucket":{"groupBy":{"$add":["$a",1]},"boundaries":[0,100],"output":{"all":{"$push":"$a"}}}}])",
       R"([{"a":1},{"a":2}])", R"([{"_id":0,"all":[1,2]}])"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[0,5]}}])", kNumbers, "!stage 0 ($bucket): "},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[5]}}])", kNone, "!Location40192 (40192): stage 0 ($bucket)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[5,5]}}])", kNone, "!Location40194 (40194)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[5,"a"]}}])", kNone, "!Location40193 (40193)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[5,"$b"]}}])", kNone, "!Location40191 (40191)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":5}}])", kNone, "!Location40200 (40200)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[0,5],"default":3}}])", kNone, "!Location40199 (40199)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[0,5],"default":"$b"}}])", kNone, "!Location40195 (40195)"},
      {R"([{"$bucket":{"groupBy":"a","boundaries":[0,5]}}])", kNone, "!Location40202 (40202)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[0,5],"output":1}}])", kNone, "!Location40196 (40196)"},
      {R"([{"$bucket":{"groupBy":"$a","boundaries":[0,5],"x":1}}])", kNone, "!Location40197 (40197)"},
      {R"([{"$bucket":{"boundaries":[0,5]}}])", kNone, "!Location40198 (40198)"},
      {R"([{"$bucket":5}])", kNone, "!Location40201 (40201)"},
  });
}

TEST_CASE("$sortByCount counts values, the most frequent first") {
  check_pipelines({
      {R"([{"$sortByCount":"$k"}])", R"([{"k":"a"},{"k":"b"},{"k":"b"},{}])",
       R"([{"_id":"b","count":2},{"_id":"a","count":1},{"_id":null,"count":1}])"},
      {R"([{"$sortByCount":{"$type":"$k"}}])", R"([{"k":"a"},{"k":1},{"k":"b"}])",
       R"([{"_id":"string","count":2},{"_id":"int","count":1}])"},
      {R"([{"$sortByCount":"k"}])", kNone, "!Location40149 (40149): stage 0 ($sortByCount)"},
      {R"([{"$sortByCount":{"k":1}}])", kNone, "!Location40149 (40149)"},
      {R"([{"$sortByCount":5}])", kNone, "!Location40149 (40149)"},
  });
}

TEST_CASE("$sort orders by the order of all types, equal ones as they came") {
  constexpr std::string_view kMixed = R"([{"a":"x"},{"a":2},{"a":null},{"a":[0,9]},{},{"a":2.0},{"a":true}])";
  check_pipelines({
      {R"([{"$sort":{"a":1}},{"$project":{"_id":1}}])", kMixed,
       R"([{"_id":3},{"_id":5},{"_id":4},{"_id":2},{"_id":6},{"_id":1},{"_id":7}])"},
      {R"([{"$sort":{"a":-1}},{"$project":{"_id":1}}])", kMixed,
       R"([{"_id":7},{"_id":1},{"_id":4},{"_id":2},{"_id":6},{"_id":3},{"_id":5}])"},
      {R"([{"$sort":{"a":1,"_id":-1}},{"$limit":3},{"$project":{"_id":1}}])", kMixed,
       R"([{"_id":5},{"_id":3},{"_id":4}])"},
      {R"([{"$sort":{"a":1}},{"$skip":2},{"$limit":2},{"$project":{"_id":1}}])", kMixed, R"([{"_id":4},{"_id":2}])"},
      {R"([{"$sort":{"a":1}},{"$limit":3},{"$skip":2},{"$limit":9},{"$project":{"_id":1}}])", kMixed, R"([{"_id":4}])"},
      {R"([{"$sort":{"a":1}},{"$skip":{"$numberLong":"9223372036854775807"}},{"$limit":{"$numberLong":"9223372036854775807"}}])",
       kMixed, "[]"},
      {R"([{"$sort":{"a":1}},{"$limit":20000},{"$count":"n"}])", kMixed, R"([{"n":7}])"},
      {R"([{"$sort":[{"a":1},{"_id":-1}]},{"$limit":2},{"$project":{"_id":1}}])", kMixed, R"([{"_id":5},{"_id":3}])"},
      {R"([{"$sort":[5]}])", kNone, "!Location15973 (15973): stage 0 ($sort): every entry of the list"},
      {R"([{"$sort":[]}])", kNone, "!Location15976 (15976): stage 0 ($sort)"},
      {R"([{"$sort":{}}])", kNone, "!Location15976 (15976): stage 0 ($sort)"},
      {R"([{"$sort":5}])", kNone, "!Location15973 (15973): stage 0 ($sort)"},
      {R"([{"$sort":{"a":2}}])", kNone, "!BadValue (2): stage 0 ($sort): sort: the value of 'a' must be 1"},
  });
}

TEST_CASE("$sort with a $limit holds only what it needs") {
  db::Database database;
  for (std::int32_t i = 0; i < 300; ++i) {
    bson::Builder document;
    document.append_int32("_id", i).append_int32("k", (i * 7919) % 300).append_string("t", std::string(1u << 20, 'x'));
    put(database, "c", std::move(document).finish());
  }
  const auto ids = [&](std::string_view stages) {
    const bson::Document source = listed(stages);
    const auto pipeline = db::Pipeline::compile(source.view().find("v")->as_object());
    REQUIRE(pipeline.has_value());
    return run_compiled(*pipeline, database, 1'000'000'000);
  };
  CHECK(ids(R"([{"$sort":{"k":1}},{"$limit":3},{"$project":{"k":1,"_id":0}}])") == R"([{"k":0},{"k":1},{"k":2}])");
  CHECK(ids(R"([{"$sort":{"k":1}},{"$project":{"k":1}}])")
            .starts_with(
                "!ExceededMemoryLimit (146): stage 0 ($sort): the stages of the pipeline hold more than 100 MiB"));
  CHECK(ids(R"([{"$group":{"_id":null,"all":{"$push":"$t"}}}])")
            .starts_with("!BSONObjectTooLarge (10334): stage 0 ($group): the array of a group"));
  CHECK(ids(R"([{"$group":{"_id":"$_id","t":{"$first":"$t"}}}])")
            .starts_with("!ExceededMemoryLimit (146): stage 0 ($group)"));
  CHECK(ids(R"([{"$facet":{"n":[{"$count":"n"}]}}])").starts_with("!ExceededMemoryLimit (146): stage 0 ($facet)"));
  CHECK(ids(R"([{"$group":{"_id":null,"n":{"$sum":1},"t":{"$max":"$t"}}},{"$project":{"n":1,"_id":0}}])") ==
        R"([{"n":300}])");
}

TEST_CASE("$sample gives so many different documents, by the random numbers that are handed in") {
  db::Database database;
  std::string documents = "[";
  for (int i = 0; i < 50; ++i) documents += i == 0 ? "{}" : ",{}";
  put_all(database, "c", documents + "]");
  const auto pipeline_of = [](std::string_view stages) {
    const bson::Document source = listed(stages);
    auto pipeline = db::Pipeline::compile(source.view().find("v")->as_object());
    REQUIRE(pipeline.has_value());
    return *std::move(pipeline);
  };
  const auto sample = [&](std::uint64_t seed, const db::Pipeline& pipeline) {
    Random random(seed);
    db::PipelineRun run(pipeline, "c", random);
    std::vector<std::int32_t> ids;
    std::uint64_t budget = 1'000'000;
    while (run.next(database, budget).value() == db::Pull::kDocument) {
      ids.push_back(run.document().find("_id")->as_int32());
    }
    return ids;
  };
  const db::Pipeline ten = pipeline_of(R"([{"$sample":{"size":10}}])");
  const auto first = sample(1, ten);
  CHECK(first.size() == 10);
  CHECK(std::set(first.begin(), first.end()).size() == 10);
  CHECK(sample(1, ten) == first);
  CHECK(sample(2, ten) != first);
  std::set<std::int32_t> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const std::int32_t id : sample(seed, ten)) seen.insert(id);
  }
  CHECK(seen.size() == 50);
  CHECK(sample(3, pipeline_of(R"([{"$sample":{"size":1000}}])")).size() == 50);
  CHECK(sample(3, pipeline_of(R"([{"$sample":{"size":100000}}])")).size() == 50);
  check_pipelines({
      {R"([{"$sample":{"size":0}}])", kNone, "!Location28747 (28747): stage 0 ($sample)"},
      {R"([{"$sample":{"size":1.5}}])", kNone, "!(28747)"},
      {R"([{"$sample":{"size":"1"}}])", kNone, "!(28747)"},
      {R"([{"$sample":{}}])", kNone, "!Location28749 (28749)"},
      {R"([{"$sample":{"size":1,"x":1}}])", kNone, "!Location28748 (28748)"},
      {R"([{"$sample":5}])", kNone, "!Location28745 (28745)"},
  });
}
