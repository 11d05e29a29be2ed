// What an index holds, and what it refuses.
#include "index_support.hpp"

namespace distri::db::test {
namespace {

std::string problem(std::string_view specification) {
  const auto index = db::parse_index(json(specification));
  return index ? "none" : index.error().message;
}

}  // namespace

TEST_CASE("a specification of an index says what is wrong with it") {
  struct Row {
    const char* specification;
    const char* message;
  };
  const Row rows[] = {
      {R"({})", "FailedToParse (9): index: 'key' is missing"},
      {R"({"key":1})", "TypeMismatch (14): index: 'key' must be an object"},
      {R"({"key":{}})", "CannotCreateIndex (67): index: 'key' names no field"},
      {R"({"key":{"_id":1}})", "CannotCreateIndex (67): index: every collection is ordered by '_id' already"},
      {R"({"key":{"a..b":1}})", "CannotCreateIndex (67): index: the path 'a..b' has an empty part"},
      {R"({"key":{"":1}})", "CannotCreateIndex (67): index: the path '' has an empty part"},
      {R"({"key":{"a.$b":1}})", "CannotCreateIndex (67): index: a part of the path 'a.$b' begins with '$'"},
      {R"({"key":{"a":"text"}})",
       "CannotCreateIndex (67): index: the value of 'a' must be 1 (ascending) or -1 (descending); text, hashed, geo "
       "and "
       "wildcard indexes are not there"},
      {R"({"key":{"a":0}})",
       "CannotCreateIndex (67): index: the value of 'a' must be 1 (ascending) or -1 (descending); text, hashed, geo "
       "and "
       "wildcard indexes are not there"},
      {R"({"key":{"a":1},"name":"_id_"})", "BadValue (2): index: the name '_id_' is not allowed"},
      {R"({"key":{"a":1},"name":7})", "TypeMismatch (14): index: 'name' must be a string, not int"},
      {R"({"key":{"a":1},"unique":"yes"})", "TypeMismatch (14): index: 'unique' must be true or false, not string"},
      {R"({"key":{"a":1},"colour":1})",
       "InvalidIndexSpecificationOption (197): index: unknown option 'colour'; known are key, name, unique, sparse, "
       "partialFilterExpression"},
      {R"({"key":{"a":1},"sparse":true,"partialFilterExpression":{"a":1}})",
       "CannotCreateIndex (67): index: 'sparse' and 'partialFilterExpression' cannot be used together"},
      {R"({"key":{"a":1},"partialFilterExpression":{"a":{"$regex":"x"}}})",
       "CannotCreateIndex (67): index: 'partialFilterExpression' takes only $eq, $gt, $gte, $lt, $lte, $in, $exists: "
       "true, $type, $and and $or"},
      {R"({"key":{"a":1},"partialFilterExpression":{"a":{"$foo":1}}})",
       "BadValue (2): index: 'partialFilterExpression'"},
      {R"({"key":{"a":1},"partialFilterExpression":1})",
       "TypeMismatch (14): index: 'partialFilterExpression' must be an object, not int"},
  };
  for (const Row& row : rows) {
    const std::string found = problem(row.specification);
    CHECK_MESSAGE(found.starts_with(row.message), row.specification, " -> ", found);
  }
  std::string many;
  for (int i = 0; i < 33; ++i) many += fmt::format("{}\"f{}\":1", i == 0 ? "" : ",", i);
  CHECK(problem("{\"key\":{" + many + "}}") == "CannotCreateIndex (67): index: more than 32 fields");
  CHECK(problem("{\"key\":{\"" + std::string(300, 'a') + "\":1}}")
            .starts_with("CannotCreateIndex (67): index: the name"));
}

TEST_CASE("an index is called by its fields, and its specification can be written down again") {
  const auto index = db::parse_index(json(R"({"key":{"a":1.0,"b.c":-3},"unique":1,"sparse":false,"v":2})"));
  REQUIRE(index.has_value());
  CHECK(index->name == "a_1_b.c_-1");
  bson::Builder out;
  db::append_index(out, *index);
  const bson::Document text = std::move(out).finish();
  CHECK(bson::to_json(text) == R"({"key":{"a":1,"b.c":-1},"name":"a_1_b.c_-1","unique":true})");
  CHECK(db::parse_index(text)->same_keys(*index));
  CHECK(db::parse_index(text)->same_options(*index));
}

TEST_CASE("documents that cannot be indexed are stored and found all the same") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"a":1,"b":1},"name":"ab"})");
  put(collection, R"({"_id":200,"a":[7,8],"b":[1,2]})");
  put(collection, fmt::format(R"({{"_id":201,"a":7,"b":"{}"}})", std::string(5000, 'x')));
  std::string many = R"({"_id":202,"b":1,"a":[)";
  for (int i = 0; i < 10'001; ++i) many += std::to_string(i) + ",";
  put(collection, many + "7]}");
  const db::Index& index = *collection.index("ab");
  CHECK(index.unindexable().size() == 3);
  Answer answer = ask(collection, R"({"a":7})");
  CHECK(answer.ids == "7 200 201 202");
  CHECK(answer.stages == "SORT FETCH IXSCAN ab");
  answer = ask(collection, R"({"a":7,"b":2})", R"({"a":1,"b":1})", 1);
  CHECK(answer.ids == "200");
  CHECK(index.check_document(json(R"({"_id":1,"a":[1],"b":[2]})")).error().message ==
        "CannotIndexParallelArrays (171): index 'ab': cannot index parallel arrays ['a'] ['b']");
  CHECK(index.check_document(json(R"({"_id":1,"a":[1],"b":2})")).has_value());
  CHECK_FALSE(collection.check_indexes());
  collection.erase(bson::order_key(*json(R"({"_id":200})").view().find("_id")));
  put(collection, R"({"_id":201,"a":1})");
  CHECK(index.unindexable().size() == 1);
  CHECK_FALSE(collection.check_indexes());
}

TEST_CASE("a unique index says which key is taken, and counts what came double") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"a":1},"unique":true})");
  const db::Index& index = *collection.index("a_1");
  const auto id = [](int value) {
    return bson::order_key(bson::Value(*json(fmt::format("{{\"x\":{}}}", value)).view().find("x")));
  };
  CHECK(index.conflict(id(500), json(R"({"_id":500,"a":7})")).has_value());
  CHECK(index.conflict(id(500), json(R"({"_id":500,"a":[700,7.0]})")).has_value());
  CHECK_FALSE(index.conflict(id(7), json(R"({"_id":7,"a":7})")).has_value());
  CHECK_FALSE(index.conflict(id(500), json(R"({"_id":500,"a":700})")).has_value());
  CHECK(index.duplicates() == 0);
  put(collection, R"({"_id":500,"a":7})");  // as a peer's write
  put(collection, R"({"_id":501,"a":7})");
  CHECK(index.duplicates() == 2);
  collection.erase(id(7));
  CHECK(index.duplicates() == 1);
  put(collection, R"({"_id":501,"a":-7})");
  CHECK(index.duplicates() == 0);
  CHECK_FALSE(collection.check_indexes());
}

TEST_CASE("an index is built in slices, stays right meanwhile, and is used when it is whole") {
  db::Collection collection = hundred();
  collection.create_index(*db::parse_index(json(R"({"key":{"a":1}})")));
  CHECK(collection.building_indexes());
  const db::Index& index = *collection.index("a_1");
  CHECK(collection.build_indexes(40) == 0);
  CHECK(index.entries().size() == 40);
  CHECK(ask(collection, R"({"a":7})").stages == "COLLSCAN");
  put(collection, R"({"_id":5,"a":1000})");   // behind the position
  put(collection, R"({"_id":70,"a":1000})");  // before it
  put(collection, R"({"_id":-1,"a":1000})");
  collection.erase(bson::order_key(*json(R"({"_id":6})").view().find("_id")));
  CHECK(index.entries().size() == 40);
  CHECK_FALSE(collection.check_indexes());
  CHECK(collection.build_indexes(1000) == 1000 - 60);
  CHECK_FALSE(collection.building_indexes());
  CHECK(index.entries().size() == collection.size());
  CHECK_FALSE(collection.check_indexes());
  CHECK(ask(collection, R"({"a":1000})").ids == "-1 5 70");
  const std::size_t bytes = index.bytes();
  CHECK(bytes > collection.size() * 30);
  for (int i = 0; i < 100; ++i) put(collection, fmt::format(R"({{"_id":{},"a":"{}"}})", i, std::string(100, 'y')));
  CHECK(index.bytes() > bytes + 100 * 90);
  CHECK(collection.drop_index("a_1"));
  CHECK_FALSE(collection.drop_index("a_1"));
}

TEST_CASE("the size of an order key is found without its value") {
  const auto document = json(
      R"({"a":null,"b":1,"c":{"$numberLong":"9007199254740993"},"d":"x\u0000y","e":{"f":[1,"z",{}],"g":true},
          "h":{"$binary":{"base64":"AAEC","subType":"00"}},"i":{"$oid":"000000000000000000000001"},"j":{"$date":0},
          "k":{"$timestamp":{"t":1,"i":2}},"l":{"$regularExpression":{"pattern":"a","options":"i"}},"m":{"$minKey":1},
          "n":{"$maxKey":1},"o":{"$numberDecimal":"0.1"},"p":{"$code":"x"},"q":{"$code":"x","$scope":{"a":1}},
          "r":{"$undefined":true}})");
  for (const bson::Element& element : document.view()) {
    Bytes key = bson::order_key(element.value);
    CHECK_MESSAGE(bson::order_key_size(key + "rest") == key.size(), element.key);
    for (std::size_t size = 0; size < key.size(); ++size) CHECK_FALSE(bson::order_key_size(key.substr(0, size)));
    for (char& byte : key) byte = static_cast<char>(~byte);
    CHECK_MESSAGE(bson::order_key_size(key + "rest", true) == key.size(), element.key);
  }
  CHECK_FALSE(bson::order_key_size("\xf0"));
  CHECK_FALSE(bson::order_key_size(std::string(100'000, static_cast<char>(bson::order_key_kind(bson::Type::kArray)))));
}

}  // namespace distri::db::test
