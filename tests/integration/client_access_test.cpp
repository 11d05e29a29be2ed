// Client against nodes with keys: tokens, users' keys, and whom a client speaks to.
#include <doctest/doctest.h>

#include "distri/membership/token_line.hpp"
#include "keyed_node.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;
using Node = test::KeyedNode;

namespace {

json grant(const char* role, const char* collections) {
  return json::array({{{"roles", {role}}, {"collections", {collections}}}});
}

client::Client with_token(const Address& address, std::string token) {
  client::ClientOptions options;
  options.token = std::move(token);
  return client::Client({address}, options);
}

template <class T>
void check_error(const Result<T>& result, Code code, std::string_view text) {
  REQUIRE(!result);
  CHECK(result.error().code == code);
  CHECK_MESSAGE(result.error().message.find(text) != std::string::npos, result.error().message);
}

client::CallOptions within(std::int64_t ms) {
  client::CallOptions options;
  options.timeout_ms = ms;
  return options;
}

}  // namespace

TEST_CASE("A client with a token has its rights, and no others") {
  const Node node;
  const json made = node.make_token(grant("write", "robots.*"));
  auto client = with_token(node.address(), made["token"]);
  CHECK(take(client.add_document("robots.arm", {{"_id", 1}})) == 1);
  CHECK(take(client.count("robots.arm")) == 1);
  check_error(client.count("secret"), Code::kPermissionDenied, "token 'test' may not read collection 'secret'");
  auto watched = client.watch();
  check_error(watched, Code::kPermissionDenied, "may not read all collections");
  // Many calls at once, on a connection that is being made.
  auto other = with_token(node.address(), made["token"]);
  std::vector<std::future<Result<Bytes>>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(other.async_send_data("", "Count<robots.arm>"));
  for (auto& answer : answers) CHECK(json::parse(take(answer.get()))["count"] == 1);
}

TEST_CASE("A token that is not good fails calls at once, and a wrong line before anything is sent") {
  const Node node;
  const json made = node.make_token(grant("read", "*"));
  auto client = with_token(node.address(), made["token"]);
  CHECK(take(client.count("c")) == 0);
  CHECK(node.ask_owner("RevokeAccess", {{"id", made["_id"]}})["revoked"] == true);
  // The connection is ended by the node within a tick; a call may still have come before that.
  Result<std::uint64_t> after = client.count("c");
  while (after) after = client.count("c");
  check_error(after, Code::kUnauthenticated, "the token is not good");
  auto again = with_token(node.address(), made["token"]);
  check_error(again.count("c"), Code::kUnauthenticated, "the token is not good");
  std::string mistyped = made["token"];
  mistyped.back() = mistyped.back() == 'A' ? 'B' : 'A';
  auto wrong = with_token(node.address(), mistyped);
  check_error(wrong.count("c"), Code::kInvalidArgument, "token: its checksum is wrong");
  client::ClientOptions options;
  options.tls = take(net::Tls::without_key());
  client::Client keyless({node.address()}, options);
  check_error(keyless.count("c"), Code::kUnauthenticated, "show a token");
}

TEST_CASE("A token is sent to nodes of its cluster only") {
  const Node node;
  const Node foreign;
  auto line = take(membership::parse_token_line(node.make_token(grant("read", "*"))["token"].get<std::string>()));
  auto client = with_token(foreign.address(), print(line));
  check_error(client.count("c", nullptr, within(1'500)), Code::kDeadlineExceeded, "the node there is of cluster");
  CHECK(foreign.ask_owner("Stats", json::object())["access"]["refused"] == 0);
}

TEST_CASE("A user's key and the cluster's id are enough; with the id of another cluster nothing is said") {
  const Node node;
  const SigningKey ada = SigningKey::generate();
  node.ask_owner("CreateUser", {{"name", "ada"}, {"key", ada.public_key().hex()}, {"grants", grant("read", "*")}});
  client::ClientOptions options;
  options.tls = take(net::Tls::with_key(ada));
  options.cluster = node.cluster();
  client::Client client({node.address()}, options);
  CHECK(take(client.count("c")) == 0);
  check_error(client.add_document("c", {{"_id", 1}}), Code::kPermissionDenied, "user 'ada' may not write");
  options.cluster = std::string(64, 'a');
  client::Client mistaken({node.address()}, options);
  check_error(mistaken.count("c", nullptr, within(1'500)), Code::kDeadlineExceeded, "the node there is of cluster");
  options.cluster = "abc";
  client::Client wrong({node.address()}, options);
  check_error(wrong.count("c"), Code::kInvalidArgument, "64 hexadecimal digits");
}
