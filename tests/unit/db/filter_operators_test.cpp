#include "distri/bson/compare.hpp"
#include "filter_rows.hpp"

using namespace distri;
using db_test::check_errors;
using db_test::check_matches;
using db_test::compile;
using db_test::ErrorRow;
using db_test::MatchRow;

TEST_CASE("$type asks for types by name, number or list") {
  check_matches(std::array<MatchRow, 27>{{
      {R"({"a":{"$type":"string"}})", R"({"a":"x"})", true},
      {R"({"a":{"$type":2}})", R"({"a":"x"})", true},
      {R"({"a":{"$type":2.0}})", R"({"a":"x"})", true},
      {R"({"a":{"$type":"string"}})", R"({"a":1})", false},
      {R"({"a":{"$type":"string"}})", R"({})", false},
      {R"({"a":{"$type":"int"}})", R"({"a":1})", true},
      {R"({"a":{"$type":"int"}})", R"({"a":{"$numberLong":"1"}})", false},
      {R"({"a":{"$type":"long"}})", R"({"a":{"$numberLong":"1"}})", true},
      {R"({"a":{"$type":"double"}})", R"({"a":1.5})", true},
      {R"({"a":{"$type":"number"}})", R"({"a":1.5})", true},
      {R"({"a":{"$type":"number"}})", R"({"a":{"$numberDecimal":"1"}})", true},
      {R"({"a":{"$type":"number"}})", R"({"a":"1"})", false},
      {R"({"a":{"$type":"null"}})", R"({"a":null})", true},
      {R"({"a":{"$type":"null"}})", R"({})", false},
      {R"({"a":{"$type":"bool"}})", R"({"a":false})", true},
      {R"({"a":{"$type":["string","bool"]}})", R"({"a":true})", true},
      {R"({"a":{"$type":["string",8]}})", R"({"a":1})", false},
      {R"({"a":{"$type":"minKey"}})", R"({"a":{"$minKey":1}})", true},
      {R"({"a":{"$type":-1}})", R"({"a":{"$minKey":1}})", true},
      {R"({"a":{"$type":127}})", R"({"a":{"$maxKey":1}})", true},
      {R"({"a":{"$type":"date"}})", R"({"a":{"$date":"2020-01-01T00:00:00Z"}})", true},
      {R"({"a":{"$type":"objectId"}})", R"({"a":{"$oid":"0123456789abcdef01234567"}})", true},
      // arrays: an element's type, or the array itself
      {R"({"a":{"$type":"int"}})", R"({"a":["x",1]})", true},
      {R"({"a":{"$type":"array"}})", R"({"a":[]})", true},
      {R"({"a":{"$type":"array"}})", R"({"a":[[1]]})", true},
      {R"({"a.b":{"$type":"string"}})", R"({"a":[{"b":1},{"b":"x"}]})", true},
      {R"({"a":{"$not":{"$type":"int"}}})", R"({"a":"x"})", true},
  }});
  check_errors(std::array<ErrorRow, 8>{{
      {R"({"a":{"$type":"foo"}})", "BadValue (2): filter: '$type' at 'a': unknown type name 'foo'"},
      {R"({"a":{"$type":99}})", "BadValue (2): filter: '$type' at 'a': invalid numerical type code 99"},
      {R"({"a":{"$type":1.5}})", "invalid numerical type code that is not a whole number"},
      {R"({"a":{"$type":0}})", "invalid numerical type code 0"},
      {R"({"a":{"$type":255}})", "invalid numerical type code 255"},
      {R"({"a":{"$type":[]}})", "FailedToParse (9): filter: '$type' at 'a': at least one type"},
      {R"({"a":{"$type":{}}})", "TypeMismatch (14): filter: '$type' at 'a' takes a type's name"},
      {R"({"a":{"$type":[["int"]]}})", "not array"},
  }});
}

TEST_CASE("regular expressions search strings, symbols and equal regular expressions") {
  check_matches(std::array<MatchRow, 31>{{
      {R"({"a":{"$regex":"b+"}})", R"({"a":"abbc"})", true},
      {R"({"a":{"$regex":"^b"}})", R"({"a":"abbc"})", false},
      {R"({"a":{"$regex":""}})", R"({"a":""})", true},
      {R"({"a":{"$regex":"B","$options":"i"}})", R"({"a":"abc"})", true},
      {R"({"a":{"$options":"i","$regex":"B"}})", R"({"a":"abc"})", true},
      {R"({"a":{"$regex":"^b","$options":"m"}})", R"({"a":"a\nb"})", true},
      {R"({"a":{"$regex":"a.b"}})", R"({"a":"a\nb"})", false},
      {R"({"a":{"$regex":"a.b","$options":"s"}})", R"({"a":"a\nb"})", true},
      {R"({"a":{"$regex":"a b # comment","$options":"x"}})", R"({"a":"ab"})", true},
      {R"({"a":{"$regex":"^.$","$options":"u"}})", R"({"a":"ü"})", true},
      {R"({"a":{"$regex":"Ü","$options":"i"}})", R"({"a":"ü"})", true},
      {R"-({"a":{"$regex":"^(?!x)"}})-", R"({"a":"y"})", true},
      {R"({"a":{"$regex":"(a)\\1"}})", R"({"a":"aa"})", true},
      {R"({"a":{"$regex":"1"}})", R"({"a":1})", false},
      {R"({"a":{"$regex":"x"}})", R"({})", false},
      {R"({"a":{"$regex":"x"}})", R"({"a":null})", false},
      {R"({"a":{"$regex":"x"}})", R"({"a":["y","x"]})", true},
      {R"({"a":{"$regex":"x"}})", R"({"a":[["x"]]})", false},
      {R"({"a":{"$regex":"x"}})", R"({"a":{"$symbol":"x"}})", true},
      {R"({"a":{"$not":{"$regex":"x"}}})", R"({"a":1})", true},
      {R"({"a":{"$not":{"$regex":"X","$options":"i"}}})", R"({"a":"x"})", false},
      {R"({"a":{"$not":{"$regularExpression":{"pattern":"x","options":""}}}})", R"({"a":"x"})", false},
      {R"({"a":{"$regularExpression":{"pattern":"X","options":"i"}}})", R"({"a":"x"})", true},
      {R"({"a":{"$regularExpression":{"pattern":"x","options":""}}})",
       R"({"a":{"$regularExpression":{"pattern":"x","options":""}}})", true},
      {R"({"a":{"$regularExpression":{"pattern":"x","options":""}}})",
       R"({"a":{"$regularExpression":{"pattern":"xx","options":""}}})", false},
      {R"({"a":{"$eq":{"$regularExpression":{"pattern":"x","options":""}}}})", R"({"a":"x"})", false},
      {R"({"a":{"$eq":{"$regularExpression":{"pattern":"x","options":""}}}})",
       R"({"a":{"$regularExpression":{"pattern":"x","options":""}}})", true},
      {R"({"a":{"$in":[{"$regularExpression":{"pattern":"^x","options":""}},"b"]}})", R"({"a":"xy"})", true},
      {R"({"a":{"$in":[{"$regularExpression":{"pattern":"^x","options":""}},"b"]}})", R"({"a":"b"})", true},
      {R"({"a":{"$nin":[{"$regularExpression":{"pattern":"^x","options":""}},"b"]}})", R"({"a":["c","xy"]})", false},
      {R"({"a":{"$in":[{"$regularExpression":{"pattern":"x","options":""}}]}})",
       R"({"a":{"$regularExpression":{"pattern":"x","options":""}}})", true},
  }});
  check_errors(std::array<ErrorRow, 10>{{
      {R"({"a":{"$regex":"("}})", "Location51091 (51091): filter: '$regex' at 'a': the regular expression is invalid"},
      {R"({"a":{"$regex":"x","$options":"g"}})", "Location51108 (51108): filter: '$regex' at 'a': invalid flag"},
      {R"({"a":{"$regex":5}})", "BadValue (2): filter: '$regex' at 'a' must be a string"},
      {R"({"a":{"$regex":"x","$options":5}})", "'$options' at 'a' must be a string"},
      {R"({"a":{"$options":"i"}})", "'$options' at 'a' needs a $regex"},
      {R"({"a":{"$regex":{"$regularExpression":{"pattern":"x","options":"i"}},"$options":"m"}})",
       "Location51074 (51074)"},
      {R"({"a":{"$regex":"x\u0000y"}})", "Location51109 (51109)"},
      {R"({"a":{"$ne":{"$regularExpression":{"pattern":"x","options":""}}}})",
       "'$ne' at 'a' cannot take a regular expression"},
      {R"({"a":{"$gt":{"$regularExpression":{"pattern":"x","options":""}}}})",
       "'$gt' at 'a' cannot take a regular expression"},
      {R"({"a":{"$regex":")" + std::string(16'385, 'x') + R"("}})", "at most 16384"},
  }});
}

TEST_CASE("a pattern that backtracks without end is stopped and reported") {
  const std::string text = std::string(64, 'a') + "!";
  for (const auto* pattern : {R"((a+)+$)", R"((a|aa)+$)", R"((a|a)*$)", R"(^(([a-z])+.)+[A-Z]$)"}) {
    bson::Builder source;
    source.begin_object("a").append_string("$regex", pattern).end();
    const auto filter = db::Filter::compile(std::move(source).finish());
    REQUIRE(filter);
    bson::Builder document;
    document.append_string("a", text);
    const bson::Document target = std::move(document).finish();
    const auto matched = filter->check(target);
    REQUIRE_MESSAGE(!matched.has_value(), std::string(pattern));
    CHECK(matched.error().message.find("more than 100000 steps") != std::string::npos);
    CHECK_FALSE(filter->matches(target));
  }
}

TEST_CASE("a search that failed fails its whole filter, also under $not and among other elements") {
  bson::Builder document;
  document.begin_array("a");
  for (int i = 0; i < 3; ++i) document.append_string(std::to_string(i), std::string(64, 'a') + "!");
  document.end();
  const bson::Document target = std::move(document).finish();
  for (const auto* text :
       {R"({"a":{"$not":{"$regex":"(a+)+$"}}})", R"({"$nor":[{"a":{"$regex":"(a+)+$"}}]})",
        R"({"a":{"$elemMatch":{"$regex":"(a+)+$"}}})", R"({"$or":[{"a":{"$regex":"(a+)+$"}},{"b":1}]})",
        R"({"a":{"$in":[{"$regularExpression":{"pattern":"(a+)+$","options":""}}]}})"}) {
    CHECK_MESSAGE(!compile(text).check(target).has_value(), text);
  }
}

TEST_CASE("$size counts the elements of the array itself") {
  check_matches(std::array<MatchRow, 11>{{
      {R"({"a":{"$size":2}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$size":2}})", R"({"a":[1]})", false},
      {R"({"a":{"$size":0}})", R"({"a":[]})", true},
      {R"({"a":{"$size":0}})", R"({})", false},
      {R"({"a":{"$size":1}})", R"({"a":"x"})", false},
      {R"({"a":{"$size":2}})", R"({"a":[[1,2]]})", false},
      {R"({"a":{"$size":1}})", R"({"a":[[1,2]]})", true},
      {R"({"a.b":{"$size":2}})", R"({"a":[{"b":[1]},{"b":[1,2]}]})", true},
      {R"({"a.0":{"$size":2}})", R"({"a":[[1,2]]})", true},
      {R"({"a":{"$size":2.0}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$not":{"$size":2}}})", R"({"a":5})", true},
  }});
  check_errors(std::array<ErrorRow, 3>{{
      {R"({"a":{"$size":"2"}})", "BadValue (2): filter: '$size' at 'a' must be a whole number, not string"},
      {R"({"a":{"$size":1.5}})", "must be a whole number, not a fraction"},
      {R"({"a":{"$size":-1}})", "must not be negative"},
  }});
}

TEST_CASE("$mod divides whole parts, truncated towards zero") {
  check_matches(std::array<MatchRow, 20>{{
      {R"({"a":{"$mod":[4,0]}})", R"({"a":8})", true},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":9})", false},
      {R"({"a":{"$mod":[4,1]}})", R"({"a":9.9})", true},
      {R"({"a":{"$mod":[4.9,1.9]}})", R"({"a":9})", true},
      {R"({"a":{"$mod":[4,-1]}})", R"({"a":-9})", true},
      {R"({"a":{"$mod":[-4,-1]}})", R"({"a":-9})", true},
      {R"({"a":{"$mod":[4,1]}})", R"({"a":-9})", false},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":-0.5})", true},
      {R"({"a":{"$mod":[4,1]}})", R"({"a":{"$numberDecimal":"9.5"}})", true},
      {R"({"a":{"$mod":[4,1]}})", R"({"a":{"$numberLong":"9"}})", true},
      {R"({"a":{"$mod":[{"$numberDecimal":"4.5"},1]}})", R"({"a":9})", true},
      {R"({"a":{"$mod":[-1,0]}})", R"({"a":{"$numberLong":"-9223372036854775808"}})", true},
      {R"({"a":{"$mod":[{"$numberLong":"9223372036854775807"},0]}})", R"({"a":{"$numberLong":"9223372036854775807"}})",
       true},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":{"$numberDouble":"NaN"}})", false},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":{"$numberDouble":"Infinity"}})", false},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":1e300})", false},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":"8"})", false},
      {R"({"a":{"$mod":[4,0]}})", R"({})", false},
      {R"({"a":{"$mod":[4,0]}})", R"({"a":[1,8]})", true},
      {R"({"a":{"$not":{"$mod":[4,0]}}})", R"({"a":"x"})", true},
  }});
  check_errors(std::array<ErrorRow, 8>{{
      {R"({"a":{"$mod":4}})", "BadValue (2): filter: malformed mod: '$mod' at 'a' takes an array"},
      {R"({"a":{"$mod":[]}})", "not enough elements"},
      {R"({"a":{"$mod":[4]}})", "not enough elements"},
      {R"({"a":{"$mod":[4,1,2]}})", "too many elements"},
      {R"({"a":{"$mod":["4",1]}})", "the divisor is not a number"},
      {R"({"a":{"$mod":[4,null]}})", "the remainder is not a number"},
      {R"({"a":{"$mod":[0.5,1]}})", "the divisor cannot be 0"},
      {R"({"a":{"$mod":[{"$numberDouble":"NaN"},1]}})", "the divisor is NaN, infinite"},
  }});
}

TEST_CASE("$all is one condition for each entry") {
  check_matches(std::array<MatchRow, 16>{{
      {R"({"a":{"$all":[1,2]}})", R"({"a":[2,3,1]})", true},
      {R"({"a":{"$all":[1,2]}})", R"({"a":[1]})", false},
      {R"({"a":{"$all":[1]}})", R"({"a":1})", true},
      {R"({"a":{"$all":[1,1]}})", R"({"a":[1]})", true},
      {R"({"a":{"$all":[]}})", R"({"a":[]})", false},
      {R"({"a":{"$all":[]}})", R"({"a":[1]})", false},
      {R"({"a":{"$all":[[1,2]]}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$all":[[1,2]]}})", R"({"a":[[1,2],3]})", true},
      {R"({"a":{"$all":[[1,2]]}})", R"({"a":[[1,2,3]]})", false},
      {R"({"a":{"$all":[null]}})", R"({})", true},
      {R"({"a":{"$all":[{"$regularExpression":{"pattern":"^x","options":""}},"b"]}})", R"({"a":["b","xx"]})", true},
      {R"({"a":{"$all":[{"x":1}]}})", R"({"a":[{"x":1}]})", true},
      {R"({"a":{"$all":[{"$elemMatch":{"x":1,"y":2}},{"$elemMatch":{"x":2}}]}})", R"({"a":[{"x":2},{"x":1,"y":2}]})",
       true},
      {R"({"a":{"$all":[{"$elemMatch":{"x":1,"y":2}}]}})", R"({"a":[{"x":1},{"y":2}]})", false},
      {R"({"a.b":{"$all":[1,2]}})", R"({"a":[{"b":1},{"b":2}]})", true},
      {R"({"a":{"$not":{"$all":[1,2]}}})", R"({"a":[1]})", true},
  }});
  check_errors(std::array<ErrorRow, 4>{{
      {R"({"a":{"$all":1}})", "BadValue (2): filter: '$all' at 'a' takes an array"},
      {R"({"a":{"$all":[{"$gt":1}]}})", "no other operators"},
      {R"({"a":{"$all":[{"$elemMatch":{"x":1}},5]}})", "no other operators"},
      {R"({"a":{"$all":[5,{"$elemMatch":{"x":1}}]}})", "no other operators"},
  }});
}

TEST_CASE("$elemMatch asks all of one element") {
  check_matches(std::array<MatchRow, 31>{{
      // operators on the element itself
      {R"({"a":{"$elemMatch":{"$gte":80,"$lt":85}}})", R"({"a":[82,85,88]})", true},
      {R"({"a":{"$elemMatch":{"$gte":80,"$lt":85}}})", R"({"a":[75,88]})", false},
      {R"({"a":{"$elemMatch":{"$gte":80}}})", R"({"a":82})", false},
      {R"({"a":{"$elemMatch":{"$gte":80}}})", R"({})", false},
      {R"({"a":{"$elemMatch":{"$eq":1}}})", R"({"a":[[1]]})", false},
      {R"({"a":{"$elemMatch":{"$eq":[1]}}})", R"({"a":[[1]]})", true},
      {R"({"a":{"$elemMatch":{"$ne":1}}})", R"({"a":[1,2]})", true},
      {R"({"a":{"$elemMatch":{"$ne":1}}})", R"({"a":[1,1]})", false},
      {R"({"a":{"$elemMatch":{"$not":{"$gt":1}}}})", R"({"a":[5,0]})", true},
      {R"({"a":{"$elemMatch":{"$in":[1,null]}}})", R"({"a":[5,null]})", true},
      {R"({"a":{"$elemMatch":{"$nin":[1,2]}}})", R"({"a":[1,2]})", false},
      {R"({"a":{"$elemMatch":{"$exists":true}}})", R"({"a":[null]})", true},
      {R"({"a":{"$elemMatch":{"$exists":true}}})", R"({"a":[]})", false},
      {R"({"a":{"$elemMatch":{"$size":2}}})", R"({"a":[[1],[1,2]]})", true},
      {R"({"a":{"$elemMatch":{"$type":"string","$regex":"^x"}}})", R"({"a":[1,"xy"]})", true},
      {R"({"a":{"$elemMatch":{"$mod":[2,1],"$gt":5}}})", R"({"a":[3,6,7]})", true},
      {R"({"a":{"$elemMatch":{"$elemMatch":{"$gt":1,"$lt":3}}}})", R"({"a":[[0,5],[2]]})", true},
      {R"({"a":{"$elemMatch":{"$elemMatch":{"x":1}}}})", R"({"a":[[{"x":1}]]})", true},
      // a filter on the element's fields
      {R"({"a":{"$elemMatch":{"x":1,"y":{"$gt":1}}}})", R"({"a":[{"x":1,"y":2}]})", true},
      {R"({"a":{"$elemMatch":{"x":1,"y":{"$gt":1}}}})", R"({"a":[{"x":1},{"y":2}]})", false},
      {R"({"a":{"$elemMatch":{"x.y":1}}})", R"({"a":[{"x":[{"y":1}]}]})", true},
      {R"({"a":{"$elemMatch":{}}})", R"({"a":[{}]})", true},
      {R"({"a":{"$elemMatch":{}}})", R"({"a":[1]})", false},
      {R"({"a":{"$elemMatch":{"x":null}}})", R"({"a":[{"y":1}]})", true},
      {R"({"a":{"$elemMatch":{"x":null}}})", R"({"a":[1]})", false},
      {R"({"a":{"$elemMatch":{"0":1}}})", R"({"a":[[1,2]]})", true},
      {R"({"a":{"$elemMatch":{"$or":[{"x":1},{"y":1}]}}})", R"({"a":[{"y":1}]})", true},
      {R"({"a":{"$elemMatch":{"$nor":[{"x":1},{"y":1}]}}})", R"({"a":[{"y":1},{"z":1}]})", true},
      {R"({"a.b":{"$elemMatch":{"$gt":1,"$lt":3}}})", R"({"a":[{"b":[0,5]},{"b":[2]}]})", true},
      {R"({"a":{"$not":{"$elemMatch":{"x":1}}}})", R"({"a":[{"x":2}]})", true},
      {R"({"a":{"$elemMatch":{"$gt":1,"$not":{"$elemMatch":{"x":1}}}}})", R"({"a":[2]})", true},
  }});
  check_errors(std::array<ErrorRow, 3>{{
      {R"({"a":{"$elemMatch":1}})", "BadValue (2): filter: '$elemMatch' at 'a' takes an object"},
      {R"({"a":{"$elemMatch":[]}})", "takes an object"},
      {R"({"a":{"$elemMatch":{"$gt":1,"x":2}}})", "unknown operator 'x' at 'a'"},
  }});
}

TEST_CASE("$comment changes nothing") {
  check_matches(std::array<MatchRow, 3>{{
      {R"({"$comment":"why","a":1})", R"({"a":1})", true},
      {R"({"$comment":"why","a":1})", R"({"a":2})", false},
      {R"({"$or":[{"$comment":5},{"a":1}]})", R"({})", true},
  }});
  CHECK(compile(R"({"$comment":"all of them"})").empty());
}

TEST_CASE("a filter says at which element it matched") {
  struct Row {
    const char* filter;
    const char* document;
    int index;  // -1: none
  };
  for (const Row& row : std::initializer_list<Row>{
           {R"({"a":5})", R"({"a":[3,5,5]})", 1},
           {R"({"a":5})", R"({"a":5})", -1},
           {R"({"a":{"$gt":3}})", R"({"a":[1,2,4]})", 2},
           {R"({"a":[1,2]})", R"({"a":[1,2]})", -1},
           {R"({"a":[1,2]})", R"({"a":[0,[1,2]]})", 1},
           {R"({"a.b":5})", R"({"a":[{"b":1},{"b":5}]})", 1},
           {R"({"a.b":5})", R"({"a":[{"b":1},{"b":[1,2,5]}]})", 1},
           {R"({"a.b":5})", R"({"a":{"b":[1,2,5]}})", 2},
           {R"({"a.0":5})", R"({"a":[5]})", 0},
           {R"({"a.1.b":5})", R"({"a":[{"b":5},{"b":[1,5]}]})", 1},
           {R"({"a":{"$elemMatch":{"x":1,"y":2}}})", R"({"a":[{"x":1},{"x":1,"y":2}]})", 1},
           {R"({"a":{"$elemMatch":{"$gt":1,"$lt":3}}})", R"({"a":[0,5,2]})", 2},
           {R"({"a.b":{"$elemMatch":{"$gt":1}}})", R"({"a":[{"b":[0]},{"b":[0,0,2]}]})", 1},
           {R"({"a":{"$in":[7,8]}})", R"({"a":[1,8]})", 1},
           {R"({"a":{"$regex":"x"}})", R"({"a":["y","x"]})", 1},
           {R"({"a":{"$all":[2,1]}})", R"({"a":[1,2]})", 1},
           {R"({"a":{"$size":2}})", R"({"a":[1,2]})", -1},
           {R"({"a.b":{"$size":2}})", R"({"a":[{"b":[]},{"b":[1,2]}]})", 1},
           {R"({"x":1,"a":5})", R"({"x":1,"a":[3,5]})", 1},
           {R"({"b":2,"a":5})", R"({"a":[5],"b":[1,2]})", 1},
           {R"({"a":{"$ne":5}})", R"({"a":[1,2]})", -1},
           {R"({"a":{"$not":{"$gt":5}},"b":2})", R"({"a":[1,2],"b":[2]})", 0},
           {R"({"$or":[{"a":9},{"b":2}]})", R"({"a":[5],"b":[1,2]})", 1},
           {R"({"$and":[{"c":1},{"b":2}]})", R"({"c":1,"b":[1,2]})", 1},
           {R"({"a":{"$exists":true}})", R"({"a":[1]})", 0},
           {R"({})", R"({"a":[1]})", -1},
       }) {
    const db::Filter filter = compile(row.filter);
    const auto document = bson::from_json(row.document);
    REQUIRE(document);
    REQUIRE_MESSAGE(filter.matches(*document), std::string(row.filter));
    const auto index = filter.matched_array_index(*document);
    const int found = index ? static_cast<int>(*index) : -1;
    CHECK_MESSAGE(found == row.index, std::string(row.filter) << " on " << std::string(row.document));
  }
}

TEST_CASE("a filter knows the ids it allows") {
  const auto key = [](std::string_view text) {
    return bson::order_key(*bson::from_json(R"({"v":)" + std::string(text) + "}")->view().find("v"));
  };
  using Keys = std::optional<std::vector<std::string>>;
  CHECK(compile(R"({"_id":{"$in":[3,1,"x",1.0]}})").id_keys() == Keys({key("1"), key("3"), key("\"x\"")}));
  CHECK(compile(R"({"_id":{"$in":[]}})").id_keys() == Keys(std::in_place));
  CHECK(compile(R"({"_id":5})").id_keys() == Keys({key("5")}));
  CHECK(compile(R"({"_id":{"$in":[1,2]},"$and":[{"_id":2}]})").id_keys() == Keys({key("2")}));
  for (const auto* text :
       {R"({"_id":{"$nin":[1]}})", R"({"_id":{"$in":[{"$regularExpression":{"pattern":"x","options":""}}]}})",
        R"({"$or":[{"_id":{"$in":[1]}}]})", R"({"_id.a":{"$in":[1]}})", R"({"_id":{"$not":{"$in":[1]}}})"}) {
    CHECK_MESSAGE(!compile(text).id_keys(), text);
  }
  const auto allows = [&](std::string_view filter, std::string_view id) {
    const db::Filter compiled = compile(filter);
    const db::IdBounds& bounds = compiled.id_bounds();
    return key(id) >= bounds.first && (!bounds.end || key(id) < *bounds.end);
  };
  CHECK(allows(R"({"_id":{"$gte":3}})", "3"));
  CHECK(allows(R"({"_id":{"$gte":3}})", "{\"$numberLong\":\"9223372036854775807\"}"));
  CHECK_FALSE(allows(R"({"_id":{"$gte":3}})", "2.5"));
  CHECK_FALSE(allows(R"({"_id":{"$gt":3}})", "3"));
  CHECK_FALSE(allows(R"({"_id":{"$gt":3}})", "\"x\""));
  CHECK(allows(R"({"_id":{"$lt":3}})", "2"));
  CHECK_FALSE(allows(R"({"_id":{"$lt":3}})", "3"));
  CHECK(allows(R"({"_id":{"$lte":3}})", "3"));
  CHECK_FALSE(allows(R"({"_id":{"$lte":3}})", "3.5"));
  CHECK_FALSE(allows(R"({"_id":{"$lte":3}})", "null"));
  CHECK_FALSE(allows(R"({"_id":{"$gt":3,"$lt":5}})", "5"));
  CHECK(allows(R"({"$and":[{"_id":{"$gt":3}},{"_id":{"$lt":5}}]})", "4"));
  CHECK_FALSE(allows(R"({"$and":[{"_id":{"$gt":3}},{"_id":{"$lt":5}}]})", "5"));
  CHECK(allows(R"({"_id":{"$lt":{"$maxKey":1}}})", "\"x\""));
  CHECK_FALSE(compile(R"({"_id":{"$gt":{"$minKey":1}}})").id_bounds().bounded());
  CHECK_FALSE(compile(R"({"$or":[{"_id":{"$gt":5}}]})").id_bounds().bounded());
}
