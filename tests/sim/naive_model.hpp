// naive_model.hpp: what the documents must be, by brute force over a list of all ops. Knows nothing of
// src/replication/merge.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "distri/replication/op.hpp"

namespace distri::sim {

class NaiveModel {
 public:
  struct Entry {
    replication::Dot dot;
    replication::Op op;
  };
  using Documents = std::map<Bytes, Bytes>;  // key -> document bytes
  using Collections = std::map<std::string, Documents>;

  void add(const replication::Dot& dot, replication::Op op) { entries_.push_back({dot, std::move(op)}); }
  void add(const replication::Batch& batch);
  const std::vector<Entry>& entries() const { return entries_; }

  // The collections that exist, with their documents, when exactly the ops that `seen` covers have happened.
  Collections result(const replication::VersionVector& seen) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace distri::sim
