#include "distri/replication/holdback.hpp"

#include <algorithm>
#include <limits>

namespace distri::replication {

namespace {

// Decoded ops take more than their bytes: the batch is held in both forms.
std::size_t cost(const Holdback::Held& held) {
  return 2 * held.encoded->size() + 512;
}

}  // namespace

bool is_ready(const Batch& batch, const VersionVector& vector) {
  const std::uint64_t seen = vector.get(batch.actor);
  return batch.first_counter <= seen + 1 && batch.last_counter() > seen && vector.covers(batch.before);
}

Holdback::Queue::iterator Holdback::erase(Queue& queue, Queue::iterator at) {
  bytes_ -= cost(at->second);
  --size_;
  return queue.erase(at);
}

bool Holdback::add(Held held) {
  Queue& queue = queues_[held.batch.actor];
  if (const auto found = queue.find(held.batch.first_counter); found != queue.end()) {
    if (found->second.batch.ops.size() >= held.batch.ops.size()) return true;
    erase(queue, found);
  }
  const bool room = bytes_ + cost(held) <= bytes_max_;
  if (room) {
    bytes_ += cost(held);
    ++size_;
    const std::uint64_t first = held.batch.first_counter;
    queue.emplace(first, std::move(held));
  } else if (queue.empty()) {
    queues_.erase(held.batch.actor);
  }
  return room;
}

std::optional<Holdback::Held> Holdback::take_ready(const VersionVector& vector) {
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    const std::uint64_t seen = vector.get(queue->first);
    auto at = queue->second.begin();
    while (at != queue->second.end() && at->second.batch.last_counter() <= seen) at = erase(queue->second, at);
    if (at == queue->second.end()) {
      queue = queues_.erase(queue);
      continue;
    }
    if (is_ready(at->second.batch, vector)) {
      Held held = std::move(at->second);
      bytes_ -= cost(held);
      --size_;
      queue->second.erase(at);
      return held;
    }
    ++queue;
  }
  return std::nullopt;
}

bool Holdback::holds(const Batch& batch) const {
  const auto queue = queues_.find(batch.actor);
  if (queue == queues_.end()) return false;
  const auto found = queue->second.find(batch.first_counter);
  return found != queue->second.end() && found->second.batch.ops.size() >= batch.ops.size();
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> Holdback::gap(const ActorId& actor, std::uint64_t seen,
                                                                     std::uint64_t last) const {
  if (const auto queue = queues_.find(actor); queue != queues_.end()) {
    for (const auto& [first, held] : queue->second) {
      if (seen >= last) break;
      if (first > seen + 1) return std::pair(seen, std::min(last, first - 1));
      seen = std::max(seen, held.batch.last_counter());
    }
  }
  if (seen >= last) return std::nullopt;
  return std::pair(seen, last);
}

std::int64_t Holdback::oldest_since_ms() const {
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (const auto& [actor, queue] : queues_) {
    for (const auto& [counter, held] : queue) oldest = std::min(oldest, held.since_ms);
  }
  return oldest;
}

void Holdback::drop_older_than(std::int64_t since_ms) {
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    for (auto at = queue->second.begin(); at != queue->second.end();) {
      at = at->second.since_ms < since_ms ? erase(queue->second, at) : std::next(at);
    }
    queue = queue->second.empty() ? queues_.erase(queue) : std::next(queue);
  }
}

}  // namespace distri::replication
