// loop_impl.hpp: the inside of a Loop, for the files of this module only.
//
// Whatever holds a socket is a LoopMember: the loop looks after its limits in time at every tick, lets it send at the
// end of the turn, and takes its socket away before the io_context dies. Threads: the loop's, except where Loop says
// otherwise.
#pragma once

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "distri/net/loop.hpp"
#include "distri/net/timer_queue.hpp"
#include "distri/utils/bytes.hpp"

namespace distri::net {

inline constexpr std::int64_t kTickMs = 100;                 // how often limits in time are looked at
inline constexpr std::size_t kReadBufferBytes = 256u << 10;  // shared by all connections of the loop

inline bool would_block(const asio::error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again || error == asio::error::interrupted;
}

// Of the encrypted connections of a loop, made for the first of them: what was read before it is decrypted, and what
// was encrypted before it is sent. Empty between calls.
struct TlsBuffers {
  std::array<char, kReadBufferBytes - (32u << 10)> in;  // so that what is in it fits the read buffer, whatever waited
  Bytes out;
};

class LoopMember {
 public:
  virtual ~LoopMember() = default;
  virtual void on_tick(std::int64_t now_ms) = 0;
  virtual void on_end_of_turn() = 0;
  // Close and forget everything that belongs to the io_context. No event is delivered any more.
  virtual void on_loop_destroyed() = 0;

 private:
  friend struct LoopImpl;
  std::size_t member_index_ = 0;
};

struct LoopImpl {
  LoopImpl();
  ~LoopImpl();
  LoopImpl(const LoopImpl&) = delete;
  LoopImpl& operator=(const LoopImpl&) = delete;

  // First call of every event.
  void enter();
  // The time at which the turn began; close enough for limits, and free.
  std::int64_t now_ms() const;
  // How long the turn under way has taken so far; 0 between turns.
  std::int64_t turn_ns() const;
  bool on_loop_thread() const { return thread.load(std::memory_order_relaxed) == std::this_thread::get_id(); }
  void post(std::function<void()> function);
  void add_member(LoopMember& member);
  void remove_member(LoopMember& member);
  // Calls member->on_end_of_turn() once at the end of this turn.
  void want_end_of_turn(std::shared_ptr<LoopMember> member) { dirty.push_back(std::move(member)); }
  // Whether the turn under way has reached one of its bounds.
  bool turn_full(int events) const;
  void end_turn();

  struct Signals {
    Signals(asio::io_context& io_context, std::function<void(int)> f) : set(io_context), function(std::move(f)) {}
    asio::signal_set set;
    std::function<void(int)> function;
  };
  void wait_for_signal(Signals& signals);

  // First, so that it is destroyed last: pending operations in it may hold the last reference to members.
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::atomic<bool> stop_requested{false};
  std::atomic<std::thread::id> thread{};
  TimerQueue timers;
  std::vector<LoopMember*> members;
  Timer tick;
  std::vector<std::shared_ptr<LoopMember>> dirty;
  std::deque<std::function<void()>> hooks;       // a deque: a hook may add hooks while it runs
  std::vector<std::function<void()>> next_turn;  // posted on the loop's thread
  std::vector<std::unique_ptr<Signals>> signals;
  std::unique_ptr<std::array<char, kReadBufferBytes>> read_buffer;
  std::unique_ptr<TlsBuffers> tls_buffers;
  std::int64_t turn_began_ns = 0;    // 0: between turns
  std::int64_t turn_ns_max = 0;      // 0: no bound
  bool turn_cut = false;             // the turn that ends now has reached a bound
  std::int64_t longest_turn_ns = 0;  // since take_longest_turn_us()
  Histogram turns_us;

 private:
  void run_tick();
  void schedule_tick();
  void run_posted();
};

}  // namespace distri::net
