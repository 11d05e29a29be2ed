// exchange_world.hpp: owners, and viewers with two devices each, around a cloud of two nodes, from one seed. Messages
// are lost, doubled and late, nodes do not reach each other for a while, everybody goes away now and then, or crashes
// before or after a change is on his disk.
#pragma once

#include <array>
#include <deque>
#include <functional>

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
  std::size_t reported() const { return reported_; }

 private:
  struct Made {
    std::string to;
    std::string by;
  };

  static std::map<GrantId, Entry::State> states(const Owner& owner);
  const Owner& owner_of(const Made& made) const;
  Owner& owner_of(const PublicKey& id);
  void heal();
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
  bool cut_ = false;
  bool faults_ = true;
  std::array<CloudNode, 2> nodes_;
  std::vector<Owner> owners_;
  std::vector<Device> devices_;
  std::deque<std::function<void()>> links_;
  std::map<GrantId, Made> made_;
  std::uint64_t next_request_ = 1;
  std::map<std::pair<GrantId, std::uint64_t>, Grant> answers_;  // by version
  std::map<GrantId, std::uint32_t> most_views_;
  std::map<std::tuple<GrantId, std::uint32_t, DeviceId>, int> shown_;
  std::size_t crashes_ = 0;
  std::size_t reported_ = 0;  // uses that were too many, to owners
};

}  // namespace distri::peer::test
