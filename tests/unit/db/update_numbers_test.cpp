// $inc, $mul and $bit.
#include "update_cases.hpp"

using namespace distri;
using namespace distri::db::test;

TEST_CASE("$inc adds, keeps the narrowest type that holds the sum, and refuses what exceeds 64 bits") {
  check_all({
      {R"({"_id":1,"a":5})", R"({"$inc":{"a":2}})", R"({"_id":1,"a":7})"},
      {R"({"_id":1,"a":5})", R"({"$inc":{"a":-7}})", R"({"_id":1,"a":-2})"},
      {R"({"_id":1})", R"({"$inc":{"a":2,"b.c":0}})", R"({"_id":1,"a":2,"b":{"c":0}})"},
      {R"({"_id":1,"a":5})", R"({"$inc":{"a":0}})", ""},
      {R"({"_id":1,"a":5})", R"({"$inc":{"a":{"$numberLong":"0"}}})", R"({"_id":1,"a":{"$numberLong":"5"}})"},
      {R"({"_id":1,"a":2147483647})", R"({"$inc":{"a":1}})", R"({"_id":1,"a":{"$numberLong":"2147483648"}})"},
      {R"({"_id":1,"a":-2147483648})", R"({"$inc":{"a":-1}})", R"({"_id":1,"a":{"$numberLong":"-2147483649"}})"},
      {R"({"_id":1,"a":{"$numberLong":"5"}})", R"({"$inc":{"a":1}})", R"({"_id":1,"a":{"$numberLong":"6"}})"},
      {R"({"_id":1,"a":{"$numberLong":"9223372036854775806"}})", R"({"$inc":{"a":1}})",
       R"({"_id":1,"a":{"$numberLong":"9223372036854775807"}})"},
      {R"({"_id":1,"a":{"$numberLong":"9223372036854775807"}})", R"({"$inc":{"a":1}})",
       "!BadValue (2): $inc at 'a': Failed to apply 1 to the current value 9223372036854775807"},
      {R"({"_id":1,"a":{"$numberLong":"-9223372036854775808"}})", R"({"$inc":{"a":-1}})",
       "!the result exceeds 64 bits"},
      {R"({"_id":1,"a":{"$numberLong":"9223372036854775807"}})", R"({"$inc":{"a":1.0}})",
       R"({"_id":1,"a":{"$numberDouble":"9.223372036854775807e18"}})"},
      {R"({"_id":1,"a":5})", R"({"$inc":{"a":0.5}})", R"({"_id":1,"a":5.5})"},
      {R"({"_id":1,"a":5.5})", R"({"$inc":{"a":1}})", R"({"_id":1,"a":6.5})"},
      {R"({"_id":1,"a":{"$numberDouble":"-0.0"}})", R"({"$inc":{"a":0}})", ""},
      {R"({"_id":1,"a":{"$numberDouble":"NaN"}})", R"({"$inc":{"a":0}})", ""},
      {R"({"_id":1,"a":{"$numberDouble":"Infinity"}})", R"({"$inc":{"a":{"$numberDouble":"-Infinity"}}})",
       R"({"_id":1,"a":{"$numberDouble":"NaN"}})"},
      {R"({"_id":1,"a":[1,2]})", R"({"$inc":{"a.1":5}})", R"({"_id":1,"a":[1,7]})"},
      {R"({"_id":1,"a":"x"})", R"({"$inc":{"a":1}})",
       "!TypeMismatch (14): $inc at 'a': Cannot apply $inc to a value of non-numeric type string"},
      {R"({"_id":1,"a":null})", R"({"$inc":{"a":1}})", "!non-numeric type null"},
      {R"({"_id":1,"a":[1]})", R"({"$inc":{"a":1}})", "!non-numeric type array"},
      {R"({"_id":1})", R"({"$inc":{"a":null}})", "!TypeMismatch (14)"},
  });
}

TEST_CASE("$inc and $mul with a decimal128 give a decimal128, which is set and not counted") {
  struct Decimals {
    const char* before;
    const char* op;
    const char* operand;
    const char* after;
  };
  for (const Decimals& row : {
           Decimals{"1", "$inc", R"({"$numberDecimal":"1.5"})", "2.5"},
           Decimals{R"({"$numberLong":"9223372036854775807"})", "$inc", R"({"$numberDecimal":"1"})",
                    "9223372036854775808"},
           Decimals{"0.1", "$inc", R"({"$numberDecimal":"0.2"})", "0.3"},
           Decimals{R"({"$numberDecimal":"0.1"})", "$inc", "0.2", "0.3"},
           Decimals{R"({"$numberDecimal":"5"})", "$inc", "-7", "-2"},
           Decimals{R"({"$numberDecimal":"1.10"})", "$inc", R"({"$numberDecimal":"2.2"})", "3.30"},
           Decimals{R"({"$numberDecimal":"9999999999999999999999999999999999"})", "$inc", R"({"$numberDecimal":"0.6"})",
                    "1.000000000000000000000000000000000E+34"},
           Decimals{R"({"$numberDecimal":"Infinity"})", "$inc", R"({"$numberDecimal":"-Infinity"})", "NaN"},
           Decimals{R"({"$numberDouble":"NaN"})", "$inc", R"({"$numberDecimal":"1"})", "NaN"},
           Decimals{R"({"$numberDecimal":"1.5"})", "$mul", "2", "3.0"},
           Decimals{"3", "$mul", R"({"$numberDecimal":"0.1"})", "0.3"},
           Decimals{R"({"$numberLong":"9223372036854775807"})", "$mul", R"({"$numberDecimal":"10"})",
                    "92233720368547758070"},
           Decimals{R"({"$numberDecimal":"Infinity"})", "$mul", "0", "NaN"},
           Decimals{R"({"$numberDecimal":"9E+6144"})", "$mul", R"({"$numberDecimal":"10"})", "Infinity"},
       }) {
    CAPTURE(row.before);
    CAPTURE(row.operand);
    const auto done = run(fmt::format(R"({{"_id":1,"a":{}}})", row.before),
                          fmt::format(R"({{"{}":{{"a":{}}}}})", row.op, row.operand));
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().message));
    CHECK(bson::to_json(done->document) == fmt::format(R"({{"_id":1,"a":{{"$numberDecimal":"{}"}}}})", row.after));
    CHECK(done->deltas.view().empty());
    CHECK(bson::to_json(done->set) == fmt::format(R"({{"a":{{"$numberDecimal":"{}"}}}})", row.after));
  }
  check_all({
      {R"({"_id":1,"a":{"$numberDecimal":"1.5"}})", R"({"$inc":{"a":0}})", ""},
      {R"({"_id":1,"a":"x"})", R"({"$inc":{"a":{"$numberDecimal":"1"}}})", "!non-numeric type string"},
      {R"({"_id":1})", R"({"$inc":{"a":{"$numberDecimal":"1.5"}}})", R"({"_id":1,"a":{"$numberDecimal":"1.5"}})"},
      {R"({"_id":1,"a":{"b":[1]}})", R"({"$inc":{"a.b.0":{"$numberDecimal":"1.5"}}})",
       R"({"_id":1,"a":{"b":[{"$numberDecimal":"2.5"}]}})"},
  });
}

TEST_CASE("$mul multiplies by the same rules; what is missing becomes zero of the operand's type") {
  check_all({
      {R"({"_id":1,"a":5})", R"({"$mul":{"a":3}})", R"({"_id":1,"a":15})"},
      {R"({"_id":1,"a":5})", R"({"$mul":{"a":1}})", ""},
      {R"({"_id":1,"a":5})", R"({"$mul":{"a":0.5}})", R"({"_id":1,"a":2.5})"},
      {R"({"_id":1})", R"({"$mul":{"a":3,"b":{"$numberLong":"3"},"c":0.5,"d":{"$numberDecimal":"7"}}})",
       R"({"_id":1,"a":0,"b":{"$numberLong":"0"},"c":0.0,"d":{"$numberDecimal":"0"}})"},
      {R"({"_id":1,"a":65536})", R"({"$mul":{"a":65536}})", R"({"_id":1,"a":{"$numberLong":"4294967296"}})"},
      {R"({"_id":1,"a":2})", R"({"$mul":{"a":{"$numberLong":"3"}}})", R"({"_id":1,"a":{"$numberLong":"6"}})"},
      {R"({"_id":1,"a":{"$numberLong":"4294967296"}})", R"({"$mul":{"a":{"$numberLong":"4294967296"}}})",
       "!BadValue (2): $mul at 'a': Failed to apply 4294967296"},
      {R"({"_id":1,"a":{"$numberLong":"-9223372036854775808"}})", R"({"$mul":{"a":-1}})", "!exceeds 64 bits"},
      {R"({"_id":1,"a":{"$numberDouble":"Infinity"}})", R"({"$mul":{"a":0}})",
       R"({"_id":1,"a":{"$numberDouble":"NaN"}})"},
      {R"({"_id":1,"a":true})", R"({"$mul":{"a":2}})",
       "!TypeMismatch (14): $mul at 'a': Cannot apply $mul to a value of non-numeric type bool"},
      {R"({"_id":1,"a":1})", R"({"$mul":{"a":"2"}})", "!cannot multiply with a non-numeric argument of type string"},
  });
}

TEST_CASE("$bit does and, or and xor on integers of either size, several in order") {
  check_all({
      {R"({"_id":1,"a":13})", R"({"$bit":{"a":{"and":10}}})", R"({"_id":1,"a":8})"},
      {R"({"_id":1,"a":3})", R"({"$bit":{"a":{"or":5}}})", R"({"_id":1,"a":7})"},
      {R"({"_id":1,"a":1})", R"({"$bit":{"a":{"xor":5}}})", R"({"_id":1,"a":4})"},
      {R"({"_id":1,"a":1})", R"({"$bit":{"a":{"or":2,"and":6}}})", R"({"_id":1,"a":2})"},
      {R"({"_id":1,"a":1})", R"({"$bit":{"a":{"or":1}}})", ""},
      {R"({"_id":1})", R"({"$bit":{"a":{"or":5}}})", R"({"_id":1,"a":5})"},
      {R"({"_id":1})", R"({"$bit":{"a":{"or":{"$numberLong":"5"}}}})", R"({"_id":1,"a":{"$numberLong":"5"}})"},
      {R"({"_id":1,"a":-1})", R"({"$bit":{"a":{"and":{"$numberLong":"4294967295"}}}})",
       R"({"_id":1,"a":{"$numberLong":"4294967295"}})"},
      {R"({"_id":1,"a":{"$numberLong":"1"}})", R"({"$bit":{"a":{"xor":1}}})", R"({"_id":1,"a":{"$numberLong":"0"}})"},
      {R"({"_id":1,"a":1.0})", R"({"$bit":{"a":{"or":1}}})",
       "!BadValue (2): $bit at 'a': Cannot apply $bit to a value of non-integral type double"},
      {R"({"_id":1})", R"({"$bit":{"a":{"or":1.5}}})",
       "!$bit at 'a': 'or' must be a 32-bit or 64-bit integer, not a value of type double"},
      {R"({"_id":1})", R"({"$bit":{"a":{"nand":1}}})", "!there are only 'and', 'or' and 'xor', not 'nand'"},
      {R"({"_id":1})", R"({"$bit":{"a":{}}})", "!at least one of"},
      {R"({"_id":1})", R"({"$bit":{"a":5}})", "!$bit at 'a': the argument must be {and, or, xor: integer}"},
  });
}
