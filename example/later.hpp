// later.hpp: work that must wait a little, for callbacks, which may not.
//
// Threads: after() from any; run_due() from one, the one that shall do the work. Destroying it forgets what is still
// waiting.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "latency.hpp"

namespace example {

class Later {
 public:
  void after(std::int64_t delay_ms, std::function<void()> work) {
    const std::scoped_lock lock(mutex_);
    waiting_.emplace(now() + std::chrono::milliseconds(delay_ms), std::move(work));
  }

  void run_due() {
    std::vector<std::function<void()>> due;
    {
      const std::scoped_lock lock(mutex_);
      const auto end = waiting_.upper_bound(now());
      for (auto at = waiting_.begin(); at != end; ++at) due.push_back(std::move(at->second));
      waiting_.erase(waiting_.begin(), end);
    }
    for (const auto& work : due) work();
  }

 private:
  std::mutex mutex_;
  std::multimap<Moment, std::function<void()>> waiting_;
};

}  // namespace example
