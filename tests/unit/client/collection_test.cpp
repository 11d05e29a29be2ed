// What the calls of a collection send, and what they make of the answers.
#include "distri/client/collection.hpp"

#include <doctest/doctest.h>

#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;
using nlohmann::json;

namespace {

// Answers each request with the next of these.
struct Scripted {
  explicit Scripted(std::vector<json> answers)
      : node([answers = std::move(answers), at = std::make_shared<std::size_t>(0)](const Seen&) {
          return reply(answers.at((*at)++).dump());
        }),
        client({node.address()},
               [] {
                 ClientOptions options;
                 options.discover = false;
                 return options;
               }()),
        photos(client.collection("photos")) {}
  Seen last() const { return node.seen().back(); }
  json params() const { return json::parse(last().params); }
  json body() const { return json::parse(last().body); }

  FakeNode node;
  Client client;
  Collection photos;
};

const json kNone = {{"documents", json::array()}};

}  // namespace

TEST_CASE("a query is asked with all that was put into it, the sort in its order") {
  Scripted s({{{"documents", {{{"n", 1}}, {{"n", 2}}}}}, kNone, {{"documents", {{{"n", 3}}}}}, {{"count", 7}}, kNone});
  const auto all =
      s.photos.find({{"stars", 5}}).sort({{"z", -1}, {"a", 1}}).skip(2).limit(10).project({{"n", 1}, {"_id", 0}}).all();
  REQUIRE(all.has_value());
  CHECK(all->size() == 2);
  CHECK(s.last().service == "ReadCollection<photos>");
  CHECK(s.last().id.empty());
  CHECK(s.params() ==
        json::parse(
            R"({"filter":{"stars":5},"sort":[{"z":-1},{"a":1}],"skip":2,"limit":10,"projection":{"n":1,"_id":0}})"));
  CHECK(s.photos.find().first().value() == std::nullopt);
  CHECK(s.params() == json{{"limit", 1}});
  CHECK(s.photos.find().sort({{"n", 1}}).first().value() == json{{"n", 3}});
  CHECK(s.photos.find({{"a", 1}}).sort({{"n", 1}}).count().value() == 7);
  CHECK(s.last().service == "Count<photos>");
  CHECK(s.params() == json{{"filter", {{"a", 1}}}});
  CHECK(s.photos.find({{"a", 1}}).limit(3).page("there").value() == kNone);
  CHECK(s.params() == json{{"filter", {{"a", 1}}}, {"limit", 3}, {"cursor", "there"}});
}

TEST_CASE("a pipeline travels as a body, and its results are read to the last page") {
  Scripted s({{{"documents", {{{"n", 1}}}}, {"cursor", "more"}},
              {{"documents", {{{"n", 2}}}}},
              {{"written", 7}},
              kNone,
              {{"written", "x"}}});
  const json pipeline = {{{"$match", {{"a", 1}}}}, sort_stage({{"z", -1}, {"a", 1}})};
  const auto all = s.photos.aggregate(pipeline);
  REQUIRE(all.has_value());
  CHECK(*all == std::vector<json>{{{"n", 1}}, {{"n", 2}}});
  CHECK(s.last().service == "Aggregate<photos>");
  CHECK(s.last().id.empty());
  CHECK(s.params() == json{{"cursor", "more"}});
  CHECK(s.body() == json::parse(R"({"pipeline":[{"$match":{"a":1}},{"$sort":[{"z":-1},{"a":1}]}]})"));

  WriteOptions options;
  options.w = WriteConcern::majority();
  CHECK(s.photos.aggregate_into({{{"$out", "best"}}}, options).value() == 7);
  CHECK_FALSE(s.last().id.empty());
  CHECK(s.params() == json{{"w", "majority"}});
  CHECK(s.body() == json::parse(R"({"pipeline":[{"$out":"best"}]})"));
  CHECK(s.photos.aggregate_into({{{"$out", "best"}}}).error().code == Code::kProtocolError);
  CHECK(s.photos.aggregate(json::array()).error().code == Code::kProtocolError);
  const auto asked = s.node.count();
  CHECK(s.photos.aggregate({{{"$match", json::object()}}, {{"$merge", "best"}}}).error().code ==
        Code::kInvalidArgument);
  CHECK(s.photos.aggregate_into(pipeline).error().code == Code::kInvalidArgument);
  CHECK(s.node.count() == asked);
}

TEST_CASE("updates travel as bodies, with their filter and options beside them") {
  const json one = {{"matched", 1}, {"modified", 1}};
  Scripted s({one, {{"matched", 4}, {"modified", 3}}, {{"matched", 0}, {"modified", 0}, {"upserted_id", "u"}}, one});
  const auto first = s.photos.update_one({{"k", 1}}, {{"$set", {{"a", 2}}}});
  REQUIRE(first.has_value());
  CHECK(first->matched == 1);
  CHECK(first->upserted_id == std::nullopt);
  CHECK(s.last().service == "UpdateDocument<photos>");
  CHECK(s.params() == json{{"filter", {{"k", 1}}}});
  CHECK(s.body() == json{{"$set", {{"a", 2}}}});
  CHECK_FALSE(s.last().id.empty());

  UpdateOptions options;
  options.w = WriteConcern::majority();
  options.array_filters = {{{"e", {{"$gt", 1}}}}};
  const auto many = s.photos.update_many(nullptr, {{"$set", {{"a.$[e]", 2}}}}, options);
  REQUIRE(many.has_value());
  CHECK(many->matched == 4);
  CHECK(many->modified == 3);
  CHECK(s.params() == json::parse(R"({"filter":{},"multi":true,"arrayFilters":[{"e":{"$gt":1}}],"w":"majority"})"));

  UpdateOptions upsert;
  upsert.upsert = true;
  CHECK(s.photos.replace_one({{"_id", "u"}}, {{"a", 1}}, upsert).value().upserted_id == json("u"));
  CHECK(s.params() == json{{"filter", {{"_id", "u"}}}, {"upsert", true}});
  const auto count = s.node.count();
  CHECK(s.photos.replace_one({{"_id", "u"}}, {{"$set", {{"a", 1}}}}).error().code == Code::kInvalidArgument);
  CHECK(s.node.count() == count);
}

TEST_CASE("find_one_and_update and find_one_and_delete give the document, or nothing") {
  Scripted s({{{"document", {{"_id", 1}}}, {"matched", 1}, {"modified", 1}},
              {{"document", nullptr}, {"matched", 0}, {"modified", 0}},
              {{"document", {{"_id", 2}}}, {"matched", 1}, {"modified", 0}},
              {{"document", nullptr}, {"matched", 0}, {"modified", 0}}});
  FindAndModifyOptions options;
  options.sort = {{"n", -1}, {"a", 1}};
  options.projection = {{"_id", 1}};
  options.after = true;
  CHECK(s.photos.find_one_and_update({{"k", 1}}, {{"$inc", {{"n", 1}}}}, options).value() == json{{"_id", 1}});
  CHECK(s.last().service == "FindAndModify<photos>");
  CHECK(s.params() ==
        json::parse(R"({"filter":{"k":1},"sort":[{"n":-1},{"a":1}],"projection":{"_id":1},"return":"after"})"));
  CHECK(s.body() == json{{"$inc", {{"n", 1}}}});
  CHECK(s.photos.find_one_and_delete({{"k", 1}}).value() == std::nullopt);
  CHECK(s.params() == json{{"filter", {{"k", 1}}}, {"remove", true}});
  CHECK(s.last().body.empty());
  CHECK(s.photos.delete_one({{"k", 2}}).value() == 1);
  CHECK(s.photos.delete_one({{"k", 3}}).value() == 0);
  CHECK(s.params() == json{{"filter", {{"k", 3}}}, {"remove", true}, {"projection", {{"_id", 1}}}});
}

TEST_CASE("a bulk write gives documents their _id here, and tells what became of each operation") {
  Scripted s(
      {json::parse(
           R"({"results":[{"index":0,"inserted_id":"x"},{"index":1,"error":{"code":"invalid_argument","message":"no"}}],
                              "inserted":1,"matched":0,"modified":0,"deleted":0,"upserted":0,"first_failed":1,"ok":false})"),
       json::parse(R"({"results":[],"inserted":0,"matched":0,"modified":0,"deleted":0,"upserted":0,"ok":true})")});
  BulkOptions options;
  options.ordered = false;
  const auto result =
      s.photos.bulk_write({insert_one({{"n", 1}}), update_one({{"k", 1}}, {{"$set", {{"a", 1}}}}, true),
                           update_many({{"k", 2}}, {{"$unset", {{"a", 1}}}}), replace_one({{"k", 3}}, {{"b", 1}}),
                           delete_one({{"k", 4}}), delete_many({{"k", 5}}), insert_one({{"_id", "mine"}})},
                          options);
  REQUIRE(result.has_value());
  CHECK(result->inserted == 1);
  CHECK(result->first_failed == 1);
  CHECK(result->results[1]["error"]["message"] == "no");
  CHECK(s.last().service == "BulkWrite<photos>");
  CHECK(s.params() == json{{"ordered", false}});
  json operations = s.body()["operations"];
  CHECK(operations[0]["insertOne"]["document"]["_id"]["$oid"].get<std::string>().size() == 24);
  CHECK(operations[1] == json::parse(R"({"updateOne":{"filter":{"k":1},"update":{"$set":{"a":1}},"upsert":true}})"));
  CHECK(operations[3] == json::parse(R"({"replaceOne":{"filter":{"k":3},"replacement":{"b":1}}})"));
  CHECK(operations[6] == json::parse(R"({"insertOne":{"document":{"_id":"mine"}}})"));
  CHECK(s.photos.bulk_write({}).value().first_failed == std::nullopt);
  CHECK(s.last().params.empty());
}

TEST_CASE("distinct gives the values") {
  Scripted s(std::vector<json>{json::parse(R"({"values":[1,"x"]})")});
  CHECK(s.photos.distinct("a.b", {{"k", 1}}).value() == std::vector<json>{1, "x"});
  CHECK(s.last().service == "Distinct<photos>");
  CHECK(s.params() == json{{"field", "a.b"}, {"filter", {{"k", 1}}}});
}

TEST_CASE("answers to updates that make no sense are protocol errors") {
  FakeNode node([](const Seen&) { return reply(R"({"matched":"many","document":5,"values":{}})"); });
  Client client({node.address()});
  const auto c = client.collection("a");
  CHECK(c.update_one({}, {{"$set", {{"a", 1}}}}).error().code == Code::kProtocolError);
  CHECK(c.find_one_and_delete({}).error().code == Code::kProtocolError);
  CHECK(c.distinct("a").error().code == Code::kProtocolError);
  CHECK(c.bulk_write({}).error().code == Code::kProtocolError);
}

TEST_CASE("indexes are created with their fields in order, dropped and listed; queries are explained") {
  Scripted s({{{"name", "z_1_a_-1"}, {"created", true}},
              {{"name", "n"}, {"created", false}},
              {{"name", "at_1"}, {"created", true}},
              {{"dropped", 1}},
              {{"indexes", {{{"name", "_id_"}}}}},
              {{"queryPlanner", json::object()}},
              kNone,
              json::object()});
  CHECK(s.photos.create_index({{"z", 1}, {"a", -1}}).value() == "z_1_a_-1");
  CHECK(s.last().service == "CreateIndex<photos>");
  CHECK(s.params() == json::parse(R"({"key":[{"z":1},{"a":-1}]})"));
  CHECK_FALSE(s.last().id.empty());
  IndexOptions options;
  options.name = "n";
  options.unique = options.sparse = true;
  options.partial_filter = {{"a", {{"$gt", 1}}}};
  options.w = WriteConcern::majority();
  CHECK(s.photos.create_index({{"a", 1}}, options).value() == "n");
  CHECK(s.params() == json::parse(R"({"key":[{"a":1}],"name":"n","unique":true,"sparse":true,
                                      "partialFilterExpression":{"a":{"$gt":1}},"w":"majority"})"));
  options = {};
  options.expire_after_s = 60;
  CHECK(s.photos.create_index({{"at", 1}}, options).has_value());
  CHECK(s.params() == json::parse(R"({"key":[{"at":1}],"expireAfterSeconds":60})"));
  CHECK(s.photos.drop_index("n").has_value());
  CHECK(s.last().service == "DropIndex<photos>");
  CHECK(s.params() == json{{"name", "n"}});
  CHECK(s.photos.list_indexes().value() == std::vector<json>{{{"name", "_id_"}}});
  CHECK(s.last().service == "ListIndexes<photos>");
  CHECK(s.photos.find({{"a", 1}}).sort({{"b", 1}}).hint("n").explain().value() ==
        json{{"queryPlanner", json::object()}});
  CHECK(s.last().service == "Explain<photos>");
  CHECK(s.params() == json::parse(R"({"filter":{"a":1},"sort":[{"b":1}],"hint":"n"})"));
  CHECK(s.photos.find().hint("$natural").all().has_value());
  CHECK(s.params() == json{{"hint", "$natural"}});
  CHECK(s.photos.create_index({{"a", 1}}).error().code == Code::kProtocolError);
}
