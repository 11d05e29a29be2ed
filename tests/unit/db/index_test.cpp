#include <doctest/doctest.h>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/explain.hpp"
#include "distri/db/index.hpp"

using namespace distri;

namespace {

bson::Document json(std::string_view text) {
  auto document = bson::from_json(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return *std::move(document);
}

Bytes key_of(bson::View document) {
  return bson::order_key(*document.find("_id"));
}

void put(db::Collection& collection, std::string_view text) {
  bson::Document document = json(text);
  const Bytes key = key_of(document);
  collection.put(key, {std::move(document), {}});
}

void create(db::Collection& collection, std::string_view text) {
  auto index = db::parse_index(json(text));
  REQUIRE_MESSAGE(index.has_value(), (index ? "" : index.error().message));
  collection.create_index(*std::move(index));
  while (collection.building_indexes()) collection.build_indexes(1000);
}

struct Answer {
  std::string ids;
  std::string stages;
  std::string bounds;
  std::int64_t keys = 0;
  std::int64_t documents = 0;
};

// The whole of a query, also against the collection read from end to end.
Answer ask(const db::Collection& collection, std::string_view filter_text, std::string_view sort = "{}",
           std::uint64_t limit = 0, std::string hint = "") {
  const auto source = json(filter_text);
  const auto filter = db::Filter::compile(source);
  REQUIRE_MESSAGE(filter.has_value(), filter_text);
  db::FindQuery query;
  query.filter = &*filter;
  query.sort = *db::parse_sort(json(sort));
  query.limit = limit;
  query.page_documents_max = limit == 0 ? 1000 : limit;
  query.hint = std::move(hint);
  const auto page = db::find(collection, query);
  REQUIRE_MESSAGE(page.has_value(), (page ? "" : page.error().message));
  db::FindQuery naive = query;
  naive.hint = "$natural";
  CHECK(page->records == db::find(collection, naive)->records);
  Answer answer;
  for (const auto* record : page->records) {
    if (!answer.ids.empty()) answer.ids += " ";
    append_json(answer.ids, *record->document.view().find("_id"));
  }
  const bson::Document explained = *db::explain(collection, query);
  const bson::View stats = explained.view().find("executionStats")->as_object();
  answer.keys = stats.find("totalKeysExamined")->as_int64();
  answer.documents = stats.find("totalDocsExamined")->as_int64();
  CHECK(stats.find("nReturned")->as_int64() == static_cast<std::int64_t>(page->records.size()));
  auto stage = explained.view().find("queryPlanner")->as_object().find("winningPlan");
  for (; stage; stage = stage->as_object().find("inputStage")) {
    const bson::View each = stage->as_object();
    if (!answer.stages.empty()) answer.stages += " ";
    answer.stages += each.find("stage")->as_string();
    if (const auto name = each.find("indexName")) answer.stages += " " + std::string(name->as_string());
    if (const auto direction = each.find("direction"); direction && direction->as_string() == "backward") {
      answer.stages += " backward";
    }
    if (const auto bounds = each.find("indexBounds")) answer.bounds = bson::to_json(bounds->as_object());
  }
  return answer;
}

std::string problem(std::string_view specification) {
  const auto index = db::parse_index(json(specification));
  return index ? "none" : index.error().message;
}

// a: 0 to 99, b: a % 10, c: a string.
db::Collection hundred() {
  db::Collection collection;
  for (int i = 0; i < 100; ++i) {
    put(collection, fmt::format(R"({{"_id":{0},"a":{0},"b":{1},"c":"x{0:02}"}})", i, i % 10));
  }
  return collection;
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

TEST_CASE("an index with bounds looks only at what they let through") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"a":1}})");
  create(collection, R"({"key":{"b":-1,"a":1},"name":"ba"})");
  create(collection, R"({"key":{"c":1}})");

  Answer answer = ask(collection, R"({"a":7})");
  CHECK(answer.ids == "7");
  CHECK(answer.stages == "FETCH IXSCAN a_1");
  CHECK(answer.bounds == R"({"a":["[7, 7]"]})");
  CHECK(answer.keys == 1);
  CHECK(answer.documents == 1);

  answer = ask(collection, R"({"a":{"$gt":5,"$lte":8}})");
  CHECK(answer.ids == "6 7 8");
  CHECK(answer.stages == "SORT FETCH IXSCAN a_1");
  CHECK(answer.bounds == R"({"a":["(5, 8]"]})");
  CHECK(answer.keys == 3);

  answer = ask(collection, R"({"a":{"$in":[9,1,500]}})");
  CHECK(answer.ids == "1 9");
  CHECK(answer.keys == 2);

  answer = ask(collection, R"({"b":3,"a":{"$lt":20}})");
  CHECK(answer.ids == "3 13");
  CHECK(answer.stages == "SORT FETCH IXSCAN ba");
  CHECK(answer.bounds == R"x({"b":["[3, 3]"],"a":["[-inf, 20)"]})x");
  CHECK(answer.keys == 2);

  answer = ask(collection, R"({"c":{"$gte":"x98"}})");
  CHECK(answer.ids == "98 99");
  CHECK(answer.bounds == R"x({"c":["[\"x98\", {})"]})x");

  // Half of the collection: reading it from end to end is cheaper.
  CHECK(ask(collection, R"({"a":{"$gte":50}})").stages == "COLLSCAN");
  // _id wins.
  CHECK(ask(collection, R"({"a":7,"_id":7})").stages == "IDHACK");
  CHECK(ask(collection, R"({"a":{"$lt":30},"_id":{"$lt":3}})").stages == "CLUSTERED_IXSCAN");
  CHECK(ask(collection, R"({"a":{"$lt":3},"_id":{"$lt":30}})").stages == "SORT FETCH IXSCAN a_1");
}

TEST_CASE("an index gives the order of a sort, forward and backward, and stops when the page is full") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"b":-1,"a":1},"name":"ba"})");

  Answer answer = ask(collection, "{}", R"({"b":-1,"a":1})", 3);
  CHECK(answer.ids == "9 19 29");
  CHECK(answer.stages == "FETCH IXSCAN ba");
  CHECK(answer.documents <= 5);

  answer = ask(collection, "{}", R"({"b":1,"a":-1})", 3);
  CHECK(answer.ids == "90 80 70");
  CHECK(answer.stages == "FETCH IXSCAN ba backward");
  CHECK(answer.documents <= 5);

  // Equal ones by _id ascending, also when the index is read backward.
  answer = ask(collection, "{}", R"({"b":1})", 3);
  CHECK(answer.ids == "0 10 20");
  CHECK(answer.stages == "FETCH IXSCAN ba backward");
  CHECK(answer.documents <= 11);

  answer = ask(collection, R"({"b":4})", R"({"a":-1})", 2);
  CHECK(answer.ids == "94 84");
  CHECK(answer.stages == "FETCH IXSCAN ba backward");

  answer = ask(collection, R"({"b":4})", R"({"b":1,"a":1})", 2);
  CHECK(answer.ids == "4 14");
  CHECK(answer.stages == "FETCH IXSCAN ba");

  CHECK(ask(collection, "{}", R"({"b":1,"a":1})", 2).stages == "SORT COLLSCAN");
  CHECK(ask(collection, "{}", R"({"a":1})", 2).stages == "SORT COLLSCAN");
}

TEST_CASE("a later page of a sorted read begins where the index has it") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"b":1,"a":1},"name":"ba"})");
  for (const std::string_view sort : {R"({"b":1,"a":1})", R"({"b":-1})", R"({"b":-1,"a":-1})"}) {
    db::FindQuery query;
    query.sort = *db::parse_sort(json(sort));
    query.page_documents_max = 4;
    for (int page = 0; page < 20; ++page) query.cursor = db::find(collection, query)->cursor;
    const bson::Document explained = *db::explain(collection, query);
    const bson::View stats = explained.view().find("executionStats")->as_object();
    CHECK(stats.find("nReturned")->as_int64() == 4);
    CHECK(stats.find("totalDocsExamined")->as_int64() <= 21);
  }
}

TEST_CASE("conditions on an array bound an index one at a time, but for $elemMatch") {
  db::Collection collection;
  for (int i = 0; i < 40; ++i) put(collection, fmt::format(R"({{"_id":{},"a":[{},{}]}})", i, i, i + 50));
  create(collection, R"({"key":{"a":1}})");
  // 30 and 80 are two elements: neither lies between.
  Answer answer = ask(collection, R"({"a":{"$gt":85,"$lt":37}})");
  CHECK(answer.ids == "36");
  CHECK(answer.stages == "SORT FETCH IXSCAN a_1");
  answer = ask(collection, R"({"a":{"$elemMatch":{"$gt":20,"$lt":23}}})");
  CHECK(answer.ids == "21 22");
  CHECK(answer.bounds == R"x({"a":["(20, 23)"]})x");
  CHECK(answer.keys == 2);
  // Each document once, in the order of its smallest element, whatever the bounds.
  answer = ask(collection, R"({"a":{"$gte":86}})", R"({"a":1})", 2);
  CHECK(answer.ids == "36 37");
  put(collection, R"({"_id":99,"a":[-5,95]})");
  CHECK(ask(collection, R"({"a":{"$gte":86}})", R"({"a":1})", 2).ids == "99 36");
  CHECK(ask(collection, R"({"a":{"$gte":86}})", R"({"a":1})", 2, "a_1").ids == "99 36");
  CHECK_FALSE(collection.check_indexes());
}

TEST_CASE("fields of the same array are bounded together only by one element") {
  db::Collection collection;
  for (int i = 0; i < 30; ++i) {
    put(collection, fmt::format(R"({{"_id":{0},"a":[{{"b":{0},"c":1}},{{"b":100,"c":{0}}}]}})", i));
  }
  create(collection, R"({"key":{"a.b":1,"a.c":1},"name":"bc"})");
  // b is 5 in one element, c is 5 in the other.
  Answer answer = ask(collection, R"({"a.b":5,"a.c":5})");
  CHECK(answer.ids == "5");
  CHECK(answer.stages == "SORT FETCH IXSCAN bc");
  CHECK(answer.bounds == R"({"a.b":["[5, 5]"],"a.c":["[MinKey, MaxKey]"]})");
  CHECK(ask(collection, R"({"a":{"$elemMatch":{"b":5,"c":5}}})").ids.empty());
  CHECK(ask(collection, R"({"a":{"$elemMatch":{"b":5,"c":1}}})").ids == "5");
}

TEST_CASE("null, missing and empty arrays are found through an index") {
  db::Collection collection;
  for (int i = 10; i < 40; ++i) put(collection, fmt::format(R"({{"_id":{},"a":{}}})", i, i));
  put(collection, R"({"_id":1})");
  put(collection, R"({"_id":2,"a":null})");
  put(collection, R"({"_id":3,"a":[]})");
  put(collection, R"({"_id":4,"a":{"$undefined":true}})");
  put(collection, R"({"_id":5,"a":[null,7]})");
  put(collection, R"({"_id":6,"a":{"$numberDouble":"NaN"}})");
  create(collection, R"({"key":{"a":1}})");
  for (const char* hint : {"a_1", ""}) {
    CHECK(ask(collection, R"({"a":null})", "{}", 0, hint).ids == "1 2 4 5");
    CHECK(ask(collection, R"({"a":{"$gte":null}})", "{}", 0, hint).ids == "1 2 4 5");
    CHECK(ask(collection, R"({"a":{"$in":[null,12]}})", "{}", 0, hint).ids == "1 2 4 5 12");
    CHECK(ask(collection, R"({"a":[]})", "{}", 0, hint).ids == "3");
    CHECK(ask(collection, R"({"a":{"$numberDouble":"NaN"}})", "{}", 0, hint).ids == "6");
    CHECK(ask(collection, R"({"a":{"$lt":12}})", "{}", 0, hint).ids == "5 10 11");
  }
}

TEST_CASE("64-bit numbers, doubles and decimals that differ by little are told apart") {
  db::Collection collection;
  put(collection, R"({"_id":1,"a":{"$numberLong":"9007199254740992"}})");
  put(collection, R"({"_id":2,"a":{"$numberLong":"9007199254740993"}})");
  put(collection, R"({"_id":3,"a":{"$numberDouble":"9007199254740992"}})");
  put(collection, R"({"_id":4,"a":{"$numberDecimal":"9007199254740993"}})");
  put(collection, R"({"_id":5,"a":{"$numberDecimal":"9007199254740992.5"}})");
  put(collection, R"({"_id":6,"a":{"$numberLong":"-9223372036854775808"}})");
  create(collection, R"({"key":{"a":1},"name":"up"})");
  create(collection, R"({"key":{"a":-1},"name":"down"})");
  for (const char* hint : {"up", "down"}) {
    CHECK(ask(collection, R"({"a":{"$numberLong":"9007199254740993"}})", "{}", 0, hint).ids == "2 4");
    CHECK(ask(collection, R"({"a":{"$gt":{"$numberLong":"9007199254740992"}}})", "{}", 0, hint).ids == "2 4 5");
    CHECK(ask(collection, R"({"a":{"$lt":{"$numberDecimal":"9007199254740992.5"}}})", "{}", 0, hint).ids == "1 3 6");
    CHECK(ask(collection, "{}", R"({"a":1})", 0, hint).ids == "6 1 3 5 2 4");
  }
}

TEST_CASE("sparse and partial indexes are used only for what they hold") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"d":1},"sparse":true})");
  create(collection, R"({"key":{"a":1},"partialFilterExpression":{"b":{"$gte":5}},"name":"half"})");
  put(collection, R"({"_id":200,"d":1,"a":7})");
  CHECK(collection.index("d_1")->entries().size() == 1);
  CHECK(collection.index("half")->entries().size() == 50);
  CHECK(ask(collection, R"({"d":1})").stages == "FETCH IXSCAN d_1");
  CHECK(ask(collection, R"({"d":null})").stages == "COLLSCAN");
  CHECK(ask(collection, "{}", R"({"d":1})", 2).stages == "SORT COLLSCAN");
  struct Row {
    const char* filter;
    bool used;
  };
  const Row rows[] = {
      {R"({"a":7})", false},
      {R"({"a":7,"b":7})", true},
      {R"({"a":7,"b":4})", false},
      {R"({"a":7,"b":{"$gt":5}})", true},
      {R"({"a":7,"b":{"$gte":5}})", true},
      {R"({"a":7,"b":{"$gt":4}})", false},
      {R"({"a":7,"b":{"$in":[6,7]}})", true},
      {R"({"a":7,"b":{"$in":[4,7]}})", false},
      {R"({"a":7,"b":"x"})", false},
      {R"({"a":7,"$or":[{"b":8},{"b":{"$gt":6}}]})", true},
      {R"({"a":7,"$or":[{"b":8},{"c":1}]})", false},
      {R"({"a":7,"b":{"$not":{"$lt":5}}})", false},
  };
  for (const Row& row : rows) {
    const std::string expected = row.used ? "FETCH IXSCAN half" : "COLLSCAN";
    CHECK_MESSAGE(ask(collection, row.filter).stages == expected, row.filter);
  }
  db::FindQuery query;
  query.hint = "half";
  CHECK(db::find(collection, query).error().message ==
        "BadValue (2): hint: the index 'half' does not hold all documents that can match");
  query.hint = "none";
  CHECK(db::find(collection, query).error().message ==
        "BadValue (2): hint: there is no index 'none', or it is not built yet");
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
