// The broadcast tree between replicas. Gossip is so slow in these clusters that it repairs nothing in time.
#include <map>

#include "distri/replication/broadcast_tree.hpp"
#include "support.hpp"

namespace distri::replication::test {

namespace {

constexpr std::size_t kNodes = 24;

ReplicaConfig slow_gossip() {
  ReplicaConfig config;
  config.gossip_ms = 10'000'000;
  config.members = kNodes;
  return config;
}

// A cluster whose tree has grown.
struct Grown : Mesh {
  Grown() : Mesh(kNodes, slow_gossip()) {
    connect_all();
    pass(200);
    for (int i = 0; i < 3; ++i) {
      write(0);
      pass(1'000);
    }
  }
  void write(std::size_t i) { REQUIRE((*this)[i].insert("c", doc(next_id++), now).has_value()); }
  std::map<MessageKind, int> settle_counted() {
    std::map<MessageKind, int> sent;
    settle([&sent](const Outgoing& message) {
      ++sent[message.kind];
      return false;
    });
    return sent;
  }
  bool all_have(std::size_t of, const std::vector<std::size_t>& but = {}) {
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      if (std::find(but.begin(), but.end(), i) != but.end()) continue;
      if (!replicas[i]->vector().covers(replicas[of]->newest_own_dot())) return false;
    }
    return true;
  }
  std::int32_t next_id = 1;
};

Bytes graft_bytes(const Graft& graft) {
  Bytes payload;
  wire::Writer out(payload);
  encode(out, graft);
  return payload;
}

}  // namespace

TEST_CASE("once the tree has grown every node receives a batch exactly once, whoever wrote it") {
  Grown mesh;
  for (const std::size_t writer : {0u, 5u, 17u, 23u}) {
    mesh.write(writer);
    auto sent = mesh.settle_counted();
    CHECK(sent[MessageKind::kTreeBatch] == kNodes - 1);
    CHECK(sent[MessageKind::kBatch] == 0);
    CHECK(mesh.all_have(writer));
  }
  for (const auto& replica : mesh.replicas) {
    CHECK(replica->counters().tree_eager >= 1);
    CHECK(replica->counters().tree_neighbours <= BroadcastTree::kNeighboursMax);
  }
  mesh.check_equal();
}

TEST_CASE("up to sixteen nodes batches go to all directly, and nobody speaks of trees") {
  Mesh mesh(kDirectNodesMax);
  mesh.connect_all();
  std::map<MessageKind, int> sent;
  const auto count = [&sent](const Outgoing& message) {
    ++sent[message.kind];
    return false;
  };
  mesh.settle(count);
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now).has_value());
  mesh.pass(3'000, count);
  CHECK(sent[MessageKind::kBatch] == kDirectNodesMax - 1);
  for (const MessageKind kind : {MessageKind::kTreeBatch, MessageKind::kHave, MessageKind::kGraft, MessageKind::kPrune})
    CHECK(sent[kind] == 0);
}

TEST_CASE("a push that was lost is asked for and passed on, without gossip") {
  Grown mesh;
  for (int round = 0; round < 5; ++round) {
    // The link that mended the last loss is one too many until a batch of the reference has pruned it.
    mesh.pass(BroadcastTree::kReferenceMs);
    mesh.write(3);
    mesh.settle();
    int pushed = 0;
    mesh.write(3);
    mesh.settle([&](const Outgoing& message) { return message.kind == MessageKind::kTreeBatch && pushed++ == round; });
    CHECK_FALSE(mesh.all_have(3));
    mesh.pass(500);
    CHECK(mesh.all_have(3));
  }
  std::uint64_t pulls = 0;
  for (const auto& replica : mesh.replicas) pulls += replica->counters().pulls;
  CHECK(pulls == 0);
  mesh.check_equal();
}

TEST_CASE("a batch that comes early has what it builds on asked for at the next tick") {
  Grown mesh;
  int pushed = 0;
  mesh.write(3);
  mesh.settle([&](const Outgoing& message) { return message.kind == MessageKind::kTreeBatch && pushed++ == 0; });
  mesh.write(3);
  mesh.settle();
  CHECK_FALSE(mesh.all_have(3));
  mesh.pass(100);  // less than an announcement takes to be followed up
  CHECK(mesh.all_have(3));
}

TEST_CASE("the tree heals when nodes go, and takes them in when they come back") {
  Grown mesh;
  const std::vector<std::size_t> gone{2, 9, 11};
  for (const std::size_t i : gone) {
    for (std::size_t other = 0; other < kNodes; ++other) {
      const bool both = std::find(gone.begin(), gone.end(), other) != gone.end() && other < i;
      if (other != i && !both) mesh.disconnect(std::min(i, other), std::max(i, other));
    }
  }
  mesh.pass(100);
  mesh.write(5);
  mesh.pass(500);
  CHECK(mesh.all_have(5, gone));
  for (const std::size_t i : gone) {
    for (std::size_t other = 0; other < kNodes; ++other) {
      const bool both = std::find(gone.begin(), gone.end(), other) != gone.end() && other < i;
      if (other != i && !both) mesh.connect(i, other);
    }
  }
  mesh.pass(500);
  mesh.write(9);
  mesh.pass(500);
  CHECK(mesh.all_have(9));
  mesh.check_equal();
}

TEST_CASE("the trees of two halves become one when the links between them are back") {
  Grown mesh;
  constexpr std::size_t kHalf = kNodes / 2;
  for (std::size_t a = 0; a < kHalf; ++a) {
    for (std::size_t b = kHalf; b < kNodes; ++b) mesh.disconnect(a, b);
  }
  mesh.pass(100);
  mesh.write(0);
  mesh.write(kHalf);
  mesh.pass(500);
  for (std::size_t a = 0; a < kHalf; ++a) {
    for (std::size_t b = kHalf; b < kNodes; ++b) mesh.connect(a, b);
  }
  mesh.pass(1'000);
  mesh.write(1);
  mesh.pass(500);
  CHECK(mesh.all_have(1));
  mesh.check_equal();
}

TEST_CASE("who is heard by nobody over one link, a link of the tree, is reached over others") {
  Grown mesh;
  // From node 3 nothing arrives at its first neighbour any more; the other way all does.
  std::optional<NodeId> deaf;
  mesh.write(3);
  mesh.settle([&](const Outgoing& message) {
    if (message.kind == MessageKind::kTreeBatch && !deaf) deaf = message.to;
    return false;
  });
  REQUIRE(deaf.has_value());
  const std::size_t from = 3;
  for (int round = 0; round < 3; ++round) {
    mesh.write(from);
    mesh[from].end_turn(mesh.now);
    std::vector<Outgoing> kept = mesh[from].take_outgoing();
    std::erase_if(kept, [&](const Outgoing& message) { return message.to == *deaf; });
    for (const Outgoing& message : kept) {
      REQUIRE(
          mesh[message.to.bytes[0] - 1u].receive(Mesh::id(from), message.kind, *message.payload, mesh.now).has_value());
    }
    mesh.pass(500);
    CHECK(mesh.all_have(from));
  }
}

TEST_CASE("writes are confirmed by all members although others than their writer bring them") {
  Grown mesh;
  mesh.write(4);
  const Dot dot = mesh[4].newest_own_dot();
  mesh[4].want_holders(dot);
  mesh.settle();
  CHECK(mesh[4].holders(dot) == kNodes);
  mesh[4].forget_holders(dot);
}

TEST_CASE("a peer that knows no trees is pushed our batches directly") {
  ReplicaConfig config = slow_gossip();
  config.node = node_id(1);
  Replica replica(config);
  const std::int64_t now = 1'700'000'000'000;
  for (unsigned char i = 2; i <= kNodes; ++i) replica.peer_connected(node_id(i), now, i != 7);
  replica.tick(now);
  replica.take_outgoing();
  REQUIRE(replica.insert("c", doc(1), now).has_value());
  replica.end_turn(now);
  replica.tick(now + 50);
  int direct = 0;
  for (const Outgoing& message : replica.take_outgoing()) {
    CHECK((message.kind == MessageKind::kBatch) == (message.to == node_id(7)));
    direct += message.kind == MessageKind::kBatch ? 1 : 0;
  }
  CHECK(direct == 1);
}

TEST_CASE("a node that pushes directly passes on what others send by the tree") {
  ReplicaConfig config = slow_gossip();
  config.node = node_id(1);
  config.members = 1;
  Replica replica(config);
  const std::int64_t now = 1'700'000'000'000;
  for (unsigned char i = 2; i <= 4; ++i) replica.peer_connected(node_id(i), now);
  for (unsigned char i = 2; i <= 3; ++i)
    REQUIRE(replica.receive(node_id(i), MessageKind::kGraft, graft_bytes({true, {}}), now).has_value());
  replica.take_outgoing();
  Batch batch;
  batch.actor = actor_id(9);
  batch.first_counter = 1;
  Op note;
  note.kind = OpKind::kNote;
  note.stamp = {5, batch.actor};
  batch.ops.push_back(note);
  Bytes payload(1, 4);
  wire::Writer out(payload);
  encode(out, batch);
  REQUIRE(replica.receive(node_id(2), MessageKind::kTreeBatch, payload, now).has_value());
  const auto sent = replica.take_outgoing();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == node_id(3));
  CHECK(sent[0].kind == MessageKind::kTreeBatch);
  CHECK(sent[0].payload->front() == 5);
  CHECK(BytesView(*sent[0].payload).substr(1) == BytesView(payload).substr(1));  // as its writer made it
}

TEST_CASE("an answer to a graft is bounded, and there is none for what one never had") {
  Grown mesh;
  for (int i = 0; i < 30; ++i) {
    bson::Builder builder;
    builder.append_int32("_id", 1'000 + i).append_string("text", std::string(100'000, 'x'));
    REQUIRE(mesh[0].insert("c", std::move(builder).finish(), mesh.now).has_value());
    mesh[0].end_turn(mesh.now);
  }
  mesh.settle();
  const auto answer = [&mesh](std::vector<Graft::Stretch> wanted) {
    REQUIRE(mesh[0]
                .receive(Mesh::id(1), MessageKind::kGraft, graft_bytes({false, std::move(wanted)}), mesh.now)
                .has_value());
    std::size_t bytes = 0;
    for (const Outgoing& message : mesh[0].take_outgoing()) bytes += message.payload->size();
    return bytes;
  };
  const Graft::Stretch all{mesh[0].actor(), 0, UINT64_MAX};
  const std::size_t bytes = answer({all});
  CHECK(bytes > 100'000);
  CHECK(bytes < 1'200'000);
  CHECK(answer({all, all, all}) < 1'200'000);
  CHECK(answer({{actor_id(77), 0, 5}, {mesh[0].actor(), 1'000'000, 1'000'001}}) == 0);
}

TEST_CASE("messages about the tree that make no sense are refused with a reason") {
  Mesh mesh(2);
  mesh.connect_all();
  mesh.settle();
  const auto refused = [&mesh](MessageKind kind, const Bytes& payload) {
    const auto result = mesh[0].receive(Mesh::id(1), kind, payload, mesh.now);
    return !result && result.error().code == Code::kProtocolError && !result.error().message.empty();
  };
  CHECK(refused(MessageKind::kTreeBatch, ""));
  CHECK(refused(MessageKind::kTreeBatch, Bytes(1, 1)));
  CHECK(refused(MessageKind::kHave, ""));
  CHECK(refused(MessageKind::kHave, Bytes(25, 1)));
  CHECK(refused(MessageKind::kHave, Bytes(24, 0)));
  CHECK(refused(MessageKind::kHave, Bytes(24 * (kTreeActorsMax + 1), 1)));
  CHECK(refused(MessageKind::kGraft, ""));
  CHECK(refused(MessageKind::kGraft, Bytes(1, 2)));
  CHECK(refused(MessageKind::kGraft, Bytes(1 + 32, 1)));  // to is not above after
  CHECK(refused(MessageKind::kGraft, Bytes(1 + 32 * (kTreeActorsMax + 1), 0)));
  CHECK(refused(MessageKind::kPrune, ""));
  CHECK(refused(MessageKind::kPrune, Bytes(1, 3)));
  CHECK(refused(MessageKind::kPrune, Bytes(2, 0)));
  CHECK_FALSE(refused(MessageKind::kHave, Bytes(24, 1)));
  CHECK_FALSE(refused(MessageKind::kGraft, Bytes(1, 0)));
  CHECK_FALSE(refused(MessageKind::kPrune, Bytes(1, 2)));
}

TEST_CASE("messages about the tree are read as they were written") {
  Bytes have;
  wire::Writer out(have);
  const std::vector<Dot> held{{actor_id(1), 5}, {actor_id(2), UINT64_MAX}};
  encode_have(out, held);
  CHECK(decode_have(have) == Result<std::vector<Dot>>(held));
  const Graft graft{true, {{actor_id(1), 0, 1}, {actor_id(2), 7, UINT64_MAX}}};
  CHECK(decode_graft(graft_bytes(graft)) == Result<Graft>(graft));
  CHECK(decode_graft(graft_bytes({})) == Result<Graft>(Graft{}));
}

}  // namespace distri::replication::test
