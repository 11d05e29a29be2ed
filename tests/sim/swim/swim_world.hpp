// swim_world.hpp: failure detectors of many nodes on simulated links, in one thread, from one seed.
//
// A machine that is *slow* works and stalls in turns. While it stalls, what it is sent waits. Of two kinds of slowness
// both are here: of one machine the timers run on time and only what it hears is late (a starved receiver); the other
// one stops altogether, and when it goes on, its timers come before its mail (a process that was stopped).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "distri/membership/swim.hpp"

namespace distri::sim {

using membership::Health;
using membership::Swim;
using membership::SwimOptions;

struct SwimWorldOptions {
  std::uint64_t seed = 1;
  std::size_t nodes = 10;
  double loss = 0.05;               // share of messages
  std::int64_t latency_ms = 2;      // of a link, and up to four times that
  double slow_share = 0;            // of the nodes
  std::int64_t stall_ms_min = 500;  // of a slow node; drawn with equal shares for each order of magnitude
  std::int64_t stall_ms_max = 20'000;
  std::int64_t work_ms_min = 500;  // between two stalls
  std::int64_t work_ms_max = 5'000;
  SwimOptions swim;
};

// What nodes came to believe of nodes that ran and could be reached. Healthy ones answer at once; a slow one may be in
// a stall at that moment, and then it is not so false.
struct FalseReports {
  std::uint64_t suspicions_of_healthy = 0;  // begun by a node's own probe
  std::uint64_t suspicions_of_slow = 0;
  std::uint64_t deaths_of_healthy = 0;  // declared by a node itself
  std::uint64_t deaths_of_slow = 0;     // between two stalls
  std::uint64_t deaths_of_stalled = 0;
  std::uint64_t healthy_seen_dead = 0;  // a node believes so, by itself or by hearsay
};

class SwimWorld {
 public:
  enum class Slowness { kNone, kLateMail, kStops };

  explicit SwimWorld(const SwimWorldOptions& options);

  void run_for(std::int64_t ms);
  std::int64_t now_ms() const { return now_ms_; }
  std::size_t nodes() const { return machines_.size(); }
  static NodeId id(std::size_t machine);

  // ---- Faults
  void crash(std::size_t machine);
  // A new life: it knows nothing. With `clock` its incarnation is above that of all earlier ones, else it is 0.
  void start(std::size_t machine, bool clock);
  void pause(std::size_t machine, std::int64_t ms);  // stops for so long
  void cut(std::vector<bool> side) { side_ = std::move(side); }
  void heal() { side_.assign(nodes(), false); }
  void set_loss(double loss) { options_.loss = loss; }

  // ---- Questions
  bool up(std::size_t machine) const { return machines_[machine].swim.has_value(); }
  bool slow(std::size_t machine) const { return machines_[machine].slowness != Slowness::kNone; }
  bool reaches(std::size_t one, std::size_t other) const { return side_[one] == side_[other]; }
  Health seen(std::size_t by, std::size_t of) const { return machines_[by].swim->health(id(of)); }
  // Everybody that is up sees each of those as `health`.
  bool all_see(const std::vector<std::size_t>& of, Health health) const;
  // Every node that is up sees the others that are up alive (or suspects them at the moment: with loss there is always
  // one in a large cluster), those that are not, dead.
  bool truth_is_known(bool with_suspicions) const;
  const FalseReports& false_reports() const { return false_reports_; }
  std::uint64_t changes() const { return changes_; }  // of anybody's opinion
  std::uint64_t bytes_sent(std::size_t machine) const { return machines_[machine].bytes; }
  std::size_t largest_message() const { return largest_message_; }
  // Of everything that happened, in order: equal seeds, equal digests.
  std::uint64_t trace() const { return trace_; }

 private:
  struct Mail {
    std::size_t from;
    Bytes bytes;
  };
  struct Machine {
    std::optional<Swim> swim;
    std::uint64_t life = 0;
    Slowness slowness = Slowness::kNone;
    std::int64_t stalled_until_ms = 0;
    bool stops = false;  // the stall that it is in
    std::vector<Mail> waiting;
    std::int64_t timer_ms = -1;
    std::uint64_t bytes = 0;
  };
  struct Event {
    std::int64_t at_ms;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const { return std::pair(at_ms, order) > std::pair(other.at_ms, other.order); }
  };

  void at(std::int64_t ms, std::function<void()> run) { events_.push({ms, ++order_, std::move(run)}); }
  std::int64_t draw(std::int64_t min, std::int64_t max);
  void work(std::size_t machine);  // until the next stall of a slow machine
  void stall(std::size_t machine, std::int64_t ms, bool stops);
  void wake(std::size_t machine);
  void deliver(std::size_t to, Mail mail);
  void timer(std::size_t machine);
  void flush(std::size_t machine);
  void note(std::size_t by, const Swim::Change& change);

  SwimWorldOptions options_;
  Random random_;
  std::int64_t now_ms_ = 1'000'000;
  std::uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::vector<Machine> machines_;
  std::vector<bool> side_;
  FalseReports false_reports_;
  std::uint64_t changes_ = 0;
  std::size_t largest_message_ = 0;
  std::uint64_t trace_ = 0;
};

}  // namespace distri::sim
