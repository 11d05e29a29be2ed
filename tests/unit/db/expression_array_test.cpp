#include "expression_rows.hpp"

using namespace distri;
using db_test::check_results;
using db_test::ExpressionRow;

TEST_CASE("elements, sizes and stretches of arrays") {
  const char* document = R"({"a":[1,2,3]})";
  check_results(std::vector<ExpressionRow>{
      {R"({"$arrayElemAt":["$a",0]})", document, "1"},
      {R"({"$arrayElemAt":["$a",-1]})", document, "3"},
      {R"({"$arrayElemAt":["$a",5]})", document, "missing"},
      {R"({"$arrayElemAt":["$a",-4]})", document, "missing"},
      {R"({"$arrayElemAt":["$b",0]})", document, "null"},
      {R"({"$arrayElemAt":[5,0]})", document, "error: Location28689 (28689)"},
      {R"({"$arrayElemAt":["$a","x"]})", document, "error: Location28690 (28690)"},
      {R"({"$arrayElemAt":["$a",1.5]})", document, "error: Location28691 (28691)"},
      {R"({"$first":"$a"})", document, "1"},
      {R"({"$last":"$a"})", document, "3"},
      {R"({"$first":"$b"})", document, "null"},
      {R"({"$last":[[]]})", document, "missing"},
      {R"({"$first":5})", document, "error: Location28689 (28689)"},
      {R"({"$concatArrays":["$a",[4],[]]})", document, "[1,2,3,4]"},
      {R"({"$concatArrays":["$a",null]})", document, "null"},
      {R"({"$concatArrays":["$a",5]})", document, "error: Location28664 (28664)"},
      {R"({"$in":[2,"$a"]})", document, "true"},
      {R"({"$in":[2.0,"$a"]})", document, "true"},
      {R"({"$in":[[2],"$a"]})", document, "false"},
      {R"({"$in":[2,"$b"]})", document,
       "error: Location40081 (40081): $in requires an array as a second argument, found: missing"},
      {R"({"$indexOfArray":["$a",2]})", document, "1"},
      {R"({"$indexOfArray":["$a",9]})", document, "-1"},
      {R"({"$indexOfArray":["$a",1,1]})", document, "-1"},
      {R"({"$indexOfArray":["$a",3,0,2]})", document, "-1"},
      {R"({"$indexOfArray":["$b",3]})", document, "null"},
      {R"({"$indexOfArray":[5,3]})", document, "error: Location40090 (40090)"},
      {R"({"$isArray":"$a"})", document, "true"},
      {R"({"$isArray":[[1]]})", document, "true"},
      {R"({"$isArray":"$b"})", document, "false"},
      {R"({"$range":[0,5,2]})", document, "[0,2,4]"},
      {R"({"$range":[3,0,-1]})", document, "[3,2,1]"},
      {R"({"$range":[0,0]})", document, "[]"},
      {R"({"$range":[0,5,0]})", document, "error: Location34449 (34449)"},
      {R"({"$range":["x",5]})", document, "error: Location34443 (34443)"},
      {R"({"$range":[0,1.5]})", document, "error: Location34445 (34445)"},
      {R"({"$reverseArray":"$a"})", document, "[3,2,1]"},
      {R"({"$reverseArray":"$b"})", document, "null"},
      {R"({"$reverseArray":5})", document, "error: Location34435 (34435)"},
      {R"({"$size":"$a"})", document, "3"},
      {R"({"$size":"$b"})", document,
       "error: Location17124 (17124): The argument to $size must be an array, but was of type: missing"},
      {R"({"$slice":["$a",2]})", document, "[1,2]"},
      {R"({"$slice":["$a",-2]})", document, "[2,3]"},
      {R"({"$slice":["$a",9]})", document, "[1,2,3]"},
      {R"({"$slice":["$a",1,1]})", document, "[2]"},
      {R"({"$slice":["$a",-2,1]})", document, "[2]"},
      {R"({"$slice":["$a",-9,2]})", document, "[1,2]"},
      {R"({"$slice":["$a",9,2]})", document, "[]"},
      {R"({"$slice":["$a",1,0]})", document, "error: Location28729 (28729)"},
      {R"({"$slice":[5,1]})", document, "error: Location28724 (28724)"},
      {R"({"$slice":["$a",1.5]})", document, "error: Location28726 (28726)"},
      {R"({"$slice":["$b",1]})", document, "null"},
  });
}

TEST_CASE("arrays are mapped, filtered, folded, zipped and sorted") {
  const char* document = R"({"a":[1,2,3],"o":[{"x":2,"y":1},{"x":1,"y":5},{"y":3}]})";
  check_results(std::vector<ExpressionRow>{
      {R"({"$map":{"input":"$a","as":"n","in":{"$multiply":["$$n",2]}}})", document, "[2,4,6]"},
      {R"({"$map":{"input":"$a","in":"$$this"}})", document, "[1,2,3]"},
      {R"({"$map":{"input":"$o","in":"$$this.x"}})", document, "[2,1,null]"},
      {R"({"$map":{"input":"$none","in":"$$this"}})", document, "null"},
      {R"({"$map":{"input":5,"in":"$$this"}})", document, "error: Location16883 (16883)"},
      {R"({"$map":{"input":"$a"}})", document, "error: Location28648 (28648): $map needs the argument 'in'"},
      {R"({"$map":{"input":"$a","in":1,"foo":1}})", document, "error: Location28647 (28647)"},
      {R"({"$map":{"input":"$a","as":"n","in":{"$map":{"input":"$a","as":"m","in":{"$add":["$$n","$$m"]}}}}})",
       document, "[[2,3,4],[3,4,5],[4,5,6]]"},
      {R"({"$filter":{"input":"$a","as":"n","cond":{"$gt":["$$n",1]}}})", document, "[2,3]"},
      {R"({"$filter":{"input":"$a","cond":{"$gt":["$$this",1]},"limit":1}})", document, "[2]"},
      {R"({"$filter":{"input":"$a","cond":true,"limit":0}})", document, "error: Location327391 (327391)"},
      {R"({"$filter":{"input":null,"cond":true}})", document, "null"},
      {R"({"$filter":{"input":5,"cond":true}})", document, "error: Location28651 (28651)"},
      {R"({"$reduce":{"input":"$a","initialValue":0,"in":{"$add":["$$value","$$this"]}}})", document, "6"},
      {R"({"$reduce":{"input":[],"initialValue":7,"in":1}})", document, "7"},
      {R"({"$reduce":{"input":null,"initialValue":0,"in":1}})", document, "null"},
      {R"({"$reduce":{"input":5,"initialValue":0,"in":1}})", document, "error: Location40080 (40080)"},
      {R"({"$reduce":{"input":"$a","in":1}})", document, "error: Location40079 (40079)"},
      {R"({"$zip":{"inputs":["$a",["x","y"]]}})", document, R"([[1,"x"],[2,"y"]])"},
      {R"({"$zip":{"inputs":["$a",["x"]],"useLongestLength":true}})", document, R"([[1,"x"],[2,null],[3,null]])"},
      {R"({"$zip":{"inputs":["$a",["x"]],"useLongestLength":true,"defaults":[0,"z"]}})", document,
       R"([[1,"x"],[2,"z"],[3,"z"]])"},
      {R"({"$zip":{"inputs":["$a",null]}})", document, "null"},
      {R"({"$zip":{"inputs":["$a",5]}})", document, "error: Location34468 (34468)"},
      {R"({"$zip":{"inputs":["$a"],"defaults":[0]}})", document, "error: Location34466 (34466)"},
      {R"({"$zip":{"inputs":["$a"],"useLongestLength":true,"defaults":[0,1]}})", document,
       "error: Location34467 (34467)"},
      {R"({"$sortArray":{"input":[3,"x",1,null],"sortBy":1}})", document, R"([null,1,3,"x"])"},
      {R"({"$sortArray":{"input":"$a","sortBy":-1}})", document, "[3,2,1]"},
      {R"({"$sortArray":{"input":"$o","sortBy":{"x":1}}})", document, R"([{"y":3},{"x":1,"y":5},{"x":2,"y":1}])"},
      {R"({"$sortArray":{"input":"$o","sortBy":{"y":-1,"x":1}}})", document,
       R"([{"x":1,"y":5},{"y":3},{"x":2,"y":1}])"},
      {R"({"$sortArray":{"input":"$none","sortBy":1}})", document, "null"},
      {R"({"$sortArray":{"input":5,"sortBy":1}})", document, "error: Location2942504 (2942504)"},
      {R"({"$sortArray":{"input":"$a","sortBy":2}})", document, "error: Location2942505 (2942505)"},
      {R"({"$sortArray":{"input":"$a","sortBy":{"x":2}}})", document, "error: the direction of 'x' must be 1 or -1"},
  });
}

TEST_CASE("arrays as sets") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$setUnion":[[2,1],[3,2.0]]})", "{}", "[1,2,3]"},
      {R"({"$setUnion":[[1],null]})", "{}", "null"},
      {R"({"$setUnion":[[1],5]})", "{}", "error: Location17043 (17043)"},
      {R"({"$setIntersection":[[1,2,3],[3,2],[2,5]]})", "{}", "[2]"},
      {R"({"$setIntersection":[[1,1]]})", "{}", "[1]"},
      {R"({"$setIntersection":[[1],"$a"]})", "{}", "null"},
      {R"({"$setIntersection":[[1],5]})", "{}", "error: Location17047 (17047)"},
      {R"({"$setDifference":[[3,1,3,2],[2]]})", "{}", "[3,1]"},
      {R"({"$setDifference":[[1],null]})", "{}", "null"},
      {R"({"$setDifference":[5,[1]]})", "{}", "error: Location17048 (17048)"},
      {R"({"$setDifference":[[1],5]})", "{}", "error: Location17049 (17049)"},
      {R"({"$setEquals":[[1,2],[2,1,1],[1,2.0]]})", "{}", "true"},
      {R"({"$setEquals":[[1,2],[1]]})", "{}", "false"},
      {R"({"$setEquals":[[1],null]})", "{}", "error: Location17044 (17044)"},
      {R"({"$setIsSubset":[[1],[2,1]]})", "{}", "true"},
      {R"({"$setIsSubset":[[3],[2,1]]})", "{}", "false"},
      {R"({"$setIsSubset":[null,[1]]})", "{}", "error: Location17046 (17046)"},
      {R"({"$anyElementTrue":[[0,null,5]]})", "{}", "true"},
      {R"({"$anyElementTrue":[[]]})", "{}", "false"},
      {R"({"$allElementsTrue":[[1,"x"]]})", "{}", "true"},
      {R"({"$allElementsTrue":[[1,0]]})", "{}", "false"},
      {R"({"$allElementsTrue":[[]]})", "{}", "true"},
      {R"({"$anyElementTrue":5})", "{}", "error: Location17041 (17041)"},
      {R"({"$allElementsTrue":null})", "{}", "error: Location17040 (17040)"},
  });
}

TEST_CASE("objects are merged, taken apart and put together") {
  const char* document = R"({"o":{"x":1,"y":2},"a.b":7,"$p":8})";
  check_results(std::vector<ExpressionRow>{
      {R"({"$mergeObjects":["$o",{"y":3,"z":4}]})", document, R"({"x":1,"y":3,"z":4})"},
      {R"({"$mergeObjects":["$o",null,"$none"]})", document, R"({"x":1,"y":2})"},
      {R"({"$mergeObjects":[]})", document, "{}"},
      {R"({"$mergeObjects":[5]})", document, "error: Location40400 (40400)"},
      {R"({"$objectToArray":"$o"})", document, R"([{"k":"x","v":1},{"k":"y","v":2}])"},
      {R"({"$objectToArray":null})", document, "null"},
      {R"({"$objectToArray":5})", document, "error: Location40390 (40390)"},
      {R"({"$arrayToObject":[[["x",1],["y",2],["x",3]]]})", document, R"({"x":3,"y":2})"},
      {R"({"$arrayToObject":[[{"k":"x","v":1}]]})", document, R"({"x":1})"},
      {R"({"$arrayToObject":[[]]})", document, "{}"},
      {R"({"$arrayToObject":null})", document, "null"},
      {R"({"$arrayToObject":5})", document, "error: Location40386 (40386)"},
      {R"({"$arrayToObject":[[5]]})", document, "error: Location40398 (40398)"},
      {R"({"$arrayToObject":[[["x"]]]})", document, "error: Location40397 (40397)"},
      {R"({"$arrayToObject":[[{"k":"x"}]]})", document, "error: Location40392 (40392)"},
      {R"({"$arrayToObject":[[["x",1],{"k":"x","v":1}]]})", document, "error: Location40391 (40391)"},
      {R"({"$arrayToObject":[[[5,1]]]})", document, "error: Location40394 (40394)"},
      {R"({"$arrayToObject":[[["x\u0000",1]]]})", document, "error: zero byte"},
      {R"({"$getField":"a.b"})", document, "7"},
      {R"({"$getField":{"$literal":"$p"}})", document, "8"},
      {R"({"$getField":{"field":"x","input":"$o"}})", document, "1"},
      {R"({"$getField":{"field":"q","input":"$o"}})", document, "missing"},
      {R"({"$getField":{"field":"q","input":null}})", document, "null"},
      {R"({"$getField":{"field":5,"input":"$o"}})", document, "error: to be a string"},
      {R"({"$getField":5})", document, "error: Location5654602 (5654602)"},
      {R"({"$setField":{"field":"x","input":"$o","value":9}})", document, R"({"x":9,"y":2})"},
      {R"({"$setField":{"field":"$z","input":"$o","value":9}})", document, "error: "},
      {R"({"$setField":{"field":{"$literal":"$z"},"input":"$o","value":9}})", document, R"({"x":1,"y":2,"$z":9})"},
      {R"({"$setField":{"field":"x","input":"$o","value":"$$REMOVE"}})", document, R"({"y":2})"},
      {R"({"$setField":{"field":"x","input":null,"value":1}})", document, "null"},
      {R"({"$setField":{"field":"x","input":5,"value":1}})", document, "error: Location4161105 (4161105)"},
      {R"({"$unsetField":{"field":"x","input":"$o"}})", document, R"({"y":2})"},
  });
}

TEST_CASE("an object of many fields is merged by name") {
  std::string first = "{";
  std::string second = "{";
  for (int i = 0; i < 100; ++i) {
    first += (i > 0 ? ",\"f" : "\"f") + std::to_string(i) + "\":" + std::to_string(i);
    second += (i > 0 ? ",\"f" : "\"f") + std::to_string(99 - i) + "\":1";
  }
  const std::string merged = db_test::result_of(R"({"$size":{"$objectToArray":{"$mergeObjects":["$a","$b"]}}})",
                                                R"({"a":)" + first + R"(},"b":)" + second + "}}");
  CHECK(merged == "100");
}
