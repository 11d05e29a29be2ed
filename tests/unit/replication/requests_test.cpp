#include "support.hpp"

namespace distri::replication::test {
namespace {

RequestId request_id(unsigned char number) {
  RequestId id;
  id.bytes.fill(number);
  return id;
}

}  // namespace

TEST_CASE("what a request wrote is known on every node that has its writes") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh[0].set_request(request_id(7));
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh[0].set_request(request_id(8));
  REQUIRE(mesh[0].upsert_fields("c", doc(1, {{"a", 1}}), mesh.now));
  REQUIRE(mesh[0].remove("c", key_of(doc(1)), mesh.now));
  mesh[0].set_request({});
  REQUIRE(mesh[0].insert("c", doc(2), mesh.now));
  CHECK(mesh[1].find_request(request_id(7)) == nullptr);
  mesh.settle();
  for (auto& replica : mesh.replicas) {
    const auto* added = replica->find_request(request_id(7));
    REQUIRE(added != nullptr);
    CHECK(added->inserted == 2);  // the collection, and the document
    CHECK(added->key == key_of(doc(1)));
    const auto* second = replica->find_request(request_id(8));
    REQUIRE(second != nullptr);
    CHECK(second->updated == 1);
    CHECK(second->deleted == 1);
  }
}

TEST_CASE("requests are remembered up to a bound, the newest, and recalled from the journal's log") {
  ReplicaConfig config;
  config.node = node_id(1);
  config.requests_max = 10;
  config.journal = true;
  Replica replica(config);
  std::vector<Change> records;
  for (unsigned char i = 1; i <= 30; ++i) {
    replica.set_request(request_id(i));
    REQUIRE(replica.replace("c", doc(i), 1'000));
    replica.end_turn(1'000);
  }
  CHECK(replica.find_request(request_id(20)) == nullptr);
  CHECK(replica.find_request(request_id(21)) != nullptr);
  const auto commit = replica.take_commit();
  REQUIRE(commit.has_value());
  auto changes = commit->changes;
  std::sort(changes.begin(), changes.end());
  config.incarnation = 2;
  Replica again(config);
  REQUIRE(again.load(
      [&changes](const RecordVisitor& visit) -> Result<> {
        for (const auto& [key, value] : changes) DISTRI_TRY_VOID(visit(key, *value));
        return {};
      },
      2'000));
  CHECK(again.find_request(request_id(20)) == nullptr);
  CHECK(again.find_request(request_id(21)) != nullptr);
  CHECK(again.find_request(request_id(30)) != nullptr);
}

TEST_CASE("who holds a note holds what its writer had seen of others") {
  ReplicaConfig config;
  config.members = 3;
  Mesh mesh(3, config);
  mesh.connect(0, 1);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  REQUIRE(mesh[1].note(mesh.now));
  const Dot dot = mesh[1].newest_own_dot();
  mesh[1].want_holders(dot);
  mesh.pass(1'000);
  CHECK(mesh[1].holders(dot) == 2);
  mesh.connect(1, 2);
  mesh.pass(1'000);
  CHECK(mesh[1].holders(dot) == 3);
  CHECK(find(mesh[2], "c", 1) != nullptr);
  mesh.check_equal();
}

}  // namespace distri::replication::test
