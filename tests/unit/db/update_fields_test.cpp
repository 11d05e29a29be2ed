// $set, $unset, $setOnInsert, $rename, $currentDate, $min, $max, and paths.
#include "update_cases.hpp"

using namespace distri;
using namespace distri::db::test;

TEST_CASE("$set writes fields, in place where they are, else at the end in order of their names") {
  check_all({
      {R"({"_id":1,"a":1,"b":2})", R"({"$set":{"a":5}})", R"({"_id":1,"a":5,"b":2})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"z":1,"c":{"x":[1]}}})", R"({"_id":1,"a":1,"c":{"x":[1]},"z":1})"},
      {R"({"_id":1})", R"({"$set":{"10":1,"9":2,"b":3,"a":4}})", R"({"_id":1,"9":2,"10":1,"a":4,"b":3})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"a":1}})", ""},
      {R"({"_id":1,"a":1})", R"({"$set":{"a":1.0}})", R"({"_id":1,"a":1.0})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"a":null}})", R"({"_id":1,"a":null})"},
      {R"({"_id":1,"a":1})", R"({"$set":{}})", ""},
      {R"({"_id":1,"a":1})", R"({"$set":{"a":{"$numberLong":"9223372036854775807"}}})",
       R"({"_id":1,"a":{"$numberLong":"9223372036854775807"}})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"a":{"$numberDouble":"NaN"}}})", R"({"_id":1,"a":{"$numberDouble":"NaN"}})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"a":{"$numberDecimal":"1.10"}}})",
       R"({"_id":1,"a":{"$numberDecimal":"1.10"}})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"b":2},"$unset":{"a":""},"$inc":{"n":1}})", R"({"_id":1,"b":2,"n":1})"},
  });
}

TEST_CASE("Dotted paths lead into objects and arrays, and make what is missing") {
  check_all({
      {R"({"_id":1,"a":{"b":1,"c":2}})", R"({"$set":{"a.b":5}})", R"({"_id":1,"a":{"b":5,"c":2}})"},
      {R"({"_id":1,"a":{"b":1}})", R"({"$set":{"a.x.y":5,"a.b":2}})", R"({"_id":1,"a":{"b":2,"x":{"y":5}}})"},
      {R"({"_id":1})", R"({"$set":{"a.b.c":5}})", R"({"_id":1,"a":{"b":{"c":5}}})"},
      {R"({"_id":1})", R"({"$set":{"a.0":5}})", R"({"_id":1,"a":{"0":5}})"},
      {R"({"_id":1,"a":{"0":1}})", R"({"$set":{"a.0":5}})", R"({"_id":1,"a":{"0":5}})"},
      {R"({"_id":1,"a":[1,2,3]})", R"({"$set":{"a.1":5}})", R"({"_id":1,"a":[1,5,3]})"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.3":5}})", R"({"_id":1,"a":[1,null,null,5]})"},
      {R"({"_id":1,"a":[]})", R"({"$set":{"a.0":5,"a.2":7}})", R"({"_id":1,"a":[5,null,7]})"},
      {R"({"_id":1,"a":[0,1,2,3,4,5,6,7,8,9,10]})", R"({"$set":{"a.10":"x","a.9":"y"}})",
       R"({"_id":1,"a":[0,1,2,3,4,5,6,7,8,"y","x"]})"},
      {R"({"_id":1,"a":[{"b":1}]})", R"({"$set":{"a.0.b":2,"a.0.c":3}})", R"({"_id":1,"a":[{"b":2,"c":3}]})"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.1.b":2}})", R"({"_id":1,"a":[1,{"b":2}]})"},
      {R"({"_id":1,"a":[[1],[2]]})", R"({"$set":{"a.1.0":5}})", R"({"_id":1,"a":[[1],[5]]})"},
      {R"({"_id":1,"a":{"$id":1}})", R"({"$set":{"a.$id":2}})", R"({"_id":1,"a":{"$id":2}})"},
      // what cannot hold such a field
      {R"({"_id":1,"a":5})", R"({"$set":{"a.b":1}})",
       "!PathNotViable (28): $set at 'a.b': Cannot create field 'b' in a value of type int"},
      {R"({"_id":1,"a":null})", R"({"$set":{"a.b":1}})", "!PathNotViable (28)"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.b":1}})",
       "!PathNotViable (28): $set at 'a.b': Cannot create field 'b' in a value of type array"},
      {R"({"_id":1,"a":[1]})", R"({"$inc":{"a.01":1}})", "!PathNotViable (28)"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.1500002":1}})", "!CannotBackfillArray (34): $set at 'a.1500002'"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.999999999999999999":1}})", "!CannotBackfillArray (34)"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.99999999999999999999999":1}})", "!PathNotViable (28)"},
  });
}

TEST_CASE("$unset removes fields, and leaves null in arrays") {
  check_all({
      {R"({"_id":1,"a":1,"b":2})", R"({"$unset":{"a":""}})", R"({"_id":1,"b":2})"},
      {R"({"_id":1,"a":1})", R"({"$unset":{"x":"","y.z":1}})", ""},
      {R"({"_id":1,"a":{"b":1,"c":2}})", R"({"$unset":{"a.b":true}})", R"({"_id":1,"a":{"c":2}})"},
      {R"({"_id":1,"a":{"b":1}})", R"({"$unset":{"a.b":1}})", R"({"_id":1,"a":{}})"},
      {R"({"_id":1,"a":[1,2,3]})", R"({"$unset":{"a.1":1}})", R"({"_id":1,"a":[1,null,3]})"},
      {R"({"_id":1,"a":[1]})", R"({"$unset":{"a.5":1}})", ""},
      {R"({"_id":1,"a":[1]})", R"({"$unset":{"a.b":1}})", ""},
      {R"({"_id":1,"a":5})", R"({"$unset":{"a.b":1}})", ""},
      {R"({"_id":1,"a":5})", R"({"$unset":{"_id":1}})", "!ImmutableField (66): $unset"},
  });
}

TEST_CASE("$rename moves a field, over a field of the new name if there is one") {
  check_all({
      {R"({"_id":1,"a":1,"b":2})", R"({"$rename":{"a":"c"}})", R"({"_id":1,"b":2,"c":1})"},
      {R"({"_id":1,"a":1,"b":2})", R"({"$rename":{"a":"b"}})", R"({"_id":1,"b":1})"},
      {R"({"_id":1,"a":{"b":1,"c":2}})", R"({"$rename":{"a.b":"x.y"}})", R"({"_id":1,"a":{"c":2},"x":{"y":1}})"},
      {R"({"_id":1,"a":{"b":1}})", R"({"$rename":{"a.b":"a.c"}})", R"({"_id":1,"a":{"c":1}})"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"x":"a"}})", ""},
      {R"({"_id":1,"a":1,"b":2})", R"({"$rename":{"x":"b.c"}})", ""},
      {R"({"_id":1,"a":1,"b":2})", R"({"$rename":{"a":"x","b":"y"}})", R"({"_id":1,"x":1,"y":2})"},
      {R"({"_id":1,"a":1,"b":2})", R"({"$rename":{"a":"b.c"}})", "!PathNotViable (28): $rename at 'b.c'"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"a":"a"}})",
       "!BadValue (2): $rename: the source and target field must differ"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"a":"a.b"}})", "!ConflictingUpdateOperators (40)"},
      {R"({"_id":1,"a":{"b":1}})", R"({"$rename":{"a.b":"a"}})", "!ConflictingUpdateOperators (40)"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"a":"b","b":"c"}})", "!ConflictingUpdateOperators (40)"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"a":5}})",
       "!BadValue (2): $rename: the 'to' field for 'a' must be a string"},
      {R"({"_id":1,"a":[{"b":1}]})", R"({"$rename":{"a.0.b":"x"}})", "!The source field cannot be an array element"},
      {R"({"_id":1,"a":[1],"b":1})", R"({"$rename":{"b":"a.0"}})", "!The destination field cannot be an array element"},
      {R"({"_id":1,"a":[1]})", R"({"$rename":{"a.$[]":"b"}})", "!$rename: the path 'a.$[]' may not be dynamic"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"a":""}})", "!EmptyFieldName (56)"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"_id":"b"}})", "!ImmutableField (66)"},
      {R"({"_id":1,"a":1})", R"({"$rename":{"a":"_id"}})", R"({"_id":1})"},
      {R"({"_id":1,"a":2})", R"({"$rename":{"a":"_id"}})", "!ImmutableField (66)"},
  });
}

TEST_CASE("$currentDate sets the time of the context") {
  check_all({
      {R"({"_id":1})", R"({"$currentDate":{"a":true,"b.c":{"$type":"date"}}})",
       R"({"_id":1,"a":{"$date":{"$numberLong":"1700000000123"}},"b":{"c":{"$date":{"$numberLong":"1700000000123"}}}})"},
      {R"({"_id":1,"a":7})", R"({"$currentDate":{"a":{"$type":"timestamp"}}})",
       R"({"_id":1,"a":{"$timestamp":{"t":1700000000,"i":1}}})"},
      {R"({"_id":1})", R"({"$currentDate":{"a":"now"}})", "!BadValue (2): $currentDate at 'a': a value of type string"},
      {R"({"_id":1})", R"({"$currentDate":{"a":{"$type":"clock"}}})", "!$type is required to be 'date' or 'timestamp'"},
      {R"({"_id":1})", R"({"$currentDate":{"a":{}}})", "!$type is required to be"},
      {R"({"_id":1})", R"({"$currentDate":{"a":{"$kind":1}}})", "!unrecognized option '$kind'"},
  });
}

TEST_CASE("$min and $max compare across types, and keep what is equal") {
  check_all({
      {R"({"_id":1,"a":5})", R"({"$min":{"a":3}})", R"({"_id":1,"a":3})"},
      {R"({"_id":1,"a":5})", R"({"$min":{"a":7}})", ""},
      {R"({"_id":1,"a":5})", R"({"$min":{"a":5.0}})", ""},
      {R"({"_id":1})", R"({"$min":{"a.b":7}})", R"({"_id":1,"a":{"b":7}})"},
      {R"({"_id":1,"a":null})", R"({"$min":{"a":7}})", ""},
      {R"({"_id":1,"a":"x"})", R"({"$min":{"a":7}})", R"({"_id":1,"a":7})"},
      {R"({"_id":1,"a":5})", R"({"$min":{"a":{"$numberDouble":"NaN"}}})", R"({"_id":1,"a":{"$numberDouble":"NaN"}})"},
      {R"({"_id":1,"a":{"$numberLong":"9223372036854775807"}})",
       R"({"$min":{"a":{"$numberDouble":"9223372036854775807"}}})", ""},
      {R"({"_id":1,"a":5})", R"({"$max":{"a":7}})", R"({"_id":1,"a":7})"},
      {R"({"_id":1,"a":5})", R"({"$max":{"a":3}})", ""},
      {R"({"_id":1,"a":null})", R"({"$max":{"a":-3}})", R"({"_id":1,"a":-3})"},
      {R"({"_id":1,"a":5})", R"({"$max":{"a":"x"}})", R"({"_id":1,"a":"x"})"},
      {R"({"_id":1,"a":{"$numberDecimal":"1.5"}})", R"({"$max":{"a":1.25}})", ""},
      {R"({"_id":1,"a":{"$date":1000}})", R"({"$max":{"a":{"$date":2000}}})", R"({"_id":1,"a":{"$date":2000}})"},
  });
}

TEST_CASE("$setOnInsert does nothing to a document that is there") {
  check_all({{R"({"_id":1,"a":5})", R"({"$setOnInsert":{"a":7,"b.c":1,"a2.x":1}})", ""},
             {R"({"_id":1,"a":5})", R"({"$setOnInsert":{"a.b":7}})", ""}});
  check({R"({"_id":1,"a":5})", R"({"$setOnInsert":{"b":7}})", R"({"_id":1,"a":5,"b":7})"}, {.insert = true});
}

TEST_CASE("Paths that conflict are refused, whatever the operators") {
  check_all({
      {R"({"_id":1})", R"({"$set":{"a":1,"a.b":2}})",
       "!ConflictingUpdateOperators (40): $set: Updating the path 'a.b' would create a conflict at 'a'"},
      {R"({"_id":1})", R"({"$set":{"a.b":1,"a":2}})", "!Updating the path 'a' would create a conflict at 'a'"},
      {R"({"_id":1})", R"({"$set":{"a.b.c":1},"$inc":{"a.b":2}})",
       "!$inc: Updating the path 'a.b' would create a conflict at 'a.b'"},
      {R"({"_id":1})", R"({"$set":{"a":1},"$unset":{"a":2}})", "!ConflictingUpdateOperators (40)"},
      {R"({"_id":1})", R"({"$set":{"a.b":1},"$unset":{"a.c":2}})", R"({"_id":1,"a":{"b":1}})"},
      {R"({"_id":1,"a":[1]})", R"({"$set":{"a.$[]":1,"a.0":2}})", "!conflict at 'a'"},
  });
}

TEST_CASE("Updates that are wrong in themselves are refused with the operator and the path") {
  check_all({
      {R"({"_id":1})", R"({"$foo":{"a":1}})", "!FailedToParse (9): Unknown modifier: '$foo'; known are $set, "},
      {R"({"_id":1})", R"({"$set":{"b":1},"a":1})", "!Unknown modifier: 'a'"},
      {R"({"_id":1})", R"({"$set":5})",
       "!FailedToParse (9): $set: Modifiers operate on fields but the argument is of type int"},
      {R"({"_id":1})", R"({"$set":{"":1}})", "!EmptyFieldName (56): $set: An empty update path is not valid"},
      {R"({"_id":1})", R"({"$set":{"a..b":1}})", "!EmptyFieldName (56): $set: the path 'a..b'"},
      {R"({"_id":1})", R"({"$set":{".a":1}})", "!EmptyFieldName (56)"},
      {R"({"_id":1})", R"({"$set":{"a.":1}})", "!EmptyFieldName (56)"},
      {R"({"_id":1})", R"({"$set":{"$a":1}})", "!DollarPrefixedFieldName (52): $set: '$a' in the path '$a'"},
      {R"({"_id":1})", R"({"$set":{"a.$b":1}})", "!DollarPrefixedFieldName (52)"},
      {R"({"_id":1})", R"({"$set":{"$id":1}})", "!DollarPrefixedFieldName (52)"},
      {R"({"_id":1})", R"({"a":1,"$b":1})",
       "!DollarPrefixedFieldName (52): the field '$b' begins with '$' in a replacement"},
      {R"({"_id":1})", R"({"$inc":{"a":"x"}})",
       "!TypeMismatch (14): $inc at 'a': cannot increment with a non-numeric argument of type string"},
  });
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  check({R"({"_id":1})", "{\"$set\":{\"" + deep + "\":1}}", "!BadValue (2): $set: the path"});
  std::string many = "{\"$set\":{\"f0\":0";
  for (int i = 1; i <= 10'000; ++i) many += fmt::format(",\"f{}\":0", i);
  check({R"({"_id":1})", many + "}}", "!the update names more than 10000 paths"});
}

TEST_CASE("_id stays, and naming it is no error where it would") {
  check_all({
      {R"({"_id":1,"a":1})", R"({"$set":{"_id":1,"a":2}})", R"({"_id":1,"a":2})"},
      {R"({"_id":1,"a":1})", R"({"$set":{"_id":1.0}})", ""},
      {R"({"_id":1})", R"({"$set":{"_id":2}})", "!ImmutableField (66): $set: Performing an update on the path '_id'"},
      {R"({"_id":1})", R"({"$inc":{"_id":1}})", "!ImmutableField (66): $inc"},
      {R"({"_id":{"x":1}})", R"({"$set":{"_id.x":2}})",
       "!ImmutableField (66): $set: Performing an update on the path '_id.x'"},
      {R"({"_id":{"x":1}})", R"({"$set":{"_id.x":1}})", ""},
      {R"({"_id":1})", R"({"$max":{"_id":0}})", ""},
  });
}

TEST_CASE("A result that is too large or too deep is refused") {
  const std::string megabytes(9u << 20, 'x');
  const auto large = run(R"({"_id":1,"a":[0,0]})", "{\"$set\":{\"a.$[]\":\"" + megabytes + "\"}}");
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error().code == Code::kTooLarge);
  // Growing step by step stops before the memory does.
  std::string many = R"({"_id":1,"a":[0)";
  for (int i = 0; i < 10'000; ++i) many += ",0";
  const auto huge = run(many + "]}", "{\"$set\":{\"a.$[]\":\"" + megabytes + "\"}}");
  REQUIRE_FALSE(huge.has_value());
  CHECK(huge.error().code == Code::kTooLarge);

  std::string path = "a";
  for (int i = 0; i < 89; ++i) path += ".a";  // 90 parts
  std::string value = "1";
  for (int i = 0; i < 20; ++i) value = "[" + value + "]";
  const auto deep = run(R"({"_id":1})", "{\"$set\":{\"" + path + "\":" + value + "}}");
  REQUIRE_FALSE(deep.has_value());
  CHECK(deep.error().message.starts_with("the updated document: "));
  CHECK(run(R"({"_id":1})", "{\"$set\":{\"" + path + "\":[[1]]}}").has_value());
}
