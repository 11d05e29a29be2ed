// timer_queue.hpp: all timers of a loop in one heap, behind one Asio timer. Private to this module.
//
// Most timers are deadlines that are cancelled long before they fall due, so adding and cancelling must be cheap: both
// are a few moves in a binary heap whose entries know their place, and neither touches Asio unless the earliest
// deadline comes closer. Threads: the loop's.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "distri/net/loop.hpp"

namespace distri::net {

class TimerQueue;

struct Timer::State {
  TimerQueue* queue = nullptr;  // nullptr: not armed
  std::size_t place = 0;        // in the heap
  std::int64_t due_ns = 0;
  std::uint64_t sequence = 0;  // timers that fall due together run in the order they were added
  std::function<void()> function;
};

class TimerQueue {
 public:
  using State = Timer::State;

  // `on_event` is called before due timers run.
  TimerQueue(asio::io_context& io, std::function<void()> on_event);
  // Disarms what is left.
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  std::shared_ptr<State> add(std::int64_t due_ns, std::function<void()> function);
  // Precondition: the timer is armed in this queue.
  void remove(State& state);

 private:
  void on_due();
  void wait();
  bool before(std::size_t a, std::size_t b) const;
  void swap(std::size_t a, std::size_t b);
  void sift_up(std::size_t place);
  void sift_down(std::size_t place);

  asio::steady_timer timer_;
  std::function<void()> on_event_;
  std::vector<std::shared_ptr<State>> heap_;
  std::uint64_t next_sequence_ = 0;
  std::int64_t waiting_until_ns_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace distri::net
