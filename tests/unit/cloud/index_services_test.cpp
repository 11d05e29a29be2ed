// CreateIndex, DropIndex, ListIndexes, Explain, and what indexes say to writes.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/db/index_catalog.hpp"
#include "service_rig.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

struct Fixture : test::ServiceRig {
  void build() {
    while (replica.build_indexes(7)) {
    }
  }
  void fill(int documents) {
    for (int i = 0; i < documents; ++i) good("AddDocument", "", fmt::format(R"({{"_id":{0},"a":{0},"b":"x"}})", i));
  }
};

}  // namespace

TEST_CASE("CreateIndex makes an index once, and says what is in its way") {
  Fixture f;
  CHECK(f.good("CreateIndex", R"({"key":[{"b":1},{"a":-1}]})") == json{{"name", "b_1_a_-1"}, {"created", true}});
  CHECK(f.good("CreateIndex", R"({"key":{"b":1,"a":-1}})") == json{{"name", "b_1_a_-1"}, {"created", false}});
  CHECK(f.good("CreateIndex", R"({"key":{"a":1},"name":"by a","sparse":true,"w":1})")["created"] == true);
  struct Row {
    const char* params;
    const char* message;
  };
  for (const Row& row : {
           Row{R"({"key":{"b":1,"a":-1},"name":"other"})",
               "IndexOptionsConflict (85): index: it exists already with "
               "another name: 'b_1_a_-1'"},
           Row{R"({"key":{"b":1,"a":-1},"unique":true})",
               "IndexOptionsConflict (85): index: 'b_1_a_-1' exists already with other options"},
           Row{R"({"key":{"z":1},"name":"by a"})",
               "IndexKeySpecsConflict (86): index: 'by a' exists already with another key"},
           Row{R"({"key":{"a":"text"}})", "CannotCreateIndex (67)"},
           Row{R"({"key":[1]})", "parameter 'key': every entry of the list must be an object"},
           Row{R"({})", "FailedToParse (9): index: 'key' is missing"},
           Row{R"({"key":{"a":1},"hidden":true})", "no parameter 'hidden'; it has key, name"},
           Row{R"({"key":{"a":1,"b":1},"expireAfterSeconds":5})",
               "CannotCreateIndex (67): index: 'expireAfterSeconds' goes "},
       }) {
    const Error error = f.bad("CreateIndex", row.params);
    CHECK(error.code == Code::kInvalidArgument);
    CHECK_MESSAGE(error.message.find(row.message) != std::string::npos, error.message);
  }
  for (int i = 0; i < 62; ++i) f.good("CreateIndex", fmt::format(R"({{"key":{{"f{}":1}}}})", i));
  CHECK(f.bad("CreateIndex", R"({"key":{"one more":1}})").message ==
        "CannotCreateIndex (67): index: the collection has 64 indexes, the most it can");
}

TEST_CASE("a unique index is not created over documents that have the same key") {
  Fixture f;
  f.fill(3);
  const Error error = f.bad("CreateIndex", R"({"key":{"b":1},"unique":true})");
  CHECK(error.code == Code::kAlreadyExists);
  CHECK(error.message.starts_with("DuplicateKey (11000): E11000 duplicate key error index: b_1: the documents "));
  CHECK(f.good("ListIndexes", "")["indexes"].size() == 1);
  f.good("DeleteDocument", R"({"filter":{"_id":{"$gt":0}}})");
  CHECK(f.good("CreateIndex", R"({"key":{"b":1},"unique":true})")["created"] == true);
  // It is there: nothing is asked any more.
  CHECK(f.good("CreateIndex", R"({"key":{"b":1},"unique":true})")["created"] == false);
}

TEST_CASE("ListIndexes tells what is there, and DropIndex takes it away") {
  Fixture f;
  f.fill(20);
  CHECK(*f.call_on("none", "ListIndexes", "", "") == json{{"indexes", json::array()}});
  f.good("CreateIndex", R"({"key":{"a":1},"unique":true})");
  json list = f.good("ListIndexes", "")["indexes"];
  REQUIRE(list.size() == 2);
  CHECK(list[0] == json{{"key", {{"_id", 1}}}, {"name", "_id_"}, {"ready", true}, {"entries", 20}});
  CHECK(list[1]["name"] == "a_1");
  CHECK(list[1]["ready"] == false);
  f.build();
  list = f.good("ListIndexes", "")["indexes"];
  CHECK(list[1]["ready"] == true);
  CHECK(list[1]["entries"] == 20);
  CHECK(list[1]["duplicates"] == 0);
  CHECK(list[1]["unique"] == true);
  CHECK(list[1]["bytes"] > 500);
  f.good("CreateIndex", R"({"key":{"b":1}})");
  CHECK(f.good("DropIndex", R"({"name":"a_1"})") == json{{"dropped", 1}});
  const Error error = f.bad("DropIndex", R"({"name":"a_1"})");
  CHECK(error.code == Code::kNotFound);
  CHECK(error.message == "IndexNotFound (27): index not found with name [a_1]");
  CHECK(f.bad("DropIndex", R"({"name":"_id_"})").message ==
        "InvalidOptions (72): index: the index on '_id' cannot be dropped");
  CHECK(f.bad("DropIndex", "").message == "parameter 'name' must be the name of an index, or \"*\" for all");
  f.good("CreateIndex", R"({"key":{"a":1}})");
  CHECK(f.good("DropIndex", R"({"name":"*"})") == json{{"dropped", 2}});
  CHECK(f.good("DropIndex", R"({"name":"*"})") == json{{"dropped", 0}});
  CHECK(f.good("ListIndexes", "")["indexes"].size() == 1);
}

TEST_CASE("the collection of definitions is hidden, and clients cannot name it") {
  Fixture f;
  f.fill(1);
  f.good("CreateIndex", R"({"key":{"a":1}})");
  CHECK(f.replica.database().find(db::kIndexCollection)->size() == 1);
  const auto collections = f.call_on("", "ListCollections", "", "");
  REQUIRE(collections.has_value());
  REQUIRE((*collections)["collections"].size() == 1);
  CHECK((*collections)["collections"][0]["name"] == "c");
  for (const char* service : {"ReadCollection", "AddDocument", "DropCollection", "CreateIndex", "Count"}) {
    const auto refused = f.call_on("system.indexes", service, "", "{}");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("reserved") != std::string::npos);
  }
}

TEST_CASE("the indexes of a collection go when it is dropped") {
  Fixture f;
  f.fill(3);
  f.good("CreateIndex", R"({"key":{"a":1}})");
  CHECK(f.call_on("c2", "CreateIndex", R"({"key":{"a":1}})", "").has_value());
  f.good("DropCollection", "");
  f.fill(3);
  CHECK(f.good("ListIndexes", "")["indexes"].size() == 1);
  CHECK((*f.call_on("c2", "ListIndexes", "", ""))["indexes"].size() == 2);
  CHECK(f.replica.check_invariants() == std::nullopt);
}

TEST_CASE("Explain says which index a read takes, and a hint decides it") {
  Fixture f;
  f.fill(60);
  f.good("CreateIndex", R"({"key":{"a":1}})");
  f.build();
  json plan = f.good("Explain", R"({"filter":{"a":{"$gte":3,"$lt":5}}})");
  CHECK(plan["executionStats"]["nReturned"] == 2);
  CHECK(plan["executionStats"]["totalKeysExamined"] == 2);
  CHECK(plan["queryPlanner"]["winningPlan"]["inputStage"]["inputStage"]["indexName"] == "a_1");
  CHECK(plan["queryPlanner"]["winningPlan"]["inputStage"]["inputStage"]["indexBounds"] == json{{"a", {"[3, 5)"}}});
  plan = f.good("Explain", R"({"filter":{"a":3},"hint":"$natural"})");
  CHECK(plan["queryPlanner"]["winningPlan"]["stage"] == "COLLSCAN");
  CHECK(plan["executionStats"]["totalDocsExamined"] == 60);
  CHECK((*f.call_on("none", "Explain", "", ""))["executionStats"]["nReturned"] == 0);
  CHECK(f.good("ReadCollection", R"({"filter":{"a":3},"hint":"a_1"})")["documents"].size() == 1);
  CHECK(f.bad("ReadCollection", R"({"hint":"nowhere"})").message ==
        "BadValue (2): hint: there is no index 'nowhere', or it is not built yet");
  CHECK(f.bad("ReadCollection", R"({"hint":1})").message ==
        "parameter 'hint' must be the name of an index, or \"$natural\"");
}

TEST_CASE("a unique index refuses each kind of write whose key is taken, and changes nothing") {
  Fixture f;
  f.fill(5);
  f.good("CreateIndex", R"({"key":{"a":1},"unique":true})");
  f.build();
  const std::string message = "DuplicateKey (11000): E11000 duplicate key error collection: c index: a_1";
  struct Row {
    const char* service;
    const char* params;
    const char* body;
  };
  for (const Row& row : {
           Row{"AddDocument", "", R"({"_id":9,"a":3})"},
           Row{"AddDocument", "", R"({"_id":9,"a":[100,3.0]})"},
           Row{"UpdateDocument", "", R"({"_id":1,"a":3})"},
           Row{"UpdateDocument", "", R"({"_id":9,"a":3})"},
           Row{"UpdateDocument", "", R"({"_id":1,"$inc":{"a":2}})"},
           Row{"UpdateDocument", R"({"filter":{"_id":1},"update":{"a":3}})", ""},
           Row{"UpdateDocument", R"({"filter":{"_id":77,"a":3},"update":{"$set":{"b":1}},"upsert":true})", ""},
           Row{"FindAndModify", R"({"filter":{"_id":1},"update":{"$set":{"a":3}}})", ""},
       }) {
    const Error error = f.bad(row.service, row.params, row.body);
    CHECK(error.code == Code::kAlreadyExists);
    CHECK_MESSAGE(error.message == message, row.body, row.params);
  }
  CHECK(f.good("ReadCollection", "")["documents"].size() == 5);
  // Itself is no other.
  f.good("UpdateDocument", "", R"({"_id":1,"a":1,"b":"y"})");
  CHECK(f.bad("AddDocument", "", R"({"_id":1,"a":3})").message.find("_id") != std::string::npos);
  const json bulk = f.good("BulkWrite", R"({"ordered":false})",
                           R"({"operations":[{"insertOne":{"document":{"_id":20,"a":20}}},
                                             {"insertOne":{"document":{"_id":21,"a":20}}}]})");
  CHECK(bulk["inserted"] == 1);
  CHECK(bulk["results"][1]["error"]["message"] == message);
  f.good("DeleteDocument", R"({"filter":{"a":3}})");
  f.good("AddDocument", "", R"({"_id":9,"a":3})");
  const Error merged =
      f.bad("Aggregate", R"({"pipeline":[{"$match":{"_id":1}},{"$set":{"_id":30}},{"$merge":"c"}]})", "");
  CHECK(merged.code == Code::kAlreadyExists);
  CHECK_MESSAGE(merged.message.starts_with(message), merged.message);
}

TEST_CASE("arrays in parallel are refused to a client where an index has both") {
  Fixture f;
  f.good("AddDocument", "", R"({"_id":1,"a":[1],"b":[2]})");
  f.good("CreateIndex", R"({"key":{"a":1,"b":1}})");
  f.build();
  CHECK(f.good("ListIndexes", "")["indexes"][1]["unindexable"] == 1);
  const Error error = f.bad("AddDocument", "", R"({"_id":2,"a":[1],"b":[2]})");
  CHECK(error.code == Code::kInvalidArgument);
  CHECK(error.message == "CannotIndexParallelArrays (171): index 'a_1_b_1': cannot index parallel arrays ['a'] ['b']");
  CHECK(f.good("ReadCollection", R"({"filter":{"a":1},"hint":"a_1_b_1"})")["documents"].size() == 1);
}

TEST_CASE("An index with expireAfterSeconds is listed with it, and ModifyCollection changes it in place") {
  Fixture f;
  f.fill(5);
  f.good("CreateIndex", R"({"key":{"at":1},"expireAfterSeconds":3600})");
  f.good("CreateIndex", R"({"key":{"a":1,"at":1}})");
  f.good("CreateIndex", R"({"key":{"b":-1},"name":"by b"})");
  f.build();
  const auto listed = [&](std::size_t i) {
    return f.good("ListIndexes", "")["indexes"][i].value("expireAfterSeconds", -1);
  };
  CHECK(listed(1) == 3600);
  CHECK(listed(2) == -1);
  CHECK(f.good("CreateIndex", R"({"key":{"at":1},"expireAfterSeconds":3600})")["created"] == false);
  CHECK(f.bad("CreateIndex", R"({"key":{"at":1},"expireAfterSeconds":60})").message ==
        "IndexOptionsConflict (85): index: 'at_1' exists already with other options; ModifyCollection changes "
        "'expireAfterSeconds'");
  CHECK(f.good("ModifyCollection", R"({"index":{"name":"at_1","expireAfterSeconds":60}})")["modified"] == true);
  CHECK(f.good("ModifyCollection", R"({"index":{"keyPattern":{"at":1},"expireAfterSeconds":60}})")["modified"] ==
        false);
  CHECK(f.good("ModifyCollection", R"({"index":{"keyPattern":{"b":-1},"expireAfterSeconds":0}})")["modified"] == true);
  CHECK(listed(1) == 60);
  CHECK(listed(3) == 0);
  CHECK(f.good("ListIndexes", "")["indexes"][1]["ready"] == true);
  struct Row {
    const char* params;
    const char* message;
  };
  for (const Row& row : {
           Row{R"({"index":5})", "parameter 'index' must be an object: name or keyPattern, and what is to change"},
           Row{R"({"index":{"expireAfterSeconds":5}})",
               "parameter 'index' needs either 'name', a string, or 'keyPattern'"},
           Row{R"({"index":{"name":"at_1","keyPattern":{"at":1},"expireAfterSeconds":5}})",
               "parameter 'index' needs either"},
           Row{R"({"index":{"name":"at_1"}})",
               "InvalidOptions (72): parameter 'index': 'expireAfterSeconds' is missing"},
           Row{R"({"index":{"name":"at_1","hidden":true}})",
               "InvalidOptions (72): parameter 'index': unknown field 'hidden'"},
           Row{R"({"index":{"name":"none","expireAfterSeconds":5}})", "IndexNotFound (27): there is no such index"},
           Row{R"({"index":{"keyPattern":{"at":-1},"expireAfterSeconds":5}})",
               "IndexNotFound (27): there is no such index"},
           Row{R"({"index":{"name":"at_1","expireAfterSeconds":-5}})",
               "CannotCreateIndex (67): index: 'expireAfterSeconds' must be from 0 to"},
           Row{R"({"index":{"name":"a_1_at_1","expireAfterSeconds":5}})",
               "InvalidOptions (72): index 'a_1_at_1': 'expireAfterSeconds' goes with a single field"},
           Row{R"({"index":{"name":"at_1","expireAfterSeconds":1},"validationLevel":"odd"})",
               "BadValue (2): 'validationLevel'"},
       }) {
    const Error error = f.bad("ModifyCollection", row.params);
    CHECK_MESSAGE(error.message.find(row.message) != std::string::npos, error.message);
  }
  CHECK(listed(1) == 60);
}

TEST_CASE("What has expired by such an index goes from reads and counts when the node sweeps") {
  Fixture f;
  f.good("CreateIndex", R"({"key":{"at":1},"expireAfterSeconds":0})");
  f.good("AddDocument", "", R"({"_id":1,"at":{"$date":"2001-01-01T00:00:00Z"}})");
  f.good("AddDocument", "", R"({"_id":2,"at":"2001-01-01T00:00:00Z"})");
  const std::int64_t now_ms = f.clock.wall_ms();
  for (int minute = 0; minute < 3; ++minute) f.replica.sweep(100, now_ms + minute * 60'000);
  CHECK(f.good("Count", "")["count"] == 1);
  CHECK(f.replica.counters().documents_expired == 1);
}
