#include "distri/replication/replica.hpp"

#include "distri/replication/hlc.hpp"
#include "distri/replication/messages.hpp"
#include "distri/replication/op_log.hpp"
#include "support.hpp"

using namespace distri;
using namespace distri::replication;
using namespace distri::replication::test;

TEST_CASE("a write on one node is on the others after the turn") {
  Mesh mesh(3);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1, {{"a", 1}}), mesh.now).has_value());
  mesh.settle();
  CHECK(field(mesh[2], "c", 1, "a") == 1);
  CHECK(mesh[0].vector().total() == 2);  // the collection and the document
  CHECK(mesh[1].collection_names() == std::vector<std::string>{"c"});
  mesh.check_equal();
}

TEST_CASE("the writes of one turn travel as one batch") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  for (int i = 0; i < 5; ++i) REQUIRE(mesh[0].insert("c", doc(i), mesh.now).has_value());
  mesh[0].end_turn(mesh.now);
  const auto sent = mesh[0].take_outgoing();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].kind == MessageKind::kBatch);
}

TEST_CASE("local writes check their input and change nothing on error") {
  Mesh mesh(1);
  Replica& node = mesh[0];
  CHECK(node.insert("", doc(1), mesh.now).error().code == Code::kInvalidArgument);
  CHECK(node.insert("c", fields_only({{"a", 1}}), mesh.now).error().code == Code::kInvalidArgument);
  CHECK(node.vector().total() == 0);
  REQUIRE(node.insert("c", doc(1, {{"a", 1}}), mesh.now).has_value());
  const auto before = node.vector();
  CHECK(node.insert("c", doc(1), mesh.now).error().code == Code::kAlreadyExists);
  CHECK(node.update("c", key_of(doc(2)), fields_only({{"a", 1}}), {}, mesh.now).error().code == Code::kNotFound);
  CHECK(node.update("c", key_of(doc(1)), fields_only({{"a", 1}}), {"a"}, mesh.now).error().code ==
        Code::kInvalidArgument);
  CHECK(node.update("c", key_of(doc(1)), fields_only({}), {"_id"}, mesh.now).error().code == Code::kInvalidArgument);
  CHECK(node.update("c", key_of(doc(1)), doc(2), {}, mesh.now).error().code == Code::kInvalidArgument);
  CHECK(node.remove("c", key_of(doc(2)), mesh.now) == Result<bool>(false));
  CHECK(node.create_collection("c", mesh.now) == Result<bool>(false));
  CHECK(node.drop_collection("other", mesh.now) == Result<bool>(false));
  CHECK(node.vector() == before);
  CHECK_FALSE(node.check_invariants().has_value());
}

TEST_CASE("concurrent updates of different fields both survive, and of one field the newer wins on every node") {
  Mesh mesh(2);
  REQUIRE(mesh[0].insert("c", doc(1, {{"a", 1}, {"b", 1}}), mesh.now).has_value());
  mesh.connect_all();
  mesh.settle();
  mesh.disconnect(0, 1);
  REQUIRE(mesh[0].upsert_fields("c", doc(1, {{"a", 2}, {"x", 2}}), mesh.now + 5) == Result<bool>(false));
  REQUIRE(mesh[1].upsert_fields("c", doc(1, {{"b", 3}, {"x", 3}, {"d", 3}}), mesh.now + 9) == Result<bool>(false));
  mesh.connect(0, 1);
  mesh.pass(1'000);
  for (int i = 0; i < 2; ++i) {
    const Replica& node = mesh[static_cast<std::size_t>(i)];
    CHECK(field(node, "c", 1, "a") == 2);
    CHECK(field(node, "c", 1, "b") == 3);
    CHECK(field(node, "c", 1, "x") == 3);
    CHECK(names_of(find(node, "c", 1)->document) == "_id a b d x");
  }
  mesh.check_equal();
}

TEST_CASE("a drop kills what it has seen, and a later insert revives the collection everywhere") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.settle();
  mesh.disconnect(0, 1);
  REQUIRE(mesh[0].drop_collection("c", mesh.now + 10) == Result<bool>(true));
  CHECK_FALSE(mesh[0].collection_exists("c"));
  REQUIRE(mesh[1].insert("c", doc(2), mesh.now + 5).has_value());   // older than the drop: dead
  REQUIRE(mesh[1].insert("c", doc(3), mesh.now + 20).has_value());  // newer: lives
  mesh.connect(0, 1);
  mesh.pass(1'000);
  CHECK(find(mesh[0], "c", 1) == nullptr);
  CHECK(find(mesh[0], "c", 2) == nullptr);
  CHECK(find(mesh[0], "c", 3) != nullptr);
  mesh.check_equal();
  REQUIRE(mesh[1].drop_collection("c", mesh.now) == Result<bool>(true));
  mesh.settle();
  CHECK(mesh[0].collection_names().empty());
  REQUIRE(mesh[0].create_collection("c", mesh.now - 1'000'000) == Result<bool>(true));
  mesh.settle();
  CHECK(mesh[1].collection_exists("c"));
  mesh.check_equal();
}

TEST_CASE("a deleted document stays deleted when a node comes back that still has it") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.settle();
  mesh.disconnect(0, 1);
  REQUIRE(mesh[0].remove("c", key_of(doc(1)), mesh.now) == Result<bool>(true));
  mesh[0].end_turn(mesh.now);
  mesh.pass(500);
  mesh.connect(0, 1);
  mesh.pass(1'000);
  CHECK(find(mesh[1], "c", 1) == nullptr);
  mesh.check_equal();
}

TEST_CASE("lost pushes are pulled after gossip, in chunks") {
  ReplicaConfig config;
  config.pull_chunk_bytes = 300;
  Mesh mesh(2, config);
  mesh.connect_all();
  mesh.settle();
  for (int i = 0; i < 50; ++i) {
    REQUIRE(mesh[0].insert("c", doc(i), mesh.now).has_value());
    mesh.settle([](const Outgoing& message) { return message.kind == MessageKind::kBatch; });
  }
  CHECK(mesh[1].vector().total() == 0);
  mesh.pass(1'200);
  CHECK(mesh[1].caught_up());
  CHECK(mesh[1].counters().pulls == 1);
  mesh.check_equal();
}

TEST_CASE("batches out of order are held back, and duplicates are ignored") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  std::vector<std::shared_ptr<const Bytes>> batches;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(mesh[0].insert("c", doc(i), mesh.now).has_value());
    mesh[0].end_turn(mesh.now);
    for (const auto& message : mesh[0].take_outgoing()) batches.push_back(message.payload);
  }
  for (const int i : {3, 1, 1, 2}) {
    REQUIRE(
        mesh[1].receive(Mesh::id(0), MessageKind::kBatch, *batches[static_cast<std::size_t>(i)], mesh.now).has_value());
  }
  CHECK(mesh[1].counters().held_back == 3);
  CHECK(mesh[1].vector().total() == 0);
  for (int twice = 0; twice < 2; ++twice)
    REQUIRE(mesh[1].receive(Mesh::id(0), MessageKind::kBatch, *batches[0], mesh.now).has_value());
  CHECK(mesh[1].counters().held_back == 0);
  CHECK(mesh[1].counters().duplicate_batches == 1);
  mesh.check_equal();
}

TEST_CASE("a newcomer is sent states when the log no longer reaches back, while writes go on, and loses no delete") {
  ReplicaConfig config;
  config.log_bytes_max = 2'000;
  config.pull_chunk_bytes = 200;
  Mesh mesh(1, config);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(mesh[0].insert(i % 2 == 0 ? "even" : "odd", doc(i, {{"a", i}}), mesh.now).has_value());
    mesh[0].end_turn(mesh.now);
  }
  REQUIRE(mesh[0].remove("odd", key_of(doc(7)), mesh.now).has_value());
  REQUIRE(mesh[0].upsert_fields("odd", doc(9, {{"b", 1}}), mesh.now).has_value());
  mesh.add();
  REQUIRE(mesh[1].insert("own", doc(1), mesh.now).has_value());
  mesh.connect(0, 1);
  int written = 0;
  // Writes between the chunks, few enough for the log to reach back over the transfer.
  mesh.settle([&](const Outgoing& message) {
    if (message.kind == MessageKind::kState && written < 8) {
      CHECK(mesh[1].database().find("even") == nullptr);  // nothing shows before all of it is there
      REQUIRE(mesh[0].replace("even", doc(2 * written, {{"n", 1000 + written}}), mesh.now).has_value());
      ++written;
    }
    return message.kind == MessageKind::kBatch && message.to == Mesh::id(1);
  });
  mesh.pass(3'000);
  CHECK(mesh[1].counters().state_syncs == 1);
  CHECK(mesh[0].counters().states_sent > 10);
  CHECK(find(mesh[1], "odd", 7) == nullptr);
  CHECK(field(mesh[1], "odd", 9, "b") == 1);
  CHECK(field(mesh[1], "even", 6, "n") == 1003);
  CHECK(field(mesh[0], "own", 1, "_id") == 1);
  mesh.check_equal();
  CHECK(count(mesh[0].take_notices(), Notice::Kind::kLogTruncated) >= 1);
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kSyncedByState) == 1);
}

TEST_CASE("a pull that is not answered goes to another node") {
  Mesh mesh(3);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.connect(0, 1);
  mesh.settle();
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  const auto mute_first = [](const Outgoing& message) {
    return message.kind == MessageKind::kPull && message.to == Mesh::id(0);
  };
  mesh.settle(mute_first);
  mesh.pass(15'000, mute_first);
  CHECK(count(mesh[2].take_notices(), Notice::Kind::kPullTimeout) >= 1);
  mesh.check_equal();
}

TEST_CASE("a node that is leaving is not asked when another has the same") {
  Mesh mesh(4);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.connect(0, 1);
  mesh.connect(0, 3);
  mesh.settle();
  // The last node is asked first and does not answer; its link breaks when two others are known to have the same.
  int asked_leaving = 0;
  const auto watch = [&](const Outgoing& message) {
    asked_leaving += message.kind == MessageKind::kPull && message.to == Mesh::id(0) ? 1 : 0;
    return message.kind == MessageKind::kPull && message.to == Mesh::id(3);
  };
  mesh.connect(2, 3);
  mesh.settle(watch);
  mesh.connect(0, 2);
  mesh.connect(1, 2);
  mesh[0].announce_leaving("stopping");
  mesh.settle(watch);
  CHECK(mesh[2].vector().total() == 0);
  mesh.disconnect(2, 3);
  mesh.settle(watch);
  CHECK(mesh[2].vector().total() == 2);
  CHECK(asked_leaving == 0);
  mesh.check_equal();
}

TEST_CASE("a clock far ahead is reported and not followed, and later writes still win over its documents") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  const std::int64_t far = mesh.now + 365LL * 86'400'000;
  REQUIRE(mesh[0].insert("c", doc(1, {{"a", 1}}), far).has_value());
  REQUIRE(mesh[0].insert("c", doc(2, {{"a", 1}}), far).has_value());
  mesh.settle();
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kClockAhead) == 1);
  REQUIRE(mesh[1].upsert_fields("c", doc(1, {{"a", 2}}), mesh.now).has_value());
  REQUIRE(mesh[1].replace("c", doc(2, {{"a", 2}}), mesh.now).has_value());
  REQUIRE(mesh[1].insert("c", doc(3), mesh.now).has_value());
  mesh.settle();
  CHECK(field(mesh[0], "c", 1, "a") == 2);
  CHECK(field(mesh[0], "c", 2, "a") == 2);
  // The general clock of the second node stayed where it belongs.
  CHECK(HybridClock::to_ms(find(mesh[1], "c", 3)->revision.stamp().hlc) <= mesh.now + 1);
  mesh.check_equal();
}

TEST_CASE("equal vectors with unequal digests raise the alarm, once") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.settle();
  UpdateInfo info = mesh[0].own_info();
  info.collections[0].documents += 1;
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, info);
  for (int i = 0; i < 3; ++i)
    REQUIRE(mesh[1].receive(Mesh::id(0), MessageKind::kUpdateInfo, bytes, mesh.now).has_value());
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kDivergence) == 1);
  CHECK(mesh[1].counters().divergences == 1);
}

TEST_CASE("a second node with our identity is noticed") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.settle();
  // The first node forgets everything and comes back with the same incarnation.
  ReplicaConfig clone = mesh.config;
  clone.node = Mesh::id(0);
  mesh.replicas[0] = std::make_unique<Replica>(clone);
  mesh[0].peer_connected(Mesh::id(1), mesh.now);
  mesh.pass(1'200);
  CHECK(count(mesh[0].take_notices(), Notice::Kind::kDuplicateIdentity) == 1);
  CHECK(mesh[0].vector().total() == 0);
  CHECK_FALSE(mesh[0].check_invariants().has_value());
}

TEST_CASE("bad messages are errors that change nothing") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.settle();
  const Digest before = mesh[1].database_digest();
  for (std::uint16_t kind = 0; kind < 9; ++kind) {
    if (kind == static_cast<std::uint16_t>(MessageKind::kLeaving)) continue;
    CHECK_FALSE(mesh[1].receive(Mesh::id(0), static_cast<MessageKind>(kind), "nonsense", mesh.now).has_value());
  }
  CHECK_FALSE(mesh[1].receive(node_id(99), MessageKind::kLeaving, "", mesh.now).has_value());
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, mesh[1].own_info());
  CHECK_FALSE(
      mesh[1].receive(Mesh::id(0), MessageKind::kUpdateInfo, bytes, mesh.now).has_value());  // names another node
  CHECK(count(mesh[1].take_notices(), Notice::Kind::kBadMessage) == 10);
  CHECK(mesh[1].database_digest() == before);
}

TEST_CASE("a turn with more than a batch holds is split, and nothing is lost") {
  ReplicaConfig config;
  config.limits = {10, 1u << 20};
  Mesh mesh(2, config);
  mesh.connect_all();
  for (int i = 0; i < 95; ++i) REQUIRE(mesh[0].insert("c", doc(i), mesh.now).has_value());
  mesh.settle();
  CHECK(mesh[1].database().find("c")->size() == 95);
  CHECK(mesh[0].log().end_position() == 10);
  mesh.check_equal();
}
