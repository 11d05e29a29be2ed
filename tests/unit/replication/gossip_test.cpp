#include <map>

#include "support.hpp"

namespace distri::replication::test {

TEST_CASE("many peers have their heartbeats by turns, each one equally often") {
  constexpr std::size_t kPeers = 70;  // three rounds
  ReplicaConfig config;
  config.node = node_id(1);
  Replica replica(config);
  std::int64_t now = 1'700'000'000'000;
  for (std::size_t i = 0; i < kPeers; ++i) replica.peer_connected(node_id(static_cast<unsigned char>(i + 2)), now);
  CHECK(replica.take_outgoing().size() == kPeers);  // the whole UpdateInfo
  replica.tick(now);
  replica.take_outgoing();
  std::map<NodeId, int> heard;
  for (int round = 0; round < 6; ++round) {
    now += config.gossip_ms;
    replica.tick(now);
    const auto sent = replica.take_outgoing();
    CHECK(sent.size() >= kPeers / 3);
    CHECK(sent.size() <= kPeers / 3 + 1);
    for (const Outgoing& message : sent) {
      CHECK(message.kind == MessageKind::kHeartbeat);
      ++heard[message.to];
    }
  }
  CHECK(heard.size() == kPeers);
  for (const auto& [peer, times] : heard) CHECK(times == 2);
}

TEST_CASE("an UpdateInfo that was lost is asked for, and one that arrived is not sent again in silence") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  const auto infos = [&mesh] { return mesh[0].counters().infos_sent; };
  mesh.settle([](const Outgoing& message) { return message.kind == MessageKind::kBatch; });
  mesh.pass(1'000, [](const Outgoing& message) { return message.kind == MessageKind::kUpdateInfo; });
  CHECK(mesh[1].vector().total() == 0);
  mesh.pass(2'000);
  mesh.check_equal();
  const auto before = infos();
  mesh.pass(100'000);
  CHECK(infos() == before);
}

TEST_CASE("a node says that it is a newcomer, and that it is none any more") {
  Mesh mesh(2);
  mesh[0].set_newcomer(true);
  mesh.connect_all();
  mesh.settle();
  CHECK(mesh[1].peers().at(Mesh::id(0)).newcomer);
  CHECK_FALSE(mesh[0].peers().at(Mesh::id(1)).newcomer);
  mesh[0].set_newcomer(false);
  mesh.pass(2'000);
  CHECK_FALSE(mesh[1].peers().at(Mesh::id(0)).newcomer);

  // On the wire it is one byte behind the time.
  UpdateInfo info = mesh[0].own_info();
  Bytes plain, marked;
  wire::Writer to_plain(plain), to_marked(marked);
  encode(to_plain, info);
  info.newcomer = true;
  encode(to_marked, info);
  CHECK(marked == plain + '\1');
  for (const Bytes& bad : {plain + '\0', plain + '\2', marked + '\0', marked + '\1'}) {
    CHECK_FALSE(mesh[1].receive(Mesh::id(0), MessageKind::kUpdateInfo, bad, mesh.now));
  }
}

TEST_CASE("a node is heard again when the copy of its data directory has gone") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  mesh.disconnect(0, 1);
  ReplicaConfig config;
  config.node = Mesh::id(0);
  config.incarnation = 9;
  auto other = std::make_unique<Replica>(config);
  std::swap(mesh.replicas[0], other);  // the copy runs
  mesh.connect(0, 1);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.settle();
  mesh.disconnect(0, 1);
  std::swap(mesh.replicas[0], other);  // and is gone
  REQUIRE(mesh[0].insert("c", doc(2), mesh.now).has_value());
  mesh.settle();
  mesh.connect(0, 1);
  mesh.pass(3'000);
  mesh.check_equal();
  CHECK(find(mesh[1], "c", 2) != nullptr);
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kDuplicateIdentity) == 1);
}

TEST_CASE("what the copy of a data directory has confirmed does not count as the original's once that is heard again") {
  ReplicaConfig base;
  base.members = 3;
  Mesh mesh(2, base);
  ReplicaConfig config = base;
  config.node = Mesh::id(0);
  config.incarnation = 9;
  mesh.connect_all();
  mesh.settle();
  mesh.disconnect(0, 1);
  auto other = std::make_unique<Replica>(config);
  std::swap(mesh.replicas[0], other);  // the copy runs
  mesh.connect(0, 1);
  REQUIRE(mesh[1].insert("c", doc(1), mesh.now).has_value());
  const Dot dot = mesh[1].newest_own_dot();
  mesh[1].want_holders(dot);
  mesh.settle();
  CHECK(mesh[1].holders(dot) == 2);
  mesh.disconnect(0, 1);
  std::swap(mesh.replicas[0], other);
  mesh.connect(0, 1);
  // The original does not get it yet.
  mesh.settle([](const Outgoing& message) { return message.kind == MessageKind::kPull; });
  CHECK(mesh[1].holders(dot) == 1);
  mesh.pass(15'000);
  CHECK(mesh[1].holders(dot) == 2);
  mesh[1].forget_holders(dot);
}

TEST_CASE("a newer life is not pushed aside by an older one that talks on the same link") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  UpdateInfo info = mesh[0].own_info();
  const auto tell = [&](std::uint64_t incarnation) {
    info.incarnation = incarnation;
    info.actor = make_actor_id(info.node, incarnation);
    Bytes bytes;
    wire::Writer out(bytes);
    encode(out, info);
    REQUIRE(mesh[1].receive(Mesh::id(0), MessageKind::kUpdateInfo, bytes, mesh.now).has_value());
  };
  tell(9);
  tell(5);
  CHECK(mesh[1].peers().at(Mesh::id(0)).incarnation == 9);
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kDuplicateIdentity) == 1);
}

TEST_CASE("states that are taken in never exceed their bound, and are given up with a notice") {
  ReplicaConfig config;
  config.log_bytes_max = 2'000;  // does not reach back
  config.pull_chunk_bytes = 1'000;
  config.staging_bytes_max = 5'000;
  Mesh mesh(2, config);
  for (int id = 0; id < 200; ++id) {
    REQUIRE(mesh[0].insert("c", doc(id), mesh.now).has_value());
    mesh[0].end_turn(mesh.now);
  }
  mesh.connect_all();
  std::uint64_t most = 0;
  mesh.pass(5'000, [&](const Outgoing&) {
    most = std::max(most, mesh[1].counters().staging_bytes);
    return false;
  });
  CHECK(most > 1'000);
  CHECK(most <= 5'000);
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kHoldbackFull) > 0);
  CHECK(mesh[1].vector().total() == 0);
}

}  // namespace distri::replication::test
