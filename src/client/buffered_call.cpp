#include "distri/client/buffered_call.hpp"

#include "distri/client/client_core.hpp"

namespace distri::client {

Result<std::uint32_t> BufferedCall::open(wire::Session& session, const wire::RequestHead& head) {
  sent_bytes_ = 0;
  return session.open_request(head, body_, true, sent_bytes_);
}

void BufferedCall::send_more(wire::Session& session, std::uint32_t stream) {
  if (sent_bytes_ < body_.size()) sent_bytes_ += session.send_data(stream, body_.substr(sent_bytes_), true);
}

void BufferedCall::received(BytesView piece, bool credited) {
  if (piece.size() > spec().reply_bytes_max - reply_.size()) {
    return finish(fail(Code::kTooLarge,
                       "the reply has more than reply_bytes_max ({} bytes); raise it, or use open_stream()",
                       spec().reply_bytes_max));
  }
  reply_.append(piece);
  if (credited) session()->consume(stream(), static_cast<std::uint32_t>(piece.size()));
}

bool BufferedCall::rewind() {
  reply_.clear();
  return true;
}

void BufferedCall::finished(Result<> result) {
  Result<Reply> outcome = fail(Code::kInternal, "");
  if (result) {
    outcome = Reply{.body = std::move(reply_), .node = node()->address, .attempts = attempts(), .rtt_us = rtt_us()};
  } else {
    outcome = fail(std::move(result).error());
  }
  client().complete(
      [callback = std::move(callback_), outcome = std::move(outcome)]() mutable { callback(std::move(outcome)); });
}

}  // namespace distri::client
