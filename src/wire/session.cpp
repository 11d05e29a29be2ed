// The receiving half of Session; session_send.cpp holds the sending half.
#include "distri/wire/session.hpp"

#include <algorithm>
#include <limits>

#include "distri/utils/check.hpp"

namespace distri::wire {
namespace {

// A buffer this small may stay with an idle session; a larger one is given back to the system.
constexpr std::size_t kKeptInputBytes = 4096;
// From here on the dialling side asks its owner to move to a new connection, with enough numbers left for what is under
// way.
constexpr std::uint32_t kStreamNumberHigh = std::numeric_limits<std::uint32_t>::max() - (1u << 20);

}  // namespace

Session::Session(Side side, Hello hello, Limits limits, SessionHandler& handler)
    : side_(side), hello_(std::move(hello)), limits_(limits), handler_(handler) {
  limits_.frame_bytes_max = std::max(limits_.frame_bytes_max, kFrameBytesMin);
  limits_.node_frame_bytes_max = std::max(limits_.node_frame_bytes_max, limits_.frame_bytes_max);
  // A node dials nodes only; the accepting side raises its limit when it sees that the other side is one.
  if (hello_.role == Role::kNode && side_ == Side::kDialled) limits_.frame_bytes_max = limits_.node_frame_bytes_max;
  hello_.frame_bytes_max = limits_.frame_bytes_max;
  hello_.stream_window_bytes = limits_.stream_window_bytes;
  hello_.streams_max = limits_.streams_max;
  hello_.params_bytes_max = limits_.params_bytes_max;
  hello_.inline_body_bytes_max = limits_.inline_body_bytes_max;
}

Result<> Session::receive(BytesView bytes) {
  if (failed_) return fail(Code::kUnavailable, "the session has ended");
  DISTRI_CHECK(!receiving_);
  receiving_ = true;
  auto result = receive_bytes(bytes);
  receiving_ = false;
  if (!result && !failed_) abort(result.error());
  if (failed_) {
    Bytes().swap(input_);
  } else if (result) {
    retire_stream_numbers();
  }
  return result;
}

Result<> Session::receive_bytes(BytesView bytes) {
  if (!input_.empty()) {
    DISTRI_TRY(bytes, complete_frame(bytes));
  }
  while (!failed_ && bytes.size() >= kFrameHeaderBytes) {
    DISTRI_TRY(const FrameHeader header, check_header(bytes));
    if (bytes.size() - kFrameHeaderBytes < header.payload_bytes) break;
    DISTRI_TRY_VOID(receive_frame(header, bytes.substr(kFrameHeaderBytes, header.payload_bytes)));
    bytes.remove_prefix(kFrameHeaderBytes + header.payload_bytes);
  }
  if (!failed_) input_.append(bytes);
  return {};
}

// Adds to the frame that waits in input_, and handles it when it is whole. Returns the bytes behind it.
Result<BytesView> Session::complete_frame(BytesView bytes) {
  std::size_t wanted = kFrameHeaderBytes;
  FrameHeader header;
  for (;;) {
    if (input_.size() >= kFrameHeaderBytes) {
      DISTRI_TRY(header, check_header(input_));
      wanted = kFrameHeaderBytes + header.payload_bytes;
    }
    const std::size_t size = std::min(wanted - input_.size(), bytes.size());
    if (size == 0) break;
    input_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  if (input_.size() < kFrameHeaderBytes || input_.size() < wanted) return bytes;

  // Out of input_, so that nothing a handler does can move the payload.
  Bytes frame;
  frame.swap(input_);
  DISTRI_TRY_VOID(receive_frame(header, BytesView(frame).substr(kFrameHeaderBytes)));
  if (!failed_ && frame.capacity() <= kKeptInputBytes) {
    frame.clear();
    input_.swap(frame);
  }
  return bytes;
}

Result<FrameHeader> Session::check_header(BytesView bytes) const {
  DISTRI_TRY(const FrameHeader header, decode_frame_header(bytes));
  if (!ready_) {
    if (header.type != FrameType::kHello && header.type != FrameType::kGoodbye) {
      return fail(Code::kProtocolError, "the first frame must be a HELLO; this one has type {}",
                  static_cast<int>(header.type));
    }
    if (header.payload_bytes > kHelloBytesMax) {
      return fail(Code::kTooLarge, "a frame before the hello is done has {} bytes; the limit is {}",
                  header.payload_bytes, kHelloBytesMax);
    }
  } else if (header.payload_bytes > limits_.frame_bytes_max) {
    return fail(Code::kTooLarge, "a frame of type {} has {} bytes; the limit frame_bytes_max is {}",
                static_cast<int>(header.type), header.payload_bytes, limits_.frame_bytes_max);
  }
  return header;
}

Result<> Session::receive_frame(const FrameHeader& header, BytesView payload) {
  ++frames_received_;
  switch (header.type) {
    case FrameType::kHello:
      return receive_hello(payload);
    case FrameType::kRequest:
      return receive_request(header, payload);
    case FrameType::kReply:
      return receive_reply(header, payload);
    case FrameType::kData:
      return receive_data(header, payload);
    case FrameType::kWindow:
      return receive_window(header, payload);
    case FrameType::kReset:
      return receive_reset(header, payload);
    case FrameType::kPing: {
      DISTRI_TRY(const std::uint64_t token, decode_ping(payload));
      receive_ping(token);
      return {};
    }
    case FrameType::kPong: {
      DISTRI_TRY(const std::uint64_t token, decode_ping(payload));
      handler_.on_pong(token);
      return {};
    }
    case FrameType::kGoodbye:
      return receive_goodbye(payload);
    case FrameType::kMessage:
      return receive_message(payload);
  }
  return fail(Code::kProtocolError, "a frame has an unknown type");
}

Result<> Session::receive_hello(BytesView payload) {
  if (ready_) return fail(Code::kProtocolError, "a second HELLO");
  DISTRI_TRY(Hello theirs, decode_hello(payload));
  DISTRI_TRY(const std::uint16_t version, negotiate_version(hello_, theirs));
  peer_ = std::move(theirs);
  if (side_ == Side::kAccepted) {
    if (hello_.role == Role::kNode && peer_.role == Role::kNode) {
      limits_.frame_bytes_max = limits_.node_frame_bytes_max;
      hello_.frame_bytes_max = limits_.frame_bytes_max;
    }
    hello_.version_min = version;
    hello_.version_max = version;
    queue([&](Bytes& out) { encode_hello(out, hello_); });
  }
  ready_ = true;
  handler_.on_hello(peer_);
  return {};
}

Result<> Session::receive_goodbye(BytesView payload) {
  DISTRI_TRY(Error reason, decode_error(payload));
  peer_goodbye_ = reason;
  if (!ready_) {
    stop();  // a refusal needs no answer
    return fail(reason.code, "the other side refused the connection: {}", reason.message);
  }
  goodbye_received_ = true;
  handler_.on_goodbye(reason);
  return {};
}

Result<> Session::receive_request(const FrameHeader& header, BytesView payload) {
  const std::uint32_t stream = header.stream;
  if (side_ != Side::kAccepted)
    return fail(Code::kProtocolError, "REQUEST on stream {}: only the side that dialled sends requests", stream);
  if (stream <= last_stream_seen_) {
    return fail(Code::kProtocolError, "REQUEST on stream {}: stream numbers must rise, and the last was {}", stream,
                last_stream_seen_);
  }
  BytesView body;
  DISTRI_TRY(const RequestHead head, decode_request(payload, limits_, body));
  last_stream_seen_ = stream;
  if (goodbye_sent_) {
    refuse(stream, Code::kUnavailable, "this side takes no new requests; use another connection or node");
    return {};
  }
  if (streams_.size() >= limits_.streams_max) {
    refuse(stream, Code::kBusy,
           fmt::format("this connection has {} requests in flight, its limit (streams_max)", streams_.size()));
    return {};
  }
  const bool end = (header.flags & kFlagEnd) != 0;
  streams_.emplace(stream, Stream{.send_window = peer_.stream_window_bytes,
                                  .receive_window = limits_.stream_window_bytes,
                                  .receive_ended = end});
  handler_.on_request(stream, head, body, end);
  return {};
}

Result<> Session::receive_reply(const FrameHeader& header, BytesView payload) {
  if (side_ != Side::kDialled) {
    return fail(Code::kProtocolError, "REPLY on stream {}: only the side that accepted the connection sends replies",
                header.stream);
  }
  DISTRI_TRY(Stream* const stream, find_stream(header.stream, "REPLY"));
  if (stream == nullptr) return {};
  if (stream->reply_begun) return fail(Code::kProtocolError, "a second REPLY on stream {}", header.stream);
  BytesView body;
  DISTRI_TRY(const ReplyHead head, decode_reply(payload, limits_, body));
  stream->reply_begun = true;
  const bool end = (header.flags & kFlagEnd) != 0;
  if (end) streams_.erase(header.stream);
  handler_.on_reply(header.stream, head, body, end);
  return {};
}

Result<> Session::receive_data(const FrameHeader& header, BytesView payload) {
  DISTRI_TRY(Stream* const stream, find_stream(header.stream, "DATA"));
  if (stream == nullptr) return {};
  if (side_ == Side::kDialled && !stream->reply_begun) {
    return fail(Code::kProtocolError, "DATA on stream {} before its REPLY", header.stream);
  }
  if (stream->receive_ended) return fail(Code::kProtocolError, "DATA on stream {} behind its END", header.stream);
  if (payload.size() > stream->receive_window) {
    return fail(Code::kProtocolError, "DATA on stream {} has {} bytes, but its window has room for {}", header.stream,
                payload.size(), stream->receive_window);
  }
  stream->receive_window -= static_cast<std::uint32_t>(payload.size());
  const bool end = (header.flags & kFlagEnd) != 0;
  if (payload.empty() && !end) return {};
  stream->receive_ended = end;
  if (end && side_ == Side::kDialled) streams_.erase(header.stream);
  handler_.on_data(header.stream, payload, end);
  return {};
}

Result<> Session::receive_window(const FrameHeader& header, BytesView payload) {
  DISTRI_TRY(Stream* const stream, find_stream(header.stream, "WINDOW"));
  if (stream == nullptr) return {};
  DISTRI_TRY(const std::uint32_t credit_bytes, decode_window(payload));
  if (credit_bytes > std::numeric_limits<std::uint32_t>::max() - stream->send_window) {
    return fail(Code::kProtocolError, "WINDOW on stream {}: {} more bytes overflow its window of {}", header.stream,
                credit_bytes, stream->send_window);
  }
  stream->send_window += credit_bytes;
  if (stream->wants_writable && !stream->send_ended) {
    stream->wants_writable = false;
    handler_.on_writable(header.stream);
  }
  return {};
}

Result<> Session::receive_reset(const FrameHeader& header, BytesView payload) {
  DISTRI_TRY(Stream* const stream, find_stream(header.stream, "RESET"));
  if (stream == nullptr) return {};
  DISTRI_TRY(const Error error, decode_error(payload));
  streams_.erase(header.stream);
  handler_.on_reset(header.stream, error);
  return {};
}

Result<> Session::receive_message(BytesView payload) {
  if (hello_.role != Role::kNode || peer_.role != Role::kNode) {
    return fail(Code::kProtocolError, "MESSAGE frames travel between nodes only");
  }
  BytesView body;
  DISTRI_TRY(const std::uint16_t kind, decode_message(payload, body));
  handler_.on_message(kind, body);
  return {};
}

void Session::receive_ping(std::uint64_t token) {
  if (output_.size() > kPongBacklogBytes) return;
  queue([&](Bytes& out) { encode_ping(out, FrameType::kPong, token); });
}

Result<Session::Stream*> Session::find_stream(std::uint32_t stream, std::string_view frame) {
  const bool known = side_ == Side::kDialled ? stream < next_stream_ : stream <= last_stream_seen_;
  if (!known) return fail(Code::kProtocolError, "{} on stream {}, which was never opened", frame, stream);
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

// Answers a request that no handler has seen. Its stream is gone at once, so what follows of its body is ignored.
void Session::refuse(std::uint32_t stream, Code code, std::string_view message) {
  queue([&](Bytes& out) {
    encode_reply(out, stream, ReplyHead{.status = code, .message = message, .hint = {}, .token = {}}, {}, true);
  });
}

void Session::retire_stream_numbers() {
  if (next_stream_ < kStreamNumberHigh || goodbye_received_) return;
  goodbye_received_ = true;
  handler_.on_goodbye(Error{Code::kUnavailable, "the stream numbers of this connection are used up; open a new one"});
}

}  // namespace distri::wire
