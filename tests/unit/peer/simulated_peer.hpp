// simulated_peer.hpp: a whole peer of the simulated world: an Agent, a disk, and what Peer::Impl does around it, in
// steps between which anything else may happen.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "distri/peer/agent.hpp"
#include "simulated_disk.hpp"

namespace distri::peer::test {

class World;

class SimulatedPeer {
 public:
  // Whoever waits for something hears that it will not come when the peer crashes.
  using Saved = std::function<void(bool saved)>;
  using Reply = std::function<void(Result<Bytes>)>;

  // `files`: what is in the directory that he publishes.
  SimulatedPeer(World& world, std::string user, std::uint64_t number, std::set<std::string> files);

  // From what is on the disk; perhaps elsewhere.
  void start();
  // Nothing that is in memory is kept.
  void crash();
  // Looks, tells and fetches, when it is time to.
  void tick();
  // A node tells of one thing that has changed. False: there is none.
  bool hear();

  // ---- What a user does; where it makes no sense, nothing
  void request(const PublicKey& owner, const std::string& resource, std::uint32_t views = 3);
  void withdraw(const GrantId& id);
  void approve(const GrantId& id, std::uint32_t views);
  void refuse(const GrantId& id) { answer(id, agent().refuse(id)); }
  void change_views(const GrantId& id, std::uint32_t views) { answer(id, agent().change_views(id, views)); }
  void revoke(const GrantId& id) { answer(id, agent().revoke(id)); }
  void forget(const GrantId& id);
  void publish();
  void view_online(const GrantId& id);
  void view_from_escrow(const GrantId& id);

  // ---- What others ask him
  void on_request(const Request& request, const Reply& reply);
  void on_grant(const Grant& grant, const Reply& reply);
  void on_view(const PublicKey& asker, const GrantId& id, const ViewId& view, const Reply& reply);

  Agent& agent() { return *agent_; }
  const Agent& agent() const { return *agent_; }
  const SimulatedDisk& disk() const { return disk_; }
  const std::string& user() const { return user_; }
  const DeviceId& device() const { return device_; }
  const Address& address() const { return address_; }
  bool up() const { return agent_.has_value(); }
  bool is_idle() const { return !busy_ && !saving_ && viewing_.empty(); }
  std::uint64_t life() const { return life_; }

  std::set<std::string> files;
  bool online = true;    // others, and nodes, can be reached
  std::size_t node = 0;  // that he speaks to

 private:
  template <class Function>
  auto while_alive(Function function) {
    return [this, life = life_, function](auto&&... arguments) {
      if (up() && life_ == life) function(std::forward<decltype(arguments)>(arguments)...);
    };
  }
  void save(Saved then);
  void start_saving();
  // Saves, then lets the user know what has happened.
  void keep(Change change, Saved then);
  void answer(const GrantId& id, Result<Change> change);

  void round();
  void read_next();
  void end_look(const Result<>& read);
  void tell_all(bool looked);
  void tell_next();
  void carry_out(const Todo& todo, Patience patience, std::function<void()> then);
  void run(const Errand& errand, std::function<void()> then);
  void fetch();
  bool is_told();

  void take_key(const ViewKey& key);
  void show(const GrantId& id, const Agent::OneView& view);

  World& world_;
  const std::string user_;
  const DeviceId device_;
  SimulatedDisk disk_;
  std::optional<Agent> agent_;
  Address address_;
  std::uint64_t life_ = 0;

  std::vector<Saved> waiting_;
  bool saving_ = false;
  bool busy_ = false;        // in a round
  bool cloud_read_ = false;  // in the last one
  bool awake_ = true;
  std::int64_t next_round_ms_ = 0;
  std::optional<Look> look_;
  std::deque<Todo> todo_;
  std::set<GrantId> viewing_;
  bool fetching_ = false;
  std::map<std::string, Bytes> heard_;  // documents, as they were when the stream told of them
};

}  // namespace distri::peer::test
