// version_vector.hpp: which writes have been seen: actor -> highest contiguous counter.
//
// Because the counters of an actor are dense and writes are applied in causal order, one number per actor says it all.
// Kept sorted by actor, so that equal vectors are equal byte for byte. Threads: values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "distri/db/revision.hpp"
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
  bool operator==(const VersionVector&) const = default;

  void encode(wire::Writer& out) const;
  static Result<VersionVector> decode(wire::Reader& in);
  // "a1b2c3d4:17 e5f6a7b8:3", for people.
  std::string to_string() const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace distri::replication
