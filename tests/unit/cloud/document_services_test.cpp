#include "distri/cloud/document_services.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/json.hpp"
#include "service_rig.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

struct Fixture : test::ServiceRig {
  Result<json> call(std::string_view service, std::string_view collection, std::string_view params = "",
                    std::string_view body = "", std::uint8_t attempt = 0) {
    return call_on(collection, service, params, body, attempt);
  }
};

}  // namespace

TEST_CASE("Documents are added, read with a filter, updated, counted and deleted") {
  Fixture f;
  CHECK(*f.call("CreateCollection", "photos") == json{{"created", true}});
  CHECK(*f.call("CreateCollection", "photos") == json{{"created", false}});
  CHECK((*f.call("AddDocument", "photos", "", R"({"_id":"dune","stars":5})"))["_id"] == "dune");
  CHECK((*f.call("AddDocument", "photos", "", R"({"_id":"wood","stars":3})"))["_id"] == "wood");
  CHECK(*f.call("ReadCollection", "photos", R"({"filter":{"stars":{"$gte":4}}})") ==
        json::parse(R"({"documents":[{"_id":"dune","stars":5}]})"));
  CHECK(*f.call("UpdateDocument", "photos", "", R"({"_id":"wood","title":"Wood"})") ==
        json{{"_id", "wood"}, {"inserted", false}});
  CHECK(*f.call("ReadCollection", "photos", R"({"filter":{"_id":"wood"}})") ==
        json::parse(R"({"documents":[{"_id":"wood","stars":3,"title":"Wood"}]})"));
  CHECK(*f.call("UpdateDocument", "photos", "", R"({"title":"New","_id":7})") == json{{"_id", 7}, {"inserted", true}});
  CHECK(*f.call("Count", "photos") == json{{"count", 3}});
  CHECK(*f.call("Count", "photos", R"({"filter":{"title":{"$exists":true}}})") == json{{"count", 2}});
  CHECK(*f.call("DeleteDocument", "photos", R"({"filter":{"stars":{"$lt":4}}})") == json{{"deleted", 1}});
  CHECK(*f.call("DeleteDocument", "photos", R"({"filter":{"_id":"dune"}})") == json{{"deleted", 1}});
  CHECK(*f.call("DeleteDocument", "photos", R"({"filter":{"_id":"dune"}})") == json{{"deleted", 0}});
  CHECK((*f.call("ListCollections", ""))["collections"][0]["documents"] == 1);
  CHECK(*f.call("DeleteDocument", "photos", R"({"all":true})") == json{{"deleted", 1}});
  CHECK(*f.call("DropCollection", "photos") == json{{"dropped", true}});
  CHECK(*f.call("DropCollection", "photos") == json{{"dropped", false}});
  CHECK((*f.call("ListCollections", ""))["collections"].empty());
}

TEST_CASE("An added document without _id gets one, and its collection is created") {
  Fixture f;
  const auto reply = f.call("AddDocument", "fresh", "", R"({"a":1})");
  REQUIRE(reply);
  CHECK((*reply)["_id"]["$oid"].get<std::string>().size() == 24);
  CHECK(*f.call("Count", "fresh") == json{{"count", 1}});
  CHECK(*f.call("Count", "missing") == json{{"count", 0}});
  CHECK(*f.call("ReadCollection", "missing") == json::parse(R"({"documents":[]})"));
}

TEST_CASE("A condition that fails on a document fails the call, whichever it is, and $$NOW is the node's time") {
  Fixture f;
  REQUIRE(f.call("AddDocument", "c", "", R"({"_id":1,"a":0})"));
  const std::string failing = R"({"$expr":{"$gt":[{"$divide":[1,"$a"]},0]}})";
  const std::string text = "BadValue (2): can't $divide by zero";
  CHECK(f.call("Count", "c", R"({"filter":)" + failing + "}").error().message.contains(text));
  CHECK(f.call("ReadCollection", "c", R"({"filter":)" + failing + "}").error().message.contains(text));
  CHECK(f.call("DeleteDocument", "c", R"({"filter":)" + failing + "}").error().message.contains(text));
  CHECK(*f.call("Count", "c") == json{{"count", 1}});
  const std::string timed = R"({"filter":{"$expr":{"$gt":["$$NOW",{"$toDate":{"$numberLong":"0"}}]}}})";
  CHECK(*f.call("Count", "c", timed) == json{{"count", 1}});
  CHECK(*f.call("DeleteDocument", "c", timed) == json{{"deleted", 1}});
}

TEST_CASE("Reading computes fields, and so does FindAndModify") {
  Fixture f;
  REQUIRE(f.call("AddDocument", "c", "", R"({"_id":1,"a":2})"));
  const auto read = f.call("ReadCollection", "c", R"({"projection":{"b":{"$add":["$a",1]},"t":{"$type":"$$NOW"}}})");
  CHECK(*read == json::parse(R"({"documents":[{"_id":1,"b":3,"t":"date"}]})"));
  CHECK(f.call("ReadCollection", "c", R"({"projection":{"b":{"$divide":["$a",0]}}})").error().message ==
        "BadValue (2): can't $divide by zero");
  const auto modified = f.call("FindAndModify", "c",
                               R"({"filter":{},"update":{"$set":{"a":5}},"return":"after",)"
                               R"("projection":{"b":"$a","t":{"$type":"$$NOW"},"_id":0}})");
  CHECK((*modified)["document"] == json::parse(R"({"b":5,"t":"date"})"));
}

TEST_CASE("Reading sorts, skips, limits and goes on by cursor") {
  Fixture f;
  for (int i = 0; i < 25; ++i)
    REQUIRE(f.call("AddDocument", "c", "", fmt::format(R"({{"_id":{},"k":{}}})", i, (i * 7) % 25)));
  std::vector<int> seen;
  std::string cursor;
  int pages = 0;
  do {
    json params = {{"sort", {{"k", -1}}}, {"page_documents", 4}, {"skip", 2}, {"limit", 20}};
    if (!cursor.empty()) params["cursor"] = cursor;
    const auto page = f.call("ReadCollection", "c", params.dump());
    REQUIRE(page);
    for (const auto& document : (*page)["documents"]) seen.push_back(document["k"].get<int>());
    cursor = page->value("cursor", "");
    ++pages;
  } while (!cursor.empty());
  CHECK(pages == 5);
  REQUIRE(seen.size() == 20);
  for (int i = 0; i < 20; ++i) CHECK(seen[static_cast<std::size_t>(i)] == 22 - i);
}

TEST_CASE("A repeated add is refused, but a retry of the very same add succeeds") {
  Fixture f;
  REQUIRE(f.call("AddDocument", "c", "", R"({"_id":1,"v":1})"));
  CHECK(f.call("AddDocument", "c", "", R"({"_id":1,"v":1})").error().code == Code::kAlreadyExists);
  CHECK(f.call("AddDocument", "c", "", R"({"_id":1,"v":1})", 1));
  CHECK(f.call("AddDocument", "c", "", R"({"_id":1,"v":2})", 1).error().code == Code::kAlreadyExists);
  CHECK(*f.call("Count", "c") == json{{"count", 1}});
}

TEST_CASE("Wrong parameters are refused by name and change nothing") {
  Fixture f;
  REQUIRE(f.call("AddDocument", "c", "", R"({"_id":1})"));
  const auto before = f.replica.vector();
  struct Row {
    const char* service;
    const char* collection;
    const char* params;
    const char* body;
    const char* text;
  };
  for (const auto& row : {
           Row{"AddDocument", "c", "", "", "body: AddDocument needs a document"},
           Row{"AddDocument", "c", "", "{\"a\":", "body: "},
           Row{"AddDocument", "c", "", "[1,2]", "body: "},
           Row{"AddDocument", "c", "", R"({"_id":[1]})", "_id"},
           Row{"AddDocument", "c", "", R"({"$set":1})", "$set"},
           Row{"AddDocument", "c", R"({"filter":{}})", R"({"a":1})", "no parameter 'filter'"},
           Row{"AddDocument", "", "", R"({"a":1})", "AddDocument<collection>"},
           Row{"AddDocument", "system.users", "", R"({"a":1})", "system."},
           Row{"UpdateDocument", "c", "", R"({"a":1})", "_id"},
           Row{"DeleteDocument", "c", "", "", "all: true"},
           Row{"DeleteDocument", "c", R"({"filter":{}})", "", "all: true"},
           Row{"DeleteDocument", "c", R"({"filter":{"a":1},"all":true})", "", "not both"},
           Row{"DeleteDocument", "c", R"({"all":1})", "", "'all' must be true or false"},
           Row{"DeleteDocument", "c", R"({"filter":{"a":{"$foo":1}}})", "", "$foo"},
           Row{"ReadCollection", "c", R"({"filter":5})", "", "'filter' must be an object"},
           Row{"ReadCollection", "c", R"({"limit":-1})", "", "'limit'"},
           Row{"ReadCollection", "c", R"({"limit":1.5})", "", "'limit'"},
           Row{"ReadCollection", "c", R"({"page_documents":0})", "", "'page_documents' must be 1 to 10000"},
           Row{"ReadCollection", "c", R"({"cursor":"nonsense"})", "", "cursor"},
           Row{"ReadCollection", "c", R"({"sort":{"a":2}})", "", "sort"},
           Row{"ReadCollection", "c", R"({"fliter":{}})", "", "no parameter 'fliter'; it has filter, sort"},
           Row{"ReadCollection", "c", "not json", "", "parameters: "},
           Row{"ListCollections", "c", "", "", "takes no collection"},
           Row{"Count", "c", R"({"filter":[]})", "", "'filter'"},
       }) {
    CAPTURE(row.service);
    CAPTURE(row.params);
    CAPTURE(row.body);
    const auto reply = f.call(row.service, row.collection, row.params, row.body);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(reply.error().message.find(row.text) != std::string::npos, reply.error().message);
  }
  CHECK(f.replica.vector() == before);
}

TEST_CASE("Replies in BSON hold the same as replies in JSON") {
  Fixture f;
  REQUIRE(f.call("AddDocument", "c", "", R"({"_id":1,"name":"x","deep":{"list":[1,2.5,null,true]}})"));
  const auto reply = f.services.execute({DocumentService::kReadCollection, "c", "", "", wire::Format::kBson, 0});
  REQUIRE(reply);
  const auto document = bson::Document::parse(*reply);
  REQUIRE(document);
  CHECK(json::parse(bson::to_json(*document)) == *f.call("ReadCollection", "c"));
}
