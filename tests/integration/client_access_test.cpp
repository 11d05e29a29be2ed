// Client against nodes with keys: tokens, users' keys, and whom a client speaks to.
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>

#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"
#include "distri/cloud/cluster_setup.hpp"
#include "distri/membership/token_line.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/key_file.hpp"

using namespace distri;
using nlohmann::json;

namespace {

template <class T>
T take(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return *std::move(result);
}

// The only node of a cluster with keys.
class Node {
 public:
  Node() {
    static std::atomic<int> count = 0;
    directory_ = std::filesystem::temp_directory_path() / fmt::format("distri-access-{}-{}", ::getpid(), ++count);
    cluster_ = take(cloud::found_cluster(directory_ / "node", "node")).cluster;
    cloud::NodeConfig config;
    config.listen = {"127.0.0.1", 0};
    config.handle_signals = false;
    config.data_dir = directory_ / "node";
    node_ = std::make_unique<cloud::CloudNode>(config);
    REQUIRE(node_->listen().has_value());
    thread_ = std::thread([this] { CHECK(node_->run().has_value()); });
  }
  ~Node() {
    node_->stop();
    thread_.join();
    std::filesystem::remove_all(directory_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Address address() const { return node_->address(); }
  const std::string& cluster() const { return cluster_; }
  // With the root key, which may do everything.
  client::Client owner() const {
    client::ClientOptions options;
    options.tls = take(net::Tls::with_key(take(read_key_file(directory_ / "node" / "root_key"))));
    options.cluster = cluster_;
    return client::Client({address()}, options);
  }
  json ask_owner(std::string_view service, const json& params) const {
    auto client = owner();
    return json::parse(take(client.send_data_with_params("", service, params)));
  }
  json make_token(const json& grants) const { return ask_owner("CreateToken", {{"name", "test"}, {"grants", grants}}); }

 private:
  std::filesystem::path directory_;
  std::string cluster_;
  std::unique_ptr<cloud::CloudNode> node_;
  std::thread thread_;
};

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
