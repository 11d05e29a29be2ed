// runtime_core.hpp: what all clients of one Runtime share: the loop and its thread, timers, randomness, open links,
// node tables.
//
// Life: the handle that users hold (Runtime) stops the thread and joins it. When the last handle is dropped on the
// runtime's own thread (a callback owned the client), the thread is detached instead and ends after the turn under way.
// The thread owns a reference to the core, so the core dies after the loop has stopped, on whichever thread was last.
//
// Invariants: posted functions and timers never own the Runtime handle, or a stopped loop would keep itself alive.
// Threads: the loop's thread, except where a method says "any thread".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/client/timer_queue.hpp"
#include "distri/net/loop.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/random.hpp"

namespace distri::client {

class Link;
class NodeTable;

class RuntimeCore {
 public:
  RuntimeCore();
  ~RuntimeCore();
  RuntimeCore(const RuntimeCore&) = delete;
  RuntimeCore& operator=(const RuntimeCore&) = delete;

  // Any thread.
  net::Loop& loop() { return *loop_; }
  const Clock& clock() const { return clock_; }
  bool on_loop_thread() const { return loop_->on_loop_thread(); }

  TimerQueue& timers() { return timers_; }
  Random& random() { return random_; }
  std::int64_t now_ms() const { return clock_.monotonic_ms(); }

  // Runs `function` when the events of this turn are handled, before anything is sent. So completions never run inside
  // a session.
  void at_turn_end(std::function<void()> function);

  // Clients with the same seeds learn together.
  std::shared_ptr<NodeTable> table_for(const std::vector<Address>& seeds, bool discover);

  // A link lives from adopt() until its connection has reported its end.
  void adopt(std::shared_ptr<Link> link);
  void release(Link& link);

 private:
  void run_turn_end();
  void arm_sweep();

  SystemClock clock_;
  Random random_ = Random::from_system();
  std::unordered_set<std::shared_ptr<Link>> links_;
  std::map<std::string, std::weak_ptr<NodeTable>> tables_;
  std::unique_ptr<net::Loop> loop_;
  TimerQueue timers_;
  TimerQueue::Ticket sweep_;
  std::vector<std::function<void()>> turn_end_;
};

// The Runtime that users hold.
class RuntimeHandle final : public Runtime {
 public:
  RuntimeHandle();
  ~RuntimeHandle() override;
  RuntimeHandle(const RuntimeHandle&) = delete;
  RuntimeHandle& operator=(const RuntimeHandle&) = delete;

  RuntimeCore& core() { return *core_; }

 private:
  std::shared_ptr<RuntimeCore> core_;
  std::thread thread_;
};

}  // namespace distri::client
