// swim.hpp: who answers at the moment: failure detection among the members of a cluster.
//
// SWIM (Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol", DSN
// 2002): in each protocol period a node pings one other, in the order of a shuffled list. No answer in time: it asks a
// few others to ping that node for it. Still none: it suspects the node, and tells so in the messages that are sent
// anyway. A suspected node that hears of it says that it is alive, with a higher incarnation; otherwise it is dead when
// the suspicion ends. With the refinements of Lifeguard (Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness
// for More Accurate Failure Detection", DSN-W 2018), each of which can be switched off:
//   local_health  who misses answers that should have come doubts himself first: probes become slower and more patient
//   suspicion     a suspicion lasts long while one node alone has it, and shorter with every other one that confirms it
//   buddy         a node that is suspected is told so first of all when it is pinged
// and one of our own:
//   late_grace    a node that was stopped for a while concludes nothing from what it did not hear meanwhile
//
// It only says whom to route to. Who is a member is set_members(), from the member table, and never changes here: a
// dead node is pinged now and then for ever, so that a partition that ends is noticed.
//
// The owner calls receive() for each message of a member (authenticated: this floor believes `from`), on_time() not
// before next_ms(), and after either sends what take_messages() gives and acts on take_changes(). Messages may be lost,
// late, doubled or out of order. Members are believed: one that lies can make others be called dead until they refute
// it.
//
// Threads: none; the owner serialises calls. Times: monotonic milliseconds. Memory: bounded by the number of members.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "distri/membership/swim_messages.hpp"
#include "distri/utils/random.hpp"

namespace distri::membership {

struct SwimOptions {
  std::int64_t period_ms = 1000;        // one probe each
  std::int64_t probe_timeout_ms = 400;  // then others are asked; less than a period
  std::size_t helpers = 3;              // so many
  std::int64_t dead_periods = 16;       // each dead node is pinged once in so many periods
  // A suspicion lasts suspicion_periods * max(1, log10(members)) periods when enough nodes share it; up to
  // suspicion_stretch times that when nobody does. It is shortest with so many confirmations.
  double suspicion_periods = 5;
  double suspicion_stretch = 6;
  std::size_t confirmations = 3;
  // A report is sent retransmit * ceil(log10(members + 1)) times by each node.
  std::size_t retransmit = 4;
  // Local health multiplies period and timeout by 1 to this plus 1.
  int local_health_max = 8;

  bool local_health = true;
  bool suspicion = true;
  bool buddy = true;
  bool late_grace = true;

  // SWIM as published in 2002.
  static SwimOptions plain();
};

class Swim {
 public:
  struct Message {
    NodeId to;
    Bytes bytes;
  };
  struct Change {
    NodeId node;
    Health health = Health::kAlive;
    std::uint64_t incarnation = 0;
    bool own = false;  // found out by this node, not heard
  };
  struct Counters {
    std::uint64_t probes = 0;
    std::uint64_t probes_failed = 0;
    std::uint64_t suspicions = 0;  // begun here, by a probe or a report
    std::uint64_t deaths = 0;      // declared here, by the end of a suspicion
    std::uint64_t refuted = 0;     // reports about this node
  };

  // `incarnation`: above that of earlier lives of this node where it is known, such as the wall time in ms; if it is
  // not, the others say so and it is raised. `now_ms` begins the first period, at a moment within one that is drawn.
  Swim(const NodeId& self, std::uint64_t incarnation, const SwimOptions& options, Random random, std::int64_t now_ms);

  // All members but this node, which is ignored if it is among them. New ones are taken to be alive.
  void set_members(std::span<const NodeId> members);

  // Errors: kProtocolError, kTooLarge; kPermissionDenied: `from` is no member. They change nothing.
  Result<> receive(std::int64_t now_ms, const NodeId& from, BytesView bytes);
  void on_time(std::int64_t now_ms);
  std::int64_t next_ms() const;

  std::vector<Message> take_messages() { return std::exchange(messages_, {}); }
  std::vector<Change> take_changes() { return std::exchange(changes_, {}); }

  // Of a member; kDead for others.
  Health health(const NodeId& node) const;
  std::uint64_t incarnation() const { return incarnation_; }
  int local_health() const { return local_health_; }  // 0: good
  const Counters& counters() const { return counters_; }
  // How long a suspicion lasts with so many confirmations.
  std::int64_t suspicion_ms(std::size_t confirmations) const;

 private:
  struct Peer {
    Health health = Health::kAlive;
    std::uint64_t incarnation = 0;
    // While it is suspected:
    std::int64_t suspected_ms = 0;
    std::set<NodeId> suspected_by;
  };
  struct Probe {
    NodeId target;
    std::uint32_t sequence = 0;
    std::int64_t timeout_ms = 0;
    bool answered = false;
    bool helpers_asked = false;
    std::size_t helpers = 0;
    std::set<NodeId> nacks_missing;  // of the helpers
  };
  struct Relay {
    NodeId asker;
    std::uint32_t sequence = 0;  // of the asker
    NodeId target;
    std::int64_t nack_ms = 0;
    std::int64_t end_ms = 0;
    bool nacked = false;
  };
  struct Rumor {
    SwimReport report;
    std::size_t sent = 0;
  };

  // swim.cpp: probing
  void begin_period(std::int64_t now_ms);
  void end_probe(std::int64_t now_ms);
  void ask_helpers(std::int64_t now_ms);
  void ping_dead_nodes();
  void run_relays(std::int64_t now_ms);
  void forgive_lateness(std::int64_t now_ms);
  std::optional<NodeId> next_target();
  std::vector<NodeId> draw_helpers(const NodeId& target);
  void send(const NodeId& to, SwimMessage message);
  void change_local_health(int by);
  std::int64_t patience() const { return options_.local_health ? local_health_ + 1 : 1; }

  // swim_reports.cpp: what is said about whom
  void take(std::int64_t now_ms, const SwimReport& report, bool own = false);
  void take_about_self(const SwimReport& report);
  void suspect(std::int64_t now_ms, const NodeId& node);
  void end_suspicions(std::int64_t now_ms);
  std::int64_t suspicion_end_ms(const Peer& peer) const;
  std::size_t confirmations_max() const;
  void spread(const SwimReport& report);
  SwimReport report_on(const NodeId& node, const Peer& peer) const;
  std::vector<SwimReport> choose_reports(const NodeId& to);
  std::size_t sends_max() const;

  NodeId self_;
  std::uint64_t incarnation_;
  SwimOptions options_;
  Random random_;
  std::map<NodeId, Peer> peers_;
  std::vector<NodeId> order_;  // of the probes, shuffled after each pass
  std::size_t place_ = 0;
  std::int64_t period_end_ms_;
  double dead_pings_due_ = 0;
  NodeId last_dead_;  // that was pinged
  std::optional<Probe> probe_;
  std::uint32_t sequence_ = 0;
  std::map<std::uint32_t, Relay> relays_;
  std::map<NodeId, Rumor> rumors_;  // one for each node, that of this one included
  int local_health_ = 0;
  std::vector<Message> messages_;
  std::vector<Change> changes_;
  Counters counters_;
};

}  // namespace distri::membership
