#include <map>

#include "support.hpp"

namespace distri::replication::test {
namespace {

ReplicaConfig quick(std::uint32_t members) {
  ReplicaConfig config;
  config.members = members;
  config.fold_after_ms = 3'000;
  return config;
}

// Node `index` loses its memory and starts as a new incarnation.
void restart(Mesh& mesh, std::size_t index, std::uint64_t incarnation) {
  for (std::size_t other = 0; other < mesh.replicas.size(); ++other) {
    if (other != index) mesh.disconnect(std::min(index, other), std::max(index, other));
  }
  ReplicaConfig config = mesh.config;
  config.node = Mesh::id(index);
  config.incarnation = incarnation;
  mesh.replicas[index] = std::make_unique<Replica>(config);
  for (std::size_t other = 0; other < mesh.replicas.size(); ++other) {
    if (other != index) mesh.connect(std::min(index, other), std::max(index, other));
  }
}

}  // namespace

TEST_CASE("actors of earlier lives leave the vectors once everybody has their writes") {
  Mesh mesh(3, quick(3));
  mesh.connect_all();
  for (std::uint64_t life = 2; life < 12; ++life) {
    REQUIRE(mesh[1].replace("c", doc(static_cast<std::int32_t>(life % 4), {{"v", 1}}), mesh.now));
    mesh.pass(1'000);
    restart(mesh, 1, life);
    mesh.pass(2'000);
  }
  CHECK(mesh[0].vector().entries().size() >= 3);
  mesh.pass(20'000);
  mesh.check_equal();
  // The three that live, at most: an actor that has written nothing has no entry.
  CHECK(mesh[0].vector().entries().size() <= 3);
  CHECK(mesh[0].counters().folds == 10);
  CHECK(mesh[0].database().find("c")->size() == 4);
  // All dots are still known.
  for (auto& replica : mesh.replicas) CHECK(replica->check_invariants() == std::nullopt);
  REQUIRE(mesh[2].upsert_fields("c", doc(1, {{"w", 2}}), mesh.now));
  mesh.pass(1'000);
  mesh.check_equal();
}

TEST_CASE("nothing is folded while a member is away, nor an actor that lives") {
  Mesh mesh(3, quick(3));
  mesh.connect_all();
  REQUIRE(mesh[1].insert("c", doc(1), mesh.now));
  mesh.pass(2'000);
  restart(mesh, 1, 2);
  mesh.disconnect(0, 2);
  mesh.disconnect(1, 2);
  mesh.pass(60'000);
  CHECK(mesh[0].counters().folds == 0);
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  REQUIRE(mesh[1].insert("c", doc(2), mesh.now));
  mesh.pass(60'000);
  CHECK(mesh[0].counters().folds == 1);
  CHECK(mesh[0].vector().get(mesh[1].actor()) == 1);
}

TEST_CASE("a node that was away while actors were folded catches up by log or by states, and is not taken for ahead") {
  for (const bool small_log : {false, true}) {
    ReplicaConfig config = quick(2);
    config.log_bytes_max = small_log ? 600 : 1u << 20;
    Mesh mesh(3, config);
    mesh.connect_all();
    REQUIRE(mesh[2].insert("c", doc(50), mesh.now));
    REQUIRE(mesh[1].insert("c", doc(1), mesh.now));
    mesh.pass(2'000);
    restart(mesh, 1, 2);
    mesh.pass(1'000);
    mesh.disconnect(0, 2);
    mesh.disconnect(1, 2);
    for (std::int32_t i = 100; i < 120; ++i) {
      REQUIRE(mesh[0].replace("c", doc(i % 3, {{"v", i}}), mesh.now));
      mesh.pass(1'000);
    }
    CHECK(mesh[0].counters().folds >= 1);
    mesh.connect(0, 2);
    mesh.connect(1, 2);
    mesh.pass(5'000);
    mesh.check_equal();
    CHECK((mesh[2].counters().state_syncs > 0) == small_log);
    CHECK(mesh[2].counters().folds == mesh[0].counters().folds);
  }
}

TEST_CASE("an actor that was folded too early is heard all the same when it writes again") {
  Mesh mesh(3, quick(2));
  mesh.connect_all();
  REQUIRE(mesh[2].insert("c", doc(1, {{"v", 1}}), mesh.now));
  mesh.pass(2'000);
  mesh.disconnect(0, 2);
  mesh.disconnect(1, 2);
  mesh.pass(20'000);
  CHECK(mesh[0].counters().folds == 1);
  CHECK(mesh[0].vector().entries().size() == 1);
  REQUIRE(mesh[2].upsert_fields("c", doc(1, {{"v", 2}}), mesh.now));
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  mesh.pass(5'000);
  mesh.check_equal();
  CHECK(field(mesh[0], "c", 1, "v") == 2);
  CHECK(mesh[0].vector().get(mesh[2].actor()) == 3);
}

TEST_CASE("folds rest in the journal") {
  ReplicaConfig config = quick(1);
  config.journal = true;
  std::map<Bytes, Bytes> records;
  std::int64_t now = 1'700'000'000'000;
  const auto source = [&records](const RecordVisitor& visit) -> Result<> {
    for (const auto& [key, value] : records) DISTRI_TRY_VOID(visit(key, value));
    return {};
  };
  for (std::uint64_t life = 1; life <= 8; ++life) {
    config.incarnation = life;
    config.node = node_id(1);
    Replica replica(config);
    const auto loaded = replica.load(source, now);
    REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().message));
    REQUIRE(replica.replace("c", doc(static_cast<std::int32_t>(life)), now));
    for (int i = 0; i < 100; ++i) {
      now += 100;
      replica.tick(now);
      replica.end_turn(now);
      const auto commit = replica.take_commit();
      if (!commit) continue;
      for (const auto& [key, value] : commit->changes) {
        if (value) {
          records[key] = *value;
        } else {
          records.erase(key);
        }
      }
      replica.committed(commit->number, now);
    }
    CHECK(replica.vector().entries().size() == 1);
    CHECK(replica.counters().folds == life - 1);
    CHECK(replica.database().find("c")->size() == life);
    const auto broken = replica.check_invariants();
    CHECK_MESSAGE(!broken, broken.value_or(""));
  }
}

TEST_CASE("an unfolded vector names what it covers by folds") {
  auto folds = std::make_shared<Folds>();
  folds->add(actor_id(1), {5, {actor_id(2), 3}});
  folds->add(actor_id(4), {7, {actor_id(2), 9}});
  VersionVector vector;
  vector.use_folds(folds);
  vector.advance(actor_id(2), 4);
  const VersionVector plain = vector.unfolded();
  CHECK(plain.to_string() == actor_id(1).short_hex() + ":5 " + actor_id(2).short_hex() + ":4");
  CHECK(vector.entries().size() == 1);
}

TEST_CASE("folds that rest on each other, as only a liar sends them, end the search") {
  auto folds = std::make_shared<Folds>();
  folds->add(actor_id(1), {5, {actor_id(2), 5}});
  folds->add(actor_id(2), {5, {actor_id(1), 5}});
  VersionVector vector;
  vector.use_folds(folds);
  CHECK(vector.get(actor_id(1)) == 0);
  vector.advance(actor_id(1), 3);
  CHECK(vector.get(actor_id(1)) == 3);
  vector.drop_folded();
  CHECK(vector.get(actor_id(1)) == 3);
}

}  // namespace distri::replication::test
