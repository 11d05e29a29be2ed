#include "network.hpp"

#include <algorithm>

namespace distri::sim {

Network::Network(std::size_t nodes, const FaultSet& faults, Random& random)
    : nodes_(nodes), random_(random), links_(nodes * nodes), swallowed_(nodes * nodes), last_arrival_(nodes * nodes) {
  if (faults.has(Fault::kDrop)) drop_ = 0.01 + 0.15 * random.unit();
  if (faults.has(Fault::kDuplicate)) duplicate_ = 0.05 + 0.3 * random.unit();
  reorder_ = faults.has(Fault::kReorder);
  for (Link& link : links_) link.latency_ms = 1 + static_cast<Millis>(random.below(30));
}

std::vector<Millis> Network::arrivals(std::size_t from, std::size_t to, Millis now) {
  std::vector<Millis> result;
  if (swallowed_[from * nodes_ + to] || random_.chance(drop_)) return result;
  const int copies = random_.chance(duplicate_) ? 2 : 1;
  Millis& last = last_arrival_[from * nodes_ + to];
  for (int i = 0; i < copies; ++i) {
    Millis arrival = now + at(from, to).latency_ms + at(from, to).slow_ms +
                     static_cast<Millis>(random_.below(static_cast<std::uint64_t>(jitter_ms_) + 1));
    if (reorder_) {
      arrival += static_cast<Millis>(random_.below(200));
    } else {
      arrival = last = std::max(arrival, last);
    }
    result.push_back(arrival);
  }
  return result;
}

void Network::set_up(std::size_t a, std::size_t b, bool up) {
  Link& link = at(a, b);
  if (link.up && !up) ++link.epoch;
  link.up = up;
}

void Network::set_links(Millis latency_ms, Millis jitter_ms, double drop) {
  for (Link& link : links_) link.latency_ms = latency_ms;
  jitter_ms_ = jitter_ms;
  drop_ = drop;
}

void Network::heal() {
  for (Link& link : links_) {
    link.blocked = false;
    link.slow_ms = 0;
  }
  std::fill(swallowed_.begin(), swallowed_.end(), false);
  drop_ = duplicate_ = 0;
  reorder_ = false;
}

}  // namespace distri::sim
