#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

// Two nodes whose link is up when the test says so, each driven through its services by JSON text.
struct Pair {
  struct Node {
    explicit Node(unsigned char number, const Clock& clock, Random& random)
        : replica([&] {
            replication::ReplicaConfig config;
            config.node.bytes[0] = number;
            config.members = 2;
            return config;
          }()),
          services(replica, clock, random, 1u << 20) {}
    replication::Replica replica;
    DocumentServices services;
  };

  SystemClock clock;
  Random random{1};
  std::array<Node, 2> nodes{Node(1, clock, random), Node(2, clock, random)};

  NodeId id(std::size_t index) const {
    NodeId node;
    node.bytes[0] = static_cast<unsigned char>(index + 1);
    return node;
  }

  void meet() {
    for (std::size_t i = 0; i < 2; ++i) nodes[i].replica.end_turn(clock.wall_ms());
    for (std::size_t i = 0; i < 2; ++i) std::ignore = nodes[i].replica.take_outgoing();
    for (std::size_t i = 0; i < 2; ++i) nodes[i].replica.peer_connected(id(1 - i), clock.wall_ms());
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t i = 0; i < 2; ++i) {
        nodes[i].replica.end_turn(clock.wall_ms());
        for (const auto& message : nodes[i].replica.take_outgoing()) {
          moved = true;
          REQUIRE(nodes[1 - i].replica.receive(id(i), message.kind, *message.payload, clock.wall_ms()));
        }
      }
    }
    for (std::size_t i = 0; i < 2; ++i) nodes[i].replica.peer_disconnected(id(1 - i));
  }

  Result<json> call(std::size_t node, std::string_view service, std::string_view collection,
                    std::string_view params = "", std::string_view body = "") {
    const auto found = find_document_service(service);
    REQUIRE(found);
    const auto reply = nodes[node].services.execute({*found, collection, params, body, wire::Format::kJson, 0});
    if (!reply) return fail(reply.error());
    return json::parse(*reply);
  }
  json document(std::size_t node, std::string_view collection) {
    return (*call(node, "ReadCollection", collection))["documents"][0];
  }
  json conflicts(std::size_t node, std::string_view params = R"({"collection":"c"})") {
    const auto reply = call(node, "Conflicts", "", params);
    REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().message));
    return *reply;
  }
};

std::string resolving(std::string_view action, const json& conflict) {
  return json{{"collection", conflict["collection"]}, {"action", action}, {"id", conflict["id"]}}.dump();
}

}  // namespace

TEST_CASE("UpdateDocument takes operators beside the _id, and inserts when there is nothing") {
  Pair f;
  CHECK(*f.call(0, "UpdateDocument", "c", "", R"({"_id":1,"$set":{"a":1},"$inc":{"n":5},"$unset":{"z":""}})") ==
        json{{"_id", 1}, {"inserted", true}});
  CHECK(f.document(0, "c") == json::parse(R"({"_id":1,"a":1,"n":5})"));
  CHECK(*f.call(0, "UpdateDocument", "c", "", R"({"_id":1,"$set":{"b":2},"$inc":{"n":-2,"m":1.5},"$unset":{"a":1}})") ==
        json{{"_id", 1}, {"inserted", false}});
  CHECK(f.document(0, "c") == json::parse(R"({"_id":1,"n":3,"b":2,"m":1.5})"));
  CHECK(f.call(0, "UpdateDocument", "c", "", R"({"_id":1,"$set":{}})").has_value());
}

TEST_CASE("Updates that cannot be meant name what is wrong and change nothing") {
  Pair f;
  REQUIRE(f.call(0, "AddDocument", "c", "", R"({"_id":1,"text":"x","n":9223372036854775807})"));
  const auto before = f.document(0, "c");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"_id":1,"$pusch":{"a":1}})", "Unknown modifier: '$pusch'"},
      {R"({"_id":1,"$push":{"text":1}})", "$push at 'text': Cannot apply $push to a non-array value"},
      {R"({"_id":1,"a":1,"$set":{"b":1}})", "give either operators or fields"},
      {R"({"_id":1,"$set":{"b":1},"a":1})", "Unknown modifier: 'a'"},
      {R"({"_id":1,"$set":5})", "$set: Modifiers operate on fields"},
      {R"({"_id":1,"$set":{"a":1},"$inc":{"a":1}})", "Updating the path 'a' would create a conflict at 'a'"},
      {R"({"_id":1,"$set":{"_id":2}})", "would modify the immutable field '_id'"},
      {R"({"_id":1,"$set":{"text.b":2}})", "PathNotViable (28): $set at 'text.b'"},
      {R"({"_id":1,"$inc":{"text":1}})", "text"},
      {R"({"_id":1,"$inc":{"a":"1"}})", "$inc at 'a': cannot increment with a non-numeric argument"},
      {R"({"_id":1,"$set":{"new":1},"$inc":{"n":1}})", "n"},
      {R"({"$set":{"a":1}})", "_id"},
  };
  for (const auto& [body, text] : cases) {
    CAPTURE(body);
    const auto reply = f.call(0, "UpdateDocument", "c", "", body);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(reply.error().message.find(text) != std::string::npos, reply.error().message);
    CHECK(f.document(0, "c") == before);
  }
}

TEST_CASE("Concurrent increments on both sides of a partition all count") {
  Pair f;
  REQUIRE(f.call(0, "AddDocument", "c", "", R"({"_id":1,"n":10})"));
  f.meet();
  for (int i = 0; i < 5; ++i) REQUIRE(f.call(0, "UpdateDocument", "c", "", R"({"_id":1,"$inc":{"n":1}})"));
  for (int i = 0; i < 7; ++i) REQUIRE(f.call(1, "UpdateDocument", "c", "", R"({"_id":1,"$inc":{"n":100}})"));
  f.meet();
  CHECK(f.document(0, "c")["n"] == 715);
  CHECK(f.document(1, "c")["n"] == 715);
  CHECK(f.conflicts(0)["conflicts"].empty());
}

TEST_CASE("The loser of two concurrent writes is listed on both nodes, and restoring it on one restores it on both") {
  Pair f;
  REQUIRE(f.call(0, "AddDocument", "c", "", R"({"_id":"x","from":"north"})"));
  REQUIRE(f.call(1, "AddDocument", "c", "", R"({"_id":"x","from":"south"})"));
  f.meet();
  const json winner = f.document(0, "c");
  CHECK(f.document(1, "c") == winner);
  const json listed = f.conflicts(0);
  REQUIRE(listed["conflicts"].size() == 1);
  CHECK(listed == f.conflicts(1));
  const json& conflict = listed["conflicts"][0];
  CHECK(conflict["kind"] == "document");
  CHECK(conflict["_id"] == "x");
  CHECK(conflict["content"]["from"] == (winner["from"] == "north" ? "south" : "north"));
  CHECK(listed["more"] == false);
  CHECK(*f.call(1, "Conflicts", "", resolving("restore", conflict)) == json{{"restored", true}});
  f.meet();
  for (const std::size_t node : {0u, 1u}) {
    CHECK(f.document(node, "c") == conflict["content"]);
    CHECK(f.conflicts(node)["conflicts"].empty());
  }
  const auto again = f.call(0, "Conflicts", "", resolving("restore", conflict));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::kNotFound);
}

TEST_CASE("An update that lost to a delete can be brought back or dismissed") {
  Pair f;
  for (const char* id : {R"({"_id":1,"v":0})", R"({"_id":2,"v":0})"}) REQUIRE(f.call(0, "AddDocument", "c", "", id));
  f.meet();
  REQUIRE(f.call(0, "DeleteDocument", "c", R"({"all":true})"));
  REQUIRE(f.call(1, "UpdateDocument", "c", "", R"({"_id":1,"v":1})"));
  REQUIRE(f.call(1, "UpdateDocument", "c", "", R"({"_id":2,"v":2})"));
  f.meet();
  CHECK(*f.call(1, "Count", "c") == json{{"count", 0}});
  const json listed = f.conflicts(1)["conflicts"];
  REQUIRE(listed.size() == 2);
  REQUIRE(f.conflicts(0)["conflicts"].size() == 2);
  REQUIRE(f.call(1, "Conflicts", "", resolving("restore", listed[0])));
  CHECK(*f.call(1, "Conflicts", "", resolving("dismiss", listed[1])) == json{{"dismissed", true}});
  f.meet();
  for (const std::size_t node : {0u, 1u}) {
    CHECK(*f.call(node, "Count", "c") == json{{"count", 1}});
    CHECK(f.conflicts(node)["conflicts"].empty());
  }
  CHECK(f.document(0, "c") == f.document(1, "c"));
}

TEST_CASE("Conflicts are listed in pages") {
  Pair f;
  for (int i = 0; i < 5; ++i) {
    const std::string id = std::to_string(i);
    REQUIRE(f.call(0, "AddDocument", "c", "", R"({"_id":)" + id + R"(,"from":"north"})"));
    REQUIRE(f.call(1, "AddDocument", "c", "", R"({"_id":)" + id + R"(,"from":"south"})"));
  }
  f.meet();
  std::vector<json> all;
  json params = {{"collection", "c"}, {"limit", 2}};
  for (bool more = true; more;) {
    const json page = f.conflicts(0, params.dump());
    CHECK(page["conflicts"].size() <= 2);
    for (const json& conflict : page["conflicts"]) all.push_back(conflict["_id"]);
    more = page["more"];
    if (more) params["after"] = page["conflicts"].back()["id"];
  }
  CHECK(all == std::vector<json>{0, 1, 2, 3, 4});
}

TEST_CASE("Wrong parameters of Conflicts are named") {
  Pair f;
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "'collection'"},
      {R"({"collection":"c","action":"undo"})", "'action'"},
      {R"({"collection":"c","action":"restore"})", "'id'"},
      {R"({"collection":"c","action":"restore","id":"zz-1-00"})", "'id'"},
      {R"({"collection":"c","limit":0})", "'limit'"},
      {R"({"collection":"c","after":"x"})", "'after'"},
      {R"({"collection":"c","which":1})", "'which'"},
      {R"({"collection":7})", "'collection'"},
  };
  for (const auto& [params, text] : cases) {
    CAPTURE(params);
    const auto reply = f.call(0, "Conflicts", "", params);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(reply.error().message.find(text) != std::string::npos, reply.error().message);
  }
}
