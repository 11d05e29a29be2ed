// timer_queue.hpp: many deadlines on one timer of the loop.
//
// Every call has a deadline that almost never fires. Here a deadline costs an entry in a sorted map, and the loop's
// timer is touched only when the earliest one moves forward; an entry that was cancelled in the meantime lets the timer
// fire for nothing, once.
//
// Threads: the loop's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "distri/net/loop.hpp"
#include "distri/utils/clock.hpp"

namespace distri::client {

class TimerQueue {
 public:
  // When it is due, and a number that tells entries of one millisecond apart. Default: none.
  using Ticket = std::pair<std::int64_t, std::uint64_t>;

  TimerQueue(net::Loop& loop, const Clock& clock) : loop_(loop), clock_(clock) {}

  // Calls `function` once, when the monotonic clock has reached `due_ms`, never from inside add().
  Ticket add(std::int64_t due_ms, std::function<void()> function);
  // Guarantees that the function is not called (any more), and forgets the ticket.
  void cancel(Ticket& ticket);
  // Drops all entries and the timer; before the loop is destroyed.
  void clear();

 private:
  void arm();
  void fire();

  net::Loop& loop_;
  const Clock& clock_;
  std::map<Ticket, std::function<void()>> entries_;
  net::Timer timer_;
  std::int64_t armed_ms_ = 0;  // 0: not armed
  std::uint64_t last_number_ = 0;
};

}  // namespace distri::client
