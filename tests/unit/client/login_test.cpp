// What a client says before its first request, to nodes that do not answer as they should.
#include <doctest/doctest.h>

#include <set>

#include "distri/client/client.hpp"
#include "distri/membership/member_table.hpp"
#include "distri/membership/token_line.hpp"
#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;

namespace {

template <class T>
T take(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return *std::move(result);
}

// A cluster whose nodes do what a test says to the login, and answer everything else.
class Cluster {
 public:
  Cluster() : table_({root_.public_key(), membership::digest_of(SigningKey::generate().public_key())}) {}

  // `mute`: the service that it hears and never answers, or empty.
  std::unique_ptr<FakeNode> node(std::string mute) {
    const SigningKey key = SigningKey::generate();
    newest_ = key.public_key();
    const std::string name = "node-" + std::to_string(table_.members().size());
    REQUIRE(take(table_.add(membership::admit_by_root(table_.authority(), root_, key.public_key(), name, 1))));
    return std::make_unique<FakeNode>(
        [mute = std::move(mute), proof = take(table_.proof_of(key.public_key()))](const Seen& seen) {
          if (seen.service == mute) return of_kind(Action::Kind::kSilence);
          return reply(seen.service == "Identify" ? proof : "ok " + seen.service);
        },
        0, take(net::Tls::with_key(key)));
  }
  // Nodes that are made later know of it.
  void remove_newest() {
    REQUIRE(take(
        table_.add(membership::revoke(table_.authority(), root_, newest_, membership::Reason::kRemoved, {}, 1, {}))));
  }
  std::string token() const {
    return print(
        membership::TokenLine{table_.cluster(), membership::TokenId(), Bytes(membership::kTokenSecretBytes, 's')});
  }

 private:
  SigningKey root_ = SigningKey::generate();
  membership::MemberTable table_;
  NodeId newest_;
};

// One that gives up soon on nodes that do not answer the login.
ClientOptions with_token(const Cluster& cluster) {
  ClientOptions options;
  options.discover = false;
  options.dial_ms = 50;
  options.token = cluster.token();
  return options;
}

std::multiset<std::string> services_of(const FakeNode& node) {
  std::multiset<std::string> services;
  for (const auto& seen : node.seen()) services.insert(seen.service);
  return services;
}

}  // namespace

TEST_CASE("a node that greets and never answers the login costs a bounded time, not the deadline") {
  for (const std::string mute : {"Identify", "Authenticate"}) {
    CAPTURE(mute);
    Cluster cluster;
    const auto silent = cluster.node(mute);
    const auto node = cluster.node("");
    // Whoever of the two is asked first: the calls are answered, by the one that answers.
    Client client({silent->address(), node->address()}, with_token(cluster));
    for (int i = 0; i < 8; ++i) {
      const auto answer = client.call("", "Work", nullptr);
      REQUIRE_MESSAGE(answer.has_value(), answer.error().message);
      CHECK(answer->node == node->address());
    }
    CHECK(services_of(*silent).count("Work") == 0);
    // Only the silent one would have been asked, and the deadline is far.
    Client alone({silent->address()}, with_token(cluster));
    CallOptions options;
    options.timeout_ms = 3'000;
    const auto none = alone.call("", "Work", nullptr, options);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == Code::kDeadlineExceeded);
    CHECK_MESSAGE(none.error().message.find("said hello and has not answered " + mute) != std::string::npos,
                  none.error().message);
    CHECK(services_of(*silent).count("Work") == 0);
    CHECK(services_of(*silent).count(mute) >= 2);  // it was given up and asked again
  }
}

TEST_CASE("a login that is answered in time is not given up later") {
  Cluster cluster;
  const auto node = cluster.node("");
  Client client({node->address()}, with_token(cluster));
  REQUIRE(client.call("", "Work", nullptr).has_value());
  std::this_thread::sleep_for(std::chrono::milliseconds(1'300));  // longer than the node had for its answers
  const auto answer = client.call("", "Work", nullptr);
  REQUIRE(answer.has_value());
  CHECK(answer->attempts == 1);
  CHECK(node->connections() == 1);
  CHECK(services_of(*node).count("Authenticate") == 1);
}

TEST_CASE("a node of whose removal another one tells is not spoken to any more, and not shown the token again") {
  for (const bool met_before : {false, true}) {
    CAPTURE(met_before);
    Cluster cluster;
    const auto removed = cluster.node("");
    cluster.remove_newest();
    const auto node = cluster.node("");
    Client client({removed->address(), node->address()}, with_token(cluster));
    CallOptions to_removed;
    to_removed.only_node = removed->address();
    to_removed.timeout_ms = 700;
    CallOptions to_node;
    to_node.only_node = node->address();
    // Who has heard of nothing cannot know.
    if (met_before) REQUIRE(client.call("", "Work", nullptr, to_removed).has_value());
    REQUIRE(client.call("", "Work", nullptr, to_node).has_value());
    const auto refused = client.call("", "Work", nullptr, to_removed);
    REQUIRE_FALSE(refused.has_value());
    CHECK_MESSAGE(refused.error().message.find("was removed from") != std::string::npos, refused.error().message);
    const std::size_t before = met_before ? 1 : 0;
    CHECK(services_of(*removed).count("Work") == before);
    CHECK(services_of(*removed).count("Authenticate") == before);
    for (int i = 0; i < 8; ++i) {
      const auto answer = client.call("", "Work", nullptr);
      REQUIRE_MESSAGE(answer.has_value(), answer.error().message);
      CHECK(answer->node == node->address());
    }
  }
}
