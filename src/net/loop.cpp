#include "distri/net/loop.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <utility>

#include "distri/net/loop_impl.hpp"
#include "distri/utils/clock.hpp"

namespace distri::net {

Timer::Timer() = default;
Timer::Timer(Timer&&) noexcept = default;

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

Timer::~Timer() {
  cancel();
}

void Timer::cancel() {
  const auto state = std::move(state_);
  if (state && state->queue != nullptr) state->queue->remove(*state);
}

bool Timer::armed() const {
  return state_ && state_->queue != nullptr;
}

LoopImpl::LoopImpl()
    : work(asio::make_work_guard(io)),
      timers(io, [this] { enter(); }),
      read_buffer(std::make_unique<std::array<char, kReadBufferBytes>>()) {}

LoopImpl::~LoopImpl() {
  while (!members.empty()) {
    LoopMember* const member = members.back();
    members.pop_back();
    member->on_loop_destroyed();
  }
}

void LoopImpl::enter() {
  if (turn_began_ns == 0) turn_began_ns = SystemClock().monotonic_ns();
}

std::int64_t LoopImpl::now_ms() const {
  return (turn_began_ns != 0 ? turn_began_ns : SystemClock().monotonic_ns()) / 1'000'000;
}

std::int64_t LoopImpl::turn_ns() const {
  return turn_began_ns == 0 ? 0 : SystemClock().monotonic_ns() - turn_began_ns;
}

void LoopImpl::post(std::function<void()> function) {
  if (on_loop_thread()) {
    next_turn.push_back(std::move(function));
    return;
  }
  asio::post(io, [this, function = std::move(function)] {
    enter();
    function();
  });
}

void LoopImpl::run_posted() {
  auto functions = std::exchange(next_turn, {});
  for (auto& function : functions) std::exchange(function, nullptr)();
  // Keep the capacity, unless a function has posted again.
  functions.clear();
  if (next_turn.empty()) next_turn.swap(functions);
}

void LoopImpl::add_member(LoopMember& member) {
  member.member_index_ = members.size();
  members.push_back(&member);
  if (!tick.armed()) schedule_tick();
}

void LoopImpl::remove_member(LoopMember& member) {
  const std::size_t index = member.member_index_;
  members[index] = members.back();
  members[index]->member_index_ = index;
  members.pop_back();
}

void LoopImpl::run_tick() {
  if (members.empty()) return;
  const std::int64_t now = now_ms();
  // Backwards: a member that leaves is replaced by one that has had its turn.
  for (std::size_t i = members.size(); i-- > 0;) {
    if (i < members.size()) members[i]->on_tick(now);
  }
  schedule_tick();
}

void LoopImpl::schedule_tick() {
  Timer next;
  next.state_ = timers.add(SystemClock().monotonic_ns() + kTickMs * 1'000'000, [this] { run_tick(); });
  tick = std::move(next);
}

bool LoopImpl::turn_full(int events) const {
  if (events >= kTurnEventsMax) return true;
  return turn_ns_max != 0 && turn_began_ns != 0 && SystemClock().monotonic_ns() - turn_began_ns >= turn_ns_max;
}

void LoopImpl::end_turn() {
  for (std::size_t i = 0; i < hooks.size(); ++i) hooks[i]();
  const auto members_to_flush = std::exchange(dirty, {});
  for (const auto& member : members_to_flush) member->on_end_of_turn();
  if (!next_turn.empty()) {
    asio::post(io, [this] {
      enter();
      run_posted();
    });
  }
  if (turn_began_ns == 0) return;
  const std::int64_t turn_ns = SystemClock().monotonic_ns() - turn_began_ns;
  longest_turn_ns = std::max(longest_turn_ns, turn_ns);
  turns_us.add(static_cast<std::uint64_t>(turn_ns / 1'000));
  turn_began_ns = 0;
}

void LoopImpl::wait_for_signal(Signals& waiting) {
  waiting.set.async_wait([this, &waiting](const asio::error_code& error, int signal) {
    if (error) return;
    enter();
    wait_for_signal(waiting);
    waiting.function(signal);
  });
}

Loop::Loop() : impl_(std::make_unique<LoopImpl>()) {}
Loop::~Loop() = default;

void Loop::run() {
  impl_->thread = std::this_thread::get_id();
  while (!impl_->stop_requested.exchange(false)) {
    impl_->io.run_one();
    for (int events = 1; !(impl_->turn_cut = impl_->turn_full(events)) && impl_->io.poll_one() != 0; ++events) {
    }
    impl_->end_turn();
  }
  impl_->thread = std::thread::id();
}

void Loop::stop() {
  impl_->stop_requested = true;
  asio::post(impl_->io, [] {});  // wakes run()
}

void Loop::post(std::function<void()> function) {
  impl_->post(std::move(function));
}

Timer Loop::after(std::int64_t delay_ms, std::function<void()> function) {
  Timer timer;
  timer.state_ = impl_->timers.add(SystemClock().monotonic_ns() + std::max<std::int64_t>(delay_ms, 0) * 1'000'000,
                                   std::move(function));
  return timer;
}

void Loop::at_end_of_turn(std::function<void()> function) {
  impl_->hooks.push_back(std::move(function));
}

void Loop::on_signals(std::vector<int> signals, std::function<void(int)> function) {
  auto waiting = std::make_unique<LoopImpl::Signals>(impl_->io, std::move(function));
  for (const int signal : signals) waiting->set.add(signal);
  impl_->wait_for_signal(*waiting);
  impl_->signals.push_back(std::move(waiting));
}

bool Loop::on_loop_thread() const {
  return impl_->on_loop_thread();
}

const Histogram& Loop::turns_us() const {
  return impl_->turns_us;
}

std::int64_t Loop::turn_ns() const {
  return impl_->turn_ns();
}

void Loop::end_turns_after(std::int64_t ns) {
  impl_->turn_ns_max = ns;
}

bool Loop::turn_was_cut() const {
  return impl_->turn_cut;
}

std::int64_t Loop::take_longest_turn_us() {
  return std::exchange(impl_->longest_turn_ns, 0) / 1000;
}

}  // namespace distri::net
