// clock.hpp: the two kinds of time, and where they come from.
//
// Wall time orders writes and is shown to people; it may jump. Monotonic time measures waits; it never jumps. Both are
// plain integers whose names carry the unit. Sans-IO code takes the time as an argument; only floors that do I/O hold a
// Clock. Threads: the functions may be called from any thread.
#pragma once

#include <cstdint>

namespace distri {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01 UTC.
  virtual std::int64_t wall_ms() const = 0;
  // Nanoseconds since some fixed moment of this process.
  virtual std::int64_t monotonic_ns() const = 0;

  std::int64_t monotonic_ms() const { return monotonic_ns() / 1'000'000; }
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  std::int64_t wall_ms() const override;
  std::int64_t monotonic_ns() const override;
};

}  // namespace distri
