// hlc.hpp: a hybrid logical clock (Kulkarni et al., 2014): wall time where clocks behave, a counter where they do not.
//
// A reading is 48 bits of milliseconds since 1970 and 16 bits of counter, in one integer. The clock follows what it
// sees of its peers' clocks, but never further than `ahead_max_ms` beyond our own wall clock: one machine with a clock
// in the year 2100 must not drag the cluster there. A write that replaces something stamped in that far future still
// gets a reading above it (the floor), only for itself.
//
// Invariants: (1) next() exceeds its floor. (2) Readings without a floor ascend strictly, whatever the wall clock does.
// (3) A far floor does not move later readings. Threads: none.
#pragma once

#include <cstdint>
#include <optional>

namespace distri::replication {

class HybridClock {
 public:
  static constexpr int kLogicalBits = 16;

  explicit HybridClock(std::int64_t ahead_max_ms) : ahead_max_ms_(ahead_max_ms) {}

  // A reading for a new write that replaces things stamped up to `floor`. nullopt: nothing lies above the floor (it is
  // 2^64 - 1).
  std::optional<std::uint64_t> next(std::int64_t wall_ms, std::uint64_t floor);

  // Follows a reading of a peer. False: it is too far ahead of our wall clock and was not adopted.
  bool observe(std::uint64_t reading, std::int64_t wall_ms);

  // The reading that says `wall_ms`; wall times outside of [0, 2^47) are taken to its ends, which leaves room above for
  // floors.
  static std::uint64_t from_ms(std::int64_t wall_ms);
  static std::int64_t to_ms(std::uint64_t reading) { return static_cast<std::int64_t>(reading >> kLogicalBits); }

 private:
  bool too_far(std::uint64_t reading, std::int64_t wall_ms) const;

  std::int64_t ahead_max_ms_;
  std::uint64_t last_ = 0;
};

}  // namespace distri::replication
