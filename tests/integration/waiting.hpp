// waiting.hpp: for tests: waiting for what comes true by itself.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace distri::test {

// Until `condition` holds; false: it never did. The time is for machines that are busy with other things.
inline bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 3'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

}  // namespace distri::test
