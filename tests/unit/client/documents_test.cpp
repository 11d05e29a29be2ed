// What the typed helpers send, and what they make of the answers.
#include <doctest/doctest.h>

#include "distri/bson/nlohmann.hpp"
#include "distri/client/client.hpp"
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
        client({node.address()}, [] {
          ClientOptions options;
          options.discover = false;
          return options;
        }()) {}
  Seen last() const { return node.seen().back(); }

  FakeNode node;
  Client client;
};

}  // namespace

TEST_CASE("a document gets its _id from the client, and keeps one it has") {
  Scripted s({{{"_id", 1}}, {{"_id", "a"}}});
  const auto id = s.client.add_document("photos", {{"name", "dune"}, {"stars", 5}});
  REQUIRE(id.has_value());
  CHECK(s.last().service == "AddDocument<photos>");
  const json sent = json::parse(s.last().body);
  CHECK(sent["name"] == "dune");
  CHECK(sent["_id"]["$oid"].get<std::string>().size() == 24);
  CHECK_FALSE(s.last().id.empty());
  const auto kept = s.client.add_document("photos", {{"_id", "a"}});
  REQUIRE(kept.has_value());
  CHECK(*kept == "a");
  CHECK(json::parse(s.last().body) == json{{"_id", "a"}});
}

TEST_CASE("an add whose connection is lost sends the very same document again") {
  std::atomic<int> calls{0};
  FakeNode node([&](const Seen&) { return ++calls == 1 ? of_kind(Action::Kind::kDrop) : reply(R"({"_id":"x"})"); });
  Client client({node.address()});
  REQUIRE(client.add_document("photos", {{"n", 1}}).has_value());
  const auto seen = node.seen();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].body == seen[1].body);
  CHECK(seen[0].id == seen[1].id);
  CHECK(seen[0].attempt == 0);
  CHECK(seen[1].attempt == 1);
}

TEST_CASE("update, delete, count and the collections say what the node said") {
  Scripted s({{{"_id", "a"}, {"inserted", true}},
              {{"deleted", 3}},
              {{"deleted", 9}},
              {{"count", 42}},
              {{"created", true}},
              {{"dropped", false}},
              {{"collections", {{{"name", "photos"}, {"documents", 1}, {"bytes", 10}}}}}});
  const auto updated = s.client.update_document("photos", {{"_id", "a"}, {"n", 2}});
  REQUIRE(updated.has_value());
  CHECK((*updated)["inserted"] == true);
  CHECK(s.client.delete_documents("photos", {{"n", 2}}).value() == 3);
  CHECK(json::parse(s.last().params) == json{{"filter", {{"n", 2}}}});
  CHECK(s.client.delete_documents("photos", nullptr, true).value() == 9);
  CHECK(json::parse(s.last().params) == json{{"all", true}});
  CHECK(s.client.count("photos", {{"n", {{"$gte", 1}}}}).value() == 42);
  CHECK(s.last().id.empty());
  CHECK(s.client.create_collection("photos").value());
  CHECK(s.last().service == "CreateCollection<photos>");
  CHECK_FALSE(s.client.drop_collection("photos").value());
  const auto collections = s.client.list_collections();
  REQUIRE(collections.has_value());
  REQUIRE(collections->size() == 1);
  CHECK((*collections)[0]["name"] == "photos");
  CHECK(s.last().service == "ListCollections");
}

TEST_CASE("a write says how many members must hold it, and may bring its request id") {
  Scripted s({{{"_id", "a"}},
              {{"_id", "a"}, {"inserted", false}},
              {{"deleted", 1}},
              {{"created", true}},
              {{"dropped", true}},
              {{"_id", "b"}}});
  WriteOptions options;
  options.w = WriteConcern::majority();
  options.request_id = RequestId::from_view("0123456789abcdef");
  REQUIRE(s.client.add_document("photos", {{"_id", "a"}}, options).has_value());
  CHECK(json::parse(s.last().params) == json{{"w", "majority"}});
  CHECK(s.last().id == *options.request_id);
  options.w = WriteConcern::all();
  REQUIRE(s.client.update_document("photos", {{"_id", "a"}, {"n", 1}}, options).has_value());
  CHECK(json::parse(s.last().params) == json{{"w", "all"}});
  options.w = WriteConcern::members(2);
  REQUIRE(s.client.delete_documents("photos", {{"n", 1}}, false, options).has_value());
  CHECK(json::parse(s.last().params) == json{{"filter", {{"n", 1}}}, {"w", 2}});
  REQUIRE(s.client.create_collection("photos", options).has_value());
  CHECK(json::parse(s.last().params) == json{{"w", 2}});
  options.w = WriteConcern::one();
  REQUIRE(s.client.drop_collection("photos", options).has_value());
  CHECK(json::parse(s.last().params) == json{{"w", 1}});
  REQUIRE(s.client.add_document("photos", {{"_id", "b"}}).has_value());
  CHECK(s.last().params.empty());
  CHECK(s.last().id != *options.request_id);
}

TEST_CASE("increments and other operators travel beside the _id") {
  Scripted s({{{"_id", "a"}, {"inserted", false}}, {{"_id", "a"}, {"inserted", false}}});
  REQUIRE(s.client.increment("photos", "a", {{"likes", 1}, {"score", -2.5}}).has_value());
  CHECK(s.last().service == "UpdateDocument<photos>");
  CHECK(json::parse(s.last().body) == json{{"_id", "a"}, {"$inc", {{"likes", 1}, {"score", -2.5}}}});
  const json update = {{"_id", "a"}, {"$set", {{"n", 1}}}, {"$unset", {{"m", true}}}};
  REQUIRE(s.client.update_document("photos", update).has_value());
  CHECK(json::parse(s.last().body) == update);
}

TEST_CASE("conflicts are listed page by page, restored and dismissed by their id") {
  const json conflict = {
      {"id", "x1"}, {"collection", "photos"}, {"_id", "a"}, {"kind", "fields"}, {"content", {{"n", 1}}}};
  Scripted s({{{"conflicts", {conflict}}, {"more", true}},
              {{"conflicts", json::array()}, {"more", false}},
              {{"restored", true}},
              {{"dismissed", true}},
              {{"conflicts", json::array()}}});
  const auto first = s.client.list_conflicts("photos");
  REQUIRE(first.has_value());
  CHECK(first->conflicts == std::vector<json>{conflict});
  CHECK(first->more);
  CHECK(s.last().service == "Conflicts");
  CHECK(s.last().id.empty());
  CHECK(json::parse(s.last().params) == json{{"collection", "photos"}, {"action", "list"}, {"limit", 100}});
  const auto second = s.client.list_conflicts("photos", "x1", 7);
  REQUIRE(second.has_value());
  CHECK_FALSE(second->more);
  CHECK(json::parse(s.last().params) ==
        json{{"collection", "photos"}, {"action", "list"}, {"limit", 7}, {"after", "x1"}});
  WriteOptions options;
  options.w = WriteConcern::majority();
  CHECK(s.client.restore_conflict("photos", "x1", options).has_value());
  CHECK(json::parse(s.last().params) ==
        json{{"collection", "photos"}, {"action", "restore"}, {"id", "x1"}, {"w", "majority"}});
  CHECK_FALSE(s.last().id.empty());
  CHECK(s.client.dismiss_conflict("photos", "x2").has_value());
  CHECK(json::parse(s.last().params) == json{{"collection", "photos"}, {"action", "dismiss"}, {"id", "x2"}});
  const auto odd = s.client.list_conflicts("photos");
  REQUIRE_FALSE(odd.has_value());
  CHECK(odd.error().code == Code::kProtocolError);
}

TEST_CASE("a collection is read page by page to its end, or to the limit") {
  const json first = {{"documents", {{{"_id", 1}}, {{"_id", 2}}}}, {"cursor", "c1"}};
  const json second = {{"documents", {{{"_id", 3}}, {{"_id", 4}}}}, {"cursor", "c2"}};
  const json third = {{"documents", {{{"_id", 5}}}}};
  Scripted s({first, second, third, first, second});
  const auto all = s.client.read_collection("photos", {{"a", 1}}, {{"b", -1}});
  REQUIRE(all.has_value());
  CHECK(all->size() == 5);
  CHECK(json::parse(s.last().params) == json{{"filter", {{"a", 1}}}, {"sort", {{"b", -1}}}, {"cursor", "c2"}});
  CHECK(s.last().id.empty());
  const auto some = s.client.read_collection("photos", nullptr, nullptr, 3);
  REQUIRE(some.has_value());
  CHECK(some->size() == 3);
  CHECK(json::parse(s.last().params) == json{{"limit", 3}, {"cursor", "c1"}});
  CHECK(s.node.count() == 5);
}

TEST_CASE("one page is given as it came") {
  const json page = {{"documents", {{{"_id", 1}}}}, {"cursor", "c1"}};
  Scripted s(std::vector<json>{page});
  const auto read = s.client.read_page("photos", {{"page_documents", 1}});
  REQUIRE(read.has_value());
  CHECK(*read == page);
}

TEST_CASE("with bson the bytes on the wire are BSON in both directions") {
  FakeNode node([](const Seen& seen) {
    const auto document = bson::Document::parse(seen.body);
    if (!document || seen.format != wire::Format::kBson) return status(Code::kInvalidArgument, "not BSON");
    json sent = bson::to_nlohmann(*document);
    return reply(bson::from_nlohmann(json{{"_id", sent["_id"]}}).value().bytes());
  });
  Client client({node.address()});
  CallOptions options;
  options.bson = true;
  const auto id = client.add_document("photos", {{"_id", "k"}, {"n", 1}}, options);
  INFO((id ? "" : to_string(id.error())));
  REQUIRE(id.has_value());
  CHECK(*id == "k");
}

TEST_CASE("answers that make no sense are protocol errors, not crashes") {
  for (const std::string answer :
       {"", "nonsense", "[]", "{}", R"({"count":"many"})", R"({"documents":7})", R"({"_id"})"}) {
    FakeNode node([&](const Seen&) { return reply(answer); });
    Client client({node.address()});
    const auto is_protocol_error = [&](const auto& result) {
      REQUIRE_FALSE(result.has_value());
      CHECK(result.error().code == Code::kProtocolError);
    };
    is_protocol_error(client.count("a"));
    is_protocol_error(client.read_collection("a"));
    is_protocol_error(client.add_document("a", {{"x", 1}}));
    is_protocol_error(client.delete_documents("a", {{"x", 1}}));
    is_protocol_error(client.create_collection("a"));
    is_protocol_error(client.list_collections());
  }
}

TEST_CASE("a page that promises more and holds nothing does not loop") {
  FakeNode node([](const Seen&) { return reply(R"({"documents":[],"cursor":"again"})"); });
  Client client({node.address()});
  const auto read = client.read_collection("a");
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == Code::kProtocolError);
}

TEST_CASE("what is not a document is refused before anything is sent") {
  FakeNode node([](const Seen&) { return reply("{}"); });
  Client client({node.address()});
  const auto added = client.add_document("a", json::array({1, 2}));
  REQUIRE_FALSE(added.has_value());
  CHECK(added.error().message == "a document must be an object, not array");
  CHECK(node.count() == 0);
}
