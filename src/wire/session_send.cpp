// The sending half of Session; session.cpp holds the receiving half.
#include <algorithm>
#include <limits>

#include "distri/utils/check.hpp"
#include "distri/wire/session.hpp"

namespace distri::wire {
namespace {

constexpr std::size_t kHintBytesMax = 255;

}  // namespace

void Session::start() {
  if (side_ == Side::kDialled && !failed_) queue([&](Bytes& out) { encode_hello(out, hello_); });
}

void Session::abort(const Error& reason) {
  if (failed_) return;
  queue([&](Bytes& out) { encode_goodbye(out, shortened(reason)); });
  stop();
}

void Session::stop() {
  failed_ = true;
  ready_ = false;
  streams_.clear();
  if (!receiving_) Bytes().swap(input_);
}

Result<std::uint32_t> Session::open_request(const RequestHead& head, BytesView body, bool end, std::size_t& taken) {
  taken = 0;
  if (!ready_) return not_ready();
  if (side_ != Side::kDialled) return fail(Code::kInvalidArgument, "only the side that dialled sends requests");
  if (goodbye_received_) return fail(Code::kUnavailable, "the other side takes no new requests on this connection");
  if (next_stream_ == std::numeric_limits<std::uint32_t>::max()) {
    return fail(Code::kUnavailable, "the stream numbers of this connection are used up; open a new one");
  }
  if (head.service.empty()) return fail(Code::kInvalidArgument, "the service name is empty");
  if (head.service.size() > kServiceNameBytesMax) {
    return fail(Code::kTooLarge, "the service name has {} bytes; the limit is {}", head.service.size(),
                kServiceNameBytesMax);
  }
  if (head.token.size() > kTokenBytesMax) {
    return fail(Code::kTooLarge, "the session token has {} bytes; the limit is {}", head.token.size(), kTokenBytesMax);
  }
  if (head.params.size() > peer_.params_bytes_max) {
    return fail(Code::kTooLarge,
                "the params have {} bytes; the other side's limit params_bytes_max is {}, send more as body",
                head.params.size(), peer_.params_bytes_max);
  }
  const std::size_t head_bytes = request_head_bytes(head);
  if (head_bytes > peer_.frame_bytes_max) {
    return fail(Code::kTooLarge, "the head of the request has {} bytes; the other side's limit frame_bytes_max is {}",
                head_bytes, peer_.frame_bytes_max);
  }
  if (streams_.size() >= peer_.streams_max) {
    return fail(Code::kBusy, "this connection has {} requests in flight, the other side's limit (streams_max)",
                streams_.size());
  }
  const std::uint32_t number = next_stream_++;
  taken = inline_bytes(head_bytes, body.size());
  const bool ended = end && taken == body.size();
  streams_.emplace(number, Stream{.send_window = peer_.stream_window_bytes,
                                  .receive_window = limits_.stream_window_bytes,
                                  .send_ended = ended});
  queue([&](Bytes& out) { encode_request(out, number, head, body.substr(0, taken), ended); });
  return number;
}

std::size_t Session::send_reply(std::uint32_t stream, const ReplyHead& head, BytesView body, bool end) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return body.size();
  DISTRI_CHECK(side_ == Side::kAccepted && !found->second.reply_begun);
  ReplyHead sent = head;
  sent.message = cut_text(sent.message, text_bytes_max());
  if (sent.hint.size() > kHintBytesMax) sent.hint = {};
  if (sent.token.size() > reply_token_bytes_max()) sent.token = {};
  const std::size_t taken = inline_bytes(reply_head_bytes(sent), body.size());
  const bool ended = end && taken == body.size();
  found->second.reply_begun = true;
  if (ended) streams_.erase(found);
  queue([&](Bytes& out) { encode_reply(out, stream, sent, body.substr(0, taken), ended); });
  return taken;
}

std::size_t Session::send_data(std::uint32_t stream, BytesView chunk, bool end) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return chunk.size();
  Stream& record = found->second;
  DISTRI_CHECK(!record.send_ended && (side_ == Side::kDialled || record.reply_begun));
  const std::size_t taken = std::min<std::size_t>(chunk.size(), record.send_window);
  const bool ended = end && taken == chunk.size();
  record.send_window -= static_cast<std::uint32_t>(taken);
  record.wants_writable = taken < chunk.size();
  record.send_ended = ended;
  if (ended && side_ == Side::kAccepted) streams_.erase(found);

  // No reference into streams_ from here on: output_ready may do anything.
  const std::size_t frame_bytes = std::min(peer_.frame_bytes_max, kDataBytesMax);
  BytesView rest = chunk.substr(0, taken);
  while (!rest.empty()) {
    const BytesView piece = rest.substr(0, frame_bytes);
    rest.remove_prefix(piece.size());
    queue([&](Bytes& out) { encode_data(out, stream, piece, ended && rest.empty()); });
  }
  if (ended && taken == 0) queue([&](Bytes& out) { encode_data(out, stream, {}, true); });
  return taken;
}

void Session::consume(std::uint32_t stream, std::uint32_t bytes) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.receive_ended) return;
  Stream& record = found->second;
  const std::uint32_t unconsumed = limits_.stream_window_bytes - record.receive_window - record.unreturned_credit;
  record.unreturned_credit += std::min(bytes, unconsumed);
  if (record.unreturned_credit == 0 || record.unreturned_credit < limits_.stream_window_bytes / 2) return;
  const std::uint32_t credit_bytes = record.unreturned_credit;
  record.receive_window += credit_bytes;
  record.unreturned_credit = 0;
  queue([&](Bytes& out) { encode_window(out, stream, credit_bytes); });
}

void Session::reset(std::uint32_t stream, const Error& error) {
  if (streams_.erase(stream) == 0) return;
  queue([&](Bytes& out) { encode_reset(out, stream, shortened(error)); });
}

Result<> Session::send_message(std::uint16_t kind, BytesView payload) {
  if (!ready_) return not_ready();
  if (hello_.role != Role::kNode || peer_.role != Role::kNode) {
    return fail(Code::kInvalidArgument, "messages travel between nodes only");
  }
  if (payload.size() + sizeof kind > peer_.frame_bytes_max) {
    return fail(Code::kTooLarge, "the message has {} bytes; the other side's limit frame_bytes_max is {}",
                payload.size() + sizeof kind, peer_.frame_bytes_max);
  }
  queue([&](Bytes& out) { encode_message(out, kind, payload); });
  return {};
}

void Session::ping(std::uint64_t token) {
  if (ready_) queue([&](Bytes& out) { encode_ping(out, FrameType::kPing, token); });
}

void Session::goodbye(const Error& error) {
  if (!ready_) return;
  goodbye_sent_ = true;
  queue([&](Bytes& out) { encode_goodbye(out, shortened(error)); });
}

std::unexpected<Error> Session::not_ready() const {
  return fail(Code::kUnavailable, "{}",
              failed_ ? "the connection has ended" : "the hello of the connection is not done yet");
}

std::uint32_t Session::window(std::uint32_t stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? 0 : found->second.send_window;
}

// How much of a body rides in the frame that begins it.
std::size_t Session::inline_bytes(std::size_t head_bytes, std::size_t body_bytes) const {
  return std::min({body_bytes, std::size_t{limits_.inline_body_bytes_max}, std::size_t{peer_.inline_body_bytes_max},
                   std::size_t{peer_.frame_bytes_max} - head_bytes});
}

// The longest token fits a frame of 12 KiB with the rest; who takes only smaller ones gets smaller tokens, too.
std::size_t Session::reply_token_bytes_max() const {
  return std::min<std::size_t>(kTokenBytesMax, peer_.frame_bytes_max / 2);
}

// Texts leave room for whatever else is in a frame: the longest hint and token beside the message of a REPLY.
std::size_t Session::text_bytes_max() const {
  constexpr std::size_t kRestBytes = kHintBytesMax + 64;
  static_assert(kRestBytes + 512 < kFrameBytesMin / 2);
  if (!ready_) return kHelloBytesMax / 2;
  return std::min<std::size_t>(kMessageTextBytesMax, peer_.frame_bytes_max - reply_token_bytes_max() - kRestBytes);
}

Error Session::shortened(const Error& error) const {
  return Error{error.code, Bytes(cut_text(error.message, text_bytes_max()))};
}

}  // namespace distri::wire
