#include <doctest/doctest.h>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/filter.hpp"
#include "filter_rows.hpp"

using namespace distri;

using db_test::compile;
using db_test::compile_error;

TEST_CASE("filters match as MongoDB's do") {
  struct Row {
    const char* filter;
    const char* document;
    bool matches;
  };
  const Row rows[] = {
      // nothing asked, equality, numbers across types
      {R"({})", R"({})", true},
      {R"({})", R"({"a":1})", true},
      {R"({"a":1})", R"({"a":1})", true},
      {R"({"a":1})", R"({"a":1.0})", true},
      {R"({"a":{"$numberLong":"1"}})", R"({"a":1})", true},
      {R"({"a":1})", R"({"a":{"$numberDecimal":"1.0"}})", true},
      {R"({"a":1})", R"({"a":2})", false},
      {R"({"a":1})", R"({"a":"1"})", false},
      {R"({"a":1})", R"({"b":1})", false},
      {R"({"a":1})", R"({"a":true})", false},
      {R"({"a":"x"})", R"({"a":"x"})", true},
      {R"({"a":"x"})", R"({"a":"X"})", false},
      {R"({"a":{"$eq":"x"}})", R"({"a":"x"})", true},
      {R"({"a":1,"b":2})", R"({"a":1,"b":2})", true},
      {R"({"a":1,"b":2})", R"({"a":1,"b":3})", false},
      {R"({"":1})", R"({"":1})", true},
      // objects: field order counts, and the whole object
      {R"({"a":{"x":1,"y":2}})", R"({"a":{"x":1,"y":2}})", true},
      {R"({"a":{"x":1,"y":2}})", R"({"a":{"y":2,"x":1}})", false},
      {R"({"a":{"x":1}})", R"({"a":{"x":1,"y":2}})", false},
      {R"({"a":{}})", R"({"a":{}})", true},
      {R"({"a":{}})", R"({"a":{"x":1}})", false},
      {R"({"a":{"x":1,"$y":2}})", R"({"a":{"x":1,"$y":2}})", true},
      // null and missing
      {R"({"a":null})", R"({"a":null})", true},
      {R"({"a":null})", R"({})", true},
      {R"({"a":null})", R"({"a":0})", false},
      {R"({"a":null})", R"({"a":[]})", false},
      {R"({"a":null})", R"({"a":[1,null]})", true},
      {R"({"a":null})", R"({"a":{"$undefined":true}})", true},
      {R"({"a":{"$ne":null}})", R"({})", false},
      {R"({"a":{"$ne":null}})", R"({"a":1})", true},
      {R"({"a":{"$gte":null}})", R"({})", true},
      {R"({"a":{"$lte":null}})", R"({"a":null})", true},
      {R"({"a":{"$gt":null}})", R"({})", false},
      {R"({"a":{"$lt":null}})", R"({"a":null})", false},
      {R"({"a.b":null})", R"({"a":1})", true},
      {R"({"a.b":null})", R"({"a":{}})", true},
      {R"({"a.b":null})", R"({"a":[]})", false},
      {R"({"a.b":null})", R"({"a":[1,2]})", false},
      {R"({"a.b":null})", R"({"a":[{"b":1},{}]})", true},
      {R"({"a.b":null})", R"({"a":[{"b":1},5]})", false},
      {R"({"a.b":{"$exists":false}})", R"({"a":[1,2]})", true},
      // ranges stay inside one kind of value
      {R"({"a":{"$gt":1}})", R"({"a":2})", true},
      {R"({"a":{"$gt":1}})", R"({"a":1})", false},
      {R"({"a":{"$gte":1}})", R"({"a":1.0})", true},
      {R"({"a":{"$lt":1}})", R"({"a":0.5})", true},
      {R"({"a":{"$lte":1}})", R"({"a":1.5})", false},
      {R"({"a":{"$gt":1}})", R"({"a":"x"})", false},
      {R"({"a":{"$lt":"x"}})", R"({"a":1})", false},
      {R"({"a":{"$lt":"x"}})", R"({"a":"a"})", true},
      {R"({"a":{"$gt":1}})", R"({})", false},
      {R"({"a":{"$gt":false}})", R"({"a":true})", true},
      {R"({"a":{"$gt":false}})", R"({"a":1})", false},
      {R"({"a":{"$gte":{"$date":5}}})", R"({"a":{"$date":6}})", true},
      {R"({"a":{"$gt":{"x":1}}})", R"({"a":{"x":2}})", true},
      {R"({"a":{"$gt":9007199254740992}})", R"({"a":9007199254740993})", true},
      {R"({"a":{"$gt":9007199254740992.0}})", R"({"a":9007199254740993})", true},
      {R"({"a":{"$gt":1,"$lt":3}})", R"({"a":2})", true},
      {R"({"a":{"$gt":1,"$lt":3}})", R"({"a":3})", false},
      {R"({"a":{"$gt":{"$minKey":1}}})", R"({"a":"x"})", true},
      {R"({"a":{"$lt":{"$minKey":1}}})", R"({"a":"x"})", false},
      {R"({"a":{"$lt":{"$maxKey":1}}})", R"({"a":"x"})", true},
      {R"({"a":{"$maxKey":1}})", R"({"a":{"$maxKey":1}})", true},
      // NaN equals itself and has no order
      {R"({"a":{"$numberDouble":"NaN"}})", R"({"a":{"$numberDouble":"NaN"}})", true},
      {R"({"a":{"$numberDouble":"NaN"}})", R"({"a":1})", false},
      {R"({"a":{"$lt":5}})", R"({"a":{"$numberDouble":"NaN"}})", false},
      {R"({"a":{"$gte":{"$numberDouble":"NaN"}}})", R"({"a":{"$numberDecimal":"NaN"}})", true},
      {R"({"a":{"$gte":{"$numberDouble":"NaN"}}})", R"({"a":5})", false},
      {R"({"a":{"$lt":{"$numberDouble":"NaN"}}})", R"({"a":-5})", false},
      // arrays: an element, or the whole
      {R"({"a":1})", R"({"a":[1,2]})", true},
      {R"({"a":3})", R"({"a":[1,2]})", false},
      {R"({"a":[1,2]})", R"({"a":[1,2]})", true},
      {R"({"a":[1,2]})", R"({"a":[2,1]})", false},
      {R"({"a":[1,2]})", R"({"a":[[1,2],3]})", true},
      {R"({"a":[]})", R"({"a":[]})", true},
      {R"({"a":[]})", R"({"a":[[]]})", true},
      {R"({"a":[]})", R"({})", false},
      {R"({"a":1})", R"({"a":[[1]]})", false},
      {R"({"a":{"$gt":1,"$lt":3}})", R"({"a":[0,5]})", true},
      {R"({"a":{"$gt":5}})", R"({"a":[0,5]})", false},
      {R"({"a":{"$gt":[1]}})", R"({"a":[2]})", true},
      {R"({"a":{"$ne":1}})", R"({"a":[1,2]})", false},
      {R"({"a":{"$ne":3}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$ne":3}})", R"({})", true},
      {R"({"a":{"$ne":[1,2]}})", R"({"a":[1,2]})", false},
      // $in, $nin
      {R"({"a":{"$in":[1,2]}})", R"({"a":2.0})", true},
      {R"({"a":{"$in":[1,2]}})", R"({"a":3})", false},
      {R"({"a":{"$in":[]}})", R"({"a":3})", false},
      {R"({"a":{"$nin":[]}})", R"({"a":3})", true},
      {R"({"a":{"$in":[1,null]}})", R"({})", true},
      {R"({"a":{"$in":[1,null]}})", R"({"a":null})", true},
      {R"({"a":{"$in":[1]}})", R"({})", false},
      {R"({"a":{"$in":[1,"x"]}})", R"({"a":["y","x"]})", true},
      {R"({"a":{"$in":[[1,2]]}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$in":[[1,2]]}})", R"({"a":[3,[1,2]]})", true},
      {R"({"a":{"$nin":[1]}})", R"({"a":[1,2]})", false},
      {R"({"a":{"$nin":[3]}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$nin":[null]}})", R"({})", false},
      {R"({"a":{"$in":[{"$numberDouble":"NaN"}]}})", R"({"a":{"$numberDouble":"NaN"}})", true},
      {R"({"a":{"$in":["c","a","b",5,null,true,{"x":1}]}})", R"({"a":{"x":1}})", true},
      // $exists
      {R"({"a":{"$exists":true}})", R"({"a":null})", true},
      {R"({"a":{"$exists":true}})", R"({})", false},
      {R"({"a":{"$exists":false}})", R"({})", true},
      {R"({"a":{"$exists":1}})", R"({"a":[]})", true},
      {R"({"a":{"$exists":0}})", R"({"a":1})", false},
      {R"({"a":{"$exists":null}})", R"({})", true},
      {R"({"a.b":{"$exists":true}})", R"({"a":[{"c":1},{"b":1}]})", true},
      // dotted paths, through arrays and by index
      {R"({"a.b":1})", R"({"a":{"b":1}})", true},
      {R"({"a.b":1})", R"({"a.b":1})", false},
      {R"({"a.b":1})", R"({"a":[{"b":2},{"b":1}]})", true},
      {R"({"a.b":1})", R"({"a":[{"b":[0,1]}]})", true},
      {R"({"a.b":1})", R"({"a":[[{"b":1}]]})", false},
      {R"({"a.b.c":1})", R"({"a":[{"b":[{"c":0},{"c":1}]}]})", true},
      {R"({"a.0":1})", R"({"a":[1,2]})", true},
      {R"({"a.1":1})", R"({"a":[1,2]})", false},
      {R"({"a.2":{"$exists":true}})", R"({"a":[1,2]})", false},
      {R"({"a.0":1})", R"({"a":{"0":1}})", true},
      {R"({"a.0":1})", R"({"a":[{"0":1}]})", true},
      {R"({"a.0":{"0":1}})", R"({"a":[{"0":1}]})", true},
      {R"({"a.00":1})", R"({"a":[1]})", false},
      {R"({"a.0":[1,2]})", R"({"a":[[1,2]]})", true},
      {R"({"a.0":1})", R"({"a":[[1,2]]})", false},
      {R"({"a.0.b":1})", R"({"a":[{"b":1},{"b":2}]})", true},
      {R"({"a.0.b":2})", R"({"a":[{"b":1},{"b":2}]})", false},
      {R"({"a.0.1":2})", R"({"a":[[1,2]]})", true},
      {R"({"a.0.b":1})", R"({"a":[[{"b":1}]]})", true},
      {R"({"a.b":{"$ne":1}})", R"({"a":[{"b":2},{"b":1}]})", false},
      {R"({"a.b":{"$gt":1,"$lt":3}})", R"({"a":[{"b":0},{"b":5}]})", true},
      {R"({"a..b":1})", R"({"a":{"":{"b":1}}})", true},
      // logic
      {R"({"$and":[{"a":1},{"b":2}]})", R"({"a":1,"b":2})", true},
      {R"({"$and":[{"a":1},{"b":2}]})", R"({"a":1})", false},
      {R"({"$or":[{"a":1},{"b":2}]})", R"({"b":2})", true},
      {R"({"$or":[{"a":1},{"b":2}]})", R"({"b":3})", false},
      {R"({"$or":[{}]})", R"({})", true},
      {R"({"$nor":[{"a":1},{"b":2}]})", R"({"b":3})", true},
      {R"({"$nor":[{"a":1},{"b":2}]})", R"({"b":2})", false},
      {R"({"c":1,"$or":[{"a":1},{"b":2}]})", R"({"a":1})", false},
      {R"({"$or":[{"$and":[{"a":1},{"b":1}]},{"$nor":[{"c":1}]}]})", R"({"a":1,"c":1})", false},
      {R"({"a":{"$not":{"$gt":1}}})", R"({"a":1})", true},
      {R"({"a":{"$not":{"$gt":1}}})", R"({})", true},
      {R"({"a":{"$not":{"$gt":1}}})", R"({"a":"x"})", true},
      {R"({"a":{"$not":{"$gt":1}}})", R"({"a":[0,2]})", false},
      {R"({"a":{"$not":{"$gt":1,"$lt":5}}})", R"({"a":7})", true},
      {R"({"a":{"$not":{"$not":{"$eq":1}}}})", R"({"a":1})", true},
      {R"({"a":{"$not":{"$ne":1}}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$gt":0,"$not":{"$gt":5}}})", R"({"a":3})", true},
  };
  for (const Row& row : rows) {
    const db::Filter filter = compile(row.filter);
    const auto document = bson::from_json(row.document);
    REQUIRE_MESSAGE(document.has_value(), row.document);
    CHECK_MESSAGE(filter.matches(*document) == row.matches, std::string(row.filter)
                                                                << " on " << std::string(row.document));
  }
}

TEST_CASE("a wrong filter is refused with the operator and the path") {
  struct Row {
    std::string filter;
    const char* part;
  };
  std::string deep = R"({"a":1})";
  for (int i = 0; i < 40; ++i) deep = R"({"$and":[)" + deep + "]}";
  std::string nots = R"({"$gt":1})";
  for (int i = 0; i < 95; ++i) nots = R"({"$not":)" + nots + "}";
  std::string large = R"({"a":{"$in":[)";
  for (std::size_t i = 0; i < db::kFilterListMax; ++i) large += "1,";
  std::string many = R"({"$or":[)";
  for (std::size_t i = 0; i < db::kFilterConditionsMax; ++i) many += R"({"a":1},)";
  const Row rows[] = {
      {R"({"age":{"$foo":1}})", "unknown operator '$foo' at 'age'; known are $eq"},
      {R"({"age":{"$gt":1,"x":2}})", "unknown operator 'x' at 'age'"},
      {R"({"$where":"1"})", "unknown operator '$where' at the top"},
      {R"({"$and":[]})", "'$and' takes a non-empty array"},
      {R"({"$or":{}})", "'$or' takes a non-empty array"},
      {R"({"$nor":[1]})", "its entry 0 is of type int"},
      {R"({"a":{"$in":1}})", "'$in' at 'a' takes an array"},
      {R"({"a":{"$nin":{"x":1}}})", "'$nin' at 'a' takes an array"},
      {R"({"a":{"$in":[{"$gt":1}]}})", "takes values, not operators"},
      {R"({"a":{"$not":1}})", "'$not' at 'a' takes an object of operators"},
      {R"({"a":{"$not":{}}})", "takes an object of operators"},
      {R"({"a":{"$not":{"x":1}}})", "takes an object of operators"},
      {R"({"a":{"$gt":{"$undefined":true}}})", "undefined (at 'a')"},
      {R"({"a.0.1.2.3.4.5.6.7.8":1})", "9 numeric parts"},
      {large + "1]}}", "more than 100000 entries"},
      {many + R"({"a":1}]})", "more than 10000 conditions"},
  };
  for (const Row& row : rows) {
    const std::string error = compile_error(row.filter);
    CHECK_MESSAGE(error.find(row.part) != std::string::npos, row.filter.substr(0, 100) << ": " << error);
  }
  CHECK(compile(deep).matches(bson::from_json(R"({"a":1})")->view()));
  CHECK(compile(R"({"a":)" + nots + "}").matches(bson::View()));
}

TEST_CASE("nesting beyond the limit is refused even where documents may nest deeper") {
  bson::Builder builder;  // $not inside $not: one level of document each, one of filter each
  builder.begin_object("a");
  for (int i = 0; i < 120; ++i) builder.begin_object("$not");
  builder.append_int32("$gt", 1);
  for (int i = 0; i < 121; ++i) builder.end();
  const auto filter = db::Filter::compile(std::move(builder).finish());
  REQUIRE_FALSE(filter);
  CHECK(filter.error().message.find("nest deeper than 100") != std::string::npos);
}

TEST_CASE("a filter knows when it is empty and when only one _id can match") {
  CHECK(compile("{}").empty());
  CHECK_FALSE(compile(R"({"a":1})").empty());
  const auto key = [](std::string_view text) { return bson::order_key(*bson::from_json(text)->view().find("v")); };
  CHECK(compile(R"({"_id":5})").id_key() == key(R"({"v":5})"));
  CHECK(compile(R"({"_id":{"$eq":"x"}})").id_key() == key(R"({"v":"x"})"));
  CHECK(compile(R"({"a":1,"_id":5.0})").id_key() == key(R"({"v":5})"));
  CHECK(compile(R"({"_id":{"a":1}})").id_key() == key(R"({"v":{"a":1}})"));
  for (const auto* text : {"{}", R"({"a":5})", R"({"_id":{"$gt":5}})", R"({"_id":{"$in":[5]}})", R"({"_id":{"$ne":5}})",
                           R"({"_id.a":5})", R"({"$or":[{"_id":5}]})", R"({"_id":[5]})"}) {
    CHECK_MESSAGE(!compile(text).id_key(), text);
  }
}

TEST_CASE("what sole_id() finds is the one _id that the filter matches") {
  const std::vector<std::string> values = {"5",
                                           "5.0",
                                           "5.5",
                                           "-0.0",
                                           "0",
                                           R"({"$numberDouble":"NaN"})",
                                           R"({"$numberDouble":"Infinity"})",
                                           R"({"$numberLong":"9007199254740993"})",
                                           "9007199254740992.0",
                                           R"({"$numberDecimal":"5"})",
                                           R"("x")",
                                           R"("")",
                                           "true",
                                           "false",
                                           "null",
                                           R"({"$undefined":true})",
                                           R"({"$oid":"0123456789abcdef01234567"})",
                                           R"({"$date":"2026-01-01T00:00:00Z"})",
                                           R"({"$binary":{"base64":"AAE=","subType":"00"}})",
                                           R"({"$timestamp":{"t":1,"i":2}})",
                                           R"({"$minKey":1})",
                                           R"({"$maxKey":1})",
                                           R"({"a":1})",
                                           "{}"};
  std::size_t found = 0;
  for (const std::string& wanted : values) {
    for (const std::string& text :
         {fmt::format(R"({{"_id":{}}})", wanted), fmt::format(R"({{"_id":{{"$eq":{}}}}})", wanted)}) {
      CAPTURE(text);
      const auto source = bson::from_json(text);
      REQUIRE(source);
      const auto id = db::sole_id(*source);
      if (!id) continue;
      ++found;
      const auto filter = compile(text);
      CHECK(filter.id_key() == bson::order_key(*id));
      for (const std::string& there : values) {
        CAPTURE(there);
        const auto document = bson::from_json(fmt::format(R"({{"_id":{}}})", there));
        CHECK(filter.matches(*document) == (bson::order_key(*document->view().find("_id")) == bson::order_key(*id)));
      }
    }
  }
  CHECK(found == 2 * 16);
  for (const auto* text :
       {"{}", R"({"a":5})", R"({"_id":5,"a":1})", R"({"a":1,"_id":5})", R"({"_id":{"$eq":5,"$gt":1}})",
        R"({"_id":{"$gt":5}})", R"({"_id":{"$in":[5]}})", R"({"_id":{"$eq":[5]}})", R"({"_id":[5]})",
        R"({"_id":{"$eq":{"$eq":5}}})", R"({"_id":{"$regularExpression":{"pattern":"x","options":""}}})"}) {
    CHECK_MESSAGE(!db::sole_id(*bson::from_json(text)), text);
  }
}

TEST_CASE("a filter outlives its source and works after being moved") {
  std::optional<db::Filter> filter;
  {
    const auto source = bson::from_json(R"({"a":1})");  // small enough to live inside its string object
    filter = std::move(*db::Filter::compile(*source));
  }
  const db::Filter moved = *std::move(filter);
  CHECK(moved.matches(*bson::from_json(R"({"a":1})")));
  CHECK_FALSE(moved.matches(*bson::from_json(R"({"a":2})")));
}
