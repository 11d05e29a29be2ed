// members.hpp: a cluster with keys in a simulated world: every machine is a membership::LocalMember, an operator who
// holds the root key lets machines in and takes them out, and machines move from address to address.
//
// What runs in the nodes is the code of src/membership; here is what cloud::Cluster and cloud::Peers do with it: saving
// a moment later, closing links, dialling, and joining on a connection of its own. A naive model (who was founded, who
// was admitted by whom, who was removed) says who must be a member; members_check.cpp asks.
//
// Draws from a stream of its own. Threads: none.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "distri/membership/joiner.hpp"
#include "distri/membership/local_member.hpp"
#include "gate.hpp"
#include "world.hpp"

namespace distri::sim {

class Members final : public Gate {
 public:
  static constexpr Millis kDialMs = 300;
  static constexpr Millis kMonthMs = 30LL * 86'400'000;
  // Fewer are not left by what the operator removes.
  static constexpr std::size_t kMembersMin = 3;
  static constexpr std::size_t kJoinsMax = 3;
  static constexpr std::uint32_t kRootChangesMax = 2;

  // Founds the cluster of all machines that are there. `world` asks this gate from then on.
  Members(World& world, std::uint64_t seed, const Defect& defect);

  // Joins, removals and moves begin, and go on until heal().
  void begin();
  // Nothing new happens; whoever is outside is let in.
  void heal() { healed_ = true; }
  // What is not known everywhere yet, or who is not linked; nullopt: all is well.
  std::optional<std::string> unsettled() const;
  // Precondition: !unsettled().
  void check_end();
  // Somebody was ever removed or replaced.
  bool removed_any() const { return !revoked_.empty(); }

  bool may_start(std::size_t i) override;
  std::vector<NodeId> members(std::size_t i) const override;
  bool knows_all_kept(std::size_t i) const override;
  bool writer_is_member(const ActorId& actor) const override;
  bool may_link(std::size_t a, std::size_t b) override;
  void started(std::size_t i) override;
  void crashed(std::size_t i) override;
  void ticked(std::size_t i) override;
  void linked(std::size_t a, std::size_t b) override;
  void heard(std::size_t from, std::size_t to, std::uint16_t kind, BytesView payload) override;

 private:
  // What a machine's data directory holds of membership.
  struct Saved {
    Bytes table;
    Bytes sponsor;
    std::uint64_t sequence = 0;
    std::set<NodeId> revoked;  // as the table says
  };
  // An invitation that the operator has signed, and who was given the line.
  struct Line {
    membership::JoinLine line;
    std::uint16_t uses = 1;
    std::uint16_t given = 0;
    std::uint16_t joined = 0;
    std::uint32_t epoch = 0;
    Line(membership::JoinLine l, std::uint16_t u, std::uint32_t e) : line(std::move(l)), uses(u), epoch(e) {}
  };
  struct Joining {
    membership::Joiner joiner;
    std::shared_ptr<Line> line;
    Millis end = 0;
    std::string last = "nothing was tried";  // why it is not a member yet
  };
  struct Seat {
    SigningKey key;
    std::string name;
    Address place;
    std::optional<membership::LocalMember> member;  // while it runs
    std::optional<Saved> saved;                     // nothing: it was never let in
    std::set<std::string> places;                   // where it has ever looked for others in this life
    bool saving = false;
    std::vector<std::function<void()>> waiting;  // for the next save to begin
    bool dirty = false;
    Millis gossip_at = 0;
    Millis dial_at = 0;
    std::shared_ptr<Joining> joining;
    Millis join_at = 0;  // the operator does not look after it before
    explicit Seat(SigningKey k) : key(std::move(k)) {}
  };
  // Something that the operator has signed and must get to the nodes.
  struct Order {
    Bytes statements;
    bool told = false;
  };
  struct Admitted {
    NodeId node;
    NodeId sponsor;
    std::uint32_t epoch;
  };

  // ---- members.cpp: what a node's owner does
  SigningKey new_key();
  void add_seat();
  const membership::MemberTable& table(std::size_t i) const { return seats_[i].member->table(); }
  bool runs(std::size_t i) const { return seats_[i].member && world_.running(i); }
  void save(std::size_t i, std::function<void()> done);
  void end_save(std::size_t i, Saved saved, std::uint64_t version, const std::vector<std::function<void()>>& done);
  void changed(std::size_t i);
  void close_links(std::size_t i);
  void tell(std::size_t from, std::size_t to, const membership::LocalMember::Outgoing& message);
  void send(std::size_t from, std::size_t to, const membership::LocalMember::Outgoing& message);
  void learn_places(std::size_t i);
  bool knows_place(std::size_t i, std::size_t other) const;
  std::optional<std::size_t> anchor() const;
  bool lets_in(std::size_t i, std::size_t other) const;
  void retire(std::size_t i);
  void become_new(std::size_t i);

  // ---- members_operator.cpp: the holder of the root key
  std::size_t live() const;
  std::optional<std::size_t> any_running();
  void tend();
  void invite(std::size_t i);
  void begin_join(std::size_t i, const std::shared_ptr<Line>& line);
  void ask(std::size_t i);
  void ask_at(std::size_t i, std::size_t sponsor);
  void on_reply(std::size_t i, const std::shared_ptr<Joining>& joining, BytesView reply);
  void joined(std::size_t i);
  void refused(std::size_t i, const Error& why);
  void revoke(const NodeId& node, membership::Reason reason, const NodeId& by);
  void change_root();
  void tell_orders();
  void tell_again();

  // ---- members_events.cpp: what happens to a cluster
  void event();
  void join_event();
  void leave_event();
  void drain(std::size_t i, int tries);
  void revoke_event();
  void replace_event();
  void swap_event();
  void move_while_down_event();
  void restore_event();
  void put_back(std::size_t i, const Saved& before);
  void month_event();
  void intruder_event();
  void root_event();
  void swap_places(std::size_t a, std::size_t b);
  void start_later(std::size_t i);

  // ---- members_check.cpp
  bool is_member(const NodeId& node) const;
  void seal();
  void check_sealed(std::size_t i);
  void check_links(std::size_t i);

  World& world_;
  Random random_;
  Defect defect_;
  std::uint64_t seed_;
  std::uint64_t keys_made_ = 0;
  SigningKey root_;
  SigningKey next_root_;
  membership::Founding founding_;
  membership::MemberTable chain_;  // what the operator keeps: the root changes
  std::deque<Seat> seats_;
  std::vector<std::shared_ptr<Line>> lines_;
  std::vector<Order> orders_;
  std::size_t joins_ = 0;
  bool healed_ = false;

  // The model.
  std::set<NodeId> founded_;  // or in the roll of the last root change
  std::vector<Admitted> admitted_;
  std::map<NodeId, std::set<NodeId>> revoked_;  // node, and whom of those that it had admitted it leaves behind
  std::map<ActorId, NodeId> writers_;
  // Removed, and everybody has heard of it: so many writes of each of its lives may be seen.
  std::map<NodeId, std::map<ActorId, std::uint64_t>> sealed_;
};

}  // namespace distri::sim
