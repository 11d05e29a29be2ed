// exchange_world.hpp: five users around a cloud of three nodes, from one seed: owners, and viewers, some with two
// devices. Messages are lost, doubled and late; nodes are killed and come back with what they had, and do not reach
// each other for a while; everybody goes away now and then, or crashes before or after a change is on his disk.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <set>

#include "cloud_double.hpp"
#include "distri/utils/random.hpp"
#include "pair.hpp"

namespace distri::peer::test {

struct Owner {
  std::string name;
  Ledger book;
  Bytes disk;
  std::size_t node = 0;
  bool up = true;
};

struct Device {
  std::string name;
  Holdings book;
  Bytes disk;
  std::size_t node = 0;
  bool up = true;
};

class World {
 public:
  explicit World(std::uint64_t seed);

  // Somebody does something, or a message arrives.
  void step();
  // Everybody is there, nothing is lost any more, and all is done that was begun.
  void settle();
  // After settle(): what was promised.
  void check() const;

  std::size_t views() const { return shown_.size(); }
  std::size_t requests() const { return made_.size(); }
  std::size_t crashes() const { return crashes_; }
  std::size_t kills() const { return kills_; }
  std::size_t taken_back() const { return taken_back_; }
  std::size_t reported() const { return reported_; }

 private:
  struct Made {
    std::string to;
    std::string by;
  };

  static std::map<GrantId, Entry::State> states(const Owner& owner);
  const Owner& owner_of(const Made& made) const;
  Owner& owner_of(const PublicKey& id);
  // Nodes that reach each other have the same.
  void heal();
  // The node that a party speaks to: another one when its own is killed; none when all are.
  template <class Party>
  CloudNode* node_of(Party& party) {
    for (std::size_t i = 0; i < nodes_.size() && !node_up_[party.node]; ++i)
      party.node = (party.node + 1) % nodes_.size();
    return node_up_[party.node] ? &nodes_[party.node] : nullptr;
  }
  // A message between two that are there when it arrives, if it does.
  void send(std::function<void()> message);
  void deliver();

  // ---- Durable before it is said; a crash comes before the disk, or after it.
  template <class Party>
  bool persist(Party& party, const std::function<void()>& restart) {
    if (faults_ && random_.chance(0.03)) {
      ++crashes_;
      restart();
      return false;
    }
    party.disk = party.book.encode();
    if (faults_ && random_.chance(0.03)) {
      ++crashes_;
      restart();
      return false;
    }
    return true;
  }
  bool persist(Owner& owner);
  bool persist(Device& device);

  // ---- Owners
  // False: it was an error, or there was a crash, and nothing was said.
  bool keep(Owner& owner, const Result<Ledger::Effects>& effects);
  void say(Owner& owner, const Ledger::Effects& effects);
  void poll(Owner& owner);
  void act(Owner& owner);

  // ---- Viewers
  void show(const Device& device, const GrantId& id, std::uint32_t serial, const SecretBytes& key);
  void take_grant(Device& device, const Grant& grant);
  void poll(Device& device);
  // What is in the book and was perhaps not sent: after a restart.
  void publish(Device& device);
  void send_request(Device& device, const Request& request);
  void act(Device& device);
  void ask(Device& device, const GrantId& id);
  // The receipt, then the deletion, then the image; a crash in between is taken up again.
  void take(Device& device, const GrantId& id);

  Random random_;
  bool faults_ = true;
  std::array<CloudNode, 3> nodes_;
  std::array<bool, 3> node_up_ = {true, true, true};
  std::array<std::uint64_t, 3> side_ = {};  // nodes on different ones do not reach each other
  std::vector<Owner> owners_;
  std::vector<Device> devices_;
  std::deque<std::function<void()>> links_;
  std::map<GrantId, Made> made_;
  std::uint64_t next_request_ = 1;
  std::map<std::pair<GrantId, std::uint64_t>, Grant> answers_;  // by version
  std::map<GrantId, std::uint32_t> most_views_;
  std::map<std::tuple<GrantId, std::uint32_t, DeviceId>, int> shown_;
  std::size_t crashes_ = 0;
  std::size_t kills_ = 0;       // of nodes
  std::size_t taken_back_ = 0;  // keys that were still in escrow
  std::size_t reported_ = 0;    // uses that were too many, to owners
};

}  // namespace distri::peer::test
