// worker_pool.hpp: threads that run services, behind a bounded queue.
//
// Invariants: (1) at most `queue_max` tasks wait; submit() refuses more at once instead of blocking. (2) every accepted
// task runs, or is destroyed unrun by stop(). Threads: submit() and the counters from any thread; stop() from the
// owner. Tasks must not throw.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace distri {

class WorkerPool {
 public:
  using Task = std::function<void()>;

  WorkerPool(unsigned workers, std::size_t queue_max);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False: the queue is full (or the pool stopped) and the task was not taken.
  bool submit(Task task);
  // True when submit() would refuse now.
  bool full() const { return queued_.load(std::memory_order_relaxed) >= queue_max_; }
  // Drops what waits, finishes what runs, joins the threads.
  void stop();

  std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }
  std::size_t running() const { return running_.load(std::memory_order_relaxed); }
  unsigned workers() const { return static_cast<unsigned>(threads_.size()); }
  std::size_t queue_max() const { return queue_max_; }

 private:
  void work();

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool stopped_ = false;
  std::atomic<std::size_t> queued_{0};
  std::atomic<std::size_t> running_{0};
  std::vector<std::thread> threads_;
};

}  // namespace distri
