#include "filter_rows.hpp"

using namespace distri;
using db_test::check_errors;
using db_test::ErrorRow;

namespace {

struct SchemaRow {
  const char* schema;
  const char* value;  // of the property "v"; nullptr: absent
  bool accepted;
};

void check_property(std::initializer_list<SchemaRow> rows) {
  for (const SchemaRow& row : rows) {
    const auto filter = db_test::compile(R"({"$jsonSchema":{"properties":{"v":)" + std::string(row.schema) + "}}}");
    const auto document =
        bson::from_json(row.value == nullptr ? std::string("{}") : R"({"v":)" + std::string(row.value) + "}");
    REQUIRE(document);
    CHECK_MESSAGE(filter.matches(*document) == row.accepted,
                  std::string(row.schema) << " on " << (row.value == nullptr ? "nothing" : row.value));
  }
}

void check_whole(std::initializer_list<SchemaRow> rows) {
  for (const SchemaRow& row : rows) {
    const auto filter = db_test::compile(R"({"$jsonSchema":)" + std::string(row.schema) + "}");
    const auto document = bson::from_json(row.value);
    REQUIRE(document);
    CHECK_MESSAGE(filter.matches(*document) == row.accepted, std::string(row.schema) << " on " << row.value);
  }
}

}  // namespace

TEST_CASE("types in a schema") {
  check_property({
      {R"({})", "5", true},
      {R"({"bsonType":"int"})", "5", true},
      {R"({"bsonType":"int"})", "5.5", false},
      {R"({"bsonType":"int"})", nullptr, true},
      {R"({"bsonType":["int","string"]})", "\"x\"", true},
      {R"({"bsonType":"number"})", R"({"$numberDecimal":"1"})", true},
      {R"({"bsonType":"array"})", "[]", true},
      {R"({"bsonType":"int"})", "[1]", false},  // no looking into arrays
      {R"({"type":"number"})", "5.5", true},
      {R"({"type":"boolean"})", "true", true},
      {R"({"type":"boolean"})", "1", false},
      {R"({"type":["object","null"]})", "{}", true},
      {R"({"type":["object","null"]})", "null", true},
      {R"({"type":"string"})", "null", false},
  });
}

TEST_CASE("numbers in a schema") {
  check_property({
      {R"({"minimum":5})", "5", true},
      {R"({"minimum":5})", "4.9", false},
      {R"({"minimum":5})", "\"x\"", true},
      {R"({"minimum":5,"exclusiveMinimum":true})", "5", false},
      {R"({"minimum":5,"exclusiveMinimum":false})", "5", true},
      {R"({"minimum":5,"exclusiveMinimum":true})", "6", true},
      {R"({"maximum":5})", "5", true},
      {R"({"maximum":5})", R"({"$numberLong":"9223372036854775807"})", false},
      {R"({"maximum":5,"exclusiveMaximum":true})", "5.0", false},
      {R"({"maximum":5,"exclusiveMaximum":true})", "4", true},
      {R"({"minimum":0})", R"({"$numberDouble":"NaN"})", false},
      {R"({"multipleOf":3})", "9", true},
      {R"({"multipleOf":3})", "10", false},
      {R"({"multipleOf":3})", "-9", true},
      {R"({"multipleOf":3})", "0", true},
      {R"({"multipleOf":3})", "\"x\"", true},
      {R"({"multipleOf":0.1})", "0.3", true},
      {R"({"multipleOf":0.1})", "0.35", false},
      {R"({"multipleOf":0.5})", "7", true},
      {R"({"multipleOf":2.5})", "10", true},
      {R"({"multipleOf":10})", "2.5", false},
      {R"({"multipleOf":{"$numberDecimal":"0.01"}})", R"({"$numberDecimal":"1.23"})", true},
      {R"({"multipleOf":{"$numberDecimal":"3E-6000"}})", R"({"$numberDecimal":"1E+6000"})", false},
      {R"({"multipleOf":{"$numberDecimal":"3E+6000"}})", R"({"$numberDecimal":"3E-6000"})", false},
      {R"({"multipleOf":2})", R"({"$numberDouble":"Infinity"})", false},
      {R"({"multipleOf":2})", "1e300", true},
  });
}

TEST_CASE("strings in a schema") {
  check_property({
      {R"({"minLength":2})", "\"xy\"", true},
      {R"({"minLength":2})", "\"x\"", false},
      {R"({"maxLength":2})", "\"äöü\"", false},
      {R"({"maxLength":3})", "\"äöü\"", true},
      {R"({"maxLength":0})", "\"\"", true},
      {R"({"minLength":2})", "5", true},
      {R"({"pattern":"b+"})", "\"abc\"", true},
      {R"({"pattern":"^b"})", "\"abc\"", false},
      {R"({"pattern":"^b"})", "5", true},
  });
}

TEST_CASE("arrays in a schema") {
  check_property({
      {R"({"minItems":1,"maxItems":2})", "[]", false},
      {R"({"minItems":1,"maxItems":2})", "[1,2]", true},
      {R"({"minItems":1,"maxItems":2})", "[1,2,3]", false},
      {R"({"minItems":1})", "5", true},
      {R"({"uniqueItems":true})", "[1,2]", true},
      {R"({"uniqueItems":true})", "[1,1.0]", false},
      {R"({"uniqueItems":true})", R"([{"a":1,"b":2},{"b":2,"a":1}])", false},
      {R"({"uniqueItems":true})", R"([[1,2],[2,1]])", true},
      {R"({"uniqueItems":false})", "[1,1]", true},
      {R"({"items":{"bsonType":"int"}})", "[1,2]", true},
      {R"({"items":{"bsonType":"int"}})", "[1,\"x\"]", false},
      {R"({"items":{"bsonType":"int"}})", "[]", true},
      {R"({"items":[{"bsonType":"int"},{"bsonType":"string"}]})", "[1,\"x\",null]", true},
      {R"({"items":[{"bsonType":"int"},{"bsonType":"string"}]})", "[\"x\"]", false},
      {R"({"items":[{"bsonType":"int"}],"additionalItems":false})", "[1,2]", false},
      {R"({"items":[{"bsonType":"int"}],"additionalItems":false})", "[1]", true},
      {R"({"items":[{"bsonType":"int"}],"additionalItems":{"bsonType":"string"}})", "[1,\"x\"]", true},
      {R"({"items":[{"bsonType":"int"}],"additionalItems":{"bsonType":"string"}})", "[1,2]", false},
      {R"({"items":[],"additionalItems":false})", "[1]", false},
      {R"({"additionalItems":false})", "[1]", true},
  });
}

TEST_CASE("objects in a schema") {
  check_whole({
      {R"({"required":["a","b"]})", R"({"a":1,"b":null})", true},
      {R"({"required":["a","b"]})", R"({"a":1})", false},
      {R"({"bsonType":"object"})", R"({})", true},
      {R"({"bsonType":"string"})", R"({})", false},
      {R"({"minProperties":2})", R"({"a":1})", false},
      {R"({"maxProperties":1})", R"({"a":1})", true},
      {R"({"properties":{"a":{"bsonType":"int"}},"additionalProperties":false})", R"({"a":1})", true},
      {R"({"properties":{"a":{"bsonType":"int"}},"additionalProperties":false})", R"({"a":1,"b":1})", false},
      {R"({"properties":{"a":{}},"additionalProperties":{"bsonType":"string"}})", R"({"a":1,"b":"x"})", true},
      {R"({"properties":{"a":{}},"additionalProperties":{"bsonType":"string"}})", R"({"a":1,"b":2})", false},
      {R"({"patternProperties":{"^n":{"bsonType":"int"}}})", R"({"n1":1,"x":"y"})", true},
      {R"({"patternProperties":{"^n":{"bsonType":"int"}}})", R"({"n1":"y"})", false},
      {R"({"patternProperties":{"^n":{}},"additionalProperties":false})", R"({"n":1,"x":1})", false},
      {R"({"properties":{"n1":{"minimum":5}},"patternProperties":{"^n":{"bsonType":"int"}}})", R"({"n1":5.5})", false},
      {R"({"dependencies":{"a":["b","c"]}})", R"({"a":1,"b":1})", false},
      {R"({"dependencies":{"a":["b"]}})", R"({"a":1,"b":1})", true},
      {R"({"dependencies":{"a":["b"]}})", R"({"x":1})", true},
      {R"({"dependencies":{"a":{"properties":{"b":{"bsonType":"int"}},"required":["b"]}}})", R"({"a":1,"b":"x"})",
       false},
      {R"({"dependencies":{"a":{"required":["b"]}}})", R"({"a":1,"b":2})", true},
      {R"({"properties":{"a":{"properties":{"b":{"required":["c"]}}}}})", R"({"a":{"b":{"c":1}}})", true},
      {R"({"properties":{"a":{"properties":{"b":{"required":["c"]}}}}})", R"({"a":{"b":{}}})", false},
      {R"({"title":"t","description":"d"})", R"({})", true},
  });
}

TEST_CASE("alternatives in a schema") {
  check_property({
      {R"({"enum":[1,"x",null]})", "\"x\"", true},
      {R"({"enum":[1,"x",null]})", "1.0", true},
      {R"({"enum":[1,"x",null]})", "2", false},
      {R"({"enum":[{"a":1,"b":2}]})", R"({"b":2,"a":1})", true},
      {R"({"enum":[[1,2]]})", "[2,1]", false},
      {R"({"allOf":[{"minimum":1},{"maximum":5}]})", "3", true},
      {R"({"allOf":[{"minimum":1},{"maximum":5}]})", "6", false},
      {R"({"anyOf":[{"bsonType":"string"},{"minimum":5}]})", "6", true},
      {R"({"anyOf":[{"bsonType":"string"},{"minimum":5}]})", "4", false},
      {R"({"oneOf":[{"minimum":5},{"maximum":10}]})", "3", true},
      {R"({"oneOf":[{"minimum":5},{"maximum":10}]})", "7", false},
      {R"({"not":{"bsonType":"string"}})", "7", true},
      {R"({"not":{"bsonType":"string"}})", "\"x\"", false},
  });
}

TEST_CASE("a wrong schema is refused with the keyword") {
  const auto wrapped = [](const char* schema) { return R"({"$jsonSchema":)" + std::string(schema) + "}"; };
  const std::vector<ErrorRow> rows = {
      {wrapped("5"), "TypeMismatch (14): $jsonSchema: '$jsonSchema' must be an object, not int"},
      {wrapped(R"({"foo":1})"), "FailedToParse (9): unknown $jsonSchema keyword 'foo'"},
      {wrapped(R"({"$ref":"x"})"), "FailedToParse (9): $jsonSchema keyword '$ref' is not supported"},
      {wrapped(R"({"format":"x"})"), "'format' is not supported"},
      {wrapped(R"({"type":"integer"})"), "type 'integer' is not supported"},
      {wrapped(R"({"type":"int"})"), "BadValue (2): $jsonSchema keyword 'type': unknown type name 'int'"},
      {wrapped(R"({"bsonType":"foo"})"), "unknown type name 'foo'"},
      {wrapped(R"({"bsonType":2})"), "'bsonType' must be a string or an array of strings"},
      {wrapped(R"({"bsonType":[]})"), "names no type"},
      {wrapped(R"({"type":"string","bsonType":"string"})"), "cannot specify both 'type' and 'bsonType'"},
      {wrapped(R"({"minimum":"5"})"), "TypeMismatch (14): $jsonSchema keyword 'minimum' must be a number, not string"},
      {wrapped(R"({"exclusiveMinimum":true})"), "'minimum' must be present if 'exclusiveMinimum' is"},
      {wrapped(R"({"maximum":1,"exclusiveMaximum":1})"), "must be true or false"},
      {wrapped(R"({"multipleOf":0})"), "must be a positive number"},
      {wrapped(R"({"minLength":-1})"), "must be a whole number from 0 on"},
      {wrapped(R"({"maxItems":1.5})"), "must be a whole number from 0 on"},
      {wrapped(R"({"pattern":"("})"), "Location51091 (51091)"},
      {wrapped(R"({"pattern":5})"), "'pattern' must be a string"},
      {wrapped(R"({"required":[]})"), "must not be an empty array"},
      {wrapped(R"({"required":["a","a"]})"), "names a property twice"},
      {wrapped(R"({"required":[1]})"), "must be an array of strings"},
      {wrapped(R"({"properties":5})"), "'properties' must be an object"},
      {wrapped(R"({"properties":{"a":5}})"), "'a' must be an object"},
      {wrapped(R"({"items":5})"), "'items' must be an object"},
      {wrapped(R"({"additionalProperties":5})"), "must be an object, true or false"},
      {wrapped(R"({"enum":[]})"), "must not be empty"},
      {wrapped(R"({"enum":[1,1.0]})"), "names a value twice"},
      {wrapped(R"({"allOf":[]})"), "must be a non-empty array"},
      {wrapped(R"({"not":1})"), "'not' must be an object"},
      {wrapped(R"({"dependencies":{"a":[]}})"), "must not be an empty array"},
      {wrapped(R"({"title":1})"), "'title' must be a string"},
      {R"({"a":{"$jsonSchema":{}}})", "unknown operator '$jsonSchema' at 'a'"},
  };
  check_errors(rows);
}
