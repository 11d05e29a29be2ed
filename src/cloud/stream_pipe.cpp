#include "distri/cloud/stream_pipe.hpp"

#include <chrono>
#include <utility>

namespace distri::cloud {

StreamPipe::StreamPipe(std::int64_t deadline_ns, std::function<void()> wake_main)
    : deadline_ns_(deadline_ns), wake_main_(std::move(wake_main)) {}

template <class Condition>
Result<> StreamPipe::wait(std::unique_lock<std::mutex>& lock, Condition condition) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns_)};
  const bool in_time = changed_.wait_until(lock, deadline, [&] { return abandoned_.has_value() || condition(); });
  if (abandoned_) return fail(*abandoned_);
  if (!in_time) return fail(Code::kDeadlineExceeded, "the deadline of the request has passed");
  return {};
}

Result<Bytes> StreamPipe::read() {
  Bytes chunk;
  {
    std::unique_lock lock(mutex_);
    DISTRI_TRY_VOID(wait(lock, [this] { return !input_.empty() || input_ended_; }));
    chunk = std::exchange(input_, {});
    consumed_ += static_cast<std::uint32_t>(chunk.size());
  }
  if (!chunk.empty()) wake_main_();
  return chunk;
}

Result<> StreamPipe::write(BytesView chunk) {
  while (!chunk.empty()) {
    {
      std::unique_lock lock(mutex_);
      DISTRI_TRY_VOID(wait(lock, [this] { return output_.size() < kOutputBytesMax; }));
      const BytesView part = chunk.substr(0, kOutputBytesMax - output_.size());
      output_.append(part);
      chunk.remove_prefix(part.size());
    }
    wake_main_();
  }
  return {};
}

void StreamPipe::push_input(BytesView chunk) {
  {
    const std::lock_guard lock(mutex_);
    input_.append(chunk);
  }
  changed_.notify_all();
}

void StreamPipe::end_input() {
  {
    const std::lock_guard lock(mutex_);
    input_ended_ = true;
  }
  changed_.notify_all();
}

void StreamPipe::abandon(const Error& reason) {
  {
    const std::lock_guard lock(mutex_);
    if (!abandoned_) abandoned_ = reason;
  }
  changed_.notify_all();
}

std::uint32_t StreamPipe::take_consumed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(consumed_, 0);
}

Bytes StreamPipe::take_output() {
  Bytes output;
  {
    const std::lock_guard lock(mutex_);
    output = std::exchange(output_, {});
  }
  changed_.notify_all();
  return output;
}

}  // namespace distri::cloud
