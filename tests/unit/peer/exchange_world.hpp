// exchange_world.hpp: five users around a cloud of three nodes, from one seed: owners, viewers, some with two devices,
// and one who is both. Messages are lost, doubled and late; nodes are killed and come back with what they had, or with
// nothing, and do not reach each other for a while; so do peers. Everybody goes away now and then, crashes before,
// while or after something is on his disk, and finds it full. Time is simulated.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <tuple>

#include "cloud_double.hpp"
#include "distri/utils/random.hpp"
#include "simulated_peer.hpp"

namespace distri::peer::test {

class World {
 public:
  struct Counts {
    std::size_t requests = 0, crashes = 0;
    std::size_t kills = 0, losses = 0;  // of nodes; and those that came back with nothing
    std::size_t taken_back = 0;         // keys that were still in escrow
    std::size_t reported = 0;           // uses that were too many, to owners
    std::size_t directly = 0, by_cloud = 0;
    std::size_t online = 0, from_escrow = 0, forgotten = 0, full = 0;
    void add(const Counts& more);
    std::string text() const;
  };

  enum class Kind : std::uint8_t {
    kTrouble,  // all of the above
    kOneNode,  // which is always there, and knows all: then no key can be used twice
    // The same, and users are away, but nothing else goes wrong. Nor is the cloud compared with books again, by which
    // alone a second device would hear of the first: there is none.
    kAbsence,
    kScript,  // nothing happens but what a test does, with pass()
  };
  World(Kind kind, std::uint64_t seed);

  // Somebody does something, messages arrive, time goes by.
  void step();
  // Everybody is there, nothing is lost any more, and what was begun comes to its end by itself.
  void settle();
  // After settle(): what was promised.
  void check() const;
  const Counts& counts() const { return counts_; }

  // ---- Kind::kScript: who is away, and what is cut. Of the peers, the first one has images.
  const std::deque<std::unique_ptr<SimulatedPeer>>& peers() const { return peers_; }
  void pass(int seconds);
  void kill(std::size_t node, bool loses_all);
  void revive(std::size_t node) { node_up_[node] = true; }
  // The first peer speaks to node 1, alone on its side.
  void part_nodes(bool apart) { side_[1] = apart ? 1 : 0; }
  void cut_links(bool cut) { links_cut_ = cut; }
  std::size_t views_of(const GrantId& id) const;

  // ---- For its peers
  bool chance(double probability) { return random_.chance(probability); }
  // Something goes wrong.
  bool strikes(double probability) { return faults_ && random_.chance(probability); }
  std::uint64_t random() { return random_.next(); }
  ViewId fresh_view() { return random_.id<ViewId>(); }
  std::int64_t now_ms() const { return now_ms_; }
  std::int64_t reconcile_ms() const { return kind_ == Kind::kAbsence ? 1'000'000'000 : 15'000; }
  std::int64_t wall_ms() const { return kNow + now_ms_; }
  void later(std::function<void()> event) { events_.push_back(std::move(event)); }
  void crash(SimulatedPeer& peer);

  // The answer comes later, or an error; but not to who has crashed meanwhile.
  using Service = std::function<void(SimulatedPeer&, SimulatedPeer::Reply)>;
  void call_peer(SimulatedPeer& from, const std::vector<Address>& at, const PublicKey& who, Service service,
                 SimulatedPeer::Reply then);
  template <class Answer>
  void call_cloud(SimulatedPeer& from, std::function<Answer(CloudNode&)> call,
                  std::function<void(Result<Answer>)> then);
  static bool write(CloudNode& node, const Errand& errand, const PublicKey& self);
  // The node that a peer speaks to: another one when its own is killed; none when all are.
  CloudNode* node_of(SimulatedPeer& peer);

  // ---- What is said is on the disk of who says it, at that moment
  void check_said(const SimulatedPeer& peer, const Errand& errand);
  void check_answer(const SimulatedPeer& peer, const Grant& grant);
  void check_asked(const SimulatedPeer& peer, const GrantId& id, const ViewId& view) const;
  void check_given(const SimulatedPeer& peer, const GrantId& id, const ViewId& view);
  void check_receipt(const SimulatedPeer& peer, const Receipt& receipt) const;

  void note(const SimulatedPeer& peer, const Change& change);
  void note(const std::vector<PeerEvent>& events);
  // A view that was had is shown next, or lost in a crash, or with a full disk.
  void note_had(const GrantId& id, std::uint32_t serial) { had_.emplace(id, serial); }
  void shown(const SimulatedPeer& peer, const GrantId& id, std::uint32_t serial, bool from_escrow);
  void note_taken_back() { ++counts_.taken_back; }

  void note_full() { ++counts_.full; }
  void note_forgotten() { ++counts_.forgotten; }

 private:
  class Call;

  SimulatedPeer* reached(const SimulatedPeer& from, const std::vector<Address>& at, const PublicKey& who);
  const SimulatedPeer& owner_of(const GrantId& id) const;
  bool is_put_away(const GrantId& id) const;
  static std::vector<GrantId> ids_of(const SimulatedPeer& peer, bool owner);
  void deliver();
  void trouble();
  // Nodes that reach each other have the same.
  void heal(bool all);
  void act(SimulatedPeer& peer);
  void act_as_owner(SimulatedPeer& peer, const GrantId& id);
  void act_as_viewer(SimulatedPeer& peer, const GrantId& id);

  void check_views() const;
  // How many count as used that nobody has had.
  std::size_t lost_views() const;
  bool is_wanted(const GrantId& id, std::uint32_t serial, const Issue& issue) const;
  void check_requests() const;
  void check_one(const SimulatedPeer& device, const Holding& holding) const;
  void check_escrow(const SimulatedPeer& owner, const Entry& entry) const;
  void check_users() const;

  const Kind kind_;
  Random random_;
  const bool tidy_;  // who is done with a request puts it away
  bool faults_;
  std::int64_t now_ms_ = 1;
  std::array<CloudNode, 3> nodes_;
  std::array<bool, 3> node_up_ = {true, true, true};
  std::array<std::uint64_t, 3> side_ = {};  // nodes on different ones do not reach each other
  bool links_cut_ = false;                  // from peer to peer
  std::deque<std::unique_ptr<SimulatedPeer>> peers_;
  std::deque<std::function<void()>> events_;
  std::map<GrantId, std::string> made_;                         // requests that were told of, to whom
  std::map<std::pair<GrantId, std::uint64_t>, Grant> answers_;  // by version
  std::map<GrantId, std::uint32_t> most_views_;
  std::map<std::tuple<GrantId, std::uint32_t, DeviceId>, int> shown_;
  std::set<KeyPlace> had_;   // views, shown or not
  std::set<KeyPlace> lost_;  // whose deletion or receipt only a node had that has lost everything
  Counts counts_;
};

// Who calls, and hears of it once; of an error when nobody answers.
class World::Call {
 public:
  Call(World& world, SimulatedPeer& from, SimulatedPeer::Reply then)
      : world_(world), from_(from), life_(from.life()), then_(std::move(then)) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { end(fail(Code::kConnectionLost, "nobody has answered")); }
  void end(Result<Bytes> answer) {
    if (!then_) return;
    world_.later([&from = from_, life = life_, then = std::exchange(then_, nullptr), answer = std::move(answer)] {
      if (from.up() && from.life() == life) then(answer);
    });
  }

 private:
  World& world_;
  SimulatedPeer& from_;
  const std::uint64_t life_;
  SimulatedPeer::Reply then_;
};

template <class Answer>
void World::call_cloud(SimulatedPeer& from, std::function<Answer(CloudNode&)> call,
                       std::function<void(Result<Answer>)> then) {
  const bool lost = strikes(0.05);
  const bool answer_lost = strikes(0.05);
  const auto end = [this, &from, life = from.life(), then = std::move(then)](Result<Answer> answer) {
    later([&from, life, then, answer = std::move(answer)] {
      if (from.up() && from.life() == life) then(answer);
    });
  };
  later([this, &from, lost, answer_lost, call = std::move(call), end] {
    CloudNode* node = from.online ? node_of(from) : nullptr;
    if (node == nullptr || lost) return end(fail(Code::kUnavailable, "no node is there"));
    const Answer answer = call(*node);
    if (!answer_lost) return end(answer);
    if (chance(0.5)) return end(fail(Code::kIndeterminate, "the answer was lost"));
    // Its client asks again, the same node or another one.
    if (kind_ == Kind::kTrouble && chance(0.5)) from.node = random_.below(nodes_.size());
    node = node_of(from);
    return node == nullptr ? end(fail(Code::kIndeterminate, "the answer was lost")) : end(call(*node));
  });
}

}  // namespace distri::peer::test
