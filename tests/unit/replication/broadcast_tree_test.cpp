// The class alone: who is whose neighbour, what is told, asked and pruned, and that nothing grows without bound.
#include "distri/replication/broadcast_tree.hpp"

#include <map>
#include <set>

#include "distri/utils/random.hpp"
#include "support.hpp"

namespace distri::replication::test {

namespace {

std::vector<BroadcastTree::Control> of_kind(std::vector<BroadcastTree::Control> messages, MessageKind kind) {
  std::erase_if(messages, [kind](const BroadcastTree::Control& message) { return message.kind != kind; });
  return messages;
}

// A tree of node 1 with neighbours 2 and 3, active, and nothing left to send.
struct Small {
  Small() {
    tree.set_active(true);
    tree.peer_connected(node_id(2));
    tree.peer_connected(node_id(3));
    tree.tick(vector, holdback, now);
    tree.take_outgoing();
    REQUIRE(tree.neighbours() == 2);
  }
  void pass(std::int64_t ms) {
    now += ms;
    tree.tick(vector, holdback, now);
  }
  BroadcastTree tree{node_id(1)};
  VersionVector vector;
  Holdback holdback{1u << 20};
  std::int64_t now = 1'000'000;
};

}  // namespace

TEST_CASE("nodes choose few neighbours, who know it, and all together are connected") {
  constexpr unsigned char kNodes = 90;
  Random random(7);
  std::vector<NodeId> ids;
  std::map<NodeId, BroadcastTree> trees;
  for (unsigned char i = 0; i < kNodes; ++i) ids.push_back(random.id<NodeId>());
  for (const NodeId& id : ids) trees.emplace(id, BroadcastTree(id));
  for (auto& [id, tree] : trees) {
    tree.set_active(true);
    for (const NodeId& peer : ids) {
      if (!(peer == id)) tree.peer_connected(peer);
    }
    tree.tick({}, Holdback(0), 1);
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (auto& [id, tree] : trees) {
      for (const BroadcastTree::Control& message : tree.take_outgoing()) {
        moved = true;
        REQUIRE(message.kind == MessageKind::kGraft);
        trees.at(message.to).on_graft(id, *decode_graft(message.payload));
      }
    }
  }
  std::size_t links = 0;
  for (auto& [id, tree] : trees) {
    CHECK(tree.neighbours() >= BroadcastTree::degree(kNodes));
    CHECK(tree.neighbours() <= 3 * BroadcastTree::degree(kNodes));
    links += tree.neighbours();
    for (const NodeId& peer : tree.eager()) {
      const auto back = trees.at(peer).eager();
      CHECK(std::find(back.begin(), back.end(), id) != back.end());
    }
  }
  CHECK(links <= 2 * BroadcastTree::degree(kNodes) * kNodes);
  std::set<NodeId> reached{ids[0]};
  std::vector<NodeId> next{ids[0]};
  while (!next.empty()) {
    const NodeId at = next.back();
    next.pop_back();
    for (const NodeId& peer : trees.at(at).eager()) {
      if (reached.insert(peer).second) next.push_back(peer);
    }
  }
  CHECK(reached.size() == kNodes);
}

TEST_CASE("how many neighbours a node chooses grows with the logarithm of the cluster") {
  CHECK(BroadcastTree::degree(0) == 4);
  CHECK(BroadcastTree::degree(1) == 4);
  CHECK(BroadcastTree::degree(63) == 4);
  CHECK(BroadcastTree::degree(64) == 5);
  CHECK(BroadcastTree::degree(1'024) == 9);
}

TEST_CASE("of two links that bring the batches of one writer the later one is pruned, but never the last one") {
  Small small;
  const Dot dot{actor_id(9), 1};
  CHECK(small.tree.applied(dot, node_id(2), 1, small.now).to == std::vector{node_id(3)});
  small.tree.came_again(node_id(3), dot, 2, small.now);
  CHECK(small.tree.eager() == std::vector{node_id(2)});
  CHECK(small.tree.lazy() == std::vector{node_id(3)});
  const auto sent = of_kind(small.tree.take_outgoing(), MessageKind::kPrune);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == node_id(3));
  CHECK(decode_prune(sent[0].payload) == Result<PruneReason>(PruneReason::kRedundant));
  // What was on its way does not turn it round.
  const Dot second{actor_id(9), 2};
  const auto relay = small.tree.applied(second, node_id(3), 2, small.now);
  CHECK(relay.hops == BroadcastTree::kAskedFor);
  small.tree.came_again(node_id(2), second, 1, small.now);
  CHECK(small.tree.eager() == std::vector{node_id(2)});
  CHECK(of_kind(small.tree.take_outgoing(), MessageKind::kPrune).empty());
}

TEST_CASE("batches of another writer than the reference prune nothing, until that is silent") {
  Small small;
  small.tree.applied({actor_id(5), 1}, node_id(2), 1, small.now);
  const Dot other{actor_id(6), 1};
  small.tree.applied(other, node_id(2), 1, small.now);
  small.tree.came_again(node_id(3), other, 1, small.now);
  CHECK(small.tree.eager().size() == 2);
  small.pass(BroadcastTree::kReferenceMs);
  const Dot later{actor_id(6), 2};
  small.tree.applied(later, node_id(2), 1, small.now);
  small.tree.came_again(node_id(3), later, 1, small.now);
  CHECK(small.tree.eager() == std::vector{node_id(2)});
}

TEST_CASE("a batch that was asked for prunes nothing") {
  Small small;
  const Dot dot{actor_id(9), 1};
  small.tree.applied(dot, node_id(2), BroadcastTree::kAskedFor, small.now);
  small.tree.came_again(node_id(3), dot, 1, small.now);
  CHECK(small.tree.eager().size() == 2);
}

TEST_CASE("news of a tick are one announcement, only to those who may not have them") {
  Small small;
  small.tree.on_prune(node_id(2), PruneReason::kRedundant, small.now);
  for (std::uint64_t counter = 1; counter <= 5; ++counter)
    small.tree.applied({actor_id(9), counter}, node_id(3), 1, small.now);
  small.tree.applied({actor_id(8), 7}, node_id(3), 1, small.now);
  small.pass(50);
  const auto sent = of_kind(small.tree.take_outgoing(), MessageKind::kHave);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == node_id(2));
  CHECK(*decode_have(sent[0].payload) == std::vector<Dot>{{actor_id(8), 7}, {actor_id(9), 5}});
  small.pass(50);
  CHECK(small.tree.take_outgoing().empty());
}

TEST_CASE(
    "what was announced and does not come is asked for, first of the one who said it first, and of the next then") {
  Small small;
  const std::vector<Dot> held{{actor_id(9), 4}};
  small.tree.on_prune(node_id(2), PruneReason::kRedundant, small.now);
  small.tree.on_have(node_id(2), held, small.vector, small.now);
  small.pass(50);
  small.tree.on_have(node_id(3), held, small.vector, small.now);
  CHECK(of_kind(small.tree.take_outgoing(), MessageKind::kGraft).empty());
  small.pass(50);
  auto sent = of_kind(small.tree.take_outgoing(), MessageKind::kGraft);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == node_id(2));
  CHECK(decode_graft(sent[0].payload)->wanted == std::vector<Graft::Stretch>{{actor_id(9), 0, 4}});
  CHECK(small.tree.eager().size() == 2);
  small.pass(BroadcastTree::kGraftAgainMs);
  sent = of_kind(small.tree.take_outgoing(), MessageKind::kGraft);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == node_id(3));
  // Nobody is left who says that he has it.
  small.pass(10'000);
  CHECK(small.tree.take_outgoing().empty());
  CHECK(small.tree.told() == 0);
}

TEST_CASE("what came meanwhile is not asked for") {
  Small small;
  small.tree.on_have(node_id(2), {{actor_id(9), 4}}, small.vector, small.now);
  small.vector.advance(actor_id(9), 4);
  small.pass(1'000);
  CHECK(small.tree.take_outgoing().empty());
  CHECK(small.tree.told() == 0);
}

TEST_CASE("announcements of writes that do not exist take bounded memory and bring bounded questions") {
  Small small;
  Random random(3);
  std::size_t asked = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<Dot> invented;
    for (std::size_t i = 0; i < kTreeActorsMax; ++i) invented.push_back({random.id<ActorId>(), random.next() | 1});
    small.tree.on_have(node_id(2), invented, small.vector, small.now);
    CHECK(small.tree.told() <= BroadcastTree::kToldMax);
    small.pass(50);
    for (const auto& graft : of_kind(small.tree.take_outgoing(), MessageKind::kGraft)) {
      CHECK(graft.to == node_id(2));
      asked += decode_graft(graft.payload)->wanted.size();
    }
  }
  CHECK(asked > 0);
  CHECK(asked <= 20 * kTreeActorsMax);
}

TEST_CASE("no more than a bounded number of nodes become neighbours, however many want to") {
  BroadcastTree tree(node_id(1));  // not active: it chooses nobody
  for (unsigned char i = 2; i < 62; ++i) {
    tree.peer_connected(node_id(i));
    tree.on_graft(node_id(i), {true, {}});
    tree.on_have(node_id(i), {{actor_id(9), 1}}, {}, 1);
  }
  CHECK(tree.neighbours() == BroadcastTree::kNeighboursMax);
  const auto refusals = of_kind(tree.take_outgoing(), MessageKind::kPrune);
  CHECK(refusals.size() == 2 * (60 - BroadcastTree::kNeighboursMax));
  for (const auto& refusal : refusals)
    CHECK(decode_prune(refusal.payload) == Result<PruneReason>(PruneReason::kRefused));
}

TEST_CASE(
    "who refuses to be a neighbour is chosen again only after a while, who releases only when nobody has chosen") {
  Small small;
  small.tree.on_prune(node_id(2), PruneReason::kReleased, small.now);
  CHECK(small.tree.neighbours() == 2);  // we have chosen it
  small.tree.on_prune(node_id(2), PruneReason::kRefused, small.now);
  small.pass(BroadcastTree::kRefusedMs - 1);
  CHECK(small.tree.neighbours() == 1);
  small.tree.peer_connected(node_id(4));  // so that it chooses
  small.pass(1);
  CHECK(small.tree.neighbours() == 3);
}

TEST_CASE("strangers and nodes that have gone change nothing") {
  Small small;
  small.tree.on_have(node_id(7), {{actor_id(9), 1}}, small.vector, small.now);
  small.tree.on_graft(node_id(7), {true, {}});
  small.tree.on_prune(node_id(7), PruneReason::kRedundant, small.now);
  small.tree.came_again(node_id(7), {actor_id(9), 1}, 1, small.now);
  CHECK(small.tree.neighbours() == 2);
  small.tree.peer_disconnected(node_id(2));
  CHECK(small.tree.neighbours() == 1);
  CHECK(small.tree.take_outgoing().empty());
}

}  // namespace distri::replication::test
