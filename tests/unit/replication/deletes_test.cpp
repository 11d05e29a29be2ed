#include "support.hpp"

namespace distri::replication::test {
namespace {

ReplicaConfig three() {
  ReplicaConfig config;
  config.members = 3;
  config.holdback_ms_max = 2'000;
  return config;
}

std::uint64_t tombstones(const Replica& replica) {
  return replica.counters().tombstones;
}

}  // namespace

TEST_CASE("a tombstone goes when every member has seen the delete, and not before") {
  Mesh mesh(3, three());
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.pass(2'000);
  mesh.disconnect(0, 2);
  mesh.disconnect(1, 2);
  REQUIRE(mesh[0].remove("c", key_of(doc(1)), mesh.now));
  mesh.pass(20'000);
  CHECK(tombstones(mesh[0]) == 1);
  CHECK(tombstones(mesh[1]) == 1);
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  mesh.pass(20'000);
  for (auto& replica : mesh.replicas) {
    CHECK(tombstones(*replica) == 0);
    CHECK(replica->counters().tombstones_removed == 1);
  }
  mesh.check_equal();
}

TEST_CASE("a document that is inserted again after its tombstone has gone wins everywhere, even by a clock at 1970") {
  Mesh mesh(3, three());
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1, {{"v", 1}}), mesh.now));
  mesh.pass(2'000);
  REQUIRE(mesh[0].remove("c", key_of(doc(1)), mesh.now));
  // All have seen the delete, but only node 0 has heard that of all.
  mesh.pass(20'000, [](const Outgoing& message) {
    return message.kind == MessageKind::kUpdateInfo && message.to != Mesh::id(0);
  });
  CHECK(tombstones(mesh[0]) == 0);
  CHECK(tombstones(mesh[1]) == 1);
  REQUIRE(mesh[0].insert("c", doc(1, {{"v", 2}}), 0));
  mesh.pass(5'000);
  mesh.check_equal();
  CHECK(field(mesh[1], "c", 1, "v") == 2);
}

TEST_CASE("a peer that was away while documents were deleted and the tombstones dropped does not bring them back") {
  ReplicaConfig config = three();
  config.log_bytes_max = 4'000;
  config.tombstones_max = 5;
  Mesh mesh(3, config);
  mesh.connect_all();
  for (std::int32_t i = 0; i < 40; ++i) REQUIRE(mesh[0].insert("c", doc(i), mesh.now));
  mesh.pass(2'000);
  mesh.disconnect(0, 2);
  mesh.disconnect(1, 2);
  // It goes on writing alone: new documents survive, also with an older stamp than the deletes'.
  REQUIRE(mesh[2].insert("c", doc(100), mesh.now));
  for (std::int32_t i = 0; i < 30; ++i) REQUIRE(mesh[i % 2 == 0 ? 0 : 1].remove("c", key_of(doc(i)), mesh.now + 1000));
  mesh.now += 1'000;
  mesh.pass(400'000);
  for (std::int32_t i = 200; i < 300; ++i) {
    REQUIRE(mesh[0].replace("d", doc(i % 7, {{"v", i}}), mesh.now));
    mesh.settle();
  }
  CHECK(tombstones(mesh[0]) <= 5);
  CHECK(count(mesh[0].take_notices(), Notice::Kind::kTombstonesDropped) >= 1);
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  mesh.pass(10'000);
  mesh.check_equal();
  CHECK(mesh[2].counters().state_syncs == 1);
  const auto documents = mesh[2].database().find("c")->size();
  CHECK(documents == 11);
  CHECK(find(mesh[0], "c", 100) != nullptr);
}

TEST_CASE("nodes that judge a late write differently, because one has dropped its tombstone, notice and agree") {
  Mesh mesh(0);
  for (const std::size_t budget : {0u, 1'000u, 1'000u}) {
    ReplicaConfig config = three();
    config.tombstones_max = budget;
    mesh.config = config;
    mesh.add();
  }
  mesh.connect(0, 1);
  // Alone, node 2 writes a document that the others insert and delete later.
  REQUIRE(mesh[2].insert("c", doc(1, {{"v", 9}}), mesh.now));
  mesh[2].end_turn(mesh.now);
  std::ignore = mesh[2].take_outgoing();
  mesh.now += 1'000;
  REQUIRE(mesh[0].insert("c", doc(1, {{"v", 1}}), mesh.now));
  mesh.settle();
  REQUIRE(mesh[1].remove("c", key_of(doc(1)), mesh.now));
  mesh.pass(3'000);
  CHECK(tombstones(mesh[0]) == 0);
  CHECK(tombstones(mesh[1]) == 1);
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  mesh.pass(20'000);
  mesh.check_equal();
  std::size_t mended = 0;
  for (auto& replica : mesh.replicas) mended += replica->counters().mended_ranges;
  CHECK(mended > 0);
  // The delete is newer: it wins, as it would have with the tombstone.
  CHECK(find(mesh[0], "c", 1) == nullptr);
}

TEST_CASE("writes to documents whose states meet in a stream are joined, whoever lacks what") {
  ReplicaConfig config = three();
  config.log_bytes_max = 1'000;
  Mesh mesh(2, config);
  mesh.connect_all();
  for (std::int32_t i = 0; i < 10; ++i) REQUIRE(mesh[0].insert("c", doc(i, {{"a", 0}, {"b", 0}}), mesh.now));
  mesh.pass(2'000);
  mesh.disconnect(0, 1);
  for (std::int32_t i = 0; i < 30; ++i) {
    mesh.now += 10;
    REQUIRE(mesh[0].upsert_fields("c", doc(i % 10, {{"a", i}}), mesh.now));
    REQUIRE(mesh[1].upsert_fields("c", doc(i % 10, {{"b", i}}), mesh.now));
    mesh[0].end_turn(mesh.now), mesh[1].end_turn(mesh.now);
  }
  mesh.connect(0, 1);
  mesh.pass(5'000);
  mesh.check_equal();
  CHECK(field(mesh[0], "c", 3, "a") == 23);
  CHECK(field(mesh[0], "c", 3, "b") == 23);
}

TEST_CASE("a stream of states goes on where it stopped when the link breaks") {
  ReplicaConfig config = three();
  config.log_bytes_max = 1'000;
  config.pull_chunk_bytes = 2'000;
  Mesh mesh(2, config);
  for (std::int32_t i = 0; i < 200; ++i) {
    REQUIRE(mesh[0].insert("c", doc(i), mesh.now));
    mesh[0].end_turn(mesh.now);
  }
  std::ignore = mesh[0].take_outgoing();
  mesh.connect(0, 1);
  int chunks = 0;
  mesh.settle([&chunks](const Outgoing& message) { return message.kind == MessageKind::kState && ++chunks > 4; });
  CHECK(mesh[1].syncing_states());
  mesh.disconnect(0, 1);
  CHECK(mesh[1].syncing_states());
  const auto before = mesh[0].counters().states_sent;
  mesh.connect(0, 1);
  mesh.pass(1'000);
  mesh.check_equal();
  CHECK(mesh[1].database().find("c")->size() == 200);
  CHECK(mesh[1].counters().state_resumes == 1);
  // Had it begun anew, it would have taken the four again.
  const auto all = mesh[0].counters().states_sent;
  CHECK(all - before + 4 < all);
}

TEST_CASE("a stream whose sender does not come back is forgotten, and another node is asked") {
  ReplicaConfig config = three();
  config.log_bytes_max = 1'000;
  config.pull_chunk_bytes = 2'000;
  config.pull_timeout_ms = 2'000;
  Mesh mesh(3, config);
  mesh.connect(0, 2);
  for (std::int32_t i = 0; i < 100; ++i) REQUIRE(mesh[0].insert("c", doc(i), mesh.now));
  mesh.pass(1'000);
  int chunks = 0;
  mesh.connect(0, 1);
  mesh.settle([&chunks](const Outgoing& message) { return message.kind == MessageKind::kState && ++chunks > 2; });
  mesh.disconnect(0, 1);
  mesh.connect(1, 2);
  mesh.pass(10'000);
  CHECK(mesh[1].vector() == mesh[2].vector());
  CHECK(mesh[1].counters().state_resumes == 0);
  mesh.check_equal();
}

TEST_CASE("a chunk of states that changed on its way is refused") {
  ReplicaConfig config = three();
  config.log_bytes_max = 500;
  Mesh mesh(2, config);
  for (std::int32_t i = 0; i < 50; ++i) {
    REQUIRE(mesh[0].insert("c", doc(i), mesh.now));
    mesh[0].end_turn(mesh.now);
  }
  std::ignore = mesh[0].take_outgoing();
  mesh.connect(0, 1);
  std::optional<Outgoing> state;
  mesh.settle([&state](const Outgoing& message) {
    if (message.kind != MessageKind::kState) return false;
    state = message;
    return true;
  });
  REQUIRE(state.has_value());
  Bytes damaged = *state->payload;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  const auto result = mesh[1].receive(Mesh::id(0), MessageKind::kState, damaged, mesh.now);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Code::kProtocolError);
  CHECK(mesh[1].vector().total() == 0);
  REQUIRE(mesh[1].receive(Mesh::id(0), MessageKind::kState, *state->payload, mesh.now));
  mesh.settle();
  mesh.check_equal();
}

}  // namespace distri::replication::test
