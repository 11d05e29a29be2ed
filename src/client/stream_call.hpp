// stream_call.hpp: a call whose bodies are streams, between a user's threads and the runtime's thread.
//
// write() fills a bounded queue that the runtime's thread empties as fast as the node's window allows; read() empties a
// queue that the window bounds (credit goes back to the node only for what was read). Memory per call:
// kWriteQueueBytes, one window, and the inline part of the reply.
//
// It moves to another node after a failed try only while no byte of a body has been sent or received.
// Threads: the public part from any thread (one writer, one reader); the Exchange part on the runtime's thread. The
// mutex guards what both touch, and is never held while something else is called.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include "distri/client/client.hpp"
#include "distri/client/exchange.hpp"

namespace distri::client {

class RuntimeCore;

class StreamCall final : public Exchange {
 public:
  StreamCall(RuntimeCore& runtime, CallSpec spec) : Exchange(std::move(spec)), runtime_(runtime) {}

  // Blocks until the request has been sent to some node.
  Result<> wait_opened();
  Result<> write(BytesView chunk);
  Result<> end_writing();
  Result<Bytes> read();
  // The same; nullopt: nothing has come within `timeout_ms`.
  Result<std::optional<Bytes>> read_within(std::int64_t timeout_ms);
  void abandon();
  // Where the request went last. The reference stays valid, also when the call moves on.
  const Address& last_node() const;

 private:
  struct Piece {
    Bytes bytes;
    bool credited = false;
  };

  Result<std::uint32_t> open(wire::Session& session, const wire::RequestHead& head) override;
  void send_more(wire::Session& session, std::uint32_t stream) override;
  void received(BytesView piece, bool credited) override;
  bool rewind() override;
  void finished(Result<> result) override;

  std::shared_ptr<StreamCall> self() { return std::static_pointer_cast<StreamCall>(shared_from_this()); }
  // Both are called with the mutex held.
  void ask_to_send();
  void give_credit(std::size_t bytes);
  bool take_piece(bool& end);
  bool readable() const { return !incoming_.empty() || outcome_; }
  Result<Bytes> take_incoming();

  RuntimeCore& runtime_;

  // The runtime's thread only.
  Bytes piece_;                  // being sent
  std::size_t piece_sent_ = 0;   // of it
  bool body_begun_ = false;      // a byte has gone out
  bool reply_received_ = false;  // a byte has come back
  bool end_sent_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Address> nodes_;
  std::deque<Bytes> outgoing_;
  std::size_t outgoing_bytes_ = 0;
  bool writing_ended_ = false;
  bool send_asked_ = false;
  std::deque<Piece> incoming_;
  std::size_t credit_bytes_ = 0;
  bool credit_asked_ = false;
  std::optional<Result<>> outcome_;
};

// What open_stream() gives the user. Keeps the runtime alive.
class ClientStream final : public CallStream {
 public:
  ClientStream(std::shared_ptr<Runtime> runtime, std::shared_ptr<StreamCall> call)
      : runtime_(std::move(runtime)), call_(std::move(call)) {}
  ~ClientStream() override { call_->abandon(); }
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  Result<> write(BytesView chunk) override { return call_->write(chunk); }
  Result<> finish() override { return call_->end_writing(); }
  Result<Bytes> read() override { return call_->read(); }
  void cancel() override { call_->abandon(); }
  const Address& node() const override { return call_->last_node(); }

 private:
  std::shared_ptr<Runtime> runtime_;
  std::shared_ptr<StreamCall> call_;
};

}  // namespace distri::client
