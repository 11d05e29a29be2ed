// history.hpp: every write that was ever made, with what its writer had seen; the judge of what may happen to it.
//
// The simulator adds the batches of each node as the node makes them, before any of them can be lost. Beside the naive
// model (what the documents must be) it answers who had seen what, and it refuses at once a second write under a name
// that is taken, and a write that is stamped below something its writer had seen (promise 4).
#pragma once

#include <absl/container/flat_hash_map.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/replication/op.hpp"
#include "event_log.hpp"
#include "naive_model.hpp"

namespace distri::sim {

using replication::Dot;
using replication::VersionVector;

class History {
 public:
  struct Write {
    Dot dot;
    replication::Op op;
    std::shared_ptr<const VersionVector> before;

    // The writer knew that write when it made this one.
    bool saw(const Dot& other) const {
      return before->covers(other) || (other.actor == dot.actor && other.counter < dot.counter);
    }
  };

  // What is wrong with it; nullopt: nothing.
  // `clock_max`: the greatest reading that the writer's clock may have had (distri/replication/hlc.hpp).
  std::optional<std::string> add(replication::Batch batch, std::uint64_t clock_max);

  const std::vector<std::unique_ptr<Write>>& writes() const { return writes_; }
  const Write* find(const Dot& dot) const;
  // Writes of one document, and the drops of its collection, in the order in which they were made.
  const std::vector<const Write*>& of(const std::string& collection, const Bytes& key) const;
  const std::vector<const Write*>& drops(const std::string& collection) const;
  const NaiveModel& model() const { return model_; }

  // Another write put the same there: when such two meet, none of them is lost.
  bool has_twin(const Write& write) const;
  // That conflict was restored or dismissed, as far as `seen` knows.
  bool resolved(const std::string& collection, const Bytes& key, const Dot& loser, const VersionVector& seen) const;

  // A write that knew `write` and took its place (wholly, or in `field`), among those that `seen` covers.
  const Write* superseded(const Write& write, std::string_view field, const VersionVector& seen) const;

  // All that was done to one document, and what each writer had seen of it, for whoever reads the log of a failure.
  void tell(EventLog& log, const std::string& collection, const Bytes& key, const VersionVector& seen) const;

 private:
  using Place = std::pair<std::string, Bytes>;
  // A vector that covers a fold need not name the actor that was folded: here it does.
  void unfold(VersionVector& before) const;
  std::optional<std::string> check_stamp(const Write& write) const;
  bool is_capped(const std::string& collection) const;
  std::optional<std::string> check_clock(const Write& write, std::uint64_t clock_max) const;

  std::vector<std::unique_ptr<Write>> writes_;
  absl::flat_hash_map<std::pair<ActorId, std::uint64_t>, const Write*> by_dot_;
  std::map<Place, std::vector<const Write*>> by_place_;
  std::map<std::string, std::vector<const Write*>> drops_;
  std::vector<const Write*> folds_;
  std::map<std::string, std::uint64_t> ends_;  // the greatest reading of a delete, a create or a drop in a collection
  NaiveModel model_;
};

// "actor:counter", for reports.
std::string to_string(const Dot& dot);

}  // namespace distri::sim
