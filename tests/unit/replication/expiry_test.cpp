// Documents that expire: who removes them, and by which clock.
#include <limits>

#include "distri/bson/json.hpp"
#include "distri/db/index_catalog.hpp"
#include "support.hpp"

namespace distri::replication::test {
namespace {

constexpr std::int64_t kYearMs = 365LL * 86'400'000;
constexpr std::int64_t kMonthMs = 30LL * 86'400'000;

// Replicas whose wall clocks are set one by one.
struct Clocks : Mesh {
  explicit Clocks(std::size_t nodes, std::uint32_t members = 0)
      : Mesh(nodes, config_for(members == 0 ? static_cast<std::uint32_t>(nodes) : members)), ahead_ms(nodes) {
    bson::Builder specification;
    specification.begin_object("key").append_int32("at", 1).end().append_int32("expireAfterSeconds", 0);
    const auto index = db::parse_index(std::move(specification).finish());
    REQUIRE(replicas[0]->replace(db::kIndexCollection, db::catalog_document("c", *index), now));
  }
  static ReplicaConfig config_for(std::uint32_t members) {
    ReplicaConfig config;
    config.members = members;
    return config;
  }
  std::int64_t wall(std::size_t i) const { return now + ahead_ms[i]; }
  void add(std::size_t i, std::int32_t id, std::int64_t at_ms) {
    bson::Builder out;
    out.append_int32("_id", id).append_date("at", at_ms);
    REQUIRE(replicas[i]->insert("c", std::move(out).finish(), wall(i)));
  }
  // Ticks, sweeps and messages, by the nodes' own clocks.
  void live(std::int64_t ms) {
    for (const std::int64_t end = now + ms; now < end;) {
      now += 500;
      for (std::size_t i = 0; i < replicas.size(); ++i) {
        replicas[i]->tick(wall(i));
        while (replicas[i]->sweep(10, wall(i))) {
        }
      }
      carry();
    }
  }
  void carry() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t from = 0; from < replicas.size(); ++from) {
        replicas[from]->end_turn(wall(from));
        for (const Outgoing& message : replicas[from]->take_outgoing()) {
          moved = true;
          const std::size_t to = message.to.bytes[0] - 1u;
          REQUIRE(replicas[to]->receive(id(from), message.kind, *message.payload, wall(to)));
        }
      }
    }
  }
  std::size_t documents(std::size_t i) {
    const db::Collection* found = replicas[i]->database().find("c");
    return found == nullptr ? 0 : found->size();
  }
  std::vector<std::int64_t> ahead_ms;
};

}  // namespace

TEST_CASE("the node with the smallest id removes what has expired, by deletes that all nodes have") {
  Clocks mesh(3);
  mesh.connect_all();
  for (int i = 0; i < 25; ++i) mesh.add(1, i, mesh.now + 1'000);
  mesh.add(1, 100, mesh.now + kMonthMs);
  mesh.live(5'000);
  for (std::size_t i = 0; i < 3; ++i) CHECK(mesh.documents(i) == 1);
  mesh.check_equal();
  CHECK(mesh[0].counters().documents_expired == 25);
  CHECK(mesh[1].counters().documents_expired == 0);
  CHECK(mesh[2].counters().documents_expired == 0);
  CHECK(mesh[1].conflicts().size() == 0);
}

TEST_CASE("one call removes no more than its budget, and says that there is more") {
  Clocks mesh(1);
  for (int i = 0; i < 25; ++i) mesh.add(0, i, 0);
  mesh.now += 61'000;  // as if it had lived so long
  mesh[0].tick(mesh.now - 1);
  mesh[0].tick(mesh.now);
  mesh.now += 61'000;
  CHECK(mesh[0].sweep(10, mesh.now));
  CHECK(mesh.documents(0) == 15);
  CHECK(mesh[0].sweep(10, mesh.now));
  CHECK_FALSE(mesh[0].sweep(10, mesh.now));
  CHECK(mesh.documents(0) == 0);
  mesh.carry();
  CHECK_FALSE(mesh[0].check_invariants());
}

TEST_CASE("by which clock documents expire") {
  struct Row {
    const char* name;
    std::vector<std::int64_t> ahead_ms;
    std::int64_t expected_ms;  // ahead, give or take a round of gossip
  };
  const std::int64_t at_1970 = -1'700'000'000'000;
  for (const Row& row : {
           Row{"one node has its own clock only", {kYearMs}, kYearMs},
           Row{"two: one ahead does not count", {kYearMs, 0}, 0},
           Row{"two: one in 1970 holds all up", {at_1970, 0}, at_1970},
           Row{"three: one ahead", {kYearMs, 0, 0}, 0},
           Row{"three: one in 1970", {0, at_1970, 0}, 0},
           Row{"three: one of each", {0, at_1970, kYearMs}, 0},
           Row{"three: two ahead are believed", {kYearMs, kYearMs, 0}, kYearMs},
           Row{"four: one ahead", {0, kYearMs, 0, 0}, 0},
           Row{"four: two ahead do not count", {0, kYearMs, 0, kYearMs}, 0},
           Row{"five: two ahead do not count", {kYearMs, kYearMs, 0, 0, 0}, 0},
       }) {
    CAPTURE(row.name);
    Clocks mesh(row.ahead_ms.size());
    mesh.ahead_ms = row.ahead_ms;
    mesh.connect_all();
    mesh.live(70'000);
    for (std::size_t i = 0; i < row.ahead_ms.size(); ++i) {
      const auto clock_ms = mesh[i].expiry_clock_ms();
      REQUIRE(clock_ms.has_value());
      CHECK(std::abs(*clock_ms - mesh.now - row.expected_ms) <= 1'500);
    }
  }
}

TEST_CASE("a node whose clock leaps a year ahead removes nothing early, neither among others nor alone") {
  for (const std::size_t nodes : {2u, 3u}) {
    Clocks mesh(nodes);
    mesh.connect_all();
    mesh.add(0, 1, mesh.now + kMonthMs);
    mesh.live(5'000);
    mesh.ahead_ms[0] = kYearMs;  // it is the one that removes
    mesh.live(10'000);
    CHECK(mesh.documents(0) == 1);
    for (std::size_t i = 1; i < nodes; ++i) mesh.disconnect(0, i);
    mesh.live(10'000);
    CHECK(mesh.documents(0) == 1);
    // What is due in a while does go there: the others' clocks go on without them.
    mesh.add(0, 2, mesh.now + 120'000);
    mesh.live(90'000);
    CHECK(mesh.documents(0) == 2);
    mesh.live(60'000);
    CHECK(mesh.documents(0) == 1);
  }
}

TEST_CASE("a node that has heard of too few in this life removes nothing") {
  Clocks mesh(2, 5);
  mesh.add(0, 1, 0);
  mesh.connect_all();
  mesh.live(100'000);
  CHECK(mesh.documents(0) == 1);
  CHECK_FALSE(mesh[0].expiry_clock_ms().has_value());
}

TEST_CASE("a node that is alone waits a minute before it believes its clock") {
  Clocks mesh(1);
  mesh.add(0, 1, 0);
  mesh.live(55'000);
  CHECK(mesh.documents(0) == 1);
  mesh.live(10'000);
  CHECK(mesh.documents(0) == 0);
}

TEST_CASE("one machine that comes back under new names has no more voices than one") {
  Clocks mesh(2, 2);
  mesh.add(0, 1, mesh.now + kMonthMs);
  mesh.connect_all();
  mesh.live(2'000);
  const auto stranger = [&](unsigned char number) {
    UpdateInfo info;
    info.node = node_id(number);
    info.incarnation = 1;
    info.actor = make_actor_id(info.node, 1);
    info.wall_ms = mesh.now + kYearMs;
    Bytes bytes;
    wire::Writer out(bytes);
    encode(out, info);
    mesh[0].peer_connected(info.node, mesh.now);
    REQUIRE(mesh[0].receive(info.node, MessageKind::kUpdateInfo, bytes, mesh.now));
    mesh[0].peer_disconnected(info.node);
    mesh[0].take_outgoing();
  };
  for (unsigned char number = 10; number < 20; ++number) stranger(number);
  mesh.live(5'000);
  CHECK(mesh.documents(0) == 1);
  mesh.disconnect(0, 1);
  mesh.live(5'000);
  CHECK(mesh.documents(0) == 1);
}

TEST_CASE("a document that nothing can replace, stamped at the end of time, holds up no others") {
  Clocks mesh(1);
  mesh.add(0, 2, 0);
  Batch batch;
  batch.actor = actor_id(9);
  batch.first_counter = 1;
  Op op;
  op.kind = OpKind::kInsert;
  op.collection = "c";
  bson::Builder document;
  document.append_int32("_id", 1).append_date("at", -1);
  op.document = std::move(document).finish();
  op.key = key_of(op.document);
  op.stamp = {~std::uint64_t{0}, batch.actor};
  batch.ops.push_back(op);
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, batch);
  mesh[0].peer_connected(node_id(2), mesh.now);
  REQUIRE(mesh[0].receive(node_id(2), MessageKind::kBatch, bytes, mesh.now));
  mesh[0].peer_disconnected(node_id(2));
  mesh.add(0, 3, 0);
  REQUIRE(mesh.documents(0) == 3);
  mesh.live(70'000);
  CHECK(mesh.documents(0) == 1);
  CHECK_FALSE(mesh[0].sweep(1, mesh.now));
  CHECK(mesh[0].counters().documents_expired == 2);
}

TEST_CASE("both sides of a partition remove what has expired, and agree afterwards without conflicts") {
  Clocks mesh(3);
  mesh.connect_all();
  mesh.live(2'000);
  for (int i = 0; i < 5; ++i) mesh.add(1, i, mesh.now + 20'000);
  mesh.live(1'000);
  mesh.disconnect(0, 1);
  mesh.disconnect(0, 2);
  mesh.live(40'000);
  for (std::size_t i = 0; i < 3; ++i) CHECK(mesh.documents(i) == 0);
  CHECK(mesh[0].counters().documents_expired == 5);
  CHECK(mesh[1].counters().documents_expired == 5);
  mesh.connect(0, 1);
  mesh.connect(0, 2);
  mesh.live(5'000);
  mesh.check_equal();
  for (std::size_t i = 0; i < 3; ++i) CHECK(mesh[i].conflicts().size() == 0);
}

TEST_CASE(
    "a document whose date was moved on meanwhile stays, and an update that a delete did not know is a conflict") {
  Clocks mesh(2);
  mesh.connect_all();
  mesh.live(2'000);
  const std::int64_t due = mesh.now + 10'000;
  mesh.add(0, 1, due);
  mesh.add(0, 2, due);
  mesh.live(1'000);
  const auto touch = [&](std::size_t node, std::int32_t id) {
    bson::Builder set;
    set.append_date("at", due + kMonthMs);
    REQUIRE(mesh[node].update("c", key_of(doc(id)), std::move(set).finish(), {}, mesh.now));
  };
  touch(1, 1);
  mesh.live(1'000);
  mesh.disconnect(0, 1);
  touch(1, 2);
  mesh.live(30'000);
  CHECK(mesh.documents(0) == 1);
  CHECK(mesh.documents(1) == 2);
  mesh.connect(0, 1);
  mesh.live(5'000);
  mesh.check_equal();
  CHECK(mesh.documents(0) == 1);
  CHECK(mesh[0].conflicts().size() == 1);
}

TEST_CASE("a node of a version that does not tell its time is understood, and counts as no clock") {
  Mesh mesh(2);
  UpdateInfo info = mesh[0].own_info();
  info.wall_ms.reset();
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, info);
  mesh[1].peer_connected(Mesh::id(0), mesh.now);
  CHECK(mesh[1].receive(Mesh::id(0), MessageKind::kUpdateInfo, bytes, mesh.now));
  CHECK_FALSE(mesh[1].peers().at(Mesh::id(0)).wall_ms.has_value());
  CHECK(mesh[1].receive(Mesh::id(0), MessageKind::kHeartbeat, Bytes(24, '\0'), mesh.now));
  for (const std::size_t size : {23, 25, 31, 33}) {
    CAPTURE(size);
    CHECK_FALSE(mesh[1].receive(Mesh::id(0), MessageKind::kHeartbeat, Bytes(size, '\0'), mesh.now));
  }
  // Any time at all can be told; with one other clock the earlier counts.
  info.wall_ms = std::numeric_limits<std::int64_t>::max();
  bytes.clear();
  encode(out, info);
  CHECK(mesh[1].receive(Mesh::id(0), MessageKind::kUpdateInfo, bytes, mesh.now));
  CHECK(mesh[1].expiry_clock_ms() == mesh.now);
}

}  // namespace distri::replication::test
