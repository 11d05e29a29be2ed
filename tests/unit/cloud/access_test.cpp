// Tokens and users of nodes with keys, seen from the wire: who is let in, what he may do, and when that ends.
#include <nlohmann/json.hpp>

#include "cluster_rig.hpp"
#include "distri/membership/token_line.hpp"
#include "member_node.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;

namespace {

std::shared_ptr<net::Tls> keyless() {
  return take(net::Tls::without_key());
}

void wait_until_serving(Caller& owner) {
  eventually([&] { return owner.call("Count<c>").status == Code::kOk; });
}

json ask(Caller& caller, std::string_view service, const json& params = json::object(), BytesView body = "") {
  const auto reply = caller.call(service, params.is_null() ? "" : params.dump(), body);
  REQUIRE_MESSAGE(reply.status == Code::kOk, reply.message);
  return json::parse(reply.body);
}

void check_refused(Caller& caller, std::string_view service, const json& params, BytesView body, Code code,
                   std::string_view text) {
  CAPTURE(service);
  const auto reply = caller.call(service, params.is_null() ? "" : params.dump(), body);
  CHECK(reply.status == code);
  CHECK_MESSAGE(contains(reply.message, text), reply.message);
  CHECK(reply.body.empty());
}

std::string make_token(Caller& owner, const json& grants, const json& more = json::object()) {
  json params{{"name", "a test"}, {"grants", grants}};
  params.update(more);
  return ask(owner, "CreateToken", params)["token"].get<std::string>();
}

json grant(const json& roles, const json& collections) {
  return json::array({{{"roles", roles}, {"collections", collections}}});
}

// A founded cluster's node that serves, and its owner's connection.
struct Served {
  Cloud cloud;
  MemberNode node{cloud.first};
  Caller owner{node.address(), cloud.root};
  Served() { wait_until_serving(owner); }
};

}  // namespace

TEST_CASE("A token lets in, for what it grants, on every service") {
  Served served;
  for (const auto* name : {"robots.arm", "robots.leg", "secret"}) {
    ask(served.owner, fmt::format("AddDocument<{}>", name), {}, R"({"_id":1,"n":1})");
  }
  const std::string line =
      make_token(served.owner, json::array({{{"roles", {"read"}}, {"collections", {"robots.*"}}},
                                            {{"roles", {"write"}}, {"collections", {"robots.arm"}}},
                                            {{"roles", {"call"}}, {"services", {"Echo"}}}}));
  Caller client(served.node.address(), keyless());
  check_refused(client, "Count<robots.arm>", {}, "", Code::kUnauthenticated, "show a token");
  const auto shown = client.call("Authenticate", "", line);
  REQUIRE_MESSAGE(shown.status == Code::kOk, shown.message);
  CHECK(json::parse(shown.body)["name"] == "a test");
  CHECK(json::parse(shown.body)["rights"] == "read robots.*; write robots.arm; call Echo");

  CHECK(ask(client, "Count<robots.arm>")["count"] == 1);
  CHECK(ask(client, "Count<robots.leg>")["count"] == 1);
  CHECK(ask(client, "AddDocument<robots.arm>", {}, R"({"_id":2})")["_id"] == 2);
  CHECK(client.call("Echo", "", "heard").body == "heard");
  CHECK(ask(client, "Stats").contains("node"));
  CHECK(ask(client, "Nodes").contains("nodes"));
  const json collections = ask(client, "ListCollections")["collections"];
  std::vector<std::string> listed;
  for (const auto& each : collections) listed.push_back(each["name"]);
  CHECK(json(listed).dump() == R"(["robots.arm","robots.leg"])");

  const json filter{{"filter", {{"_id", 1}}}};
  const json update{{"filter", {{"_id", 1}}}, {"update", {{"$set", {{"n", 2}}}}}};
  struct Row {
    const char* service;
    json params;
    const char* body;
    const char* needs;
  };
  const Row rows[] = {
      {"ReadCollection", filter, "", "read"},
      {"Count", json::object(), "", "read"},
      {"Distinct", {{"field", "n"}}, "", "read"},
      {"Explain", filter, "", "read"},
      {"Aggregate", {{"pipeline", json::array()}}, "", "read"},
      {"CollectionStats", json::object(), "", "read"},
      {"ListIndexes", json::object(), "", "read"},
      {"Watch", json::object(), "", "read"},
      {"AddDocument", json::object(), R"({"_id":9})", "write"},
      {"UpdateDocument", update, "", "write"},
      {"DeleteDocument", {{"all", true}}, "", "write"},
      {"FindAndModify", update, "", "write"},
      {"BulkWrite", json::object(), R"({"operations":[{"insertOne":{"document":{"_id":9}}}]})", "write"},
      {"CreateCollection", json::object(), "", "write"},
      {"ModifyCollection", {{"validator", json::object()}}, "", "administer"},
      {"DropCollection", json::object(), "", "administer"},
      {"CreateIndex", {{"key", {{"n", 1}}}}, "", "administer"},
      {"DropIndex", {{"name", "n_1"}}, "", "administer"},
  };
  for (const Row& row : rows) {
    check_refused(client, fmt::format("{}<secret>", row.service), row.params, row.body, Code::kPermissionDenied,
                  fmt::format("token 'a test' may not {} collection 'secret'", row.needs));
    if (std::string_view(row.needs) == "read") continue;
    // It may read this one and no more; and write that one, and not say what it is.
    check_refused(client, fmt::format("{}<robots.leg>", row.service), row.params, row.body, Code::kPermissionDenied,
                  fmt::format("may not {} collection 'robots.leg'", row.needs));
  }
  check_refused(client, "DropCollection<robots.arm>", {}, "", Code::kPermissionDenied, "may not administer");
  check_refused(client, "DatabaseStats", {}, "", Code::kPermissionDenied, "may not read all collections");
  check_refused(client, "Watch", {}, "", Code::kPermissionDenied, "may not read all collections");
  check_refused(client, "Conflicts", {{"collection", "secret"}}, "", Code::kPermissionDenied, "may not read");
  check_refused(client, "Conflicts", {{"collection", "robots.leg"}, {"action", "dismiss"}, {"id", "x"}}, "",
                Code::kPermissionDenied, "may not write");
  for (const auto* service : {"Backup", "Members", "Members<table>", "OpenInvitation", "ChangeMembers", "CreateToken",
                              "CreateUser", "ListAccess", "RevokeAccess"}) {
    check_refused(client, service, {}, "", Code::kPermissionDenied, "which needs the role admin for all collections");
  }
  check_refused(client, "UpdateInfo", {}, "", Code::kPermissionDenied, "for the nodes of the cluster only");
  check_refused(client, "NoSuchService", {}, "", Code::kUnknownService, "no service");
  // Nothing of all that has happened.
  CHECK(ask(served.owner, "Count<secret>")["count"] == 1);
  CHECK(ask(served.owner, "ReadCollection<secret>")["documents"][0]["n"] == 1);
  CHECK(ask(served.owner, "Count<robots.leg>")["count"] == 1);
}

TEST_CASE("A pipeline reads and writes only what its caller may, whatever stage says so") {
  Served served;
  ask(served.owner, "AddDocument<secret>", {}, R"({"_id":1,"word":"hidden"})");
  ask(served.owner, "AddDocument<mine>", {}, R"({"_id":1})");
  ask(served.owner, "AddDocument<yours>", {}, R"({"_id":1})");
  Caller client(served.node.address(), keyless());
  const std::string line = make_token(served.owner, json::array({{{"roles", {"read"}}, {"collections", {"yours"}}},
                                                                 {{"roles", {"write"}}, {"collections", {"mine"}}}}));
  CHECK(client.call("Authenticate", "", line).status == Code::kOk);
  const auto refused = [&](const char* pipeline, std::string_view text) {
    CAPTURE(pipeline);
    for (const bool in_body : {false, true}) {
      const json params{{"pipeline", json::parse(pipeline)}};
      check_refused(client, "Aggregate<mine>", in_body ? json::object() : params, in_body ? params.dump() : "",
                    Code::kPermissionDenied, text);
    }
  };
  refused(R"([{"$lookup":{"from":"secret","localField":"_id","foreignField":"_id","as":"x"}}])",
          "may not read collection 'secret'");
  refused(R"([{"$lookup":{"from":"mine","pipeline":[{"$lookup":{"from":"secret","pipeline":[],"as":"y"}}],"as":"x"}}])",
          "may not read collection 'secret'");
  refused(R"([{"$facet":{"a":[{"$lookup":{"from":"secret","pipeline":[],"as":"y"}}]}}])",
          "may not read collection 'secret'");
  refused(R"([{"$out":"yours"}])", "may not administer collection 'yours'");
  refused(R"([{"$out":"mine"}])", "may not administer collection 'mine'");
  refused(R"([{"$merge":{"into":"yours"}}])", "may not write collection 'yours'");
  refused(R"([{"\u0024merge":{"into":"yours"}}])", "may not write collection 'yours'");
  CHECK(ask(client, "Aggregate<mine>", {{"pipeline", json::parse(R"([{"$merge":{"into":"mine"}}])")}})
            .contains("written"));
  for (const auto* service : {"ReadCollection<system.access>", "Count<system.access>", "AddDocument<system.access>"}) {
    check_refused(client, service, {}, R"({"_id":7})", Code::kPermissionDenied, "system.access");
    check_refused(served.owner, service, {}, R"({"_id":7})", Code::kInvalidArgument, "reserved");
  }
}

TEST_CASE("Tokens that are not good let nobody in, and say why; often, and the address waits") {
  Served served;
  const std::string line = make_token(served.owner, grant({"read"}, {"*"}));
  const auto refused = [&](const std::string& shown, Code code, std::string_view text) {
    Caller client(served.node.address(), keyless());
    check_refused(client, "Authenticate", {}, shown, code, text);
    check_refused(client, "Count<c>", {}, "", Code::kUnauthenticated, "show a token");
  };
  auto parsed = take(membership::parse_token_line(line));
  refused("", Code::kInvalidArgument, "does not begin with 'distri-token-'");
  refused(line.substr(0, line.size() - 1), Code::kInvalidArgument, "checksum is wrong");
  {
    auto other = parsed;
    other.secret[5] = static_cast<char>(other.secret[5] ^ 1);
    refused(print(other), Code::kUnauthenticated, "the token is not good");
  }
  {
    auto other = parsed;
    other.token = membership::TokenId{};
    refused(print(other), Code::kUnauthenticated, "the token is not good");
  }
  {
    auto other = parsed;
    other.cluster.bytes[0] ^= 1;
    refused(print(other), Code::kUnauthenticated, "the token is for cluster");
  }
  refused(std::string(60'000, 'x'), Code::kInvalidArgument, "does not begin with");
  // That was one too many. A token that has been good here is let in all the same.
  refused(line, Code::kBusy, "too many tokens from 127.0.0.1 were not good; try again in");
  const auto counters = ask(served.owner, "Stats")["access"];
  CHECK(counters["refused"] == 6);
  CHECK(counters["limited"] == 1);
  CHECK(counters["hashes"] == 1);
}

TEST_CASE("A token that was good once costs no hash again, also while its address has to wait") {
  Served served;
  const std::string line = make_token(served.owner, grant({"read"}, {"*"}));
  for (int i = 0; i < 3; ++i) {
    Caller client(served.node.address(), keyless());
    CHECK(client.call("Authenticate", "", line).status == Code::kOk);
  }
  for (int i = 0; i < 7; ++i) {
    Caller client(served.node.address(), keyless());
    CHECK(client.call("Authenticate", "", "distri-token-x").status != Code::kOk);
  }
  Caller client(served.node.address(), keyless());
  CHECK(client.call("Authenticate", "", line).status == Code::kOk);
  const auto counters = ask(served.owner, "Stats")["access"];
  CHECK(counters["hashes"] == 1);
  CHECK(counters["accepted"] == 4);
}

TEST_CASE("Revoking or expiry ends connections, streams with them; and lets nobody in again") {
  Served served;
  const auto made = ask(served.owner, "CreateToken", {{"name", "n"}, {"grants", grant({"read"}, {"*"})}});
  const std::string line = made["token"].get<std::string>();
  Caller client(served.node.address(), keyless());
  CHECK(client.call("Authenticate", "", line).status == Code::kOk);
  CHECK(ask(served.owner, "RevokeAccess", {{"id", made["_id"]}})["revoked"] == true);
  const Error reason = client.wait_closed();
  CHECK(reason.code == Code::kPermissionDenied);
  CHECK(contains(reason.message, "was revoked"));
  Caller again(served.node.address(), keyless());
  check_refused(again, "Authenticate", {}, line, Code::kUnauthenticated, "the token is not good");
  check_refused(served.owner, "RevokeAccess", {{"id", made["_id"]}}, "", Code::kNotFound, "there is no token or user");

  const std::string short_lived = make_token(served.owner, grant({"read"}, {"*"}), {{"expires_ms", 1'500}});
  Caller late(served.node.address(), keyless());
  CHECK(late.call("Authenticate", "", short_lived).status == Code::kOk);
  const Error expired = late.wait_closed();
  CHECK(expired.code == Code::kPermissionDenied);
  CHECK(contains(expired.message, "has expired"));
  Caller too_late(served.node.address(), keyless());
  check_refused(too_late, "Authenticate", {}, short_lived, Code::kUnauthenticated, "has expired");
}

TEST_CASE("A user's key is let in with its rights, as nobody else") {
  Served served;
  const SigningKey ada = SigningKey::generate();
  Caller before(served.node.address(), ada);
  check_refused(before, "Count<c>", {}, "", Code::kPermissionDenied, "nor a user's");
  const json params{{"name", "ada"}, {"key", ada.public_key().hex()}, {"grants", grant({"write"}, {"a.*"})}};
  const auto id = ask(served.owner, "CreateUser", params)["_id"];
  check_refused(served.owner, "CreateUser", params, "", Code::kAlreadyExists, "belongs to the user 'ada'");
  Caller client(served.node.address(), ada);
  CHECK(ask(client, "AddDocument<a.b>", {}, R"({"_id":1})")["_id"] == 1);
  check_refused(client, "Count<c>", {}, "", Code::kPermissionDenied, "user 'ada' may not read collection 'c'");
  const auto users = ask(served.owner, "ListAccess")["access"];
  REQUIRE(users.size() == 1);
  CHECK(users[0]["id"] == id);
  CHECK(users[0]["name"] == "ada");
  CHECK(users[0]["expired"] == false);
  CHECK(!users[0].contains("hash"));
  // A node's role needs a member's key.
  Caller node(served.node.address(), ada, wire::Role::kNode);
  CHECK(node.wait_closed().code == Code::kUnauthenticated);
  CHECK(ask(served.owner, "RevokeAccess", {{"id", id}})["revoked"] == true);
  CHECK(client.wait_closed().code == Code::kPermissionDenied);
}

TEST_CASE("In a collection of owned documents each user writes his own, on every connection that shows his key") {
  Served served;
  ask(served.owner, "CreateCollection<notes>", {{"ownerField", "_id"}});
  const SigningKey ada = SigningKey::generate();
  const SigningKey ben = SigningKey::generate();
  for (const auto& [name, key] : {std::pair("ada", &ada), std::pair("ben", &ben)})
    ask(served.owner, "CreateUser",
        {{"name", name}, {"key", key->public_key().hex()}, {"grants", grant({"write"}, {"notes"})}});
  Caller adas(served.node.address(), ada);
  Caller bens(served.node.address(), ben);
  const std::string note = json{{"_id", ada.public_key().hex() + ":1"}, {"text", "mine"}}.dump();
  check_refused(bens, "AddDocument<notes>", {}, note, Code::kPermissionDenied,
                "user 'ben' may write only own documents");
  ask(adas, "AddDocument<notes>", {}, note);
  check_refused(bens, "DeleteDocument<notes>", {{"all", true}}, "", Code::kPermissionDenied, "user 'ben' does not own");
  Caller client(served.node.address(), keyless());
  CHECK(client.call("Authenticate", "", make_token(served.owner, grant({"write"}, {"notes"}))).status == Code::kOk);
  check_refused(client, "DeleteDocument<notes>", {{"all", true}}, "", Code::kPermissionDenied, "is nobody's");
  CHECK(ask(adas, "Count<notes>")["count"] == 1);
  CHECK(ask(adas, "DeleteDocument<notes>", {{"all", true}})["deleted"] == 1);
}

TEST_CASE("What is made must say what it grants; each error names the parameter") {
  Served served;
  const json good = grant({"read"}, {"*"});
  const auto refused = [&](const char* service, const json& params, std::string_view text) {
    check_refused(served.owner, service, params, "", Code::kInvalidArgument, text);
  };
  refused("CreateToken", json::object(), "parameter 'name'");
  refused("CreateToken", {{"name", ""}, {"grants", good}}, "parameter 'name'");
  refused("CreateToken", {{"name", "a\nb"}, {"grants", good}}, "parameter 'name'");
  refused("CreateToken", {{"name", std::string(121, 'a')}, {"grants", good}}, "parameter 'name'");
  refused("CreateToken", {{"name", "a"}}, "parameter 'grants' is missing");
  refused("CreateToken", {{"name", "a"}, {"grants", 1}}, "parameter 'grants'");
  refused("CreateToken", {{"name", "a"}, {"grants", grant({"reed"}, {"*"})}}, "'reed' is no role");
  refused("CreateToken", {{"name", "a"}, {"grants", good}, {"expires_ms", 0}}, "'expires_ms' must be 1 to");
  refused("CreateToken", {{"name", "a"}, {"grants", good}, {"expires", 5}}, "has no parameter 'expires'");
  refused("CreateUser", {{"name", "a"}, {"grants", good}}, "parameter 'key'");
  refused("CreateUser", {{"name", "a"}, {"grants", good}, {"key", "abc"}}, "parameter 'key'");
  refused("CreateUser", {{"name", "a"}, {"grants", good}, {"key", std::string(64, '0')}}, "parameter 'key'");
  refused("RevokeAccess", json::object(), "parameter 'id'");
  refused("CreateToken", {{"name", "a"}, {"grants", good}, {"w", 5}}, "w");
  CHECK(ask(served.owner, "ListAccess")["access"].empty());
}

namespace {

// The first node of a cluster and one that has joined, each with a connection of the cluster's owner.
struct Pair {
  Cloud cloud;
  MemberNode first{cloud.first};
  Caller owner{first.address(), cloud.root};
  std::unique_ptr<MemberNode> second;
  std::unique_ptr<Caller> second_owner;
  Pair() {
    wait_until_serving(owner);
    const std::string directory = cloud.scratch.path("second");
    SigningKey invitation = SigningKey::generate();
    REQUIRE(owner.call("OpenInvitation", "", encoded(cloud.invite(invitation, cloud.founded.node))).status ==
            Code::kOk);
    const std::string line = print(
        membership::JoinLine{cloud.table().cluster(), cloud.founded.node, {first.address()}, std::move(invitation)});
    take(cloud::join_cluster(directory, line, "second", 10'000, {}));
    second = std::make_unique<MemberNode>(directory);
    second_owner = std::make_unique<Caller>(second->address(), cloud.root);
    wait_until_serving(*second_owner);
  }
};

json listed(Caller& owner) {
  return ask(owner, "ListAccess")["access"];
}

}  // namespace

TEST_CASE("A token of one node is good on the others, and gone there when it is revoked") {
  Pair pair;
  const auto made = ask(pair.owner, "CreateToken", {{"name", "n"}, {"grants", grant({"read"}, {"*"})}, {"w", "all"}});
  Caller client(pair.second->address(), keyless());
  const auto shown = client.call("Authenticate", "", made["token"].get<std::string>());
  CHECK_MESSAGE(shown.status == Code::kOk, shown.message);
  CHECK(ask(pair.owner, "RevokeAccess", {{"id", made["_id"]}})["revoked"] == true);
  CHECK(contains(client.wait_closed().message, "was revoked"));
}

TEST_CASE("A request to make a token makes one, however often it comes, also while the first is at work") {
  Served served;
  const std::string params = json{{"name", "n"}, {"grants", grant({"read"}, {"*"})}}.dump();
  const auto replies = served.owner.call_at_once(5, "CreateToken", params, "", request_id(1));
  REQUIRE_MESSAGE(replies[0].status == Code::kOk, replies[0].message);
  for (const auto& reply : replies) CHECK(reply.body == replies[0].body);
  const auto again = served.owner.call("CreateToken", params, "", request_id(1), 1);
  CHECK(again.body == replies[0].body);
  Caller other(served.node.address(), served.cloud.root);
  CHECK(other.call("CreateToken", params, "", request_id(1), 2).body == replies[0].body);
  CHECK(listed(served.owner).size() == 1);
  // With its own "w", which may be wrong.
  const std::string too_many = json{{"name", "n"}, {"grants", grant({"read"}, {"*"})}, {"w", 5}}.dump();
  CHECK(served.owner.call("CreateToken", too_many, "", request_id(1), 1).status == Code::kInvalidArgument);
  // Another id is another token, and so is each request without one.
  CHECK(served.owner.call("CreateToken", params, "", request_id(2)).body != replies[0].body);
  for (const auto& reply : served.owner.call_at_once(2, "CreateToken", params, "", {})) {
    CHECK(reply.status == Code::kOk);
    CHECK(reply.body != replies[0].body);
  }
  CHECK(listed(served.owner).size() == 4);
  // The line is for who asks for that; another service with the same id does not get it.
  const auto added = served.owner.call("AddDocument<c>", "", R"({"_id":1})", request_id(1), 1);
  CHECK(!contains(added.body, "distri-token"));
  // The token is one.
  Caller client(served.node.address(), keyless());
  CHECK(client.call("Authenticate", "", json::parse(replies[0].body)["token"].get<std::string>()).status == Code::kOk);
}

TEST_CASE("Whoever loses the connection while a token is made comes back for it") {
  Served served;
  const std::string params = json{{"name", "n"}, {"grants", grant({"read"}, {"*"})}}.dump();
  for (unsigned char n = 1; n <= 3; ++n) {
    Caller(served.node.address(), served.cloud.root).call_and_leave("CreateToken", params, request_id(n));
    // Until it has come, a repetition would be refused as one of a request that nobody knows.
    eventually([&] { return listed(served.owner).size() == n; });
    const auto reply = served.owner.call("CreateToken", params, "", request_id(n), 1);
    REQUIRE_MESSAGE(reply.status == Code::kOk, reply.message);
    CHECK(listed(served.owner).size() == n);
    Caller client(served.node.address(), keyless());
    CHECK(client.call("Authenticate", "", json::parse(reply.body)["token"].get<std::string>()).status == Code::kOk);
  }
}

TEST_CASE("Users are made and accesses revoked at most once for a request") {
  Served served;
  const SigningKey ada = SigningKey::generate();
  const std::string user =
      json{{"name", "ada"}, {"key", ada.public_key().hex()}, {"grants", grant({"read"}, {"*"})}}.dump();
  const auto made = served.owner.call("CreateUser", user, "", request_id(1));
  REQUIRE_MESSAGE(made.status == Code::kOk, made.message);
  CHECK(served.owner.call("CreateUser", user, "", request_id(1), 1).body == made.body);
  const std::string id = json{{"id", json::parse(made.body)["_id"]}}.dump();
  CHECK(served.owner.call("RevokeAccess", id, "", request_id(2)).status == Code::kOk);
  CHECK(served.owner.call("RevokeAccess", id, "", request_id(2), 1).body == R"({"revoked":true})");
  CHECK(served.owner.call("RevokeAccess", id, "", request_id(3)).status == Code::kNotFound);
  // A late repetition does not bring the user back.
  CHECK(served.owner.call("CreateUser", user, "", request_id(1), 2).body == made.body);
  CHECK(listed(served.owner).empty());
}

TEST_CASE(
    "A repeated request that another node has executed is not executed again, and its token's line not invented") {
  Pair pair;
  const std::string params = json{{"name", "n"}, {"grants", grant({"read"}, {"*"})}, {"w", "all"}}.dump();
  const auto made = pair.owner.call("CreateToken", params, "", request_id(1));
  REQUIRE_MESSAGE(made.status == Code::kOk, made.message);
  const auto token = json::parse(made.body)["_id"].get<std::string>();
  auto reply = pair.second_owner->call("CreateToken", params, "", request_id(1), 1);
  CHECK(reply.status == Code::kIndeterminate);
  CHECK_MESSAGE(contains(reply.message, "was executed before and made '" + token + "'"), reply.message);
  CHECK(listed(*pair.second_owner).size() == 1);

  const SigningKey ada = SigningKey::generate();
  const std::string user =
      json{{"name", "ada"}, {"key", ada.public_key().hex()}, {"grants", grant({"read"}, {"*"})}, {"w", "all"}}.dump();
  const auto user_made = pair.owner.call("CreateUser", user, "", request_id(2));
  REQUIRE_MESSAGE(user_made.status == Code::kOk, user_made.message);
  CHECK(pair.second_owner->call("CreateUser", user, "", request_id(2), 1).body == user_made.body);
  CHECK(pair.second_owner->call("CreateUser", user, "", request_id(3)).status == Code::kAlreadyExists);

  const std::string id = json{{"id", token}, {"w", "all"}}.dump();
  CHECK(pair.owner.call("RevokeAccess", id, "", request_id(4)).status == Code::kOk);
  CHECK(pair.second_owner->call("RevokeAccess", id, "", request_id(4), 1).body == R"({"revoked":true})");
  reply = pair.second_owner->call("CreateToken", params, "", request_id(1), 2);
  CHECK(reply.status == Code::kIndeterminate);
  CHECK(listed(*pair.second_owner).size() == 1);  // ada
}

TEST_CASE("A repeated request of which nobody here knows is not executed, but to revoke") {
  Served served;
  const std::string params = json{{"name", "n"}, {"grants", grant({"read"}, {"*"})}}.dump();
  const auto reply = served.owner.call("CreateToken", params, "", request_id(1), 1);
  CHECK(reply.status == Code::kIndeterminate);
  CHECK_MESSAGE(contains(reply.message, "may have been executed by another node"), reply.message);
  CHECK(listed(served.owner).empty());
  const auto made = ask(served.owner, "CreateToken", json::parse(params));
  CHECK(served.owner.call("RevokeAccess", json{{"id", made["_id"]}}.dump(), "", request_id(2), 1).status == Code::kOk);
  CHECK(listed(served.owner).empty());
}

TEST_CASE("A node proves its membership to whom knows the cluster's id, and shows of the others only who was removed") {
  const Cloud cloud;
  const std::string other = cloud.add_member("other");
  MemberNode node(cloud.first);
  Caller stranger(node.address(), keyless());
  const auto reply = stranger.call("Identify");
  REQUIRE(reply.status == Code::kOk);
  const auto table = take(membership::MemberTable::load(reply.body));
  CHECK(table.cluster().hex() == cloud.founded.cluster);
  REQUIRE(table.members().size() == 1);
  CHECK(table.members()[0].node == cloud.founded.node);
  CHECK(table.members()[0].addresses.empty());
}

TEST_CASE("Where there are no keys there are no tokens, and anybody may do everything") {
  RunningNode node;
  RawClient client(node.address());
  for (const auto* service : {"Authenticate", "CreateToken", "CreateUser", "ListAccess", "RevokeAccess"}) {
    const auto reply = client.call(service);
    CHECK(reply.status == Code::kUnavailable);
    CHECK(contains(reply.message, "everybody who reaches it may do everything"));
  }
}
