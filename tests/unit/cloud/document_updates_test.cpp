// UpdateDocument with a filter, FindAndModify, BulkWrite, Distinct, and projections.
#include "distri/cloud/document_updates.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"
#include "service_rig.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

struct Fixture : test::ServiceRig {
  Fixture() {
    for (const char* text : {R"({"_id":1,"k":"a","n":1,"l":[1,2,3],"s":{"x":1}})",
                             R"({"_id":2,"k":"b","n":5,"l":[3,4]})", R"({"_id":3,"k":"a","n":3,"l":[]})"}) {
      REQUIRE(call("AddDocument", "", text));
    }
  }

  json read(std::string_view filter) {
    return good("ReadCollection", "{\"filter\":" + std::string(filter) + "}")["documents"];
  }
};

}  // namespace

TEST_CASE("UpdateDocument with a filter updates the first match, or all with multi") {
  Fixture f;
  CHECK(f.good("UpdateDocument", R"({"filter":{"k":"a"},"update":{"$set":{"v":1}}})") ==
        json{{"matched", 1}, {"modified", 1}});
  CHECK(f.read(R"({"v":1})").size() == 1);
  CHECK(f.good("UpdateDocument", R"({"filter":{"k":"a"},"update":{"$set":{"v":1},"$push":{"l":9}},"multi":true})") ==
        json{{"matched", 2}, {"modified", 2}});
  CHECK(f.read(R"({"_id":1})")[0] == json::parse(R"({"_id":1,"k":"a","n":1,"l":[1,2,3,9],"s":{"x":1},"v":1})"));
  CHECK(f.good("UpdateDocument", R"({"filter":{"k":"a"},"update":{"$set":{"v":1}},"multi":true})") ==
        json{{"matched", 2}, {"modified", 0}});
  CHECK(f.good("UpdateDocument", R"({"filter":{"k":"z"},"update":{"$set":{"v":1}}})") ==
        json{{"matched", 0}, {"modified", 0}});
  CHECK(f.good("UpdateDocument", R"({"filter":{},"multi":true})", R"({"$inc":{"n":10}})")["modified"] == 3);
  CHECK(f.good("Distinct", R"({"field":"n"})") == json{{"values", {11, 13, 15}}});
}

TEST_CASE("UpdateDocument replaces, with positional parts updates elements, and upserts") {
  Fixture f;
  CHECK(f.good("UpdateDocument", R"({"filter":{"_id":2}})", R"({"fresh":true})")["modified"] == 1);
  CHECK(f.read(R"({"_id":2})")[0] == json::parse(R"({"_id":2,"fresh":true})"));
  CHECK(f.good("UpdateDocument", R"({"filter":{"l":2},"update":{"$set":{"l.$":20}}})")["modified"] == 1);
  CHECK(
      f.good("UpdateDocument",
             R"({"filter":{"_id":1},"update":{"$inc":{"l.$[e]":1}},"arrayFilters":[{"e":{"$lt":10}}]})")["modified"] ==
      1);
  CHECK(f.read(R"({"_id":1})")[0]["l"] == json::parse("[2,20,4]"));

  const json upserted = f.good("UpdateDocument", R"({"filter":{"k":"new"},"update":{"$inc":{"n":1}},"upsert":true})");
  CHECK(upserted["matched"] == 0);
  CHECK(upserted["upserted_id"]["$oid"].get<std::string>().size() == 24);
  CHECK(f.read(R"({"k":"new"})")[0]["n"] == 1);
  CHECK(f.good("UpdateDocument",
               R"({"filter":{"_id":77},"update":{"$setOnInsert":{"a":1}},"upsert":true})")["upserted_id"] == 77);
  CHECK_FALSE(f.good("UpdateDocument", R"({"filter":{"_id":77},"update":{"$set":{"a":2}},"upsert":true})")
                  .contains("upserted_id"));
  // An upsert whose _id is taken by a document that the filter does not match.
  CHECK(f.call("UpdateDocument", R"({"filter":{"_id":1,"k":"b"},"update":{"$set":{"a":1}},"upsert":true})")
            .error()
            .code == Code::kAlreadyExists);
}

TEST_CASE("Pure increments of top-level fields are told to replication as increments, not as values") {
  Fixture f;
  REQUIRE(f.good("UpdateDocument",
                 R"({"filter":{"_id":1},"update":{"$inc":{"n":2,"m":5},"$set":{"v":1}}})")["modified"] == 1);
  const auto* record =
      f.replica.database().find("c")->find(bson::order_key(*bson::from_json(R"({"_id":1})")->view().find("_id")));
  REQUIRE(record != nullptr);
  std::size_t counters = 0;
  for (const auto& field : record->revision.fields()) counters += field.counter != nullptr ? 1 : 0;
  CHECK(counters == 2);
  CHECK(record->revision.fields().size() == 3);
}

TEST_CASE("An update of many that fails says which documents were updated") {
  Fixture f;
  REQUIRE(f.good("UpdateDocument", R"({"filter":{"_id":3},"update":{"$set":{"n":"text"}}})")["modified"] == 1);
  const auto reply = f.call("UpdateDocument", R"({"filter":{},"update":{"$inc":{"n":1}},"multi":true})");
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == Code::kInvalidArgument);
  CHECK(
      reply.error().message ==
      R"(TypeMismatch (14): $inc at 'n': Cannot apply $inc to a value of non-numeric type string; at the document {"_id":3}: )"
      "the 2 matching documents before it, in the order of _id, were updated, it and those after it were not");
  CHECK(f.read(R"({"_id":2})")[0]["n"] == 6);
}

TEST_CASE("FindAndModify gives the document before or after, of several the first in the order asked for") {
  Fixture f;
  CHECK(f.good("FindAndModify", R"({"filter":{"k":"a"},"update":{"$inc":{"n":1}},"sort":{"n":-1}})") ==
        json::parse(R"({"document":{"_id":3,"k":"a","n":3,"l":[]},"matched":1,"modified":1})"));
  CHECK(
      f.good(
          "FindAndModify",
          R"({"filter":{"k":"a"},"update":{"$inc":{"n":1}},"sort":[{"k":1},{"n":-1}],"return":"after","projection":{"n":1}})") ==
      json::parse(R"({"document":{"_id":3,"n":5},"matched":1,"modified":1})"));
  CHECK(f.good("FindAndModify",
               R"({"filter":{"l":{"$gte":3}},"update":{"$set":{"seen":true}},"projection":{"l.$":1}})")["document"] ==
        json::parse(R"({"_id":1,"l":[3]})"));
  CHECK(f.good("FindAndModify", R"({"filter":{"k":"z"},"update":{"$set":{"a":1}}})") ==
        json{{"document", nullptr}, {"matched", 0}, {"modified", 0}});
  CHECK(f.good("FindAndModify", R"({"filter":{"_id":9},"update":{"$set":{"a":1}},"upsert":true,"return":"after"})") ==
        json::parse(R"({"document":{"_id":9,"a":1},"matched":0,"modified":0,"upserted_id":9})"));
  CHECK(f.good("FindAndModify", R"({"filter":{"_id":10},"update":{"$set":{"a":1}},"upsert":true})")["document"] ==
        nullptr);
  CHECK(f.good("FindAndModify", R"({"filter":{"k":"a"},"remove":true,"sort":{"_id":-1}})")["document"]["_id"] == 3);
  CHECK(f.good("Count", "") == json{{"count", 4}});
}

TEST_CASE("BulkWrite tries each operation, tells each result, and stops at a failed one if ordered") {
  Fixture f;
  constexpr std::string_view kBody = R"({"operations":[
    {"insertOne":{"document":{"_id":10,"n":1}}},
    {"updateOne":{"filter":{"_id":10},"update":{"$inc":{"n":1}}}},
    {"insertOne":{"document":{"_id":10}}},
    {"updateMany":{"filter":{"k":"a"},"update":{"$set":{"v":1}}}},
    {"replaceOne":{"filter":{"_id":2},"replacement":{"r":1}}},
    {"updateOne":{"filter":{"_id":20},"update":{"$set":{"u":1}},"upsert":true}},
    {"deleteOne":{"filter":{"k":"a"}}},
    {"deleteMany":{"filter":{}}}]})";
  const json ordered = f.good("BulkWrite", "", kBody);
  CHECK(ordered["ok"] == false);
  CHECK(ordered["first_failed"] == 2);
  CHECK(ordered["inserted"] == 1);
  CHECK(ordered["modified"] == 1);
  REQUIRE(ordered["results"].size() == 3);
  CHECK(ordered["results"][0] == json{{"index", 0}, {"inserted_id", 10}});
  CHECK(ordered["results"][1] == json{{"index", 1}, {"matched", 1}, {"modified", 1}});
  CHECK(ordered["results"][2]["index"] == 2);
  CHECK(ordered["results"][2]["error"]["code"] == "already_exists");
  CHECK(f.good("Count", "") == json{{"count", 4}});

  const json unordered = f.good("BulkWrite", R"({"ordered":false})", kBody);
  CHECK(unordered["ok"] == false);
  CHECK(unordered["first_failed"] == 0);
  REQUIRE(unordered["results"].size() == 8);
  CHECK(unordered["results"][3] == json{{"index", 3}, {"matched", 2}, {"modified", 2}});
  CHECK(unordered["results"][4] == json{{"index", 4}, {"matched", 1}, {"modified", 1}});
  CHECK(unordered["results"][5] == json{{"index", 5}, {"matched", 0}, {"modified", 0}, {"upserted_id", 20}});
  CHECK(unordered["results"][6] == json{{"index", 6}, {"deleted", 1}});
  CHECK(unordered["results"][7] == json{{"index", 7}, {"deleted", 4}});
  CHECK(unordered["deleted"] == 5);
  CHECK(unordered["upserted"] == 1);
  CHECK(f.good("BulkWrite", "", R"({"operations":[]})")["ok"] == true);
}

TEST_CASE("An operation of a bulk write that is wrong is told by its index, and changes nothing") {
  Fixture f;
  const auto before = f.replica.vector();
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "an operation is an object with one field"},
      {R"(5)", "an operation is an object with one field"},
      {R"({"insertOne":5})", "'insertOne' must be an object, not int"},
      {R"({"insert":{"document":{}}})", "there is no operation 'insert'"},
      {R"({"insertOne":{}})", "insertOne needs 'document'"},
      {R"({"insertOne":{"document":{"$a":1}}})", "'$a' must not begin with '$'"},
      {R"({"insertOne":{"document":{},"x":1}})", "insertOne has no parameter 'x'"},
      {R"({"updateOne":{"update":{"$set":{"a":1}}}})", "updateOne needs 'filter'"},
      {R"({"updateOne":{"filter":{}}})", "updateOne needs 'update'"},
      {R"({"updateOne":{"filter":{},"update":{"a":1}}})", "'update' must hold operators"},
      {R"({"updateMany":{"filter":{"a":{"$foo":1}},"update":{"$set":{"a":1}}}})", "$foo"},
      {R"({"replaceOne":{"filter":{},"replacement":{"$set":{"a":1}}}})", "without operators"},
      {R"({"deleteOne":{}})", "deleteOne needs 'filter'"},
  };
  for (const auto& [operation, text] : cases) {
    CAPTURE(operation);
    const json reply = f.good("BulkWrite", "", "{\"operations\":[" + std::string(operation) + "]}");
    CHECK(reply["first_failed"] == 0);
    const std::string message = reply["results"][0]["error"]["message"];
    CHECK_MESSAGE(message.find(text) != std::string::npos, message);
  }
  CHECK(f.replica.vector() == before);
}

TEST_CASE("ReadCollection gives only what the projection names, in JSON and in BSON") {
  Fixture f;
  CHECK(f.good("ReadCollection", R"({"projection":{"n":1,"_id":0},"sort":{"n":1}})")["documents"] ==
        json::parse(R"([{"n":1},{"n":3},{"n":5}])"));
  CHECK(f.good("ReadCollection", R"({"filter":{"l":{"$gt":1}},"projection":{"l.$":1}})")["documents"] ==
        json::parse(R"([{"_id":1,"l":[2]},{"_id":2,"l":[3]}])"));
  CHECK(f.good("ReadCollection", R"({"projection":{"l":{"$slice":-1}},"filter":{"_id":1}})")["documents"] ==
        json::parse(R"([{"_id":1,"k":"a","n":1,"l":[3],"s":{"x":1}}])"));
  CHECK(f.good("ReadCollection", R"({"projection":{}})")["documents"].size() == 3);
  const bson::Document params = *bson::from_json(R"({"projection":{"s.x":1},"filter":{"_id":1}})");
  const auto reply =
      f.services.execute({DocumentService::kReadCollection, "c", params.bytes(), "", wire::Format::kBson, 0});
  REQUIRE(reply);
  CHECK(bson::to_json(*bson::Document::parse(*reply)) == R"({"documents":[{"_id":1,"s":{"x":1}}]})");
}

TEST_CASE("Wrong parameters of the updating services are refused by name and change nothing") {
  Fixture f;
  const auto before = f.replica.vector();
  struct Row {
    const char* service;
    const char* params;
    const char* body;
    const char* text;
  };
  for (const auto& row : {
           Row{"UpdateDocument", R"({"filter":{}})", "", "the parameter 'update', or a body"},
           Row{"UpdateDocument", R"({"filter":{},"update":{"$set":{"a":1}}})", R"({"a":1})", "given twice"},
           Row{"UpdateDocument", R"({"filter":5,"update":{}})", "", "'filter' must be an object, not int"},
           Row{"UpdateDocument", R"({"filter":{},"update":[]})", "", "'update' must be an object, not array"},
           Row{"UpdateDocument", R"({"filter":{},"update":{"$set":{"a":1}},"multi":1})", "",
               "'multi' must be true or false"},
           Row{"UpdateDocument", R"({"filter":{},"update":{"$set":{"a":1}},"arrayFilters":{}})", "",
               "'arrayFilters' must be an array"},
           Row{"UpdateDocument", R"({"filter":{},"update":{"a":1},"multi":true})", "",
               "multi update is not supported for a replacement"},
           Row{"UpdateDocument", R"({"update":{"a":1}})", "", "'update' needs the parameter 'filter'"},
           Row{"UpdateDocument", R"({"filter":{},"update":{"$set":{"l.$":1}}})", "",
               "The positional operator did not find the match"},
           Row{"FindAndModify", R"({"update":{"a":1}})", "", "needs the parameter 'filter'"},
           Row{"FindAndModify", R"({"filter":{},"update":{"a":1},"remove":true})", "", "'remove' goes with neither"},
           Row{"FindAndModify", R"({"filter":{},"remove":true,"return":"after"})", "",
               "after 'remove' there is no document"},
           Row{"FindAndModify", R"({"filter":{},"update":{"a":1},"return":"new"})", "",
               "'return' must be \"before\" or \"after\""},
           Row{"FindAndModify", R"({"filter":{},"update":{"a":1},"projection":{"a":{}}})", "",
               "an empty object is not a projection"},
           Row{"FindAndModify",
               R"({"filter":{"l":1},"update":{"$set":{"l":[]}},"projection":{"l.$":1},"return":"after"})", "",
               "positional projection cannot be used"},
           Row{"FindAndModify", R"({"filter":{},"update":{"a":1},"sort":[5]})", "",
               "every entry of the list must be an object"},
           Row{"Distinct", "", "", "'field' must be the path"},
           Row{"Distinct", R"({"field":5})", "", "'field' must be the path"},
           Row{"Distinct", R"({"field":"a..b"})", "", "has an empty part"},
           Row{"BulkWrite", "", "", "needs 'operations', a list"},
           Row{"BulkWrite", "", R"({"operations":{}})", "'operations' must be an array"},
           Row{"BulkWrite", "", R"({"operation":[]})", "has no parameter 'operation'"},
           Row{"BulkWrite", R"({"ordered":"x"})", R"({"operations":[]})", "'ordered' must be true or false"},
           Row{"ReadCollection", R"({"projection":{"a":1,"b":0}})", "", "Cannot do exclusion on field b"},
           Row{"ReadCollection", R"({"projection":{"l.$":1}})", "", "positional operator '.$' couldn't find"},
       }) {
    CAPTURE(row.service);
    CAPTURE(row.params);
    CAPTURE(row.body);
    const auto reply = f.call(row.service, row.params, row.body);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(reply.error().message.find(row.text) != std::string::npos, reply.error().message);
  }
  CHECK(f.replica.vector() == before);
}

TEST_CASE("Only writes that set what they set by _id may be executed twice") {
  const auto repeatable = [](std::string_view service, std::string_view params, std::string_view body) {
    return is_repeatable({*find_document_service(service), "c", params, body});
  };
  CHECK(repeatable("AddDocument", "", R"({"_id":1})"));
  CHECK(repeatable("UpdateDocument", "", R"({"_id":1,"a":1})"));
  CHECK(repeatable("UpdateDocument", "", R"({"_id":1,"$set":{"a":1}})"));
  CHECK_FALSE(repeatable("UpdateDocument", "", R"({"_id":1,"$inc":{"a":1}})"));
  CHECK_FALSE(repeatable("UpdateDocument", "", R"({"_id":1,"$push":{"a":1}})"));
  CHECK_FALSE(repeatable("UpdateDocument", R"({"filter":{"a":1}})", R"({"$set":{"a":2}})"));
  CHECK_FALSE(repeatable("FindAndModify", "", ""));
  CHECK(repeatable("BulkWrite", "", R"({"operations":[{"insertOne":{"document":{"_id":1}}}]})"));
  CHECK_FALSE(repeatable("BulkWrite", "", R"({"operations":[{"deleteOne":{"filter":{"a":1}}}]})"));
}
