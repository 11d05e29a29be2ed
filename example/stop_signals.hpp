// stop_signals.hpp: SIGTERM and SIGINT as something that a program notices, in the middle of whatever it does.
//
// Make one before the first thread starts: the signals are blocked in all that start later. They go on being blocked
// when it is gone. Threads: `on_stop` is called on a thread of its own, once.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace example {

class StopSignals {
 public:
  // Throws std::system_error when the system has no descriptors left.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // From now on; a signal that came before counts. Once.
  void watch(std::function<void()> on_stop);
  // Ends watching; `on_stop` is not called after it has returned. Any number of times.
  void end();

  bool came() const { return came_; }
  int descriptor() const { return came_event_; }  // readable when one came
  void wait() const;                              // until one came

 private:
  void run();

  int signals_ = -1;
  int came_event_ = -1;
  int end_event_ = -1;
  std::atomic<bool> came_ = false;
  std::function<void()> on_stop_;
  std::thread thread_;
};

}  // namespace example
