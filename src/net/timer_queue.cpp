#include "distri/net/timer_queue.hpp"

#include <chrono>
#include <utility>

#include "distri/utils/check.hpp"
#include "distri/utils/clock.hpp"

namespace distri::net {

TimerQueue::TimerQueue(asio::io_context& io, std::function<void()> on_event)
    : timer_(io), on_event_(std::move(on_event)) {}

TimerQueue::~TimerQueue() {
  // Destroying a function may cancel other timers, so none may find its way back here.
  const auto timers = std::exchange(heap_, {});
  for (const auto& state : timers) state->queue = nullptr;
}

std::shared_ptr<Timer::State> TimerQueue::add(std::int64_t due_ns, std::function<void()> function) {
  auto state = std::make_shared<State>();
  state->queue = this;
  state->place = heap_.size();
  state->due_ns = due_ns;
  state->sequence = next_sequence_++;
  state->function = std::move(function);
  heap_.push_back(state);
  sift_up(state->place);
  wait();
  return state;
}

void TimerQueue::remove(State& state) {
  DISTRI_CHECK(state.queue == this && heap_[state.place].get() == &state);
  const std::size_t place = state.place;
  swap(place, heap_.size() - 1);
  const auto removed = std::move(heap_.back());
  heap_.pop_back();
  if (place < heap_.size()) {
    sift_down(place);
    sift_up(place);
  }
  removed->queue = nullptr;
}

void TimerQueue::on_due() {
  waiting_until_ns_ = std::numeric_limits<std::int64_t>::max();
  // Timers added from here on wait for the next event, however short they are: no starvation by a timer that renews
  // itself.
  const std::int64_t now_ns = SystemClock().monotonic_ns();
  const std::uint64_t sequence_end = next_sequence_;
  while (!heap_.empty() && heap_.front()->due_ns <= now_ns && heap_.front()->sequence < sequence_end) {
    const auto state = heap_.front();
    remove(*state);
    const auto function = std::move(state->function);
    function();
  }
  wait();
}

void TimerQueue::wait() {
  if (heap_.empty() || heap_.front()->due_ns >= waiting_until_ns_) return;
  waiting_until_ns_ = heap_.front()->due_ns;
  timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(waiting_until_ns_)));
  timer_.async_wait([this](const asio::error_code& error) {
    if (error) return;
    on_event_();
    on_due();
  });
}

bool TimerQueue::before(std::size_t a, std::size_t b) const {
  return std::pair(heap_[a]->due_ns, heap_[a]->sequence) < std::pair(heap_[b]->due_ns, heap_[b]->sequence);
}

void TimerQueue::swap(std::size_t a, std::size_t b) {
  std::swap(heap_[a], heap_[b]);
  heap_[a]->place = a;
  heap_[b]->place = b;
}

void TimerQueue::sift_up(std::size_t place) {
  while (place > 0 && before(place, (place - 1) / 2)) {
    swap(place, (place - 1) / 2);
    place = (place - 1) / 2;
  }
}

void TimerQueue::sift_down(std::size_t place) {
  for (;;) {
    std::size_t least = place;
    for (const std::size_t child : {2 * place + 1, 2 * place + 2}) {
      if (child < heap_.size() && before(child, least)) least = child;
    }
    if (least == place) return;
    swap(place, least);
    place = least;
  }
}

}  // namespace distri::net
