#include "expression_rows.hpp"

using namespace distri;
using db_test::check_results;
using db_test::ExpressionRow;

namespace {
constexpr const char* kLongMax =
    R"({"a":{"$numberLong":"9223372036854775807"},"n":{"$numberLong":"-9223372036854775808"}})";
}

TEST_CASE("sums and products widen from int to long to double to decimal") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$add":[1,2]})", "{}", "3"},
      {R"({"$add":[]})", "{}", "0"},
      {R"({"$add":["$a",1]})", R"({"a":5})", "6"},
      {R"({"$add":[2147483647,1]})", "{}", "long 2147483648"},
      {R"({"$add":[{"$numberLong":"1"},1]})", "{}", "long 2"},
      {R"({"$add":["$a",1]})", kLongMax, "double 9223372036854775808.0"},
      {R"({"$add":[1,0.5]})", "{}", "double 1.5"},
      {R"({"$add":[0.1,0.2,-0.3]})", "{}", "double 2.7755575615628914e-17"},
      {R"({"$add":[1,{"$numberDecimal":"0.1"}]})", "{}", R"({"$numberDecimal":"1.1"})"},
      {R"({"$add":[0.1,{"$numberDecimal":"0.2"}]})", "{}", R"({"$numberDecimal":"0.3"})"},
      {R"({"$add":["$a",1]})", "{}", "null"},
      {R"({"$add":[null,"x"]})", "{}", "null"},
      {R"({"$add":["$a",{"$numberDouble":"NaN"}]})", R"({"a":1})", R"(double {"$numberDouble":"NaN"})"},
      {R"({"$add":["$d",1000]})", R"({"d":{"$date":"1970-01-01T00:00:01Z"}})", R"({"$date":"1970-01-01T00:00:02Z"})"},
      {R"({"$add":["$d",0.6]})", R"({"d":{"$date":"1970-01-01T00:00:01Z"}})",
       R"({"$date":"1970-01-01T00:00:01.001Z"})"},
      {R"({"$add":["$d","$d"]})", R"({"d":{"$date":"1970-01-01T00:00:01Z"}})", "error: Location16612 (16612)"},
      {R"({"$add":["$d","$l"]})", R"({"d":{"$date":{"$numberLong":"9223372036854775807"}},"l":1})",
       "error: Overflow (15)"},
      {R"({"$add":["x",1]})", "{}", "error: TypeMismatch (14): $add only supports numeric or date types, not string"},
      {R"({"$multiply":[3,4]})", "{}", "12"},
      {R"({"$multiply":[]})", "{}", "1"},
      {R"({"$multiply":[65536,65536]})", "{}", "long 4294967296"},
      {R"({"$multiply":["$a",2]})", kLongMax, "double 18446744073709551616.0"},
      {R"({"$multiply":["$n",-1]})", kLongMax, "double 9223372036854775808.0"},
      {R"({"$multiply":[2,1.5]})", "{}", "double 3.0"},
      {R"({"$multiply":[{"$numberDecimal":"1.10"},2]})", "{}", R"({"$numberDecimal":"2.20"})"},
      {R"({"$multiply":[2,null]})", "{}", "null"},
      {R"({"$multiply":[2,"x"]})", "{}", "error: $multiply only supports numeric types, not string"},
      {R"({"$subtract":[5,3]})", "{}", "2"},
      {R"({"$subtract":[-2147483648,1]})", "{}", "long -2147483649"},
      {R"({"$subtract":["$n",1]})", kLongMax, "double -9223372036854775808.0"},
      {R"({"$subtract":[5,0.5]})", "{}", "double 4.5"},
      {R"({"$subtract":["$b","$a"]})", R"({"a":{"$date":"1970-01-01T00:00:01Z"},"b":{"$date":"1970-01-01T00:00:03Z"}})",
       "long 2000"},
      {R"({"$subtract":["$a",1]})", R"({"a":{"$date":"1970-01-01T00:00:01Z"}})",
       R"({"$date":"1970-01-01T00:00:00.999Z"})"},
      {R"({"$subtract":[1,"$a"]})", R"({"a":{"$date":"1970-01-01T00:00:01Z"}})",
       "error: can't $subtract date from int"},
      {R"({"$subtract":[1]})", "{}",
       "error: Location16020 (16020): expression '$subtract' takes exactly 2 arguments, 1"},
      {R"({"$subtract":["$missing",1]})", "{}", "null"},
  });
}

TEST_CASE("division and remainders") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$divide":[10,4]})", "{}", "double 2.5"},
      {R"({"$divide":[10,5]})", "{}", "double 2.0"},
      {R"({"$divide":[{"$numberDecimal":"1"},3]})", "{}",
       R"({"$numberDecimal":"0.3333333333333333333333333333333333"})"},
      {R"({"$divide":[{"$numberDecimal":"2"},3]})", "{}",
       R"({"$numberDecimal":"0.6666666666666666666666666666666667"})"},
      {R"({"$divide":[{"$numberDecimal":"1"},4]})", "{}", R"({"$numberDecimal":"0.25"})"},
      {R"({"$divide":[1,0]})", "{}", "error: BadValue (2): can't $divide by zero"},
      {R"({"$divide":[1,0.0]})", "{}", "error: can't $divide by zero"},
      {R"({"$divide":[1,{"$numberDecimal":"0"}]})", "{}", "error: can't $divide by zero"},
      {R"({"$divide":[null,0]})", "{}", "null"},
      {R"({"$divide":["x",1]})", "{}", "error: $divide only supports numeric types, not string and int"},
      {R"({"$mod":[7,3]})", "{}", "1"},
      {R"({"$mod":[-7,3]})", "{}", "-1"},
      {R"({"$mod":[7,-3]})", "{}", "1"},
      {R"({"$mod":[7.5,2]})", "{}", "double 1.5"},
      {R"({"$mod":[{"$numberLong":"7"},3]})", "{}", "long 1"},
      {R"({"$mod":["$n",-1]})", kLongMax, "long 0"},
      {R"({"$mod":[{"$numberDecimal":"7.5"},2]})", "{}", R"({"$numberDecimal":"1.5"})"},
      {R"({"$mod":[{"$numberDecimal":"1E+30"},7]})", "{}", R"({"$numberDecimal":"1"})"},
      {R"({"$mod":[{"$numberDecimal":"3"},{"$numberDecimal":"1E+30"}]})", "{}", R"({"$numberDecimal":"3"})"},
      {R"({"$mod":[7,0]})", "{}", "error: Location16610 (16610): can't $mod by zero"},
      {R"({"$mod":[7,null]})", "{}", "null"},
  });
}

TEST_CASE("functions of one number") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$abs":-5})", "{}", "5"},
      {R"({"$abs":-2147483648})", "{}", "long 2147483648"},
      {R"({"$abs":-1.5})", "{}", "double 1.5"},
      {R"({"$abs":{"$numberDecimal":"-1.5"}})", "{}", R"({"$numberDecimal":"1.5"})"},
      {R"({"$abs":"$n"})", kLongMax, "error: Location28680 (28680)"},
      {R"({"$abs":null})", "{}", "null"},
      {R"({"$abs":"x"})", "{}", "error: Location28765 (28765): $abs only supports numeric types, not string"},
      {R"({"$ceil":7.2})", "{}", "double 8.0"},
      {R"({"$ceil":-7.2})", "{}", "double -7.0"},
      {R"({"$ceil":7})", "{}", "7"},
      {R"({"$ceil":{"$numberDecimal":"7.01"}})", "{}", R"({"$numberDecimal":"8"})"},
      {R"({"$floor":7.8})", "{}", "double 7.0"},
      {R"({"$floor":-7.2})", "{}", "double -8.0"},
      {R"({"$floor":{"$numberDecimal":"-7.01"}})", "{}", R"({"$numberDecimal":"-8"})"},
      {R"({"$floor":"$x"})", "{}", "null"},
      {R"({"$sqrt":25})", "{}", "double 5.0"},
      {R"({"$sqrt":-1})", "{}", "error: Location28714 (28714)"},
      {R"({"$exp":0})", "{}", "double 1.0"},
      {R"({"$ln":1})", "{}", "double 0.0"},
      {R"({"$ln":0})", "{}", "error: Location28766 (28766): $ln's argument must be a positive number, but is 0"},
      {R"({"$log10":1000})", "{}", "double 3.0"},
      {R"({"$log10":-1})", "{}", "error: Location28761 (28761)"},
      {R"({"$log":[8,2]})", "{}", "double 3.0"},
      {R"({"$log":[8,1]})", "{}", "error: Location28759 (28759)"},
      {R"({"$log":[0,2]})", "{}", "error: Location28758 (28758)"},
      {R"({"$log":["x",2]})", "{}", "error: Location28756 (28756)"},
      {R"({"$sqrt":{"$numberDecimal":"2.25"}})", "{}", R"({"$numberDecimal":"1.5"})"},
  });
}

TEST_CASE("rounding goes to the even neighbour, at any place") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$round":2.5})", "{}", "double 2.0"},
      {R"({"$round":3.5})", "{}", "double 4.0"},
      {R"({"$round":-2.5})", "{}", "double -2.0"},
      {R"({"$round":[19.25,1]})", "{}", "double 19.2"},
      {R"({"$round":[1.005,2]})", "{}", "double 1.0"},
      {R"({"$round":[1234.5,-2]})", "{}", "double 1200.0"},
      {R"({"$round":[1250,-2]})", "{}", "1200"},
      {R"({"$round":[1350,-2]})", "{}", "1400"},
      {R"({"$round":[5,-3]})", "{}", "0"},
      {R"({"$round":[2147483647,-1]})", "{}", "long 2147483650"},
      {R"({"$round":["$a",-1]})", kLongMax, "error: Location51080 (51080)"},
      {R"({"$round":[7,3]})", "{}", "7"},
      {R"({"$round":[{"$numberDecimal":"2.345"},2]})", "{}", R"({"$numberDecimal":"2.34"})"},
      {R"({"$round":[{"$numberDecimal":"9.99"},1]})", "{}", R"({"$numberDecimal":"10.0"})"},
      {R"({"$round":[1,101]})", "{}", "error: Location51083 (51083)"},
      {R"({"$round":[1,1.5]})", "{}", "error: Location51082 (51082)"},
      {R"({"$round":["x"]})", "{}", "error: Location51081 (51081)"},
      {R"({"$round":[null,1]})", "{}", "null"},
      {R"({"$round":[{"$numberDouble":"Infinity"},2]})", "{}", R"(double {"$numberDouble":"Infinity"})"},
      {R"({"$trunc":2.9})", "{}", "double 2.0"},
      {R"({"$trunc":-2.9})", "{}", "double -2.0"},
      {R"({"$trunc":[19.29,1]})", "{}", "double 19.2"},
      {R"({"$trunc":[1299,-2]})", "{}", "1200"},
      {R"({"$trunc":{"$numberDecimal":"-1.99"}})", "{}", R"({"$numberDecimal":"-1"})"},
  });
}

TEST_CASE("powers are exact while they fit") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$pow":[2,10]})", "{}", "1024"},
      {R"({"$pow":[2,31]})", "{}", "long 2147483648"},
      {R"({"$pow":[{"$numberLong":"2"},2]})", "{}", "long 4"},
      {R"({"$pow":[2,63]})", "{}", "double 9223372036854775808.0"},
      {R"({"$pow":[-2,63]})", "{}", "long -9223372036854775808"},
      {R"({"$pow":[2,-1]})", "{}", "double 0.5"},
      {R"({"$pow":[1,-5]})", "{}", "1"},
      {R"({"$pow":[-1,-5]})", "{}", "-1"},
      {R"({"$pow":[0,0]})", "{}", "1"},
      {R"({"$pow":[0,-1]})", "{}", "error: Location28764 (28764)"},
      {R"({"$pow":[2,0.5]})", "{}", "double 1.4142135623730951"},
      {R"({"$pow":["x",1]})", "{}", "error: Location28762 (28762)"},
      {R"({"$pow":[1,"x"]})", "{}", "error: Location28763 (28763)"},
      {R"({"$pow":[null,1]})", "{}", "null"},
  });
}

TEST_CASE("decimals round to 34 digits and saturate") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$add":[{"$numberDecimal":"9999999999999999999999999999999999"},{"$numberDecimal":"1"}]})", "{}",
       R"({"$numberDecimal":"1.000000000000000000000000000000000E+34"})"},
      {R"({"$add":[{"$numberDecimal":"1E+40"},{"$numberDecimal":"1E-40"}]})", "{}",
       R"({"$numberDecimal":"1.000000000000000000000000000000000E+40"})"},
      {R"({"$subtract":[{"$numberDecimal":"1.1"},{"$numberDecimal":"1.1"}]})", "{}", R"({"$numberDecimal":"0.0"})"},
      {R"({"$subtract":[{"$numberDecimal":"1"},{"$numberDecimal":"1.1"}]})", "{}", R"({"$numberDecimal":"-0.1"})"},
      {R"({"$multiply":[{"$numberDecimal":"1E+6000"},{"$numberDecimal":"1E+6000"}]})", "{}",
       R"({"$numberDecimal":"Infinity"})"},
      {R"({"$multiply":[{"$numberDecimal":"1E-6000"},{"$numberDecimal":"1E-6000"}]})", "{}",
       R"({"$numberDecimal":"0E-6176"})"},
      {R"({"$multiply":[{"$numberDecimal":"3333333333333333333333333333333333"},{"$numberDecimal":"3"}]})", "{}",
       R"({"$numberDecimal":"9999999999999999999999999999999999"})"},
      {R"({"$add":[{"$numberDecimal":"Infinity"},{"$numberDecimal":"-Infinity"}]})", "{}",
       R"({"$numberDecimal":"NaN"})"},
      {R"({"$divide":[{"$numberDecimal":"1E+6144"},{"$numberDecimal":"1E-10"}]})", "{}",
       R"({"$numberDecimal":"Infinity"})"},
  });
}

TEST_CASE("sum, average and extremes of arguments and of an array") {
  check_results(std::vector<ExpressionRow>{
      {R"({"$sum":[1,2,"x",null,3]})", "{}", "6"},
      {R"({"$sum":"$a"})", R"({"a":[1,2.5]})", "double 3.5"},
      {R"({"$sum":["$a",1]})", R"({"a":[1,2]})", "1"},
      {R"({"$sum":"x"})", "{}", "0"},
      {R"({"$avg":[1,2,"x"]})", "{}", "double 1.5"},
      {R"({"$avg":["x"]})", "{}", "null"},
      {R"({"$avg":[{"$numberDecimal":"1"},2]})", "{}", R"({"$numberDecimal":"1.5"})"},
      {R"({"$min":[3,null,1,2]})", "{}", "1"},
      {R"({"$max":[3,"x",null]})", "{}", R"("x")"},
      {R"({"$max":"$a"})", R"({"a":[3,7]})", "7"},
      {R"({"$min":"$a"})", R"({"a":[]})", "null"},
  });
}
