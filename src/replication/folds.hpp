// folds.hpp: actors that write no more and whose writes everybody has. Their entries leave the version vectors.
//
// Every start of a node is a new actor, so vectors would grow for ever. When all members have the same writes of an
// actor that belongs to none of them, one of them says so by an op, `fold(actor, counter)`. Whoever has applied that op
// has those writes (delivery is causal), so a vector that covers the op need not name the actor: it covers the actor's
// writes up to `counter` by that. The fold itself, 40 bytes, is kept once per node and not once per message.
//
// Nothing depends on the actor being really gone: should it write again, its entry comes back.
//
// Invariants: (1) a fold's counter never changes. (2) An actor has one fold, the first that was heard of,
// unless its op never came.
// Threads: none. Errors: none.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <vector>

#include "distri/db/revision.hpp"

namespace distri::replication {

struct Fold {
  std::uint64_t counter = 0;  // writes of the actor up to this one
  db::Dot by;                 // are covered by whoever covers this op
};

class Folds {
 public:
  using Map = absl::flat_hash_map<ActorId, Fold>;

  // False: the actor has a fold already.
  bool add(const ActorId& actor, const Fold& fold) { return folds_.emplace(actor, fold).second; }
  void replace(const ActorId& actor, const Fold& fold) { folds_.insert_or_assign(actor, fold); }
  // The op `by`, which folded `actor`, has been applied here: folds that rest on ops of that actor rest on `by` from
  // now on, so that chains of folds stay short. Those that changed.
  std::vector<ActorId> shorten(const ActorId& actor, const Fold& fold) {
    std::vector<ActorId> changed;
    for (auto& [each, older] : folds_) {
      if (older.by.actor != actor || older.by.counter > fold.counter) continue;
      older.by = fold.by;
      changed.push_back(each);
    }
    return changed;
  }
  const Fold* find(const ActorId& actor) const {
    const auto found = folds_.find(actor);
    return found == folds_.end() ? nullptr : &found->second;
  }
  const Map& all() const { return folds_; }
  std::size_t size() const { return folds_.size(); }

 private:
  Map folds_;
};

}  // namespace distri::replication
