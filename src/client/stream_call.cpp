#include "distri/client/stream_call.hpp"

#include <algorithm>
#include <chrono>

#include "distri/client/runtime_core.hpp"

namespace distri::client {
namespace {

constexpr std::size_t kWriteQueueBytes = 256u << 10;
constexpr std::size_t kPieceBytes = 64u << 10;
constexpr std::size_t kCreditStepBytes = 64u << 10;

std::unexpected<Error> blocking_in_callback() {
  return fail(Code::kInvalidArgument,
              "a stream blocks, and this is the runtime's thread (a callback); use a thread of your own");
}

}  // namespace

Result<> StreamCall::wait_opened() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !nodes_.empty() || outcome_; });
  if (outcome_ && !*outcome_) return *outcome_;
  return {};
}

Result<> StreamCall::write(BytesView chunk) {
  if (runtime_.on_loop_thread()) return blocking_in_callback();
  std::unique_lock lock(mutex_);
  if (writing_ended_) return fail(Code::kInvalidArgument, "write() after finish()");
  while (!chunk.empty()) {
    changed_.wait(lock, [&] { return outgoing_bytes_ < kWriteQueueBytes || outcome_; });
    // A service that has given its whole answer wants no more of the body; the answer is for read().
    if (outcome_) return *outcome_;
    const BytesView piece = chunk.substr(0, std::min(kPieceBytes, kWriteQueueBytes - outgoing_bytes_));
    chunk.remove_prefix(piece.size());
    if (!outgoing_.empty() && outgoing_.back().size() + piece.size() <= kPieceBytes) {
      outgoing_.back().append(piece);
    } else {
      outgoing_.emplace_back(piece);
    }
    outgoing_bytes_ += piece.size();
    ask_to_send();
  }
  return outcome_ ? *outcome_ : Result<>{};
}

Result<> StreamCall::end_writing() {
  const std::lock_guard lock(mutex_);
  if (outcome_) return *outcome_;
  writing_ended_ = true;
  ask_to_send();
  return {};
}

Result<Bytes> StreamCall::read() {
  if (runtime_.on_loop_thread()) return blocking_in_callback();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return readable(); });
  return take_incoming();
}

Result<std::optional<Bytes>> StreamCall::read_within(std::int64_t timeout_ms) {
  if (runtime_.on_loop_thread()) return blocking_in_callback();
  std::unique_lock lock(mutex_);
  const auto limit = std::chrono::milliseconds(std::max<std::int64_t>(timeout_ms, 0));
  if (!changed_.wait_for(lock, limit, [&] { return readable(); })) return std::nullopt;
  DISTRI_TRY(Bytes piece, take_incoming());
  return std::optional(std::move(piece));
}

Result<Bytes> StreamCall::take_incoming() {
  if (incoming_.empty()) {
    if (!*outcome_) return fail(outcome_->error());
    return Bytes();
  }
  Piece piece = std::move(incoming_.front());
  incoming_.pop_front();
  if (piece.credited) give_credit(piece.bytes.size());
  return std::move(piece.bytes);
}

void StreamCall::abandon() {
  {
    const std::lock_guard lock(mutex_);
    if (outcome_) return;
  }
  runtime_.loop().post([self = self()] { self->cancel(Error{Code::kCancelled, "the caller cancelled the stream"}); });
}

const Address& StreamCall::last_node() const {
  const std::lock_guard lock(mutex_);
  return nodes_.back();
}

void StreamCall::ask_to_send() {
  if (outcome_ || std::exchange(send_asked_, true)) return;
  runtime_.loop().post([self = self()] {
    {
      const std::lock_guard lock(self->mutex_);
      self->send_asked_ = false;
    }
    if (auto* session = self->session()) self->send_more(*session, self->stream());
  });
}

void StreamCall::give_credit(std::size_t bytes) {
  credit_bytes_ += bytes;
  if (outcome_ || credit_asked_ || (credit_bytes_ < kCreditStepBytes && !incoming_.empty())) return;
  credit_asked_ = true;
  runtime_.loop().post([self = self()] {
    std::size_t credit_bytes = 0;
    {
      const std::lock_guard lock(self->mutex_);
      self->credit_asked_ = false;
      credit_bytes = std::exchange(self->credit_bytes_, 0);
    }
    if (auto* session = self->session()) session->consume(self->stream(), static_cast<std::uint32_t>(credit_bytes));
  });
}

Result<std::uint32_t> StreamCall::open(wire::Session& session, const wire::RequestHead& head) {
  std::size_t taken = 0;
  end_sent_ = false;
  auto stream = session.open_request(head, {}, false, taken);
  if (stream) {
    const std::lock_guard lock(mutex_);
    nodes_.push_back(node()->address);
    changed_.notify_all();
  }
  return stream;
}

// Makes piece_ the next one to send. False: there is nothing to send now. `end`: nothing, and there will be no more.
bool StreamCall::take_piece(bool& end) {
  const std::lock_guard lock(mutex_);
  if (outgoing_.empty()) {
    end = writing_ended_;
    return false;
  }
  piece_ = std::move(outgoing_.front());
  piece_sent_ = 0;
  outgoing_.pop_front();
  outgoing_bytes_ -= piece_.size();
  changed_.notify_all();
  return true;
}

void StreamCall::send_more(wire::Session& session, std::uint32_t stream) {
  for (bool end = false;;) {
    if (piece_sent_ == piece_.size() && !take_piece(end)) {
      if (end && !std::exchange(end_sent_, true)) session.send_data(stream, {}, true);
      return;
    }
    const std::size_t taken = session.send_data(stream, BytesView(piece_).substr(piece_sent_), false);
    piece_sent_ += taken;
    if (taken > 0) body_begun_ = true;
    if (piece_sent_ < piece_.size()) return;  // on_writable() follows
  }
}

void StreamCall::received(BytesView piece, bool credited) {
  if (piece.empty()) return;
  reply_received_ = true;
  const std::lock_guard lock(mutex_);
  incoming_.push_back(Piece{Bytes(piece), credited});
  changed_.notify_all();
}

bool StreamCall::rewind() {
  return !body_begun_ && !reply_received_;
}

void StreamCall::finished(Result<> result) {
  const std::lock_guard lock(mutex_);
  if (!result && result.error().code == Code::kCancelled) incoming_.clear();
  outgoing_.clear();
  outgoing_bytes_ = 0;
  outcome_ = std::move(result);
  changed_.notify_all();
}

}  // namespace distri::client
