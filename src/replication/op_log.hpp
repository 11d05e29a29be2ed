// op_log.hpp: the batches a replica has applied, in the order in which it applied them, as many as the budget holds.
//
// That order is causal, so whoever lacks a part of it can be sent exactly that part, in this order, and apply it as it
// comes. Batches rest as they travelled and are shared with the pushes that carry them. The oldest go first when the
// budget is spent; floor() says what went: a peer whose vector does not cover the floor must be sent states instead.
//
// Invariants:
//   (1) every op covered by the replica's vector is in the log or covered by floor().
//   (2) entries of one actor are in ascending order of counters.
//   (3) bytes() <= the budget, unless a single batch exceeds it alone.
// Threads: none. Errors: none.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "distri/replication/version_vector.hpp"

namespace distri::replication {

class OpLog {
 public:
  struct Entry {
    ActorId actor;
    std::uint64_t first_counter = 0;
    std::uint64_t last_counter = 0;
    std::shared_ptr<const Bytes> batch;  // encoded
    Bytes effects = {};                  // of its ops, when it was applied here (effect.hpp); empty: not known
  };

  explicit OpLog(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void append(Entry entry);
  // No more than so many bytes are of use; less than the bound, or the bound decides. What is there beyond goes little
  // by little.
  void want(std::size_t bytes) { bytes_wanted_ = bytes; }
  // States were adopted that cover `vector`: the ops behind them are not here.
  void raise_floor(const VersionVector& vector) { floor_.merge(vector); }

  // The floor leaves out what the folds make unnecessary.
  void use_folds(std::shared_ptr<const Folds> folds) { floor_.use_folds(std::move(folds)); }
  void drop_folded() { floor_.drop_folded(); }
  // Into an empty log: entries will be appended from `position` on, and what `floor` covers is not here.
  void begin_at(std::uint64_t position, VersionVector floor) {
    first_position_ = position;
    floor_ = std::move(floor);
  }

  // Everything that `vector` lacks is here.
  bool reaches_back_to(const VersionVector& vector) const { return vector.covers(floor_); }
  struct Missing {
    std::vector<const Entry*> entries;
    bool more = false;  // there is more than bytes_max allowed
  };
  // What `vector` lacks, in log order, at least one entry, up to about `bytes_max`. Precondition:
  // reaches_back_to(vector).
  Missing missing(const VersionVector& vector, std::size_t bytes_max) const;

  // Entries with writes of that actor in (after, to], in order, up to about `bytes_max`.
  std::vector<const Entry*> stretch(const ActorId& actor, std::uint64_t after, std::uint64_t to,
                                    std::size_t bytes_max) const;

  // Where somebody begins who reads on in log order and has seen `vector`.
  struct Gap {
    std::uint64_t begin;        // the first position that `vector` does not cover whole; end_position(): none
    std::uint64_t covered_end;  // behind the last one of which it covers some op
  };
  Gap gap(const VersionVector& vector) const;

  const VersionVector& floor() const { return floor_; }
  std::size_t bytes() const { return bytes_; }
  // Entries are numbered from 0 over the life of the log; [first_position(), end_position()) are here.
  std::uint64_t first_position() const { return first_position_; }
  std::uint64_t end_position() const { return first_position_ + entries_.size(); }
  const Entry& at(std::uint64_t position) const { return entries_[position - first_position_]; }

 private:
  void drop_oldest();

  std::size_t bytes_max_;
  std::size_t bytes_wanted_ = static_cast<std::size_t>(-1);
  std::size_t bytes_ = 0;
  std::uint64_t first_position_ = 0;
  std::deque<Entry> entries_;
  absl::flat_hash_map<ActorId, std::deque<std::uint64_t>> positions_;  // per actor, ascending
  VersionVector floor_;
};

}  // namespace distri::replication
