// naive_model.hpp: what the documents, the counters and the conflicts must be, by brute force over a list of all ops.
// Knows nothing of src/replication/merge and its arithmetic.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "distri/replication/op.hpp"

namespace distri::sim {

class NaiveModel {
 public:
  struct Entry {
    replication::Dot dot;
    replication::Op op;
    std::shared_ptr<const replication::VersionVector> before;  // nullptr: not known

    // The writer knew `other` when it made this one.
    bool saw(const Entry& other) const;
  };
  using Documents = std::map<Bytes, Bytes>;  // key -> document bytes
  using Collections = std::map<std::string, Documents>;

  void add(const replication::Dot& dot, replication::Op op) { entries_.push_back({dot, std::move(op), nullptr}); }
  void add(const replication::Batch& batch);
  const std::vector<Entry>& entries() const { return entries_; }

  // The collections that exist, with their documents, when exactly the ops that `seen` covers have happened.
  Collections result(const replication::VersionVector& seen) const;

  // What each actor has added to a field since it was last set.
  struct Part {
    std::uint64_t first = 0;  // dot counters
    std::uint64_t last = 0;
    __extension__ __int128 integers = 0;
    double reals = -0.0;
    bool operator==(const Part&) const = default;
  };
  using Counters = std::map<std::string, std::map<ActorId, Part>>;  // field -> parts
  Counters counters(const std::string& collection, const Bytes& key, const replication::VersionVector& seen) const;

  // Writes that must be conflicts on every node that has seen exactly `seen`, unless evicted: lost to a write whose
  // writer had not seen them, and nobody replaced them knowingly. Undecided, hence not listed: unset fields, and
  // deletes of documents that others deleted or dropped too. Needs `before` of all ops; assumes that no two writes have
  // equal content.
  struct Lost {
    std::string collection;
    Bytes key;
    replication::Dot dot;
    std::string increment;  // the field; then a later dot of the same actor may stand for it. Empty: another write.
    auto operator<=>(const Lost&) const = default;
  };
  std::set<Lost> lost(const replication::VersionVector& seen) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace distri::sim
