// broadcast_tree.hpp: by which links a batch reaches every node of a large cluster, about once each. Sans-IO.
//
// Plumtree (Leitao, Pereira, Rodrigues, "Epidemic Broadcast Trees", SRDS 2007). Every node has a few neighbours among
// the nodes that it is linked to. To some of them, the eager ones, it pushes whole batches as they come; to the others,
// the lazy ones, it only announces what it holds. Who gets a batch a second time prunes that link: it becomes lazy at
// both ends. What remains of eager links is a tree over all nodes, the same for all writers. Who hears of a batch that
// does not come grafts the link over which it heard: that becomes eager, and brings the batch. So a tree grows out of
// the first broadcast, and mends itself wherever nodes, links or messages are lost.
//
// What is different here, because writes have dots and batches are applied in causal order:
//   * A batch is passed on when it has been applied, so that what a node has passed on or announced it can also send
//     again, from its log, and holds all that the batch builds on. A batch that comes early is by itself an
//     announcement of what is missing.
//   * Announcements name an actor and its newest write ("I hold that and all earlier ones"), are gathered for a tick,
//     and leave out whom the news came from or who has told it himself.
//   * There are many writers and one tree. Two batches that are on their way at once may each find another link of a
//     circle redundant, and cut it in two. So only batches of one writer prune, the reference: of those heard lately
//     the one whose actor is the smallest. The tree becomes that of the links by which its batches come first.
//   * A batch that was asked for, or that came over a link that has just been pruned, prunes nothing, here and wherever
//     it is passed on to: that it comes twice says nothing about the tree.
//   * The last eager link is never pruned.
//   * Anti-entropy (UpdateInfo, pulls) is the last repair, so that everything here may be lost, late or forgotten.
//
// Neighbours: every pair of nodes has a score, a hash of both ids, and a node chooses the peers it has the highest
// scores with; it takes as neighbours, too, those who choose it. So the neighbours are a random graph, but a function
// of who is linked: when links come or go, or a partition heals, it is drawn anew by itself, and no randomness is
// needed. A node of n chooses floor(log2 n) - 1, but at least 4; with those who chose it about half as many more.
//
// The trees of the paper are also improved by hop counts: a lazy neighbour that is much nearer to the root takes the
// place of the eager one. Here the tree is that of the reference's first arrivals, whatever it was before, and 100
// nodes are reached over 5 links in the median and 8 at most (docs/replication.md has the measurement): it would gain
// little.
//
// Invariants: (1) neighbours() <= kNeighboursMax. (2) Memory is bounded by the peers that are linked and the limits
// below, whatever they send. Threads: none. Errors: none.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "distri/replication/holdback.hpp"
#include "distri/replication/plant.hpp"
#include "distri/replication/replica.hpp"
#include "distri/replication/tree_messages.hpp"

namespace distri::replication {

class BroadcastTree {
 public:
  using Elapsed = std::int64_t;

  static constexpr std::size_t kNeighboursMax = 24;
  // Of one neighbour: actors of which it has said that it holds more than we do; actors of which we know what it holds.
  static constexpr std::size_t kToldMax = 1'024;
  static constexpr std::size_t kSettledMax = 4'096;
  // Something that was announced is asked for at the first tick when it has not come by then; of somebody else after so
  // long again. What a batch builds on that came early should have come before it on the same link: that is asked for
  // at the next tick.
  static constexpr Elapsed kGraftAfterMs = 100;
  static constexpr Elapsed kGraftAgainMs = 250;
  // Batches of the reference of which is known how they came.
  static constexpr std::size_t kArrivalsMax = 256;
  // Who has not been heard for so long is not the reference any more.
  static constexpr Elapsed kReferenceMs = 1'000;
  // Who does not stop to push what comes twice is told again after so long; until then what it pushes was on its way.
  static constexpr Elapsed kPruneAgainMs = 250;
  // Who has refused to be a neighbour is not chosen for so long.
  static constexpr Elapsed kRefusedMs = 60'000;
  // In place of a hop count: it came otherwise, from its writer or by a pull.
  static constexpr int kNotByTree = -1;
  static constexpr int kAskedFor = 0;

  explicit BroadcastTree(const NodeId& self, Plant plant = Plant::kNone) : self_(self), plant_(plant) {}

  // ---- Who is there. Only peers that know the messages of trees.
  void peer_connected(const NodeId& peer);
  void peer_disconnected(const NodeId& peer);
  bool has_peer(const NodeId& peer) const { return peers_.contains(peer); }
  // Whether this node chooses neighbours. Also where it does not it is the neighbour of those that choose it.
  void set_active(bool active);
  bool active() const { return active_; }

  // ---- Batches. `last` is the last write of a batch; `hops` as it came.
  // It has been applied. Who is to be pushed it now: they count as having it from now on. What did not come by the tree
  // is announced only.
  struct Relay {
    std::vector<NodeId> to;
    int hops = kAskedFor;  // to be sent with it
  };
  Relay applied(const Dot& last, const std::optional<NodeId>& from, int hops, Elapsed now);
  // It came early, and is held back; `from` holds what it builds on.
  void came_early(const NodeId& from, const Batch& batch, int hops, const VersionVector& vector, Elapsed now);
  // It is here already.
  void came_again(const NodeId& from, const Dot& last, int hops, Elapsed now);
  // It was written here, and its writer has pushed it to all peers itself.
  void pushed_to_all(const Dot& last);

  // ---- Messages.
  void on_have(const NodeId& from, const std::vector<Dot>& held, const VersionVector& vector, Elapsed now);
  void on_graft(const NodeId& from, const Graft& graft);
  void on_prune(const NodeId& from, PruneReason reason, Elapsed now);

  // ---- Time: chooses, announces, asks for what does not come.
  void tick(const VersionVector& vector, const Holdback& holdback, Elapsed now);

  // Have, Graft and Prune to be sent.
  struct Control {
    NodeId to;
    MessageKind kind;
    Bytes payload;
  };
  std::vector<Control> take_outgoing() { return std::exchange(outgoing_, {}); }

  // ---- State, for tests.
  std::size_t neighbours() const { return neighbours_.size(); }
  std::vector<NodeId> eager() const;
  std::vector<NodeId> lazy() const;
  std::size_t told() const;  // actors, of all neighbours
  // How many a node of so many nodes chooses.
  static std::size_t degree(std::size_t nodes);

 private:
  struct Told {
    std::uint64_t counter = 0;
    Elapsed since = 0;
  };
  struct Neighbour {
    bool chosen = false;    // by us
    bool chose_us = false;  // or by it
    bool eager = true;
    Elapsed pruned_at = -kPruneAgainMs;
    absl::btree_map<ActorId, Told> told;  // it holds what we lack
    // What it needs not be told: it has told us, was told or pushed.
    absl::btree_map<ActorId, std::uint64_t> settled;
  };

  // How a batch of the reference came first.
  struct Arrival {
    std::uint64_t counter = 0;
    bool by_tree = false;  // over an eager link, as all before that passed it on
  };
  struct Reference {
    ActorId actor;
    Elapsed heard_at = -kReferenceMs;
    std::deque<Arrival> arrivals;
  };

  void heard(const Dot& last, bool by_tree, Elapsed now);
  bool came_by_tree(const Dot& last) const;
  void choose(Elapsed now);
  std::vector<NodeId> best_peers(Elapsed now);
  Neighbour* neighbour(const NodeId& node);
  // The neighbour, who has chosen us if it was none; nullptr: there is no room, or no such peer.
  Neighbour* adopt(const NodeId& node);
  void drop(const NodeId& node);
  static void tell(Neighbour& neighbour, const Dot& dot, Elapsed since);
  static bool pushes(Neighbour& neighbour, Elapsed now);
  static void settle(Neighbour& neighbour, const Dot& dot);
  static bool is_settled(const Neighbour& neighbour, const Dot& dot);
  std::size_t eager_count() const;
  void keep_one_eager();
  void announce();
  void ask(const VersionVector& vector, const Holdback& holdback, Elapsed now);
  void send_graft(const NodeId& to, Neighbour& neighbour, std::vector<Graft::Stretch> wanted);
  void send_prune(const NodeId& to, PruneReason reason);

  NodeId self_;
  Plant plant_;
  bool active_ = false;
  bool stale_ = false;  // peers or `active_` have changed since the last choice
  absl::btree_set<NodeId> peers_;
  absl::btree_map<NodeId, Elapsed> refused_;  // and when
  absl::btree_map<NodeId, Neighbour> neighbours_;
  Reference reference_;
  absl::btree_map<ActorId, std::uint64_t> fresh_;  // applied since the last tick
  absl::btree_map<ActorId, Elapsed> asked_;        // when somebody was asked for writes of that actor
  std::vector<Control> outgoing_;
};

}  // namespace distri::replication
