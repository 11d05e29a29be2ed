// connection_rate.hpp: how fast new connections may come from one address: so many at once, and so many a second.
//
// A token bucket for each address, kept as one number: the time at which it will be full again (the "theoretical
// arrival time" of the generic cell rate algorithm, ITU-T I.371). Every connection moves that by the interval between
// two connections; one that would move it further than a full bucket lasts comes too early. A bucket that is full is
// not kept, so that what is kept are addresses from which somebody has just come: each connection keeps its address for
// `interval` at most.
//
// Threads: none; the owner serialises calls and hands in the time. Errors: see may_come().
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "distri/utils/result.hpp"

namespace distri::net {

class ConnectionRate {
 public:
  // `per_second` 0: as fast as they like. `at_once` is at least 1.
  ConnectionRate(std::uint64_t per_second, std::uint64_t at_once);

  bool limited() const { return interval_us_ > 0; }
  // In how many milliseconds (rounded up) the next may come from there; 0: now, and it is counted.
  std::int64_t wait_ms(const std::string& address, std::int64_t now_us);
  // Whose buckets are not full, as far as they were looked at.
  std::size_t addresses() const { return full_at_us_.size(); }

 private:
  void forget_full(std::int64_t now_us);

  std::int64_t interval_us_;  // between two connections of one address, in the long run
  std::int64_t lasts_us_;     // until an empty bucket is full but for one
  absl::flat_hash_map<std::string, std::int64_t> full_at_us_;
  std::size_t look_at_ = 0;  // so many addresses are the occasion to forget those that are full
};

}  // namespace distri::net
