// $push, $addToSet, $pull, $pullAll, $pop, and the positional parts of paths.
#include "update_cases.hpp"

using namespace distri;
using namespace distri::db::test;

TEST_CASE("$push appends, and with $each inserts, sorts and cuts, in that order") {
  check_all({
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":3}})", R"({"_id":1,"a":[1,2,3]})"},
      {R"({"_id":1})", R"({"$push":{"a":3,"b.c":[1]}})", R"({"_id":1,"a":[3],"b":{"c":[[1]]}})"},
      {R"({"_id":1,"a":[1]})", R"({"$push":{"a":[2,3]}})", R"({"_id":1,"a":[1,[2,3]]})"},
      {R"({"_id":1,"a":[1]})", R"({"$push":{"a":{"x":1}}})", R"({"_id":1,"a":[1,{"x":1}]})"},
      {R"({"_id":1,"a":[1]})", R"({"$push":{"a":{"$each":[2,3]}}})", R"({"_id":1,"a":[1,2,3]})"},
      {R"({"_id":1,"a":[1]})", R"({"$push":{"a":{"$each":[]}}})", ""},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[]}}})", R"({"_id":1,"a":[]})"},
      // position
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[8,9],"$position":0}}})", R"({"_id":1,"a":[8,9,1,2]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[9],"$position":1}}})", R"({"_id":1,"a":[1,9,2]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[9],"$position":-1}}})", R"({"_id":1,"a":[1,9,2]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[9],"$position":-5}}})", R"({"_id":1,"a":[9,1,2]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[9],"$position":{"$numberLong":"9223372036854775807"}}}})",
       R"({"_id":1,"a":[1,2,9]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[9],"$position":{"$numberLong":"-9223372036854775808"}}}})",
       R"({"_id":1,"a":[9,1,2]})"},
      // slice
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[3,4],"$slice":3}}})", R"({"_id":1,"a":[1,2,3]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[3,4],"$slice":-3}}})", R"({"_id":1,"a":[2,3,4]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$push":{"a":{"$each":[3],"$slice":0}}})", R"({"_id":1,"a":[]})"},
      {R"({"_id":1,"a":[1,2,3]})", R"({"$push":{"a":{"$each":[],"$slice":{"$numberLong":"-9223372036854775808"}}}})",
       ""},
      {R"({"_id":1,"a":[1,2,3]})", R"({"$push":{"a":{"$each":[],"$slice":-2.0}}})", R"({"_id":1,"a":[2,3]})"},
      // sort
      {R"({"_id":1,"a":[3,1]})", R"({"$push":{"a":{"$each":[2],"$sort":1}}})", R"({"_id":1,"a":[1,2,3]})"},
      {R"({"_id":1,"a":[3,"x",null]})", R"({"$push":{"a":{"$each":[{"y":1}],"$sort":-1}}})",
       R"({"_id":1,"a":[{"y":1},"x",3,null]})"},
      {R"({"_id":1,"a":[{"s":2,"n":"b"},{"s":1,"n":"c"}]})",
       R"({"$push":{"a":{"$each":[{"s":2,"n":"a"}],"$sort":{"s":-1,"n":1},"$slice":2}}})",
       R"({"_id":1,"a":[{"s":2,"n":"a"},{"s":2,"n":"b"}]})"},
      {R"({"_id":1,"a":[{"s":{"t":2}},5,{"s":{"t":1}}]})", R"({"$push":{"a":{"$each":[],"$sort":{"s.t":1}}}})",
       R"({"_id":1,"a":[5,{"s":{"t":1}},{"s":{"t":2}}]})"},
      {R"({"_id":1,"a":[5,6,7]})", R"({"$push":{"a":{"$each":[9,1],"$position":0,"$sort":1,"$slice":-2}}})",
       R"({"_id":1,"a":[7,9]})"},
      // errors
      {R"({"_id":1,"a":5})", R"({"$push":{"a":1}})",
       "!BadValue (2): $push at 'a': Cannot apply $push to a non-array value; the field is of type int"},
      {R"({"_id":1,"a":null})", R"({"$push":{"a":1}})", "!the field is of type null"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":5}}})",
       "!BadValue (2): $push at 'a': $each must be an array, not a value of type int"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$slice":"x"}}})", "!$push at 'a': $slice must be an integer"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$position":1.5}}})", "!$position must be an integer"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$sort":2}}})", "!$sort must be either 1 or -1"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$sort":{"b":0}}}})",
       "!$sort has a field whose value is neither 1 nor -1"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$sort":{"b..c":1}}}})", "!$sort has a field with an empty name"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$sort":{}}}})", "!$sort has no sort order"},
      {R"({"_id":1})", R"({"$push":{"a":{"$each":[],"$limit":1}}})", "!unrecognized clause '$limit'"},
  });
}

TEST_CASE("$addToSet adds what is not there yet, once") {
  check_all({
      {R"({"_id":1,"a":[1,2]})", R"({"$addToSet":{"a":3}})", R"({"_id":1,"a":[1,2,3]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$addToSet":{"a":2}})", ""},
      {R"({"_id":1,"a":[1,2]})", R"({"$addToSet":{"a":2.0}})", ""},
      {R"({"_id":1})", R"({"$addToSet":{"a":2}})", R"({"_id":1,"a":[2]})"},
      {R"({"_id":1,"a":[1]})", R"({"$addToSet":{"a":[1]}})", R"({"_id":1,"a":[1,[1]]})"},
      {R"({"_id":1,"a":[{"x":1,"y":2}]})", R"({"$addToSet":{"a":{"y":2,"x":1}}})",
       R"({"_id":1,"a":[{"x":1,"y":2},{"y":2,"x":1}]})"},
      {R"({"_id":1,"a":[1]})", R"({"$addToSet":{"a":{"$each":[3,1,2,3,3.0]}}})", R"({"_id":1,"a":[1,3,2]})"},
      {R"({"_id":1,"a":[5,1,5]})", R"({"$addToSet":{"a":{"$each":[9,8,7,6,5,4,1]}}})",
       R"({"_id":1,"a":[5,1,5,9,8,7,6,4]})"},
      {R"({"_id":1,"a":[{"$numberDouble":"NaN"}]})", R"({"$addToSet":{"a":{"$numberDouble":"NaN"}}})", ""},
      {R"({"_id":1,"a":5})", R"({"$addToSet":{"a":1}})", "!BadValue (2): $addToSet at 'a': Cannot apply"},
      {R"({"_id":1})", R"({"$addToSet":{"a":{"$each":1}}})",
       "!TypeMismatch (14): $addToSet at 'a': $each must be an array"},
      {R"({"_id":1})", R"({"$addToSet":{"a":{"$each":[1],"$slice":1}}})", "!unexpected fields after $each"},
  });
}

TEST_CASE("$pull removes what equals a value or matches a condition") {
  check_all({
      {R"({"_id":1,"a":[1,2,1,3]})", R"({"$pull":{"a":1}})", R"({"_id":1,"a":[2,3]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$pull":{"a":9,"b":1,"c.d":1}})", ""},
      {R"({"_id":1,"a":[1,5,8,"x"]})", R"({"$pull":{"a":{"$gte":5}}})", R"({"_id":1,"a":[1,"x"]})"},
      {R"({"_id":1,"a":["p","q","r"]})", R"({"$pull":{"a":{"$in":["p","r"]}}})", R"({"_id":1,"a":["q"]})"},
      {R"({"_id":1,"a":[1,null,2]})", R"({"$pull":{"a":null}})", R"({"_id":1,"a":[1,2]})"},
      {R"({"_id":1,"a":[{"s":8,"i":"B"},{"s":5,"i":"A"},7]})", R"({"$pull":{"a":{"i":"B","s":8}}})",
       R"({"_id":1,"a":[{"s":5,"i":"A"},7]})"},
      {R"({"_id":1,"a":[{"s":8},{"s":5}]})", R"({"$pull":{"a":{"s":{"$lt":6}}}})", R"({"_id":1,"a":[{"s":8}]})"},
      {R"({"_id":1,"a":[{"s":8},{"t":5},{"u":1}]})", R"({"$pull":{"a":{"$or":[{"s":8},{"t":5}]}}})",
       R"({"_id":1,"a":[{"u":1}]})"},
      {R"({"_id":1,"a":[[1,2],[3]]})", R"({"$pull":{"a":[1,2]}})", R"({"_id":1,"a":[[3]]})"},
      {R"({"_id":1,"a":[{},1]})", R"({"$pull":{"a":{}}})", R"({"_id":1,"a":[1]})"},
      {R"({"_id":1,"a":5})", R"({"$pull":{"a":5}})",
       "!BadValue (2): $pull at 'a': Cannot apply $pull to a non-array value"},
      {R"({"_id":1,"a":5})", R"({"$pull":{"a.b":5}})", ""},
      {R"({"_id":1,"a":[1]})", R"({"$pull":{"a":{"$foo":5}}})", "!$pull at 'a': filter: "},
  });
}

TEST_CASE("$pullAll removes all of the values, compared whole") {
  check_all({
      {R"({"_id":1,"a":[0,2,5,5,1,0]})", R"({"$pullAll":{"a":[0,5]}})", R"({"_id":1,"a":[2,1]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$pullAll":{"a":[],"b":[1]}})", ""},
      {R"({"_id":1,"a":[{"x":1,"y":1},{"x":1}]})", R"({"$pullAll":{"a":[{"x":1}]}})",
       R"({"_id":1,"a":[{"x":1,"y":1}]})"},
      {R"({"_id":1,"a":[1]})", R"({"$pullAll":{"a":1}})", "!BadValue (2): $pullAll at 'a': requires an array"},
      {R"({"_id":1,"a":1})", R"({"$pullAll":{"a":[1]}})",
       "!$pullAll at 'a': Cannot apply $pullAll to a non-array value"},
  });
}

TEST_CASE("$pop removes the last or the first element") {
  check_all({
      {R"({"_id":1,"a":[1,2,3]})", R"({"$pop":{"a":1}})", R"({"_id":1,"a":[1,2]})"},
      {R"({"_id":1,"a":[1,2,3]})", R"({"$pop":{"a":-1}})", R"({"_id":1,"a":[2,3]})"},
      {R"({"_id":1,"a":[1]})", R"({"$pop":{"a":1.0}})", R"({"_id":1,"a":[]})"},
      {R"({"_id":1,"a":[]})", R"({"$pop":{"a":1,"b.c":1}})", ""},
      {R"({"_id":1,"a":[1]})", R"({"$pop":{"a":2}})", "!FailedToParse (9): $pop at 'a': expects 1"},
      {R"({"_id":1,"a":[1]})", R"({"$pop":{"a":"x"}})", "!$pop at 'a': expects 1"},
      {R"({"_id":1,"a":1})", R"({"$pop":{"a":1}})",
       "!TypeMismatch (14): $pop at 'a': Cannot apply $pop to a non-array value"},
  });
}

TEST_CASE("$[] means every element, and the path must be there") {
  check_all({
      {R"({"_id":1,"a":[1,2,3]})", R"({"$inc":{"a.$[]":10}})", R"({"_id":1,"a":[11,12,13]})"},
      {R"({"_id":1,"a":[{"b":1},{"b":2}]})", R"({"$set":{"a.$[].c":0},"$inc":{"a.$[].b":1}})",
       R"({"_id":1,"a":[{"b":2,"c":0},{"b":3,"c":0}]})"},
      {R"({"_id":1,"a":[[1,2],[3]]})", R"({"$mul":{"a.$[].$[]":2}})", R"({"_id":1,"a":[[2,4],[6]]})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$unset":{"a.$[]":1}})", R"({"_id":1,"a":[null,null]})"},
      {R"({"_id":1,"a":[]})", R"({"$set":{"a.$[]":1}})", ""},
      {R"({"_id":1,"a":[{"b":1},5]})", R"({"$set":{"a.$[].b":2}})", "!PathNotViable (28): $set at 'a.$[].b'"},
      {R"({"_id":1})", R"({"$set":{"a.$[]":1}})",
       "!BadValue (2): $set at 'a.$[]': The path must exist in the document in order to apply array updates"},
      {R"({"_id":1})", R"({"$set":{"b.a.$[]":1}})", "!The path must exist"},
      {R"({"_id":1,"a":5})", R"({"$unset":{"a.$[]":1}})",
       "!BadValue (2): $unset at 'a.$[]': Cannot apply array updates to a non-array element of type int"},
      {R"({"_id":1})", R"({"$set":{"$[]":1}})", "!the path '$[]' cannot begin with a positional part"},
  });
}

TEST_CASE("$[identifier] means the elements that its array filter matches") {
  check_all({
      {R"({"_id":1,"g":[95,102,90,150]})", R"({"$set":{"g.$[e]":100}})", R"({"_id":1,"g":[95,100,90,100]})",
       R"([{"e":{"$gte":100}}])"},
      {R"({"_id":1,"g":[{"grade":80,"m":75},{"grade":85,"m":90}]})", R"({"$set":{"g.$[e].m":100}})",
       R"({"_id":1,"g":[{"grade":80,"m":75},{"grade":85,"m":100}]})", R"([{"e.grade":{"$gte":85}}])"},
      {R"({"_id":1,"g":[{"q":[4,8],"t":"x"},{"q":[9],"t":"y"}]})", R"({"$inc":{"g.$[a].q.$[b]":100}})",
       R"({"_id":1,"g":[{"q":[4,108],"t":"x"},{"q":[9],"t":"y"}]})", R"([{"a.t":"x"},{"b":{"$gte":8}}])"},
      {R"({"_id":1,"g":[1,2]})", R"({"$set":{"g.$[e]":0}})", "", R"([{"e":9}])"},
      {R"({"_id":1,"g":[{"b":1,"c":1}]})", R"({"$set":{"g.$[x].b":5,"g.$[y].c":6}})",
       R"({"_id":1,"g":[{"b":5,"c":6}]})", R"([{"x.b":1},{"y.c":1}])"},
      {R"({"_id":1,"g":[1,2,3]})", R"({"$set":{"g.$[x]":0}})", R"({"_id":1,"g":[0,2,0]})",
       R"([{"$or":[{"x":1},{"x":3}]}])"},
      {R"({"_id":1,"g":[1,2]})", R"({"$set":{"g.$[x]":5,"g.$[y]":6}})", "!ConflictingUpdateOperators (40)",
       R"([{"x":1},{"y":{"$lt":5}}])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[x]":5}})",
       "!BadValue (2): $set: No array filter found for identifier 'x' in path 'g.$[x]'"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"a":5}})",
       "!FailedToParse (9): arrayFilters: The array filter for identifier 'x' was not used", R"([{"x":1}])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[x]":5}})",
       "!FailedToParse (9): arrayFilters: found multiple array filters", R"([{"x":1},{"x":2}])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[x]":5}})",
       "!arrayFilters: expected a single top-level field name, found 'x' and 'y'", R"([{"x":1,"y":2}])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[x]":5}})", "!arrayFilters: an entry has no top-level field name",
       R"([{}])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[X]":5}})",
       "!must be alphanumeric and begin with a lowercase letter, found 'X'", R"([{"X":1}])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[x]":5}})",
       "!TypeMismatch (14): arrayFilters: every entry must be an object", R"([5])"},
      {R"({"_id":1,"g":[1]})", R"({"$set":{"g.$[x]":5}})", "!arrayFilters: 'x': filter: ", R"([{"x":{"$foo":1}}])"},
      {R"({"_id":1,"g":[1]})", R"({"g":5})", "!arrayFilters cannot be used with a replacement", R"([{"x":1}])"},
  });
}

TEST_CASE("$ means the element that the filter matched") {
  const db::UpdateContext second{.matched_index = 1};
  check({R"({"_id":1,"g":[85,80,80]})", R"({"$set":{"g.$":82}})", R"({"_id":1,"g":[85,82,80]})"}, second);
  check({R"({"_id":1,"g":[{"m":1},{"m":2}]})", R"({"$set":{"g.$.s":6},"$inc":{"g.$.m":1}})",
         R"({"_id":1,"g":[{"m":1},{"m":3,"s":6}]})"},
        second);
  check({R"({"_id":1,"g":[{"m":1},{"m":2}]})", R"({"$set":{"g.$.s":6,"g.1.m":9}})",
         R"({"_id":1,"g":[{"m":1},{"m":9,"s":6}]})"},
        second);
  check({R"({"_id":1,"g":[1,2]})", R"({"$set":{"g.$":6,"g.0":5}})", R"({"_id":1,"g":[5,6]})"}, second);
  check({R"({"_id":1,"g":[1,2]})", R"({"$set":{"g.$":6,"g.1":5}})", "!ConflictingUpdateOperators (40)"}, second);
  check({R"({"_id":1,"g":[1,2]})", R"({"$unset":{"g.$":1}})", R"({"_id":1,"g":[1,null]})"}, second);
  check({R"({"_id":1,"g":[1,2]})", R"({"$set":{"g.$":6}})",
         "!BadValue (2): $set at 'g.$': The positional operator did not find the match needed from the query"});
  check({R"({"_id":1,"g":[1]})", R"({"$set":{"g.$.a.$":6}})",
         "!BadValue (2): $set: Too many positional (i.e. '$') elements found in path 'g.$.a.$'"},
        second);
  check({R"({"_id":1,"g":[1]})", R"({"$set":{"$.a":6}})", "!cannot begin with a positional part"}, second);

  const auto update = compile(R"({"$set":{"g.h.$.x":1}})");
  REQUIRE(update.has_value());
  CHECK(update->is_positional());
  CHECK(update->positional_path() == "g.h");
  CHECK_FALSE(compile(R"({"$set":{"g":1}})")->is_positional());
}
