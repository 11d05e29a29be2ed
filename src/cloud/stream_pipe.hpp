// stream_pipe.hpp: carries the bodies of one streaming request between the main thread and the worker that runs its
// service.
//
// Both directions are bounded: input by the flow-control window of the stream, output by kOutputBytesMax, where the
// worker's write() blocks. The worker's waits end when the request is abandoned or its deadline passes. Threads: the
// BodyReader and BodyWriter methods from one worker; the others from the main thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "distri/cloud/service.hpp"

namespace distri::cloud {

class StreamPipe final : public BodyReader, public BodyWriter {
 public:
  static constexpr std::size_t kOutputBytesMax = 256u << 10;

  // `wake_main` is called (from the worker) when there is input credit to return or output to take. `deadline_ns`:
  // monotonic.
  StreamPipe(std::int64_t deadline_ns, std::function<void()> wake_main);

  // ---- Worker.
  Result<Bytes> read() override;
  Result<> write(BytesView chunk) override;

  // ---- Main thread.
  void push_input(BytesView chunk);
  void end_input();
  // The request is over: the worker's reads and writes end with this.
  void abandon(const Error& reason);
  // Bytes that the worker has read since the last call: credit for the sender.
  std::uint32_t take_consumed();
  // What the worker has written since the last call.
  Bytes take_output();

 private:
  template <class Condition>
  Result<> wait(std::unique_lock<std::mutex>& lock, Condition condition);

  const std::int64_t deadline_ns_;
  const std::function<void()> wake_main_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Bytes input_;
  Bytes output_;
  std::uint32_t consumed_ = 0;
  bool input_ended_ = false;
  std::optional<Error> abandoned_;
};

}  // namespace distri::cloud
