// network.hpp: simulated links between nodes: latency, order, loss, partitions. Decides the fate of each message; holds
// none itself. Links are numbered for as many nodes as there will ever be.
#pragma once

#include <cstdint>
#include <vector>

#include "distri/utils/random.hpp"
#include "faults.hpp"

namespace distri::sim {

using Millis = std::int64_t;

class Network {
 public:
  Network(std::size_t nodes, const FaultSet& faults, Random& random);

  // When a message that is sent now arrives: none, one or two times.
  std::vector<Millis> arrivals(std::size_t from, std::size_t to, Millis now);

  // A link that is down delivers nothing; its epoch changes with each break, so that what was on it is lost.
  bool up(std::size_t a, std::size_t b) const { return at(a, b).up; }
  std::uint64_t epoch(std::size_t a, std::size_t b) const { return at(a, b).epoch; }
  void set_up(std::size_t a, std::size_t b, bool up);
  // No connection can be made, or (silent) it looks fine and swallows everything.
  void block(std::size_t a, std::size_t b, bool blocked) { at(a, b).blocked = blocked; }
  bool blocked(std::size_t a, std::size_t b) const { return at(a, b).blocked; }
  void swallow(std::size_t from, std::size_t to, bool swallowed) { swallowed_[from * nodes_ + to] = swallowed; }
  void heal();
  // All links alike from now on: so long, and a drawn 0 to `jitter_ms` more; `drop` of all messages vanish.
  void set_links(Millis latency_ms, Millis jitter_ms, double drop);

 private:
  struct Link {
    bool up = false;
    bool blocked = false;
    std::uint64_t epoch = 0;
    Millis latency_ms = 1;
    Millis slow_ms = 0;  // on top, while faults last
  };
  Link& at(std::size_t a, std::size_t b) { return links_[std::min(a, b) * nodes_ + std::max(a, b)]; }
  const Link& at(std::size_t a, std::size_t b) const { return links_[std::min(a, b) * nodes_ + std::max(a, b)]; }

  std::size_t nodes_;
  Random& random_;
  double drop_ = 0;
  double duplicate_ = 0;
  bool reorder_ = false;
  Millis jitter_ms_ = 4;
  std::vector<Link> links_;
  std::vector<bool> swallowed_;
  std::vector<Millis> last_arrival_;
};

}  // namespace distri::sim
