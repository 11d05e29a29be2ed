#include "distri/net/connection_impl.hpp"

#include <algorithm>
#include <asio/error.hpp>
#include <utility>

namespace distri::net {
namespace {

constexpr std::int64_t kLingerMs = 1000;             // for the other side to read our last words and close
constexpr std::int64_t kIdleBufferMs = 1000;         // after this long without traffic buffers are given back
constexpr std::size_t kKeptOutputBytes = 64u << 10;  // a send buffer larger than this is given back at once
// A turn that has taken this long goes on with no more handshakes: each takes about 1 ms, and many may come at once.
constexpr std::int64_t kHandshakesTurnNs = 10'000'000;
constexpr std::size_t kStrangerPieceBytes = 4u << 10;
// What TLS may add to the bytes of a stranger, with the handshake: keys can be changed for ever without a byte of ours.
constexpr std::size_t kStrangerTlsBytes = 2 * kTlsHandshakeBytesMax;
constexpr std::int64_t kBehindTimes = 10;  // hello_ms, at most, while it is this side that is slow

}  // namespace

// ---- Receiving.

void ConnectionImpl::wait_readable() {
  if (reading_ || paused_) return;
  reading_ = true;
  transport_->wait_readable([self = self()](const asio::error_code& error) {
    if (self->loop_ == nullptr) return;
    self->loop_->enter();
    self->reading_ = false;
    if (!error) self->on_readable();
  });
}

void ConnectionImpl::on_readable() {
  if (state_ == State::kLingering) return discard();
  if (state_ != State::kOpen && state_ != State::kSecuring) return;
  if (must_pause()) {
    paused_ = true;
    return;
  }
  if (state_ == State::kSecuring && loop_->turn_ns() > kHandshakesTurnNs) return read_next_turn();
  asio::error_code error;
  char* const buffer = loop_->read_buffer->data();
  const std::size_t size = transport_->read(buffer, kReadBufferBytes, error);
  if (state_ == State::kSecuring && !secured(error)) return;
  if (size > 0) receive(BytesView(buffer, size));
  if (state_ != State::kOpen) return;
  if (is_stranger() && transport_->received_bytes() > options_.stranger.bytes_max + kStrangerTlsBytes) {
    return give_up(Error{Code::kTooLarge,
                         fmt::format("{} makes this side work on TLS and has not shown that it may be here", remote_)});
  }
  if (const TlsStream* const tls = transport_->tls()) {
    if (tls->state() == TlsStream::State::kFailed) return ended_by_tls(tls->failure());
    if (tls->state() == TlsStream::State::kEnded) return lost("the other side closed it");
    if (transport_->unsent_bytes() > 0) flush();  // answers of TLS itself
  }
  if (error && !would_block(error)) return lost_link(error);
  wait_readable();
}

void ConnectionImpl::read_next_turn() {
  reading_ = true;
  loop_->post([self = self()] {
    if (self->loop_ == nullptr) return;
    self->reading_ = false;
    self->on_readable();
  });
}

void ConnectionImpl::receive(BytesView bytes) {
  received_ms_ = loop_->now_ms();
  if (session_.frames_received() == 0 && !options_.tls && refuse_tls(bytes)) return;
  if (is_stranger()) bytes = receive_from_stranger(bytes);
  if (!bytes.empty()) hand_on(bytes);
}

// In small pieces, so that no more than a piece is handled beyond the limits, and what follows trust is not counted.
BytesView ConnectionImpl::receive_from_stranger(BytesView bytes) {
  const StrangerLimits& limits = options_.stranger;
  while (is_stranger() && !bytes.empty()) {
    const std::size_t left = limits.bytes_max - std::min(limits.bytes_max, stranger_bytes_);
    if (left == 0) {
      give_up(
          Error{Code::kTooLarge, fmt::format("{} has sent more than {} bytes (stranger_bytes_max) and has not shown "
                                             "that it may; show a key or token with rights first",
                                             remote_, limits.bytes_max)});
      return {};
    }
    const BytesView piece = bytes.substr(0, std::min(left, kStrangerPieceBytes));
    bytes.remove_prefix(piece.size());
    stranger_bytes_ += piece.size();
    if (!hand_on(piece)) return {};
    if (is_stranger() && limits.frames_max > 0 && session_.frames_received() > limits.frames_max) {
      too_many_frames_ = true;
      give_up(Error{Code::kTooLarge, fmt::format("{} has sent more than {} frames (stranger_frames_max) and has not "
                                                 "shown that it may; show a key or token with rights first",
                                                 remote_, limits.frames_max)});
      return {};
    }
  }
  return bytes;
}

bool ConnectionImpl::hand_on(BytesView bytes) {
  const auto result = session_.receive(bytes);
  if (state_ != State::kOpen) return false;  // a handler closed the connection
  if (!result) {
    close(result.error());
    return false;
  }
  if (!session_.mid_frame()) {
    frame_began_ms_ = 0;
  } else if (frame_began_ms_ == 0 || frames_seen_ != session_.frames_received()) {
    frame_began_ms_ = received_ms_;
  }
  frames_seen_ = session_.frames_received();
  return true;
}

// While lingering: reads to nowhere.
void ConnectionImpl::discard() {
  asio::error_code error;
  transport_->discard(loop_->read_buffer->data(), kReadBufferBytes, error);
  if (error && !would_block(error)) {
    drop();
  } else {
    wait_readable();
  }
}

// What an accepted connection has to send are answers, so reading less makes it less. On the dialling side it would
// not, and two sides that wait for each other to read would never end.
bool ConnectionImpl::must_pause() const {
  return side_ == wire::Side::kAccepted && outbound_bytes() > options_.outbound_bytes_high;
}

void ConnectionImpl::resume_reading() {
  if (!paused_ || state_ != State::kOpen || outbound_bytes() > options_.outbound_bytes_high / 2) return;
  paused_ = false;
  busy_ms_ = loop_->now_ms();
  if (frame_began_ms_ != 0) frame_began_ms_ = busy_ms_;  // the wait was our doing
  wait_readable();
}

Bytes ConnectionImpl::channel_binding() const {
  const bool known = state_ == State::kOpen && transport_->tls() != nullptr;
  return known ? transport_->tls()->channel_binding() : Bytes();
}

// ---- Sending.

void ConnectionImpl::on_end_of_turn() {
  dirty_ = false;
  flush();
}

void ConnectionImpl::flush() {
  const bool connected = state_ == State::kSecuring || state_ == State::kOpen || state_ == State::kClosing;
  if (loop_ != nullptr && connected && !writing_) write();
}

std::size_t ConnectionImpl::outbound_bytes() const {
  return sending_.size() - sent_ + session_.output().size() + (transport_ ? transport_->unsent_bytes() : 0);
}

void ConnectionImpl::write() {
  for (;;) {
    if (sent_ == sending_.size()) {
      sending_.clear();
      sent_ = 0;
      if (sending_.capacity() > kKeptOutputBytes) Bytes().swap(sending_);
      if (session_.output().empty() || state_ == State::kSecuring) {
        if (state_ == State::kClosing) transport_->finish();
        if (transport_->unsent_bytes() == 0) break;
      } else {
        sending_.swap(session_.output());
      }
    }
    asio::error_code error;
    bool progress = false;
    sent_ += transport_->write(BytesView(sending_).substr(sent_), progress, error);
    if (progress) write_stalled_ms_ = loop_->now_ms();
    if (!error) continue;
    if (!would_block(error)) return lost_link(error);
    if (write_stalled_ms_ == 0) write_stalled_ms_ = loop_->now_ms();
    writing_ = true;
    transport_->wait_writable([self = self()](const asio::error_code& wait_error) {
      if (self->loop_ == nullptr) return;
      self->loop_->enter();
      self->writing_ = false;
      if (!wait_error) self->flush();
    });
    return resume_reading();
  }
  on_drained();
}

void ConnectionImpl::on_drained() {
  write_stalled_ms_ = 0;
  if (state_ == State::kClosing) {
    end(std::move(reason_), true);
  } else {
    resume_reading();
  }
}

// ---- Limits in time.

void ConnectionImpl::on_tick(std::int64_t now_ms) {
  const auto keep = shared_from_this();
  switch (state_) {
    case State::kDialling:
      if (now_ms - began_ms_ > options_.dial_ms) {
        end(Error{Code::kDeadlineExceeded,
                  fmt::format("no connection to {} within {} ms (dial_ms)", remote_, options_.dial_ms)},
            false);
      }
      break;
    case State::kSecuring:
      if (hello_overdue(now_ms)) {
        end(Error{Code::kDeadlineExceeded, fmt::format("the TLS handshake with {} was not done within {} ms (hello_ms)",
                                                       remote_, options_.hello_ms)},
            false);
      }
      break;
    case State::kOpen:
      check_open_limits(now_ms);
      break;
    case State::kClosing:
      if (now_ms - write_stalled_ms_ > options_.write_stall_ms) end(std::move(reason_), false);
      break;
    case State::kLingering:
      if (now_ms - began_ms_ > kLingerMs) drop();
      break;
    case State::kGone:
      break;
  }
}

// Who has said something that we have not read yet is not late: we are. So it is when thousands connect at once, whose
// handshakes wait for each other; but not for ever, in case that we are never done.
bool ConnectionImpl::hello_overdue(std::int64_t now_ms) {
  const std::int64_t waited_ms = now_ms - began_ms_;
  if (waited_ms <= options_.hello_ms) return false;
  return !transport_->unread() || waited_ms > kBehindTimes * options_.hello_ms;
}

void ConnectionImpl::check_open_limits(std::int64_t now_ms) {
  // An accepting side that has much to send us reads nothing until we have taken it: while it sends, it is well.
  const std::int64_t stalled_ms =
      side_ == wire::Side::kDialled ? std::max(write_stalled_ms_, received_ms_) : write_stalled_ms_;
  if (write_stalled_ms_ != 0 && now_ms - stalled_ms > options_.write_stall_ms) {
    session_.stop();
    return end(
        Error{Code::kDeadlineExceeded, fmt::format("{} took none of the {} bytes for it within {} ms (write_stall_ms)",
                                                   remote_, outbound_bytes(), options_.write_stall_ms)},
        false);
  }
  if (!session_.ready()) {
    if (hello_overdue(now_ms)) {
      give_up(Error{Code::kDeadlineExceeded,
                    fmt::format("no hello from {} within {} ms (hello_ms)", remote_, options_.hello_ms)});
    }
    return;
  }
  if (frame_began_ms_ != 0 && !paused_ && now_ms - frame_began_ms_ > options_.frame_ms) {
    return give_up(Error{Code::kDeadlineExceeded,
                         fmt::format("{} did not finish a frame within {} ms (frame_ms)", remote_, options_.frame_ms)});
  }
  if (options_.idle_ms > 0) {
    if (session_.open_streams() > 0 || paused_) busy_ms_ = now_ms;
    if (now_ms - std::max(received_ms_, busy_ms_) > options_.idle_ms) {
      return give_up(Error{Code::kDeadlineExceeded,
                           fmt::format("nothing from {} within {} ms (idle_ms)", remote_, options_.idle_ms)});
    }
  }
  if (now_ms - received_ms_ > kIdleBufferMs && outbound_bytes() == 0 &&
      sending_.capacity() + session_.output().capacity() > 64) {
    Bytes().swap(sending_);
    Bytes().swap(session_.output());
  }
}

// ---- Ending.

void ConnectionImpl::give_up(Error reason) {
  session_.abort(reason);
  close(std::move(reason));
}

void ConnectionImpl::lost(std::string_view what) {
  session_.stop();
  if (state_ == State::kClosing) return end(std::move(reason_), false);
  std::string message = fmt::format("the connection to {} ended: {}", remote_, what);
  if (session_.peer_goodbye()) message += fmt::format(" after a goodbye ({})", to_string(*session_.peer_goodbye()));
  end(Error{Code::kConnectionLost, std::move(message)}, false);
}

void ConnectionImpl::lost_link(const asio::error_code& error) {
  const TlsStream* const tls = transport_->tls();
  if (tls != nullptr && tls->state() == TlsStream::State::kFailed) return ended_by_tls(tls->failure());
  lost(error == asio::error::eof ? "the other side closed it" : error.message());
}

// The last word of TLS, an alert, is on its way: it is not to be destroyed by closing with unread bytes.
void ConnectionImpl::ended_by_tls(const Error& failure) {
  session_.stop();
  end(state_ == State::kClosing ? std::move(reason_) : failure, failure.code != Code::kConnectionLost);
}

void ConnectionImpl::close(Error reason) {
  if (closed() || loop_ == nullptr) return;
  const auto keep = shared_from_this();
  session_.stop();
  if (state_ < State::kOpen) return end(std::move(reason), false);
  state_ = State::kClosing;
  reason_ = std::move(reason);
  if (write_stalled_ms_ == 0) write_stalled_ms_ = loop_->now_ms();
  if (!writing_) write();
}

void ConnectionImpl::end(Error reason, bool linger) {
  const auto keep = self();
  session_.stop();
  loop_->post([keep, reason = std::move(reason)] {
    if (keep->handler_ != nullptr) std::exchange(keep->handler_, nullptr)->on_closed(reason);
  });
  Bytes().swap(sending_);
  sent_ = 0;
  if (!linger) return drop();
  state_ = State::kLingering;
  began_ms_ = loop_->now_ms();
  paused_ = false;
  transport_->shutdown_send();
  wait_readable();
}

void ConnectionImpl::drop() {
  state_ = State::kGone;
  loop_->remove_member(*this);
  if (resolver_) resolver_->cancel();
  transport_->close();
}

void ConnectionImpl::on_loop_destroyed() {
  state_ = State::kGone;
  session_.stop();
  handler_ = nullptr;
  loop_ = nullptr;
  resolver_.reset();
  transport_.reset();
}

}  // namespace distri::net
