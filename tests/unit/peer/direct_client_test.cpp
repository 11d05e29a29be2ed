// A peer is found by its key, wherever it is, and nobody else is told anything.
#include "direct_rig.hpp"

using namespace distri;
using namespace distri::peer;

TEST_CASE("Of several addresses the one where the expected key is gets the call") {
  std::atomic<int> asked{0};
  const DirectServer::Handler count = [&](const DirectRequest&, const Responder& to) {
    ++asked;
    to.reply("somebody else");
  };
  TestPeer right(2, {{"Echo", answering("right")}}), wrong(3, {{"Echo", count}});
  PeerAt at{right.key(), {nobody(), wrong.server().address(), right.server().address()}};
  const auto client = caller();
  CHECK(client->call(at, "Echo") == Bytes("right"));
  CHECK(client->find(at) == right.server().address());
  CHECK(asked == 0);
}

TEST_CASE("Where somebody else answers both keys are named, and not even who asks is told") {
  std::atomic<int> asked{0}, shown{0};
  DirectServerOptions options;
  options.admit = [&](const NodeId&) -> Result<> {
    ++shown;
    return {};
  };
  TestPeer wrong(3,
                 {{"Echo",
                   [&](const DirectRequest&, const Responder& to) {
                     ++asked;
                     to.reply("x");
                   }}},
                 options);
  const auto client = caller();
  const NodeId expected = key_number(2).public_key();
  const auto refused = client->call({expected, {nobody(), wrong.server().address()}}, "Echo", nullptr, "secret");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kUnauthenticated);
  CHECK(contains(refused.error().message, expected.hex()));
  CHECK(contains(refused.error().message, wrong.key().hex()));
  CHECK(contains(refused.error().message, to_string(wrong.server().address())));
  CHECK(comes_true([&] { return wrong.server().counters().connections == 0; }));
  CHECK(asked == 0);
  CHECK(shown == 0);
  CHECK_FALSE(client->open_stream({expected, {wrong.server().address()}}, "Echo"));
  CHECK(client->call(wrong.at(), "Echo") == Bytes("x"));
  CHECK(shown > 0);
}

TEST_CASE("When nobody answers, the error says so of each address") {
  const auto client = caller();
  const Address first = nobody(), second = nobody();
  const auto absent = client->call({key_number(2).public_key(), {first, second}}, "Echo");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == Code::kUnavailable);
  CHECK(contains(absent.error().message, to_string(first)));
  CHECK(contains(absent.error().message, to_string(second)));
  CHECK(client->call({key_number(2).public_key(), {}}, "Echo").error().code == Code::kInvalidArgument);
  const std::vector<Address> many(kCandidatesMax + 1, first);
  CHECK(client->call({key_number(2).public_key(), many}, "Echo").error().code == Code::kInvalidArgument);
  CHECK(client->find({key_number(2).public_key(), {first}}).error().code == Code::kUnavailable);
}

TEST_CASE("Who accepts and says nothing does not keep the others from being found") {
  const int silent = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(silent, 4) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const Address nothing{"127.0.0.1", ntohs(address.sin_port)};

  TestPeer peer(2, {{"Echo", answering("x")}});
  DirectClientOptions options;
  options.find_ms = 2'000;
  const auto client = caller(1, options);
  CHECK(client->call({peer.key(), {nothing, peer.server().address()}}, "Echo") == Bytes("x"));
  const auto alone = client->call({key_number(9).public_key(), {nothing}}, "Echo");
  REQUIRE_FALSE(alone);
  CHECK(alone.error().code == Code::kUnavailable);
  ::close(silent);
}

TEST_CASE("A peer that comes back is called again, at the same address or another") {
  auto peer = std::make_unique<TestPeer>(2, std::vector<Served>{{"Echo", answering("first")}});
  const Address home = peer->server().address();
  const auto client = caller();
  PeerAt at = peer->at();
  CHECK(client->call(at, "Echo") == Bytes("first"));
  peer.reset();
  const auto away = client->call(at, "Echo");
  REQUIRE_FALSE(away);
  CHECK(away.error().code == Code::kUnavailable);

  DirectServerOptions same;
  same.listen = home;
  peer = std::make_unique<TestPeer>(2, std::vector<Served>{{"Echo", answering("second")}}, same);
  CHECK(client->call(at, "Echo") == Bytes("second"));
  peer.reset();

  // Somebody else has its address now.
  TestPeer tenant(3, {{"Echo", answering("tenant")}}, same);
  peer = std::make_unique<TestPeer>(2, std::vector<Served>{{"Echo", answering("moved")}});
  at.addresses.push_back(peer->server().address());
  CHECK(client->call(at, "Echo") == Bytes("moved"));
  CHECK(client->find(at) == peer->server().address());
}

TEST_CASE("Connections are kept and shared, however many threads call at once") {
  TestPeer peer(2, {{"Echo", answering("x")}});
  const auto client = caller();
  std::vector<std::future<int>> all;
  for (int i = 0; i < 16; ++i) {
    all.push_back(std::async(std::launch::async, [&] {
      int right = 0;
      for (int n = 0; n < 30; ++n) right += client->call(peer.at(), "Echo") == Bytes("x") ? 1 : 0;
      return right;
    }));
  }
  for (auto& each : all) CHECK(each.get() == 30);
  CHECK(peer.server().counters().connections == 1);
}

TEST_CASE("Connections to too many peers are not kept") {
  DirectClientOptions options;
  options.peers_max = 2;
  const auto client = caller(1, options);
  std::vector<std::unique_ptr<TestPeer>> peers;
  for (unsigned char i = 0; i < 4; ++i) {
    peers.push_back(std::make_unique<TestPeer>(20 + i, std::vector<Served>{{"Echo", answering("x")}}));
    CHECK(client->call(peers.back()->at(), "Echo") == Bytes("x"));
  }
  CHECK(comes_true([&] {
    std::size_t connections = 0;
    for (const auto& peer : peers) connections += peer->server().counters().connections;
    return connections == 2;
  }));
  for (const auto& peer : peers) CHECK(client->call(peer->at(), "Echo") == Bytes("x"));
}

TEST_CASE("A stream goes on while its peer's route is given up, and after its client has gone") {
  Gate gate;
  const Bytes content = random_bytes(2u << 20);
  TestPeer peer(2, {{"Read", [&](const DirectRequest&, const Responder& to) {
                       to.stream([&, at = std::size_t{0}](std::size_t bytes_max) mutable -> Result<Bytes> {
                         const Bytes piece = content.substr(at, bytes_max);
                         at += piece.size();
                         return piece;
                       });
                     }}});
  DirectClientOptions options;
  options.peers_max = 1;
  auto client = caller(1, options);
  auto stream = client->open_stream(peer.at(), "Read");
  REQUIRE(stream);
  TestPeer other(3, {{"Echo", answering("x")}});
  CHECK(client->call(other.at(), "Echo") == Bytes("x"));
  client.reset();
  Bytes all;
  for (;;) {
    const auto piece = (*stream)->read();
    REQUIRE(piece);
    if (piece->empty()) break;
    all += *piece;
  }
  CHECK((all == content));
}
