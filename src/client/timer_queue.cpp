#include "distri/client/timer_queue.hpp"

#include <algorithm>

namespace distri::client {

TimerQueue::Ticket TimerQueue::add(std::int64_t due_ms, std::function<void()> function) {
  const Ticket ticket{due_ms, ++last_number_};
  entries_.emplace(ticket, std::move(function));
  arm();
  return ticket;
}

void TimerQueue::cancel(Ticket& ticket) {
  entries_.erase(ticket);
  ticket = {};
}

void TimerQueue::clear() {
  timer_.cancel();
  armed_ms_ = 0;
  // Functions may own objects whose destructors cancel other entries.
  auto entries = std::move(entries_);
  entries_.clear();
}

void TimerQueue::arm() {
  if (entries_.empty()) return;
  const std::int64_t due_ms = entries_.begin()->first.first;
  if (armed_ms_ != 0 && armed_ms_ <= due_ms) return;
  armed_ms_ = due_ms;
  timer_ = loop_.after(std::max<std::int64_t>(0, due_ms - clock_.monotonic_ms()), [this] { fire(); });
}

void TimerQueue::fire() {
  armed_ms_ = 0;
  // What a function adds is for a later turn, also when it is due already.
  const Ticket last{clock_.monotonic_ms(), last_number_};
  while (!entries_.empty() && entries_.begin()->first <= last) {
    auto entry = entries_.extract(entries_.begin());
    entry.mapped()();
  }
  arm();
}

}  // namespace distri::client
