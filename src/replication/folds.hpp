// folds.hpp: actors that write no more and whose writes everybody has. Their entries leave the version vectors.
//
// Every start of a node is a new actor, so vectors would grow for ever. When all members have the same writes of an
// actor that belongs to none of them, one of them says so by an op, `fold(actor, counter)`. Whoever has applied that op
// has those writes (delivery is causal), so a vector that covers the op need not name the actor: it covers the actor's
// writes up to `counter` by that. The fold itself, 40 bytes, is kept once per node and not once per message.
//
// Nothing depends on the actor being really gone: should it write again, its entry comes back. A fold may be heard of
// (with a stream of states that breaks off) whose op never comes; it does nothing then.
//
// Invariants: (1) a fold's counter never changes. (2) An actor has at most kFoldsPerActorMax folds, no two alike.
// Threads: none. Errors: none.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <vector>

#include "distri/db/revision.hpp"

namespace distri::replication {

struct Fold {
  std::uint64_t counter = 0;  // writes of the actor up to this one
  db::Dot by;                 // are covered by whoever covers this op

  bool operator==(const Fold&) const = default;
};

class Folds {
 public:
  // The newest. More than one when two nodes folded the actor at once, and when the node that did was folded itself.
  static constexpr std::size_t kFoldsPerActorMax = 8;
  using Map = absl::flat_hash_map<ActorId, std::vector<Fold>>;

  // False: it is known.
  bool add(const ActorId& actor, const Fold& fold) { return add_to(folds_[actor], fold); }
  // `actor` has been folded: folds that rest on ops of that actor rest on the new fold's op, too, so that chains of
  // folds stay short. (Not instead: others may not have seen that op yet.) Those that changed.
  std::vector<ActorId> shorten(const ActorId& actor, const Fold& fold) {
    std::vector<ActorId> changed;
    for (auto& [each, of_actor] : folds_) {
      const auto rests = std::find_if(of_actor.begin(), of_actor.end(), [&](const Fold& older) {
        return older.by.actor == actor && older.by.counter <= fold.counter;
      });
      if (rests != of_actor.end() && add_to(of_actor, {rests->counter, fold.by})) changed.push_back(each);
    }
    return changed;
  }
  // nullptr: none.
  const std::vector<Fold>* find(const ActorId& actor) const {
    const auto found = folds_.find(actor);
    return found == folds_.end() ? nullptr : &found->second;
  }
  const Map& all() const { return folds_; }
  // Of actors.
  std::size_t size() const { return folds_.size(); }

 private:
  static bool add_to(std::vector<Fold>& of_actor, const Fold& fold) {
    if (std::find(of_actor.begin(), of_actor.end(), fold) != of_actor.end()) return false;
    if (of_actor.size() == kFoldsPerActorMax) of_actor.erase(of_actor.begin());
    of_actor.push_back(fold);
    return true;
  }

  Map folds_;
};

}  // namespace distri::replication
