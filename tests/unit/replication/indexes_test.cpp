// Index definitions are documents: whoever has them has the indexes.
#include <map>

#include "distri/bson/json.hpp"
#include "distri/db/find.hpp"
#include "distri/db/index.hpp"
#include "distri/db/index_catalog.hpp"
#include "support.hpp"

namespace distri::replication::test {
namespace {

bson::Document definition(std::string_view collection, std::string_view field) {
  bson::Builder specification;
  specification.begin_object("key").append_int32(field, 1).end();
  return db::catalog_document(collection, *db::parse_index(std::move(specification).finish()));
}

const db::Index* index_of(const Replica& replica, std::string_view collection, std::string_view name) {
  const db::Collection* documents = replica.database().find(collection);
  return documents == nullptr ? nullptr : documents->index(name);
}

void build(Replica& replica) {
  while (replica.build_indexes(10)) {
  }
}

}  // namespace

TEST_CASE("an index is made on every node when its definition arrives, and goes with it") {
  Mesh mesh(3);
  mesh.connect_all();
  for (int i = 0; i < 50; ++i) REQUIRE(mesh[0].insert("c", doc(i, {{"a", i % 5}}), mesh.now));
  mesh.settle();
  REQUIRE(mesh[1].replace(db::kIndexCollection, definition("c", "a"), mesh.now));
  mesh.settle();
  for (std::size_t i = 0; i < 3; ++i) {
    const db::Index* index = index_of(mesh[i], "c", "a_1");
    REQUIRE(index != nullptr);
    CHECK_FALSE(index->ready());
    build(mesh[i]);
    CHECK(index->ready());
    CHECK(index->entries().size() == 50);
  }
  REQUIRE(mesh[2].remove("c", key_of(doc(7)), mesh.now));
  REQUIRE(mesh[2].upsert_fields("c", doc(8, {{"a", 99}}), mesh.now));
  mesh.settle();
  CHECK(index_of(mesh[0], "c", "a_1")->entries().size() == 49);
  mesh.check_equal();
  REQUIRE(mesh[0].remove(db::kIndexCollection, key_of(definition("c", "a")), mesh.now));
  mesh.settle();
  for (std::size_t i = 0; i < 3; ++i) CHECK(index_of(mesh[i], "c", "a_1") == nullptr);
  mesh.check_equal();
}

TEST_CASE("nodes that took definitions of one name at the same time agree on one of them") {
  Mesh mesh(2);
  REQUIRE(mesh[0].insert("c", doc(1, {{"a", 1}, {"b", 2}}), mesh.now));
  bson::Document other = definition("c", "b");
  bson::Builder renamed;
  renamed.append_string("_id", "c/a_1").append_value("key", *other.view().find("key")).append_string("name", "a_1");
  REQUIRE(mesh[0].replace(db::kIndexCollection, definition("c", "a"), mesh.now));
  REQUIRE(mesh[1].replace(db::kIndexCollection, std::move(renamed).finish(), mesh.now));
  mesh.connect_all();
  mesh.pass(3'000);
  for (std::size_t i = 0; i < 2; ++i) build(mesh[i]);
  mesh.check_equal();
  const db::Index* first = index_of(mesh[0], "c", "a_1");
  const db::Index* second = index_of(mesh[1], "c", "a_1");
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  CHECK(first->definition().same_keys(second->definition()));
}

TEST_CASE("a document with arrays in parallel that comes from a peer is kept and found") {
  Mesh mesh(2);
  REQUIRE(mesh[0].insert("c", *bson::from_json(R"({"_id":1,"a":[1,2],"b":[3,4]})"), mesh.now));
  bson::Builder specification;
  specification.begin_object("key").append_int32("a", 1).append_int32("b", 1).end();
  const bson::Document both = db::catalog_document("c", *db::parse_index(std::move(specification).finish()));
  REQUIRE(mesh[1].insert("c", doc(2, {{"a", 2}}), mesh.now));
  REQUIRE(mesh[1].replace(db::kIndexCollection, both, mesh.now));
  mesh.connect_all();
  mesh.pass(3'000);
  for (std::size_t i = 0; i < 2; ++i) {
    build(mesh[i]);
    CHECK(index_of(mesh[i], "c", "a_1_b_1")->unindexable().size() == 1);
    const auto filter = db::Filter::compile(*bson::from_json(R"({"a":2})"));
    db::FindQuery query;
    query.filter = &*filter;
    query.hint = "a_1_b_1";
    CHECK(db::find(*mesh[i].database().find("c"), query)->records.size() == 2);
  }
  mesh.check_equal();
}

TEST_CASE("a newcomer that is sent states, and a node that starts from its journal, have the indexes") {
  ReplicaConfig config;
  config.log_bytes_max = 2'000;
  config.pull_chunk_bytes = 200;
  config.journal = true;
  Mesh mesh(1, config);
  REQUIRE(mesh[0].replace(db::kIndexCollection, definition("c", "a"), mesh.now));
  REQUIRE(mesh[0].replace(db::kIndexCollection, definition("z", "a"), mesh.now));
  for (int i = 0; i < 100; ++i) {
    REQUIRE(mesh[0].insert(i % 2 == 0 ? "c" : "z", doc(i, {{"a", i}}), mesh.now));
    mesh[0].end_turn(mesh.now);
  }
  mesh.add();
  mesh.connect(0, 1);
  mesh.pass(3'000);
  CHECK(mesh[1].counters().state_syncs == 1);
  build(mesh[1]);
  for (const char* collection : {"c", "z"}) {
    REQUIRE(index_of(mesh[1], collection, "a_1") != nullptr);
    CHECK(index_of(mesh[1], collection, "a_1")->entries().size() == 50);
  }
  mesh.check_equal();

  std::map<Bytes, Bytes> disk;
  while (const auto commit = mesh[0].take_commit()) {
    for (const auto& [key, value] : commit->changes) {
      if (value) disk[key] = *value;
    }
    mesh[0].committed(commit->number, mesh.now);
  }
  ReplicaConfig again = config;
  again.node = node_id(1);
  again.incarnation = 2;
  Replica restarted(again);
  const auto loaded = restarted.load(
      [&](const RecordVisitor& visit) -> Result<> {
        for (const auto& [key, value] : disk) DISTRI_TRY_VOID(visit(key, value));
        return {};
      },
      mesh.now);
  REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().message));
  build(restarted);
  for (const char* collection : {"c", "z"}) {
    REQUIRE(index_of(restarted, collection, "a_1") != nullptr);
    CHECK(index_of(restarted, collection, "a_1")->entries().size() == 50);
  }
  CHECK(restarted.check_invariants() == std::nullopt);
}

}  // namespace distri::replication::test
