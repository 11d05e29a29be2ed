#include "swim_world.hpp"

#include <algorithm>
#include <cmath>

namespace distri::sim {

namespace {

std::size_t number_of(const NodeId& node) {
  return (std::size_t{node.bytes[0]} << 8) | node.bytes[1];
}

}  // namespace

NodeId SwimWorld::id(std::size_t machine) {
  NodeId node;
  node.bytes[0] = static_cast<unsigned char>(machine >> 8);
  node.bytes[1] = static_cast<unsigned char>(machine);
  node.bytes[31] = 1;
  return node;
}

SwimWorld::SwimWorld(const SwimWorldOptions& options) : options_(options), random_(options.seed) {
  machines_.resize(options.nodes);
  side_.assign(options.nodes, false);
  const auto slow = static_cast<std::size_t>(std::lround(options.slow_share * static_cast<double>(options.nodes)));
  for (std::size_t machine = 0; machine < options.nodes; ++machine) {
    if (machine < slow) machines_[machine].slowness = machine % 2 == 0 ? Slowness::kLateMail : Slowness::kStops;
    start(machine, true);
    if (machine < slow) work(machine);
  }
}

std::int64_t SwimWorld::draw(std::int64_t min, std::int64_t max) {
  const double low = std::log(static_cast<double>(min));
  const double high = std::log(static_cast<double>(max));
  return static_cast<std::int64_t>(std::exp(low + (high - low) * random_.unit()));
}

void SwimWorld::run_for(std::int64_t ms) {
  const std::int64_t end_ms = now_ms_ + ms;
  while (!events_.empty() && events_.top().at_ms <= end_ms) {
    const Event event = events_.top();
    events_.pop();
    now_ms_ = event.at_ms;
    event.run();
  }
  now_ms_ = end_ms;
}

// ---- Machines

void SwimWorld::start(std::size_t machine, bool clock) {
  Machine& m = machines_[machine];
  ++m.life;
  m.waiting.clear();
  m.stalled_until_ms = 0;
  m.timer_ms = -1;
  const std::uint64_t incarnation = clock ? static_cast<std::uint64_t>(now_ms_) : 0;
  m.swim.emplace(id(machine), incarnation, options_.swim, Random(random_.next()), now_ms_);
  std::vector<NodeId> members;
  for (std::size_t other = 0; other < machines_.size(); ++other) members.push_back(id(other));
  m.swim->set_members(members);
  flush(machine);
}

void SwimWorld::crash(std::size_t machine) {
  machines_[machine].swim.reset();
  machines_[machine].waiting.clear();
}

void SwimWorld::pause(std::size_t machine, std::int64_t ms) {
  stall(machine, ms, true);
}

void SwimWorld::work(std::size_t machine) {
  at(now_ms_ + draw(options_.work_ms_min, options_.work_ms_max), [this, machine] {
    const std::int64_t ms = draw(options_.stall_ms_min, options_.stall_ms_max);
    stall(machine, ms, machines_[machine].slowness == Slowness::kStops);
    at(now_ms_ + ms, [this, machine] { work(machine); });
  });
}

void SwimWorld::stall(std::size_t machine, std::int64_t ms, bool stops) {
  Machine& m = machines_[machine];
  m.stalled_until_ms = now_ms_ + ms;
  m.stops = stops;
  at(m.stalled_until_ms, [this, machine] { wake(machine); });
}

void SwimWorld::wake(std::size_t machine) {
  Machine& m = machines_[machine];
  if (!m.swim || now_ms_ < m.stalled_until_ms) return;
  if (m.swim->next_ms() <= now_ms_) {
    m.swim->on_time(now_ms_);
    flush(machine);
  }
  const std::vector<Mail> mail = std::exchange(m.waiting, {});
  for (const Mail& one : mail) deliver(machine, one);
}

void SwimWorld::deliver(std::size_t to, Mail mail) {
  Machine& m = machines_[to];
  if (!m.swim) return;
  if (now_ms_ < m.stalled_until_ms) {
    m.waiting.push_back(std::move(mail));
    return;
  }
  trace_ = trace_ * 1'000'003 + (to << 16 | mail.from) + static_cast<std::uint64_t>(now_ms_);
  if (!m.swim->receive(now_ms_, id(mail.from), mail.bytes)) std::abort();
  flush(to);
}

void SwimWorld::timer(std::size_t machine) {
  Machine& m = machines_[machine];
  if (!m.swim) return;
  m.timer_ms = -1;
  if (m.stops && now_ms_ < m.stalled_until_ms) return;  // wake() looks at the time
  if (m.swim->next_ms() <= now_ms_) m.swim->on_time(now_ms_);
  flush(machine);
}

// What a node's owner does after each call.
void SwimWorld::flush(std::size_t machine) {
  Machine& m = machines_[machine];
  for (const Swim::Change& change : m.swim->take_changes()) note(machine, change);
  for (Swim::Message& message : m.swim->take_messages()) {
    m.bytes += message.bytes.size();
    largest_message_ = std::max(largest_message_, message.bytes.size());
    const std::size_t to = number_of(message.to);
    if (!reaches(machine, to) || random_.chance(options_.loss)) continue;
    const std::int64_t took_ms =
        options_.latency_ms +
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(3 * options_.latency_ms + 1)));
    at(now_ms_ + took_ms, [this, to, mail = Mail{machine, std::move(message.bytes)}] { deliver(to, mail); });
  }
  const std::int64_t next_ms = std::max(m.swim->next_ms(), now_ms_ + 1);
  if (m.timer_ms >= 0 && m.timer_ms <= next_ms && m.timer_ms > now_ms_) return;
  m.timer_ms = next_ms;
  at(next_ms, [this, machine, life = m.life, next_ms] {
    if (machines_[machine].life == life && machines_[machine].timer_ms == next_ms) timer(machine);
  });
}

// ---- What they believe

void SwimWorld::note(std::size_t by, const Swim::Change& change) {
  ++changes_;
  const std::size_t of = number_of(change.node);
  trace_ = trace_ * 1'000'003 + (by << 20 | of << 4 | static_cast<std::size_t>(change.health));
  if (!up(of) || !reaches(by, of)) return;
  FalseReports& f = false_reports_;
  if (change.health == Health::kSuspect && change.own) ++(slow(of) ? f.suspicions_of_slow : f.suspicions_of_healthy);
  if (change.health != Health::kDead) return;
  const bool stalled = now_ms_ < machines_[of].stalled_until_ms;
  if (change.own) ++(stalled ? f.deaths_of_stalled : slow(of) ? f.deaths_of_slow : f.deaths_of_healthy);
  if (!slow(of) && !stalled) ++f.healthy_seen_dead;
}

bool SwimWorld::all_see(const std::vector<std::size_t>& of, Health health) const {
  for (std::size_t by = 0; by < nodes(); ++by) {
    if (!up(by)) continue;
    for (const std::size_t machine : of) {
      if (machine != by && seen(by, machine) != health) return false;
    }
  }
  return true;
}

bool SwimWorld::truth_is_known(bool with_suspicions) const {
  for (std::size_t by = 0; by < nodes(); ++by) {
    for (std::size_t of = 0; of < nodes() && up(by); ++of) {
      if (of == by) continue;
      const Health health = seen(by, of);
      const bool good = up(of) ? health == Health::kAlive || (with_suspicions && health == Health::kSuspect)
                               : health == Health::kDead;
      if (!good) return false;
    }
  }
  return true;
}

}  // namespace distri::sim
