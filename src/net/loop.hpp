// loop.hpp: the event loop of one thread: sockets, timers, work posted from other threads, and the notion of a turn.
//
// A turn handles every event that is ready (bounded by kTurnEventsMax, and by end_turns_after()), then runs the
// end-of-turn hooks in the order they were added, then flushes the connections that have something to send, one send
// each. So everything that one turn produced leaves together.
//
// Lifetime: a loop outlives run(). When it is destroyed, timers are disarmed, and connections and listeners that still
// exist are closed without another event (no on_closed()).
//
// Threads: run() occupies one thread; post() and stop() may be called from any thread; everything else only from the
// loop's thread (or before run()). Errors: none; construction throws std::system_error only when the operating system
// has no descriptors left.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "distri/utils/histogram.hpp"
#include "distri/utils/result.hpp"

namespace distri::net {

inline constexpr int kTurnEventsMax = 512;

struct LoopImpl;  // holds the Asio types; see loop_impl.hpp (private to this module)

// A single-shot timer. Destroying or cancelling it guarantees that its function is not called any more.
class Timer {
 public:
  Timer();
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;
  ~Timer();
  void cancel();
  bool armed() const;

 private:
  friend class Loop;
  friend class TimerQueue;
  friend struct LoopImpl;
  struct State;
  std::shared_ptr<State> state_;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Returns after stop(), also one that came before; may then be called again.
  void run();
  // From any thread. The turn under way is finished.
  void stop();
  // Runs `function` on the loop's thread, from there always in a later turn. From any thread. Never blocks. In the
  // order posted, per thread. What is still waiting when run() returns stays for the next run() or is dropped with the
  // loop.
  void post(std::function<void()> function);
  // Calls `function` once, not before `delay_ms` from now. Cheap: thousands of timers that are cancelled again are what
  // it is made for.
  [[nodiscard]] Timer after(std::int64_t delay_ms, std::function<void()> function);
  // Called at the end of every turn that handled at least one event, before connections are flushed. Lives as long as
  // the loop.
  void at_end_of_turn(std::function<void()> function);
  // Calls `function(signal)` on the loop's thread when one of the signals arrives (SIGINT, SIGTERM). Repeatedly.
  void on_signals(std::vector<int> signals, std::function<void(int)> function);
  // True on the loop's thread inside run().
  bool on_loop_thread() const;
  // From the next event on, a turn that has taken `ns` ends, with ready events left for the next one; 0 (from the
  // start): turns have no such end. Short turns let who is answered first go on while the others are served; long ones
  // put more into each batch.
  void end_turns_after(std::int64_t ns);
  // How long the turn under way has taken so far; 0 between turns. On the loop's thread.
  std::int64_t turn_ns() const;
  // In a hook: the turn ended by one of its bounds, so more may be ready.
  bool turn_was_cut() const;
  // Longest turn since the last call of take_longest_turn_us(), in microseconds, without the wait for events.
  std::int64_t take_longest_turn_us();
  // How long the turns took in this life, in microseconds, in the same sense. On the loop's thread.
  const Histogram& turns_us() const;

  LoopImpl& impl() { return *impl_; }

 private:
  std::unique_ptr<LoopImpl> impl_;
};

}  // namespace distri::net
