// What callers may be shown before it is durable, and which of what they have seen is lost.
#include "distri/replication/undurable.hpp"
#include "support.hpp"

namespace distri::replication::test {
namespace {

ReplicaConfig of_members(std::uint32_t members) {
  ReplicaConfig config;
  config.members = members;
  config.holdback_ms_max = 5'000;
  return config;
}

// Longer than anything may be held back.
constexpr std::int64_t kSettledMs = 10'000;

}  // namespace

TEST_CASE("a change is undurable until its commit is durable, also when later commits are under way") {
  Undurable changes;
  changes.changed("c", "a", 1);
  changes.changed("c", "b", 1);
  changes.changed("d", "a", 2);
  changes.changed("c", "b", 3);
  CHECK(changes.newest("c") == 3);
  CHECK(changes.newest("c", "a") == 1);
  CHECK(changes.newest("c", "b") == 3);
  CHECK(changes.newest("c", "x") == 0);
  CHECK(changes.newest("e") == 0);
  CHECK(changes.newest() == 3);
  changes.durable(1);
  CHECK(changes.newest("c", "a") == 0);
  CHECK(changes.newest("c", "b") == 3);
  CHECK(changes.newest("c") == 3);
  changes.durable(2);
  CHECK(changes.newest("d") == 0);
  changes.durable(3);
  CHECK(changes.newest("c") == 0);
  CHECK(changes.size() == 0);
  CHECK(changes.newest() == 0);
}

TEST_CASE("a collection's own change concerns all of its documents") {
  Undurable changes;
  changes.changed("c", "", 2);
  CHECK(changes.newest("c", "any") == 2);
  CHECK(changes.newest("d", "any") == 0);
  changes.durable(2);
  CHECK(changes.newest("c", "any") == 0);
}

TEST_CASE("writes of ours and of peers are undurable until the journal has them, and durable() lags behind vector()") {
  ReplicaConfig config = of_members(2);
  config.journal = true;
  Mesh mesh(2, config);
  mesh.connect_all();
  mesh.settle();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  CHECK(mesh[0].undurable("c", key_of(doc(1))) == 1);  // of the commit that will hold it
  mesh.settle();
  CHECK(mesh[1].undurable("c", key_of(doc(1))) == 1);
  CHECK(mesh[1].undurable("other") == 0);
  CHECK(mesh[1].vector().covers(mesh[0].newest_own_dot()));
  CHECK_FALSE(mesh[1].durable().covers(mesh[0].newest_own_dot()));
  const auto commit = mesh[1].take_commit();
  REQUIRE(commit.has_value());
  CHECK(commit->number == 1);
  CHECK(mesh[1].durable_commit() == 0);
  mesh[1].committed(1, mesh.now);
  CHECK(mesh[1].durable_commit() == 1);
  CHECK(mesh[1].undurable("c") == 0);
  CHECK(mesh[1].undurable("c", key_of(doc(1))) == 0);
  CHECK(mesh[1].durable().covers(mesh[0].newest_own_dot()));
  CHECK(mesh[0].undurable("c", key_of(doc(1))) == 1);
}

TEST_CASE("deletes and drops are undurable, too") {
  ReplicaConfig config = of_members(1);
  config.journal = true;
  Mesh mesh(1, config);
  const auto save = [&mesh] {
    mesh[0].end_turn(mesh.now);
    const auto commit = mesh[0].take_commit();
    REQUIRE(commit.has_value());
    mesh[0].committed(commit->number, mesh.now);
  };
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  REQUIRE(mesh[0].insert("c", doc(2), mesh.now));
  save();
  REQUIRE(mesh[0].remove("c", key_of(doc(1)), mesh.now));
  CHECK(mesh[0].undurable("c", key_of(doc(1))) == 2);
  CHECK(mesh[0].undurable("c", key_of(doc(2))) == 0);
  save();
  REQUIRE(mesh[0].drop_collection("c", mesh.now));
  CHECK(mesh[0].undurable("c", key_of(doc(2))) == 3);
  CHECK(mesh[0].undurable("c", key_of(doc(7))) == 3);
}

TEST_CASE("a write that nobody has is lost when its life has ended and all members have been here for long enough") {
  Mesh mesh(3, of_members(3));
  mesh.connect_all();
  mesh.pass(2'000);
  const ActorId ended = actor_id(99);
  const Dot dot{ended, 7};
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  mesh.pass(kSettledMs);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
  // A member is missing: it may have it.
  mesh.disconnect(0, 2);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  mesh.pass(kSettledMs);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  // It is back: the wait begins anew.
  mesh.connect(0, 2);
  mesh.pass(2'000);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  mesh.pass(kSettledMs);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
}

TEST_CASE("where members are told of by nodes, a write is not lost before all have said that they know the same ones") {
  Mesh mesh(3, of_members(3));
  const std::vector<NodeId> members = {Mesh::id(0), Mesh::id(1), Mesh::id(2)};
  mesh[0].set_members(members);
  mesh.connect_all();
  const Dot dot{actor_id(99), 7};
  const auto agree = [&mesh](std::size_t with, bool agrees) { mesh[0].peer_agrees(Mesh::id(with), agrees); };
  // Words from before the time that counts are no answer.
  for (const std::size_t i : {1, 2}) agree(i, true);
  mesh.pass(2'000 + kSettledMs);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  agree(1, true);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  agree(2, true);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
  // One has heard of somebody.
  agree(2, false);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  agree(2, true);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
  // This node has: what they said was about another table.
  mesh[0].set_members(members);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  for (const std::size_t i : {1, 2}) agree(i, true);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
  agree(7, true);  // nobody who is connected
  // A removal names somebody as a member of whom nothing else is known here.
  mesh[0].set_members(members, false);
  mesh.pass(2'000 + kSettledMs);
  for (const std::size_t i : {1, 2}) agree(i, true);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
}

TEST_CASE("who has just heard of a member does not call lost what that one may have") {
  Mesh mesh(2, of_members(2));
  const Dot dot{actor_id(99), 7};
  mesh[0].set_members({Mesh::id(0)});
  mesh.pass(2'000 + kSettledMs);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
  mesh[0].set_members({Mesh::id(0), Mesh::id(1)});
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
}

TEST_CASE("a write to come of a life that goes on is not lost") {
  Mesh mesh(2, of_members(2));
  mesh.connect_all();
  mesh.pass(kSettledMs + 2'000);
  CHECK(mesh[0].newest_before_lost({mesh[1].actor(), 100}) == std::nullopt);
  CHECK(mesh[0].newest_before_lost({mesh[0].actor(), 100}) == std::nullopt);
}

TEST_CASE("of an ended life's writes, those that another member has are not lost") {
  Mesh mesh(3, of_members(3));
  mesh.connect(0, 2);
  mesh.settle();
  for (std::int32_t i = 1; i <= 2; ++i) REQUIRE(mesh[2].insert("c", doc(i), mesh.now));
  mesh.settle();
  const ActorId ended = mesh[2].actor();
  const std::uint64_t written = mesh[2].newest_own_dot().counter;
  REQUIRE(mesh[0].vector().get(ended) == written);
  // It starts anew, without what it had.
  mesh.disconnect(0, 2);
  ReplicaConfig config = of_members(3);
  config.node = Mesh::id(2);
  config.incarnation = 2;
  mesh.replicas[2] = std::make_unique<Replica>(config);
  mesh.connect_all();
  mesh.pass(kSettledMs + 2'000);
  REQUIRE(mesh[1].vector().get(ended) == written);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(mesh[i].newest_before_lost({ended, written}) == std::nullopt);
    CHECK(mesh[i].newest_before_lost({ended, written + 1}) == written);
  }
}

TEST_CASE("what a peer holds back is not lost while it may still come out") {
  Mesh mesh(3, of_members(3));
  mesh.connect_all();
  mesh.pass(2'000);
  // Node 2's second batch reaches node 1, its first one nobody; then it starts anew.
  const auto lose_all = [](const Outgoing&) { return true; };
  REQUIRE(mesh[2].insert("c", doc(1), mesh.now));
  mesh.settle(lose_all);
  REQUIRE(mesh[2].insert("c", doc(2), mesh.now));
  const Dot dot = mesh[2].newest_own_dot();
  mesh.settle([](const Outgoing& message) { return message.to != Mesh::id(1); });
  REQUIRE(mesh[1].counters().held_back == 1);
  for (const std::size_t other : {0u, 1u}) mesh.disconnect(other, 2);
  ReplicaConfig config = of_members(3);
  config.node = Mesh::id(2);
  config.incarnation = 2;
  mesh.replicas[2] = std::make_unique<Replica>(config);
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  mesh.pass(3'000);
  REQUIRE(mesh[1].counters().held_back == 1);
  CHECK(mesh[0].newest_before_lost(dot) == std::nullopt);
  mesh.pass(kSettledMs);
  CHECK(mesh[1].counters().held_back == 0);
  CHECK(mesh[0].newest_before_lost(dot) == 0u);
}

TEST_CASE("a node that is the only member knows at once what is lost; one that misses a peer does not") {
  Mesh mesh(2, of_members(1));
  mesh.pass(200);
  CHECK(mesh[0].newest_before_lost({actor_id(99), 1}) == 0u);
  mesh.connect_all();
  mesh.pass(1'000);
  mesh.disconnect(0, 1);
  mesh.pass(kSettledMs);
  CHECK(mesh[0].newest_before_lost({actor_id(99), 1}) == std::nullopt);
}

}  // namespace distri::replication::test
