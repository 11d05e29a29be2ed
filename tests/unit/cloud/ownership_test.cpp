// Collections whose documents belong to users: who may write what, by every way of writing.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/json.hpp"
#include "service_rig.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

const std::string kAna(64, 'a');
const std::string kBen(64, 'b');

std::shared_ptr<const Rights> rights_of(std::string_view name, std::string_view roles,
                                        const std::optional<std::string>& key) {
  const auto holder = bson::from_json(fmt::format(R"({{"grants":[{{"roles":["{}"],"collections":["c"]}}]}})", roles));
  REQUIRE(holder.has_value());
  std::optional<NodeId> user;
  if (key) user = NodeId::from_view(*from_hex(*key));
  auto parsed = Rights::parse(holder->view().find("grants")->as_object(), std::string(name), user);
  REQUIRE(parsed.has_value());
  return std::make_shared<const Rights>(*std::move(parsed));
}

struct Owned : test::ServiceRig {
  std::shared_ptr<const Rights> ana = rights_of("user 'ana'", "write", kAna);
  std::shared_ptr<const Rights> ben = rights_of("user 'ben'", "write", kBen);
  std::shared_ptr<const Rights> token = rights_of("token 't'", "write", std::nullopt);
  std::shared_ptr<const Rights> chief = rights_of("user 'chief'", "admin", std::string(64, 'c'));

  explicit Owned(std::string_view settings) { good("CreateCollection", settings); }
  void as(const std::shared_ptr<const Rights>& who) { rights = who.get(); }
  void refused(std::string_view text, std::string_view service, std::string_view params, std::string_view body = "") {
    CAPTURE(service);
    const Error error = bad(service, params, body);
    CHECK(error.code == Code::kPermissionDenied);
    CHECK_MESSAGE(error.message.find(text) != std::string::npos, error.message);
  }
  json all() {
    const Rights* before = std::exchange(rights, nullptr);
    json documents = good("ReadCollection", "")["documents"];
    rights = before;
    return documents;
  }
};

json with_owner(json document, const std::string& owner) {
  document["owner"] = owner;
  return document;
}

}  // namespace

TEST_CASE("Only its owner writes a document, by whatever service; what is refused changes nothing") {
  Owned f(R"({"ownerField":"owner"})");
  f.as(f.ana);
  const std::string own = with_owner({{"_id", 1}, {"n", 1}}, kAna).dump();
  f.good("AddDocument", "", own);
  f.good("UpdateDocument", R"({"filter":{"_id":1},"update":{"$inc":{"n":1}}})");
  f.good("UpdateDocument", "", R"({"_id":1,"m":1})");
  f.as(f.ben);
  f.good("AddDocument", "", with_owner({{"_id", 2}}, kBen + ":second").dump());
  const json before = f.all();
  const char* other = "does not own that document of 'c': its 'owner' names somebody else";
  f.refused(other, "UpdateDocument", R"({"filter":{"_id":1},"update":{"$inc":{"n":1}}})");
  f.refused(other, "UpdateDocument", R"({"filter":{"_id":1},"update":{"owner":")" + kBen + R"("}})");
  f.refused(other, "UpdateDocument", "", R"({"_id":1,"m":2})");
  f.refused(other, "UpdateDocument", "", with_owner({{"_id", 1}}, kBen).dump());
  f.refused(other, "FindAndModify", R"({"filter":{"_id":1},"update":{"$set":{"n":7}}})");
  f.refused(other, "FindAndModify", R"({"filter":{"_id":1},"remove":true})");
  f.refused(other, "DeleteDocument", R"({"filter":{"_id":1}})");
  f.refused(other, "DeleteDocument", R"({"all":true})");
  const json bulk = f.good("BulkWrite", R"({"ordered":false})",
                           R"({"operations":[{"deleteOne":{"filter":{"_id":1}}},{"deleteMany":{"filter":{"n":2}}},
                               {"updateMany":{"filter":{},"update":{"$set":{"n":0}}}},
                               {"replaceOne":{"filter":{"_id":1},"replacement":{"a":1}}},
                               {"insertOne":{"document":{"_id":9}}}]})");
  for (const json& result : bulk["results"]) CHECK(result["error"]["code"] == "permission_denied");
  f.refused(other, "Aggregate", R"({"pipeline":[{"$match":{"_id":1}},{"$set":{"n":9}},{"$merge":"c"}]})");
  CHECK(f.all() == before);
}

TEST_CASE("Nobody gives a document to somebody else, or makes one that is not his own") {
  Owned f(R"({"ownerField":"owner"})");
  f.as(f.ana);
  f.good("AddDocument", "", with_owner({{"_id", 1}}, kAna).dump());
  const json before = f.all();
  const char* own = "may write only own documents to 'c': 'owner' must be the user's key, aaaa";
  for (const json& owner : {json(kBen), json(kAna + "x"), json("x" + kAna), json(kAna.substr(1)), json(7), json(),
                            json(json::array({kAna}))}) {
    json document{{"_id", 5}};
    if (!owner.is_null()) document["owner"] = owner;
    f.refused(own, "AddDocument", "", document.dump());
    f.refused(own, "UpdateDocument", "", document.dump());
    document["_id"] = 1;
    if (!owner.is_null()) f.refused(own, "UpdateDocument", "", document.dump());
  }
  f.refused(own, "UpdateDocument", R"({"filter":{"_id":1},"update":{"$unset":{"owner":""}}})");
  f.refused(own, "UpdateDocument", R"({"filter":{"_id":1},"update":{"a":1}})");
  f.refused(own, "UpdateDocument", R"({"filter":{"_id":6},"update":{"$set":{"a":1}},"upsert":true})");
  CHECK(f.all() == before);
  f.good("DeleteDocument", R"({"filter":{"_id":1}})");
}

TEST_CASE("With ownerField _id the name of a document says whose it is") {
  Owned f(R"({"ownerField":"_id"})");
  f.as(f.ana);
  f.good("AddDocument", "", json{{"_id", kAna}}.dump());
  f.good("UpdateDocument", "", json{{"_id", kAna + ":a"}, {"n", 1}}.dump());
  f.refused("'_id' must be the user's key", "AddDocument", "", json{{"_id", kBen + ":a"}}.dump());
  f.refused("'_id' must be the user's key", "AddDocument", "", R"({"n":1})");
  f.as(f.ben);
  f.refused("does not own", "UpdateDocument", "", json{{"_id", kAna}, {"n", 1}}.dump());
}

TEST_CASE("Who a document is for may take it away, and not change it") {
  Owned f(R"({"ownerField":"owner","takerField":"to"})");
  f.as(f.ana);
  for (const int id : {1, 2}) f.good("AddDocument", "", json{{"_id", id}, {"owner", kAna}, {"to", kBen}}.dump());
  f.as(f.ben);
  f.refused("does not own", "UpdateDocument", R"({"filter":{"_id":1},"update":{"$set":{"n":7}}})");
  CHECK(f.good("DeleteDocument", R"({"filter":{"_id":1}})")["deleted"] == 1);
  CHECK(f.good("FindAndModify", R"({"filter":{"_id":2},"remove":true})")["document"]["to"] == kBen);
  CHECK(f.all().empty());
}

TEST_CASE("Administrators write all documents, tokens none; conflicts are the administrators'") {
  Owned f(R"({"ownerField":"owner"})");
  f.as(f.token);
  f.refused("token 't' is nobody's", "AddDocument", "", with_owner({{"_id", 1}}, kAna).dump());
  f.as(f.chief);
  f.good("AddDocument", "", with_owner({{"_id", 1}}, kAna).dump());
  f.as(f.token);
  f.refused("token 't' is nobody's", "DeleteDocument", R"({"filter":{"_id":1}})");
  f.as(f.ana);
  for (const std::string_view action : {"restore", "dismiss"}) {
    const auto reply = f.call_on("", "Conflicts", json{{"collection", "c"}, {"action", action}, {"id", "0"}}.dump());
    REQUIRE(!reply.has_value());
    CHECK(reply.error().message.find("conflicts of 'c', whose documents have owners") != std::string::npos);
  }
  // Who has all rights, as in a cluster without keys.
  f.rights = nullptr;
  f.good("UpdateDocument", "", R"({"_id":1,"owner":"somebody"})");
  f.good("DeleteDocument", R"({"all":true})");
}

TEST_CASE("Which fields say so is an option like others; each mistake names it") {
  test::ServiceRig f;
  f.good("CreateCollection", R"({"ownerField":"owner","takerField":"to"})");
  const auto options = [&] { return (*f.call_on("", "ListCollections"))["collections"][0].value("options", json()); };
  CHECK(options()["ownerField"] == "owner");
  CHECK(options()["takerField"] == "to");
  f.good("ModifyCollection", R"({"takerField":""})");
  CHECK(!options().contains("takerField"));
  f.good("ModifyCollection", R"({"ownerField":""})");
  CHECK(options().is_null());
  for (const char* params : {R"({"ownerField":7})", R"({"ownerField":"a.b"})", R"({"ownerField":"$a"})",
                             R"({"takerField":["to"],"ownerField":"o"})"}) {
    const Error error = f.bad("ModifyCollection", params);
    CHECK(error.code == Code::kInvalidArgument);
    CHECK_MESSAGE(error.message.find("Field' must be the name of a field") != std::string::npos, error.message);
  }
  CHECK(
      f.bad("ModifyCollection", json{{"ownerField", std::string(121, 'x')}}.dump()).message.find("at most 120 bytes") !=
      std::string::npos);
  CHECK(f.bad("ModifyCollection", R"({"takerField":"to"})").message.find("'takerField' needs an 'ownerField'") !=
        std::string::npos);
}
