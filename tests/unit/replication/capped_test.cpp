// Capped collections: the oldest documents go, whoever inserts, and also after a merge.
#include "distri/db/collection_options.hpp"
#include "support.hpp"

namespace distri::replication::test {
namespace {

void cap(Replica& replica, std::int64_t documents, std::int64_t bytes, std::int64_t now) {
  db::CollectionOptions options;
  options.cap = db::Cap{bytes, documents};
  REQUIRE(replica.create_collection("c", now));
  REQUIRE(replica.replace(db::kOptionsCollection, db::options_document("c", options), now));
}

// The `_id`s in the order of insertion.
std::string order(const Replica& replica) {
  const db::Collection* documents = replica.database().find("c");
  REQUIRE(documents != nullptr);
  REQUIRE(documents->insertion_order() != nullptr);
  std::string text;
  for (const std::string& place : documents->insertion_order()->places()) {
    const db::Record* record = documents->find(db::InsertionOrder::id_key_of(place));
    REQUIRE(record != nullptr);
    text += (text.empty() ? "" : " ") + std::to_string(record->document.view().begin()->value.as_int32());
  }
  return text;
}

void sweep(Replica& replica, std::int64_t now) {
  while (replica.sweep(3, now)) {
  }
}

}  // namespace

TEST_CASE("an insert pushes the oldest out in the same turn, by number and by bytes") {
  ReplicaConfig config;
  config.node = node_id(1);
  Replica replica(config);
  const std::int64_t now = 1'700'000'000'000;
  cap(replica, 3, 1'000'000, now);
  for (const int id : {5, 1, 9, 2}) REQUIRE(replica.insert("c", doc(id), now));
  CHECK(order(replica) == "1 9 2");
  CHECK(replica.counters().documents_capped == 1);
  // An update keeps the place, a replacement does not.
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"x", 1}}), {}, now));
  CHECK(order(replica) == "1 9 2");
  REQUIRE(replica.replace("c", doc(9, {{"x", 1}}), now));
  CHECK(order(replica) == "1 2 9");
  REQUIRE(replica.upsert_fields("c", doc(7), now));
  CHECK(order(replica) == "2 9 7");
  REQUIRE(replica.remove("c", key_of(doc(9)), now));
  REQUIRE(replica.insert("c", doc(8), now));
  CHECK(order(replica) == "2 7 8");
  db::CollectionOptions options;
  options.cap = db::Cap{static_cast<std::int64_t>(2 * doc(1).bytes().size()), 0};
  REQUIRE(replica.replace(db::kOptionsCollection, db::options_document("c", options), now));
  REQUIRE(replica.insert("c", doc(3), now));
  CHECK(order(replica) == "8 3");
  // More than fits: the newest stays alone.
  bson::Builder large;
  large.append_int32("_id", 4).append_string("text", std::string(1'000, 'x'));
  REQUIRE(replica.insert("c", std::move(large).finish(), now));
  CHECK(order(replica) == "4");
  replica.end_turn(now);
  CHECK_FALSE(replica.check_invariants());
}

TEST_CASE("a limit that is lowered is kept after a sweep, and one insert removes a bounded number") {
  ReplicaConfig config;
  config.node = node_id(1);
  Replica replica(config);
  const std::int64_t now = 1'700'000'000'000;
  cap(replica, 500, 1'000'000, now);
  for (int id = 0; id < 500; ++id) REQUIRE(replica.insert("c", doc(id), now));
  db::CollectionOptions options;
  options.cap = db::Cap{1'000'000, 10};
  REQUIRE(replica.replace(db::kOptionsCollection, db::options_document("c", options), now));
  REQUIRE(replica.insert("c", doc(1'000), now));
  CHECK(replica.database().find("c")->size() == 401);
  CHECK(replica.sweep(100, now));
  CHECK(replica.database().find("c")->size() == 301);
  sweep(replica, now);
  CHECK(order(replica) == "491 492 493 494 495 496 497 498 499 1000");
}

TEST_CASE("two nodes that insert apart exceed the limit together, until one of them sweeps") {
  Mesh mesh(2);
  mesh.connect_all();
  cap(mesh[0], 4, 1'000'000, mesh.now);
  for (const int id : {1, 2, 3, 4}) REQUIRE(mesh[0].insert("c", doc(id), mesh.now));
  mesh.pass(2'000);
  mesh.disconnect(0, 1);
  for (const int id : {10, 11, 12}) {
    mesh.now += 10;
    REQUIRE(mesh[0].insert("c", doc(id), mesh.now));
    mesh.now += 10;
    REQUIRE(mesh[1].insert("c", doc(id + 10), mesh.now));
  }
  CHECK(order(mesh[0]) == "4 10 11 12");
  CHECK(order(mesh[1]) == "4 20 21 22");
  mesh.connect(0, 1);
  mesh.pass(3'000);
  mesh.check_equal();
  CHECK(order(mesh[0]) == "4 10 20 11 21 12 22");
  sweep(mesh[1], mesh.now);  // the other one does it
  CHECK(mesh[1].database().find("c")->size() == 7);
  sweep(mesh[0], mesh.now);
  mesh.settle();
  for (std::size_t i = 0; i < 2; ++i) CHECK(order(mesh[i]) == "11 21 12 22");
  mesh.check_equal();
  CHECK(mesh[0].conflicts().size() == 0);
}

TEST_CASE("the order is that of insertion also when a clock is a year ahead or in 1970") {
  Mesh mesh(2);
  mesh.connect_all();
  cap(mesh[0], 3, 1'000'000, mesh.now);
  constexpr std::int64_t kYearMs = 365LL * 86'400'000;
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  REQUIRE(mesh[1].insert("c", doc(2), 1'000));
  mesh.settle();
  REQUIRE(mesh[1].insert("c", doc(3), mesh.now + kYearMs));
  mesh.settle();
  REQUIRE(mesh[0].insert("c", doc(4), mesh.now));
  mesh.settle();
  REQUIRE(mesh[1].insert("c", doc(5), 1'000));
  mesh.settle();
  for (std::size_t i = 0; i < 2; ++i) CHECK(order(mesh[i]) == "3 4 5");
  mesh.check_equal();
}

TEST_CASE("what an insert pushes out is no part of the request that made it") {
  ReplicaConfig config;
  config.node = node_id(1);
  Replica replica(config);
  const std::int64_t now = 1'700'000'000'000;
  cap(replica, 1, 1'000'000, now);
  REQUIRE(replica.insert("c", doc(1), now));
  RequestId id;
  id.bytes.fill(7);
  replica.set_request(id);
  REQUIRE(replica.insert("c", doc(2), now));
  replica.set_request({});
  const auto* applied = replica.find_request(id);
  REQUIRE(applied != nullptr);
  CHECK(applied->inserted == 1);
  CHECK(applied->deleted == 0);
}

}  // namespace distri::replication::test
