#include <algorithm>
#include <array>

#include "cluster.hpp"

namespace distri::sim {

// One thing that goes wrong now, of those that this seed allows; then the next one, some time later.
void Cluster::disaster() {
  if (healed_) return;
  std::vector<void (Cluster::*)()> possible;
  if (faults_.has(Fault::kPartition)) possible.push_back(&Cluster::partition);
  if (faults_.has(Fault::kOneWay)) possible.push_back(&Cluster::one_way);
  if (faults_.has(Fault::kPause)) possible.push_back(&Cluster::pause);
  if (faults_.has(Fault::kClockJump)) possible.push_back(&Cluster::clock_jump);
  if (faults_.has(Fault::kCrash)) possible.push_back(&Cluster::crash);
  if (faults_.has(Fault::kBreak)) possible.push_back(&Cluster::break_link);
  if (!possible.empty() && nodes_.size() > 1) (this->*possible[random_.below(possible.size())])();
  schedule(static_cast<Millis>(200 + random_.below(1'500)), [this] { disaster(); });
}

void Cluster::partition() {
  std::vector<bool> side(nodes_.size());
  for (std::size_t i = 0; i < side.size(); ++i) side[i] = random_.chance(0.5);
  const bool silent = random_.chance(0.5);
  const auto duration = static_cast<Millis>(500 + random_.below(5'000));
  log_.line("{} partition for {} ms{}", now_, duration, silent ? ", silent" : "");
  for (std::size_t a = 0; a < nodes_.size(); ++a) {
    for (std::size_t b = a + 1; b < nodes_.size(); ++b) {
      if (side[a] == side[b]) continue;
      if (silent) {
        network_.swallow(a, b, true);
        network_.swallow(b, a, true);
      } else {
        network_.block(a, b, true);
        disconnect(a, b);
      }
      schedule(duration, [this, a, b] {
        network_.swallow(a, b, false);
        network_.swallow(b, a, false);
        network_.block(a, b, false);
        connect(a, b);
      });
    }
  }
}

void Cluster::one_way() {
  const std::size_t from = random_.below(nodes_.size());
  const std::size_t to = (from + 1 + random_.below(nodes_.size() - 1)) % nodes_.size();
  log_.line("{} n{} -> n{} lost for a while", now_, from, to);
  network_.swallow(from, to, true);
  schedule(static_cast<Millis>(500 + random_.below(5'000)), [this, from, to] { network_.swallow(from, to, false); });
}

void Cluster::pause() {
  const std::size_t index = random_.below(nodes_.size());
  Node& node = nodes_[index];
  if (!node.replica || node.paused) return;
  node.paused = true;
  log_.line("{} n{} pauses", now_, index);
  schedule(static_cast<Millis>(500 + random_.below(4'000)), [this, index] {
    nodes_[index].paused = false;
    log_.line("{} n{} goes on", now_, index);
    for (auto& action : std::exchange(nodes_[index].waiting, {})) action();
  });
}

void Cluster::clock_jump() {
  constexpr Millis kYearMs = 365LL * 86'400'000;
  const std::size_t index = random_.below(nodes_.size());
  Node& node = nodes_[index];
  const std::array<Millis, 5> offsets{-(kEpochMs + now_), kYearMs, -300'000, 300'000, 0};
  node.clock_offset_ms = offsets[random_.below(offsets.size())];
  log_.line("{} n{} clock jumps, now {}", now_, index, wall(node));
}

void Cluster::crash() {
  const std::size_t index = random_.below(nodes_.size());
  const auto alive =
      std::count_if(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.replica != nullptr; });
  if (!nodes_[index].replica || alive < 2) return;
  stop(index);
  schedule(static_cast<Millis>(100 + random_.below(3'000)), [this, index] {
    if (nodes_[index].replica) return;
    start(index);
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
      if (other != index) reconnect_later(index, other);
    }
  });
}

void Cluster::break_link() {
  const std::size_t a = random_.below(nodes_.size());
  const std::size_t b = (a + 1 + random_.below(nodes_.size() - 1)) % nodes_.size();
  disconnect(a, b);
  reconnect_later(a, b);
}

void Cluster::heal() {
  healed_ = true;
  log_.line("{} heal", now_);
  network_.heal();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].replica) start(i);
  }
  for (std::size_t a = 0; a < nodes_.size(); ++a) {
    for (std::size_t b = a + 1; b < nodes_.size(); ++b) connect(a, b);
  }
}

}  // namespace distri::sim
