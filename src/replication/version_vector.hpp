// version_vector.hpp: which writes have been seen: actor -> highest contiguous counter.
//
// Because the counters of an actor are dense and writes are applied in causal order, one number per actor says it all.
// Kept sorted by actor, so that equal vectors are equal byte for byte.
//
// A replica gives the vectors that it works with its folds (folds.hpp): a folded actor has no entry, but get() and
// covers() know of it. Folds do not travel with a vector. Threads: values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "distri/replication/folds.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::replication {

using db::Dot;
using db::Stamp;

inline constexpr std::size_t kVectorEntriesMax = 100'000;

class VersionVector {
 public:
  using Entry = std::pair<ActorId, std::uint64_t>;

  // 0 for an actor never seen.
  std::uint64_t get(const ActorId& actor) const;
  // Raises the entry; never lowers it.
  void advance(const ActorId& actor, std::uint64_t counter);
  bool covers(const Dot& dot) const { return get(dot.actor) >= dot.counter; }
  // Everything that `other` has seen.
  bool covers(const VersionVector& other) const;
  void merge(const VersionVector& other);
  // Sum of all counters: number of writes seen.
  std::uint64_t total() const;
  const std::vector<Entry>& entries() const { return entries_; }
  bool operator==(const VersionVector& other) const { return entries_ == other.entries_; }

  void use_folds(std::shared_ptr<const Folds> folds) { folds_ = std::move(folds); }
  // Removes the entries that the folds make unnecessary.
  void drop_folded();
  // With an entry for every actor that it covers, for somebody who may not know the folds.
  VersionVector unfolded() const;

  void encode(wire::Writer& out) const;
  static Result<VersionVector> decode(wire::Reader& in);
  // "a1b2c3d4:17 e5f6a7b8:3", for people.
  std::string to_string() const;

 private:
  std::uint64_t entry(const ActorId& actor) const;
  std::uint64_t folded(const ActorId& actor) const;
  bool reaches(const Dot& dot, int steps) const;

  std::vector<Entry> entries_;
  std::shared_ptr<const Folds> folds_;
};

}  // namespace distri::replication
