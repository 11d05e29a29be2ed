// Validators, ModifyCollection, CollectionStats and DatabaseStats.
#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "distri/cloud/document_services.hpp"
#include "service_rig.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

constexpr std::string_view kAdults = R"({"validator":{"age":{"$gte":18}}})";

struct Fixture : test::ServiceRig {
  json options() {
    const json found = good_list()["collections"];
    REQUIRE(found.size() == 1);
    return found[0].value("options", json());
  }
  json good_list() { return *call_on("", "ListCollections"); }
};

}  // namespace

TEST_CASE("A validator refuses what does not match it, by every way of writing, and changes nothing") {
  Fixture f;
  CHECK(f.good("CreateCollection", kAdults) == json{{"created", true}});
  const auto refused = [&](std::string_view service, std::string_view params, std::string_view body) {
    const Error error = f.bad(service, params, body);
    CHECK(error.code == Code::kInvalidArgument);
    CHECK_MESSAGE(error.message.find("DocumentValidationFailure (121): ") != std::string::npos, error.message);
    CHECK_MESSAGE(error.message.find(R"(this condition does not hold: {"age":{"$gte":18}})") != std::string::npos,
                  error.message);
  };
  f.good("AddDocument", "", R"({"_id":1,"age":20})");
  const json before = f.good("ReadCollection", "");
  refused("AddDocument", "", R"({"_id":2,"age":17})");
  refused("AddDocument", "", R"({"_id":2})");
  refused("UpdateDocument", "", R"({"_id":1,"age":3})");
  refused("UpdateDocument", "", R"({"_id":1,"$inc":{"age":-5}})");
  refused("UpdateDocument", "", R"({"_id":7,"name":"new"})");
  refused("UpdateDocument", R"({"filter":{"_id":1},"update":{"$unset":{"age":""}}})", "");
  refused("UpdateDocument", R"({"filter":{"_id":1},"update":{"name":"replaced"}})", "");
  refused("UpdateDocument", R"({"filter":{"_id":9},"update":{"$set":{"age":1}},"upsert":true})", "");
  refused("FindAndModify", R"({"filter":{"_id":1},"update":{"$set":{"age":"old"}}})", "");
  refused("Aggregate", R"({"pipeline":[{"$set":{"age":1}},{"$merge":"c"}]})", "");
  refused("Aggregate", R"({"pipeline":[{"$set":{"age":1}},{"$out":"c"}]})", "");
  f.good("AddDocument", "", R"({"_id":4,"age":50})");
  const json both = f.good("ReadCollection", "");
  refused("Aggregate", R"({"pipeline":[{"$match":{"_id":4}},{"$set":{"age":1}},{"$out":"c"}]})", "");
  CHECK(f.good("ReadCollection", "") == both);
  f.good("DeleteDocument", R"({"filter":{"_id":4}})");
  const json bulk = f.good("BulkWrite", "", R"({"operations":[{"insertOne":{"document":{"_id":3,"age":1}}}]})");
  CHECK(bulk["results"][0]["error"]["code"] == "invalid_argument");
  CHECK(f.good("ReadCollection", "") == before);
  f.good("UpdateDocument", "", R"({"_id":1,"age":30})");
}

TEST_CASE("What a schema says of a refused document names the field and the keyword") {
  Fixture f;
  f.good("CreateCollection", R"({"validator":{"$jsonSchema":{"required":["name","address"],
      "properties":{"name":{"bsonType":"string","minLength":2},
                    "address":{"required":["city"],"properties":{"zip":{"pattern":"^[0-9]{5}$"}}},
                    "tags":{"items":{"enum":["a","b"]},"uniqueItems":true},
                    "size":{"anyOf":[{"minimum":10},{"bsonType":"null"}]},
                    "_id":{}},
      "additionalProperties":false}}})");
  const auto complaint = [&](std::string_view document) {
    const std::string message = f.bad("AddDocument", "", document).message;
    constexpr std::string_view kBegin = "DocumentValidationFailure (121): document failed validation: $jsonSchema: ";
    REQUIRE_MESSAGE(message.starts_with(kBegin), message);
    return message.substr(kBegin.size());
  };
  CHECK(complaint(R"({"name":"xy"})") == "'address' is missing (required)");
  CHECK(complaint(R"({"name":1,"address":{"city":"u"}})") == "'name' does not satisfy 'type'");
  CHECK(complaint(R"({"name":"x","address":{"city":"u"}})") == "'name' does not satisfy 'minLength'");
  CHECK(complaint(R"({"name":"xy","address":{}})") == "'address.city' is missing (required)");
  CHECK(complaint(R"({"name":"xy","address":{"city":"u","zip":"1"}})") == "'address.zip' does not satisfy 'pattern'");
  CHECK(complaint(R"({"name":"xy","address":{"city":"u"},"tags":["a","z"]})") == "'tags.1' does not satisfy 'enum'");
  CHECK(complaint(R"({"name":"xy","address":{"city":"u"},"tags":["a","a"]})") ==
        "'tags' does not satisfy 'uniqueItems'");
  CHECK(complaint(R"({"name":"xy","address":{"city":"u"},"size":5})") == "'size' does not satisfy 'anyOf'");
  CHECK(complaint(R"({"name":"xy","address":{"city":"u"},"other":5})") ==
        "'other' is not allowed (additionalProperties)");
  f.good("AddDocument", "", R"({"name":"xy","address":{"city":"u","zip":"12345"},"tags":["a","b"],"size":null})");
}

TEST_CASE("validationLevel moderate spares documents that are not valid as they are, off spares all") {
  Fixture f;
  f.good("AddDocument", "", R"({"_id":1,"age":3})");
  CHECK(f.good("ModifyCollection", R"({"validator":{"age":{"$gte":18}},"validationLevel":"moderate"})") ==
        json{{"modified", true}});
  f.good("UpdateDocument", "", R"({"_id":1,"age":4})");
  CHECK(f.bad("AddDocument", "", R"({"_id":2,"age":4})").code == Code::kInvalidArgument);
  f.good("UpdateDocument", "", R"({"_id":1,"age":40})");
  CHECK(f.bad("UpdateDocument", "", R"({"_id":1,"age":4})").code == Code::kInvalidArgument);
  f.good("ModifyCollection", R"({"validationLevel":"off"})");
  f.good("AddDocument", "", R"({"_id":2,"age":4})");
  f.good("ModifyCollection", R"({"validationLevel":"strict"})");
  CHECK(f.bad("UpdateDocument", "", R"({"_id":2,"n":4})").code == Code::kInvalidArgument);
  CHECK(f.good("ModifyCollection", R"({"validationLevel":"strict"})") == json{{"modified", false}});
}

TEST_CASE("Options are shown by ListCollections, changed by ModifyCollection and dropped with the collection") {
  Fixture f;
  CHECK(f.good("CreateCollection", "") == json{{"created", true}});
  CHECK(f.options().is_null());
  CHECK(f.good("CreateCollection", "") == json{{"created", false}});
  CHECK(f.bad("CreateCollection", kAdults).message ==
        "NamespaceExists (48): collection 'c' exists already with other options; ModifyCollection changes them");
  CHECK(f.good("ModifyCollection", kAdults) == json{{"modified", true}});
  CHECK(f.good("CreateCollection", kAdults) == json{{"created", false}});
  CHECK(f.options() == json::parse(R"({"validator":{"age":{"$gte":18}},"validationLevel":"strict"})"));
  CHECK(f.good("ModifyCollection", R"({"validator":{}})") == json{{"modified", true}});
  CHECK(f.options().is_null());
  f.good("ModifyCollection", kAdults);
  CHECK(f.good("DropCollection", "") == json{{"dropped", true}});
  f.good("AddDocument", "", R"({"_id":1})");
  CHECK(f.options().is_null());
  // Options that a drop did not know of do not come to life with a new collection.
  f.good("ModifyCollection", kAdults);
  REQUIRE(f.replica.drop_collection("c", f.clock.wall_ms()));
  CHECK(f.good("CreateCollection", "") == json{{"created", true}});
  CHECK(f.options().is_null());
}

TEST_CASE("Options that mean nothing are refused and change nothing") {
  Fixture f;
  for (const auto& [params, expected] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {R"({"validator":1})", "TypeMismatch (14): 'validator' must be a filter, an object; {} stands for none"},
           {R"({"validator":{"a":{"$foo":1}}})", "BadValue (2): validator: filter: unknown operator '$foo' at 'a'"},
           {R"({"validationLevel":"some"})",
            R"(BadValue (2): 'validationLevel' must be "strict", "moderate" or "off")"},
           {R"({"validationAction":"warn"})", R"(NotImplemented (238): 'validationAction': "warn" is not supported)"},
           {R"({"validationAction":7})", R"(BadValue (2): 'validationAction' must be "error")"},
           {R"({"validator":{"$or":[{"$expr":{"$gt":["$t","$$NOW"]}}]}})", "BadValue (2): validator: $$NOW cannot be"},
           {R"({"capped":true})", "InvalidOptions (72): a capped collection needs a 'size'"},
           {R"({"autoIndexId":true})", "CreateCollection has no parameter 'autoIndexId'"}}) {
    const Error error = f.bad("CreateCollection", params);
    CHECK(error.code == Code::kInvalidArgument);
    CHECK_MESSAGE(error.message.starts_with(expected), error.message);
    CHECK(f.good_list()["collections"].empty());
  }
  CHECK(f.bad("ModifyCollection", kAdults).message == "NamespaceNotFound (26): there is no collection 'c'");
  f.good("CreateCollection", "");
  CHECK(f.bad("ModifyCollection", "").message ==
        "ModifyCollection needs what to change: 'validator', 'validationLevel', 'validationAction', 'cappedSize', "
        "'cappedMax', 'ownerField', 'takerField' or 'index'");
  CHECK(f.call_on("system.collections", "AddDocument", "", "{}").error().code == Code::kInvalidArgument);
}

TEST_CASE("CollectionStats and DatabaseStats count documents, bytes and indexes, not distri's own collections") {
  Fixture f;
  CHECK(f.bad("CollectionStats", "").message == "NamespaceNotFound (26): there is no collection 'c'");
  CHECK((*f.call_on("", "DatabaseStats"))["collections"] == 0);
  f.good("CreateCollection", kAdults);
  CHECK(f.good("CollectionStats", "")["avgObjSize"] == 0);
  f.good("CreateIndex", R"({"key":{"age":1}})");
  f.good("AddDocument", "", R"({"_id":1,"age":20})");        // 23 bytes
  f.good("AddDocument", "", R"({"_id":2,"age":20,"x":1})");  // 30
  const json stats = f.good("CollectionStats", "");
  const std::uint64_t index_bytes = stats["indexSizes"]["age_1"];
  CHECK(index_bytes > 0);
  CHECK(stats == json{{"ns", "c"},
                      {"capped", false},
                      {"count", 2},
                      {"size", 53},
                      {"avgObjSize", 26},
                      {"nindexes", 2},
                      {"totalIndexSize", index_bytes},
                      {"indexSizes", {{"age_1", index_bytes}}},
                      {"totalSize", 53 + index_bytes}});
  REQUIRE(f.call_on("d", "AddDocument", "", R"({"_id":1})"));  // 14
  CHECK(*f.call_on("", "DatabaseStats") == json{{"collections", 2},
                                                {"objects", 3},
                                                {"avgObjSize", 22},
                                                {"dataSize", 67},
                                                {"indexes", 3},
                                                {"indexSize", index_bytes},
                                                {"totalSize", 67 + index_bytes}});
  CHECK(f.call_on("c", "DatabaseStats").error().message == "DatabaseStats takes no collection; write DatabaseStats");
}

TEST_CASE("Over the memory limit, what would make documents more is refused; reads and deletes work") {
  Fixture f;
  f.good("AddDocument", "", R"({"_id":1,"n":1})");
  f.good("CreateIndex", R"({"key":{"n":1}})");
  f.services.set_memory(1001, 1000);
  const std::initializer_list<std::array<std::string_view, 3>> refused = {
      {"AddDocument", "", R"({"_id":2})"},
      {"UpdateDocument", "", R"({"_id":1,"n":2})"},
      {"UpdateDocument", R"({"filter":{},"update":{"$set":{"a":1}}})", ""},
      {"FindAndModify", R"({"filter":{},"update":{"$set":{"a":1}}})", ""},
      {"BulkWrite", "", R"({"operations":[]})"},
      {"CreateIndex", R"({"key":{"a":1}})", ""},
      {"Aggregate", R"({"pipeline":[{"$out":"d"}]})", ""}};
  for (const auto& [service, params, body] : refused) {
    const Error error = f.bad(service, params, body);
    CHECK(error.code == Code::kMemoryFull);
    CHECK(error.message == fmt::format("ExceededMemoryLimit (146): {}: the documents of this node take 1001 bytes of "
                                       "memory, and may take 1000 (memory_bytes_max); delete some, or drop collections "
                                       "or indexes; reads and deletes go on",
                                       service));
  }
  CHECK(f.call_on("", "Conflicts", R"({"collection":"c","action":"restore","id":"x"})").error().code ==
        Code::kMemoryFull);
  CHECK(f.good("Count", "")["count"] == 1);
  CHECK(f.good("Aggregate", R"({"pipeline":[{"$match":{"n":1}}]})")["documents"].size() == 1);
  CHECK(f.good("DropIndex", R"({"name":"n_1"})")["dropped"] == 1);
  CHECK(f.good("FindAndModify", R"({"filter":{"_id":1},"remove":true})")["matched"] == 1);
  CHECK(f.good("DeleteDocument", R"({"all":true})")["deleted"] == 0);
  CHECK(f.good("DropCollection", "")["dropped"] == true);
  f.services.set_memory(1000, 1000);
  f.good("AddDocument", "", R"({"_id":2})");
}

TEST_CASE("A capped collection keeps the newest, is read in the order of insertion, and tells its limits") {
  Fixture f;
  CHECK(f.bad("CreateCollection", R"({"capped":true})").message ==
        "InvalidOptions (72): a capped collection needs a 'size', in bytes of its documents");
  f.good("CreateCollection", R"({"capped":true,"size":4096,"max":3})");
  CHECK(f.good("CreateCollection", R"({"capped":true,"size":4096,"max":3})")["created"] == false);
  CHECK(f.bad("CreateCollection", R"({"capped":true,"size":4096})").code == Code::kAlreadyExists);
  CHECK(f.options() == json{{"validationLevel", "strict"}, {"capped", true}, {"size", 4096}, {"max", 3}});
  for (const int id : {7, 3, 9, 5}) f.good("AddDocument", "", fmt::format(R"({{"_id":{}}})", id));
  const auto ids = [&](std::string_view params) {
    std::string text;
    const json read = f.good("ReadCollection", params);
    for (const json& each : read["documents"]) text += each["_id"].dump() + " ";
    return text;
  };
  CHECK(ids("") == "3 9 5 ");
  CHECK(ids(R"({"sort":{"$natural":-1}})") == "5 9 3 ");
  CHECK(ids(R"({"filter":{"_id":{"$gt":3}},"sort":[{"$natural":1}]})") == "9 5 ");
  CHECK(f.good("Aggregate", R"({"pipeline":[{"$match":{}}]})")["documents"][0]["_id"] == 3);
  CHECK(f.bad("Aggregate", R"({"pipeline":[{"$sort":{"$natural":1}}]})").message.find("'$natural' is the order") !=
        std::string::npos);
  f.good("UpdateDocument", "", fmt::format(R"({{"_id":3,"text":"{}"}})", std::string(300, 'x')));  // may grow
  CHECK(ids("") == "3 9 5 ");
  f.good("DeleteDocument", R"({"filter":{"_id":9}})");
  CHECK(ids("") == "3 5 ");
  const Error error = f.bad("AddDocument", "", fmt::format(R"({{"text":"{}"}})", std::string(5'000, 'x')));
  CHECK(error.code == Code::kTooLarge);
  CHECK(error.message.starts_with("BadValue (2): object to insert exceeds cappedMaxSize: the document has 50"));
  json stats = f.good("CollectionStats", "");
  CHECK(stats["capped"] == true);
  CHECK(stats["maxSize"] == 4096);
  CHECK(stats["max"] == 3);
  CHECK(f.good("ModifyCollection", R"({"cappedMax":1})")["modified"] == true);
  CHECK(f.good("ModifyCollection", R"({"cappedSize":8192})")["modified"] == true);
  CHECK(f.good("CollectionStats", "")["maxSize"] == 8192);
  CHECK_FALSE(f.replica.sweep(100, f.clock.wall_ms()));
  CHECK(ids("") == "5 ");
  CHECK(f.good("ModifyCollection", R"({"cappedMax":0})")["modified"] == true);
  CHECK_FALSE(f.good("CollectionStats", "").contains("max"));
  f.good("DropCollection", "");
  f.good("AddDocument", "", R"({"_id":2})");
  f.good("AddDocument", "", R"({"_id":1})");
  CHECK(ids("") == "1 2 ");
  CHECK(f.good("CollectionStats", "")["capped"] == false);
  CHECK(f.bad("ModifyCollection", R"({"cappedSize":5})").message ==
        "InvalidOptions (72): 'cappedSize' and 'cappedMax': the collection is not capped");
}
