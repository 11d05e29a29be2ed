#include "distri/replication/op_log.hpp"
#include "journal_support.hpp"

namespace distri::replication::test {
namespace {

ReplicaConfig journaling(std::uint64_t incarnation = 1) {
  ReplicaConfig config;
  config.node = node_id(1);
  config.incarnation = incarnation;
  config.journal = true;
  return config;
}

constexpr std::int64_t kNow = 1'700'000'000'000;

// Documents, updates, deletes, a created and a dropped collection.
void write_some(Replica& replica, Disk& disk) {
  for (std::int32_t i = 0; i < 20; ++i) {
    REQUIRE(replica.insert("c", doc(i, {{"v", i}}), kNow));
    if (i % 3 == 0) disk.save(replica, kNow);
  }
  for (std::int32_t i = 0; i < 20; i += 4) REQUIRE(replica.remove("c", key_of(doc(i)), kNow));
  REQUIRE(replica.upsert_fields("c", doc(3, {{"w", 7}}), kNow));
  disk.save(replica, kNow);
  REQUIRE(replica.create_collection("empty", kNow));
  REQUIRE(replica.insert("gone", doc(1), kNow));
  disk.save(replica, kNow);
  REQUIRE(replica.drop_collection("gone", kNow));
  disk.save(replica, kNow);
}

}  // namespace

TEST_CASE("a replica that starts from its journal has everything that was committed") {
  Disk disk;
  Replica before(journaling());
  write_some(before, disk);
  Replica after(journaling(2));
  const auto report = after.load(disk.source(), kNow);
  REQUIRE_MESSAGE(report, (report ? "" : report.error().message));
  CHECK(report->documents == 15);
  CHECK(after.vector() == before.vector());
  CHECK(after.database_digest() == before.database_digest());
  CHECK(after.collection_names() == std::vector<std::string>{"c", "empty"});
  CHECK(after.check_invariants() == std::nullopt);
  CHECK(field(after, "c", 3, "w") == 7);
  CHECK_FALSE(after.take_commit().has_value());
  // The tombstones too: a write of before the delete, which nobody had seen, does not bring the document back.
  CHECK(after.actor() != before.actor());
  REQUIRE(after.insert("c", doc(0, {{"v", 100}}), 0));  // a clock at 1970
  CHECK(field(after, "c", 0, "v") == 100);
}

TEST_CASE("the journal holds the log, so that a peer which was behind is served from it after a restart") {
  Disk disk;
  Replica before(journaling());
  write_some(before, disk);
  Mesh mesh(0);
  mesh.replicas.push_back(std::make_unique<Replica>(journaling(2)));
  REQUIRE(mesh[0].load(disk.source(), kNow));
  CHECK(mesh[0].log().end_position() == before.log().end_position());
  mesh.add();
  mesh.connect_all();
  mesh.settle();
  mesh.check_equal();
  CHECK(mesh[1].counters().state_syncs == 0);
}

TEST_CASE("every prefix of the commits is a state that was, and what is lost comes back from a peer") {
  std::vector<Disk> prefixes;
  Disk disk;
  Mesh mesh(0);
  mesh.replicas.push_back(std::make_unique<Replica>(journaling()));
  mesh.add();
  mesh.connect_all();
  for (std::int32_t i = 0; i < 12; ++i) {
    REQUIRE(mesh[0].replace("c", doc(i % 5, {{"v", i}}), mesh.now));
    REQUIRE(mesh[1].replace("d", doc(i % 5, {{"v", i}}), mesh.now));
    mesh.settle();
    disk.save(mesh[0], mesh.now);
    prefixes.push_back(disk);
  }
  std::uint64_t incarnation = 1;
  for (const Disk& prefix : prefixes) {
    Mesh again(0);
    again.replicas.push_back(std::make_unique<Replica>(journaling(++incarnation)));
    const auto report = again[0].load(prefix.source(), again.now);
    REQUIRE_MESSAGE(report, (report ? "" : report.error().message));
    CHECK(again[0].check_invariants() == std::nullopt);
    // The peer lives on.
    again.replicas.push_back(std::move(mesh.replicas[1]));
    again.now = mesh.now;
    again.connect_all();
    again.pass(3'000);
    again.check_equal();
    REQUIRE(again[0].replace("c", doc(77), again.now));
    again.settle();
    again.check_equal();
    again.disconnect(0, 1);
    mesh.now = again.now;
    mesh.replicas[1] = std::move(again.replicas[1]);
  }
}

TEST_CASE("a journal that lost or changed a record is refused, never half believed") {
  Disk disk;
  Replica before(journaling());
  write_some(before, disk);
  for (const auto& [key, value] : disk.records) {
    Disk without = disk;
    without.records.erase(key);
    if (!without.records.empty()) {
      Replica replica(journaling(2));
      const auto loaded = replica.load(without.source(), kNow);
      REQUIRE_FALSE(loaded);
      CHECK(loaded.error().code == Code::kDataLoss);
    }
    Disk flipped = disk;
    flipped.records[key][value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 4);
    Replica replica(journaling(2));
    const auto loaded = replica.load(flipped.source(), kNow);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == Code::kDataLoss);
  }
}

TEST_CASE("the journal of an earlier version is loaded, and written anew in today's format") {
  for (const char format : {char{1}, char{2}}) {
    CAPTURE(static_cast<int>(format));
    Disk disk;
    Replica before(journaling());
    write_some(before, disk);
    disk.turn_to_format(format);
    {
      Replica replica(journaling(2));
      REQUIRE(replica.load(disk.source(), kNow));
      CHECK(replica.database_digest() == before.database_digest());
      CHECK_FALSE(replica.check_invariants());
      disk.save(replica, kNow);
    }
    Replica again(journaling(3));
    REQUIRE(again.load(disk.source(), kNow));
    CHECK(again.database_digest() == before.database_digest());
    // Now the digests are believed.
    disk.records.erase(disk.records.lower_bound(Bytes(1, kStateRecord)));
    CHECK_FALSE(Replica(journaling(4)).load(disk.source(), kNow));
  }
}

TEST_CASE("an empty journal is loaded as nothing") {
  Replica replica(journaling());
  const auto report = replica.load(Disk{}.source(), kNow);
  REQUIRE(report);
  CHECK(report->documents == 0);
  CHECK(replica.vector().total() == 0);
}

TEST_CASE("the journal forgets the log's entries that the budget drops") {
  Disk disk;
  ReplicaConfig config = journaling();
  config.log_bytes_max = 2'000;
  Replica replica(config);
  for (std::int32_t i = 0; i < 100; ++i) {
    REQUIRE(replica.insert("c", doc(i), kNow));
    disk.save(replica, kNow);
  }
  const auto entries = std::count_if(disk.records.begin(), disk.records.end(),
                                     [](const auto& record) { return record.first.front() == 'l'; });
  CHECK(static_cast<std::uint64_t>(entries) == replica.log().end_position() - replica.log().first_position());
  ReplicaConfig smaller = journaling(2);
  smaller.log_bytes_max = 1'000;
  Replica again(smaller);
  REQUIRE(again.load(disk.source(), kNow));
  disk.save(again, kNow);
  Replica third(journaling(3));
  CHECK(third.load(disk.source(), kNow).has_value());
}

TEST_CASE("a write counts as held here when its commit is durable, and at a peer when that peer says so") {
  Mesh mesh(0);
  ReplicaConfig config = journaling();
  config.members = 3;
  mesh.replicas.push_back(std::make_unique<Replica>(config));
  config.node = node_id(2);
  mesh.replicas.push_back(std::make_unique<Replica>(config));
  mesh.connect_all();
  mesh.settle();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  const Dot dot = mesh[0].newest_own_dot();
  mesh[0].want_holders(dot);
  mesh.settle();
  CHECK(mesh[0].holders(dot) == 0);
  const auto own = mesh[0].take_commit();
  REQUIRE(own.has_value());
  CHECK(mesh[0].holders(dot) == 0);
  mesh[0].committed(own->number, mesh.now);
  CHECK(mesh[0].holders(dot) == 1);
  const auto theirs = mesh[1].take_commit();
  REQUIRE(theirs.has_value());
  mesh.settle();
  CHECK(mesh[0].holders(dot) == 1);
  mesh[1].committed(theirs->number, mesh.now);
  mesh.settle();
  CHECK(mesh[0].holders(dot) == 2);
  CHECK(mesh[1].holders(dot) == 1);  // nobody asked on its side
}

TEST_CASE("a peer that connects later is asked for the acknowledgements that are still wanted") {
  ReplicaConfig config;
  config.members = 2;
  Mesh mesh(2, config);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  const Dot dot = mesh[0].newest_own_dot();
  mesh[0].want_holders(dot);
  mesh.settle();
  CHECK(mesh[0].holders(dot) == 1);  // memory mode: at once
  mesh.connect_all();
  mesh.settle();
  CHECK(mesh[0].holders(dot) == 2);
  mesh[0].forget_holders(dot);
}

TEST_CASE("what a node confirmed that is no member any more does not count as held") {
  ReplicaConfig config;
  config.members = 4;
  Mesh mesh(4, config);
  mesh.connect(0, 1);
  mesh.connect(0, 3);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  const Dot dot = mesh[0].newest_own_dot();
  mesh[0].want_holders(dot);
  mesh.settle();
  REQUIRE(mesh[0].holders(dot) == 3);
  // One of those that confirmed it is removed while it is linked, the other one when it is not.
  mesh[0].set_members({Mesh::id(0), Mesh::id(1), Mesh::id(2)});
  CHECK(mesh[0].members() == 3);
  CHECK(mesh[0].holders(dot) == 2);
  mesh.disconnect(0, 1);
  CHECK(mesh[0].holders(dot) == 2);
  mesh[0].set_members({Mesh::id(0), Mesh::id(2)});
  CHECK(mesh[0].holders(dot) == 1);
  CHECK(mesh[0].peers().empty());
  CHECK_FALSE(mesh[0].receive(Mesh::id(3), MessageKind::kLeaving, "late", mesh.now));
}

TEST_CASE("for a delete to be forgotten a node that was removed is not waited for, but the others' word is") {
  ReplicaConfig config;
  config.members = 3;
  Mesh mesh(3, config);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  mesh.disconnect(2, 0);
  mesh.disconnect(2, 1);
  REQUIRE(mesh[0].remove("c", key_of(doc(1)), mesh.now));
  mesh.pass(150'000);
  CHECK(mesh[0].counters().tombstones == 1);
  for (const std::size_t node : {0u, 1u}) mesh[node].set_members({Mesh::id(0), Mesh::id(1)});
  mesh.pass(150'000);
  // Node 1 may know a member of whom node 0 has not heard yet.
  CHECK(mesh[0].counters().tombstones == 1);
  mesh[0].peer_agrees(Mesh::id(1), false);
  mesh.pass(5'000);
  CHECK(mesh[0].counters().tombstones == 1);
  mesh[0].peer_agrees(Mesh::id(1), true);
  mesh.pass(5'000);
  CHECK(mesh[0].counters().tombstones == 0);
}

TEST_CASE("while the journal takes nothing, writes are refused with the reason and peers' writes are left for later") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  mesh[0].refuse_writes({Code::kStorageFull, "no room"});
  const auto refused = mesh[0].insert("c", doc(1), mesh.now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kStorageFull);
  CHECK_FALSE(mesh[0].collection_exists("c"));
  REQUIRE(mesh[1].insert("d", doc(1), mesh.now));
  mesh.pass(3'000);
  CHECK(mesh[0].vector().total() == 0);
  mesh[0].accept_writes();
  mesh.pass(3'000);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  mesh.check_equal();
}

TEST_CASE("acknowledgements that are no list of writes are a protocol error") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  for (const MessageKind kind : {MessageKind::kAck, MessageKind::kWantAck}) {
    const auto result = mesh[0].receive(Mesh::id(1), kind, "short", mesh.now);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kProtocolError);
  }
}

}  // namespace distri::replication::test
