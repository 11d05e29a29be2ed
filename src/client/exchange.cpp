#include "distri/client/exchange.hpp"

#include <algorithm>
#include <limits>

#include "distri/client/client_core.hpp"
#include "distri/client/link.hpp"
#include "distri/client/runtime_core.hpp"

namespace distri::client {

void Exchange::start(ClientCore& client) {
  client_ = &client;
  if (client.closed()) return finish(fail(Code::kCancelled, "the client is gone"));
  if (spec_.refused) return finish(fail(*spec_.refused));
  if (client.refused()) return finish(fail(*client.refused()));
  auto& runtime = client.runtime();
  if (!spec_.idempotent) id_ = spec_.request_id ? *spec_.request_id : runtime.random().id<RequestId>();
  deadline_ = runtime.timers().add(spec_.deadline_ms, [self = shared_from_this()] {
    self->deadline_ = {};
    self->expire();
  });
  if (spec_.only_node) only_ = client.node_at(*spec_.only_node);
  if (spec_.preferred) {
    hinted_ = client.table().find(*spec_.preferred);
    if (hinted_ != nullptr && hinted_->in_backoff(runtime.now_ms())) hinted_ = nullptr;
  }
  next_try();
}

NodePtr Exchange::choose() {
  if (only_ != nullptr) return tried_.empty() ? only_ : nullptr;
  auto& runtime = client_->runtime();
  if (const NodePtr hinted = std::exchange(hinted_, nullptr);
      hinted != nullptr && !hinted->in_backoff(runtime.now_ms()) && std::ranges::find(tried_, hinted) == tried_.end()) {
    return hinted;
  }
  return client_->table().choose(runtime.random(), runtime.now_ms(), tried_);
}

void Exchange::next_try() {
  if (done_) return;
  node_ = choose();
  if (node_ == nullptr) {
    if (tried_.empty())
      return finish(fail(Code::kInvalidArgument, "the client knows no node; give it at least one address"));
    // No node has a good disk, or memory: waiting for one until the deadline would hide the reason.
    if (refusals_ == tried_.size()) return finish(refused_by_all());
    return pause();
  }
  ++attempts_;
  ++node_->in_flight;
  counted_ = true;
  tried_.push_back(node_);
  reply_begun_ = false;
  link_ = client_->pool().link_to(node_);
  link_->enqueue(shared_from_this());
}

Result<> Exchange::refused_by_all() const {
  if (unknown_outcomes_ == 0) return fail(last_refusal_, "{}", last_trouble_);
  return fail(Code::kIndeterminate, "an earlier try may have been executed; the last: {}", last_trouble_);
}

void Exchange::pause() {
  auto& runtime = client_->runtime();
  tried_.clear();
  refusals_ = 0;
  const std::int64_t shortened_ms =
      pause_ms_ - static_cast<std::int64_t>(runtime.random().below(static_cast<std::uint64_t>(pause_ms_ / 2)));
  pause_ms_ = std::min(pause_ms_ * 2, kPauseMaxMs);
  pause_ = runtime.timers().add(runtime.now_ms() + shortened_ms, [self = shared_from_this()] {
    self->pause_ = {};
    self->next_try();
  });
}

Result<std::uint32_t> Exchange::transmit(wire::Session& session) {
  const Clock& clock = client_->runtime().clock();
  sent_ns_ = clock.monotonic_ns();
  const std::int64_t left_ms =
      std::clamp<std::int64_t>(spec_.deadline_ms - sent_ns_ / 1'000'000, 1, std::numeric_limits<std::uint32_t>::max());
  wire::RequestHead head;
  head.id = id_;
  head.deadline_ms = static_cast<std::uint32_t>(left_ms);
  head.format = spec_.format;
  head.attempt = static_cast<std::uint8_t>(std::min(unknown_outcomes_, 255));
  head.service = spec_.service;
  head.params = spec_.params;
  const Bytes token = client_->session_token().encode();
  head.token = token;
  return open(session, head);
}

void Exchange::on_transmitted(std::uint32_t stream) {
  stream_ = stream;
  send_more(link_->session(), stream_);
}

void Exchange::on_reply(const wire::ReplyHead& head, BytesView body, bool end) {
  auto& runtime = client_->runtime();
  rtt_us_ = (runtime.clock().monotonic_ns() - sent_ns_) / 1'000;
  last_was_behind_ = head.status == Code::kBehind;
  if (head.status == Code::kStorageFull || head.status == Code::kStorageFailed || head.status == Code::kMemoryFull) {
    return on_no_room(head);
  }
  if (head.status == Code::kBusy || head.status == Code::kUnavailable || head.status == Code::kBehind) {
    if (head.status == Code::kBusy) {
      node_->overloaded();
    } else if (head.status == Code::kUnavailable) {
      node_->failed(runtime.now_ms());
    }
    if (const auto hint = parse_address(head.hint)) hinted_ = client_->table().find_or_learn(*hint, runtime.now_ms());
    return try_failed(Error{head.status, std::string(head.message)}, false);
  }
  node_->succeeded();
  if (const auto seen = wire::SessionToken::decode(head.token)) client_->session_token().merge(*seen);
  client_->table().record_latency(*node_, spec_.service, rtt_us_, runtime.now_ms());
  if (head.status != Code::kOk) return finish(fail(Error{head.status, std::string(head.message)}));
  reply_begun_ = true;
  if (spec_.long_lived && std::exchange(counted_, false)) --node_->in_flight;
  received(body, false);
  if (end && !done_) reply_ended();
}

void Exchange::on_no_room(const wire::ReplyHead& head) {
  ++refusals_;
  last_refusal_ = head.status == Code::kMemoryFull ? Code::kMemoryFull : Code::kStorageFull;
  // The node serves reads as before: it is not marked as failed.
  try_failed(Error{head.status, std::string(head.message)}, head.status == Code::kStorageFailed);
}

void Exchange::on_data(BytesView chunk, bool end) {
  if (!reply_begun_) return;
  received(chunk, true);
  if (end && !done_) reply_ended();
}

void Exchange::reply_ended() {
  rtt_us_ = (client_->runtime().clock().monotonic_ns() - sent_ns_) / 1'000;
  finish({});
}

void Exchange::on_writable() {
  if (!done_ && stream_ != 0) send_more(link_->session(), stream_);
}

void Exchange::on_reset(const Error& error) {
  if (error.code == Code::kBusy || error.code == Code::kUnavailable) return try_failed(error, reply_begun_);
  finish(fail(error));
}

void Exchange::on_link_ended(const Error& reason, bool was_sent) {
  if (done_) return;
  // What was not sent has its own reason: nobody there, or somebody else. A time that has passed then is not the
  // call's.
  const Code unsent = reason.code == Code::kDeadlineExceeded ? Code::kUnavailable : reason.code;
  try_failed(Error{was_sent ? Code::kConnectionLost : unsent, reason.message}, was_sent);
}

void Exchange::try_failed(const Error& error, bool maybe_executed) {
  if (done_) return;
  last_trouble_ = error.message.contains(node_->name) ? error.message : node_->name + ": " + error.message;
  leave_link(error);
  if (maybe_executed) ++unknown_outcomes_;
  const bool repeatable = rewind();
  if (!repeatable || (spec_.attempts_max != 0 && attempts_ >= spec_.attempts_max)) {
    end_lost_session();
    return finish(fail(error.code, "{}", last_trouble_));
  }
  next_try();
}

void Exchange::leave_link(const Error& reason) {
  if (link_ == nullptr) return;
  if (std::exchange(counted_, false)) --node_->in_flight;
  const auto link = std::exchange(link_, nullptr);
  const std::uint32_t stream = std::exchange(stream_, 0);
  if (stream != 0) link->forget(stream, reason);
}

void Exchange::finish(Result<> result) {
  if (std::exchange(done_, true)) return;
  const auto self = shared_from_this();
  if (client_ != nullptr) {
    leave_link(result ? Error{Code::kCancelled, "the reply is complete"} : result.error());
    client_->runtime().timers().cancel(deadline_);
    client_->runtime().timers().cancel(pause_);
  }
  finished(std::move(result));
  if (client_ != nullptr) std::exchange(client_, nullptr)->remove(*this);
}

// No node has what we were told was written. It may be lost (a node without a disk died before it could pass it on),
// and waiting for it must not block this client for good. One node that the caller insisted on proves nothing.
void Exchange::end_lost_session() {
  if (last_was_behind_ && only_ == nullptr && !client_->keep_session()) client_->session_token().clear();
}

void Exchange::expire() {
  if (done_) return;
  end_lost_session();
  std::string trouble = last_trouble_;
  if (stream_ != 0) {
    trouble = node_->name + (reply_begun_ ? ": the reply is not complete" : ": the request was sent and not answered");
  } else if (link_ != nullptr && trouble.empty()) {
    trouble = node_->name + ": the connection is not ready";
  }
  finish(fail(Code::kDeadlineExceeded, "no reply within {} ms; last: {}", spec_.timeout_ms,
              trouble.empty() ? "nothing was tried" : trouble));
}

wire::Session* Exchange::session() {
  return stream_ == 0 ? nullptr : &link_->session();
}

}  // namespace distri::client
