// holdback.hpp: batches that came before what they depend on.
//
// Bounded in bytes: what finds no room is dropped, and what waits too long is dropped too (its predecessor may have
// died with its writer). Both cost nothing but time: gossip shows what is missing and it is pulled.
//
// Invariants: (1) bytes() <= the bound. (2) Per actor the batches are in order of their first counter, one for each.
// Threads: none. Errors: none.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "distri/replication/op.hpp"

namespace distri::replication {

class Holdback {
 public:
  struct Held {
    Batch batch;
    std::shared_ptr<const Bytes> encoded;
    NodeId from;
    std::int64_t since_ms = 0;
    int hops = -1;  // BroadcastTree::kNotByTree and above
  };

  explicit Holdback(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // False: there is no room. A batch that is held already is not held twice.
  bool add(Held held);
  // A batch that can be applied on top of `vector` now; those that it covers are dropped on the way.
  std::optional<Held> take_ready(const VersionVector& vector);
  void drop_older_than(std::int64_t since_ms);

  // The batch, or a longer one in its place, is here.
  bool holds(const Batch& batch) const;
  // The first stretch (after, to] of that actor's writes up to `last` that is not here; `seen` are not wanted. nullopt:
  // all of them are.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> gap(const ActorId& actor, std::uint64_t seen,
                                                             std::uint64_t last) const;

  // When the oldest batch here came; the largest number when there is none.
  std::int64_t oldest_since_ms() const;

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }

 private:
  using Queue = absl::btree_map<std::uint64_t, Held>;  // by first counter
  Queue::iterator erase(Queue& queue, Queue::iterator at);

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::size_t size_ = 0;
  absl::btree_map<ActorId, Queue> queues_;
};

// `vector` has everything that comes before the batch, and lacks at least its last op.
bool is_ready(const Batch& batch, const VersionVector& vector);

}  // namespace distri::replication
