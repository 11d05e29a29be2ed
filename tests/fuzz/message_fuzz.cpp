// Every payload decoder on any bytes. Properties: no crash; what was decoded is within its limits; encoding it again
// and decoding that gives the same bytes.
#include <cstdint>
#include <cstdlib>

#include "distri/wire/messages.hpp"

namespace {

using namespace distri;
using namespace distri::wire;

void require(bool condition) {
  if (!condition) std::abort();
}

// The payload of a frame that must have a good header.
BytesView payload_of(const Bytes& frame) {
  const auto header = decode_frame_header(frame);
  require(header.has_value() && header->payload_bytes == frame.size() - kFrameHeaderBytes);
  return BytesView(frame).substr(kFrameHeaderBytes);
}

void check_hello(BytesView payload) {
  const auto hello = decode_hello(payload);
  if (!hello) return;
  const auto version = negotiate_version(*hello, *hello);
  const bool old_node = hello->role == Role::kNode && hello->version_max < kNodeVersionMin;
  require(version.has_value() != old_node);
  require(old_node || *version == hello->version_max);
  Bytes frame;
  encode_hello(frame, *hello);
  // Bytes behind the last field are ignored and not encoded again.
  require(payload.starts_with(payload_of(frame)));
  require(frame.size() - kFrameHeaderBytes <= kHelloBytesMax);
}

void check_request(BytesView payload) {
  const Limits limits{.params_bytes_max = 100, .inline_body_bytes_max = 100};
  BytesView body;
  const auto head = decode_request(payload, limits, body);
  if (!head) return;
  require(!head->service.empty() && head->params.size() <= 100 && body.size() <= 100);
  require(request_head_bytes(*head) + body.size() == payload.size());
  Bytes frame;
  encode_request(frame, 1, *head, body, true);
  require(payload_of(frame) == payload);
}

void check_reply(BytesView payload) {
  const Limits limits{.inline_body_bytes_max = 100};
  BytesView body;
  const auto head = decode_reply(payload, limits, body);
  if (!head) return;
  require(head->message.size() <= kMessageTextBytesMax && body.size() <= 100);
  require(reply_head_bytes(*head) + body.size() == payload.size());
  Bytes frame;
  encode_reply(frame, 1, *head, body, false);
  // All but the status, which reads as kInternal when it is unknown.
  require(payload_of(frame).substr(2) == payload.substr(2));
}

void check_small(BytesView payload) {
  Bytes frame;
  if (const auto credit_bytes = decode_window(payload)) {
    encode_window(frame, 1, *credit_bytes);
    require(payload_of(frame) == payload);
  }
  frame.clear();
  if (const auto token = decode_ping(payload)) {
    encode_ping(frame, FrameType::kPing, *token);
    require(payload_of(frame) == payload);
  }
  frame.clear();
  if (const auto error = decode_error(payload)) {
    encode_goodbye(frame, *error);
    require(decode_error(payload_of(frame)).value() == *error);
    require(payload_of(frame).substr(2) == payload.substr(2));
  }
  frame.clear();
  BytesView body;
  if (const auto kind = decode_message(payload, body)) {
    encode_message(frame, *kind, body);
    require(payload_of(frame) == payload);
  }
}

void check_header(BytesView bytes) {
  if (bytes.size() < kFrameHeaderBytes) return;
  const auto header = decode_frame_header(bytes);
  if (!header) return;
  require(header->type >= FrameType::kHello && header->type <= FrameType::kMessage);
  require(header->flags <= kFlagEnd);
}

}  // namespace

// First byte: which decoder.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const BytesView payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      check_hello(payload);
      break;
    case 1:
      check_request(payload);
      break;
    case 2:
      check_reply(payload);
      break;
    case 3:
      check_small(payload);
      break;
    default:
      check_header(payload);
      break;
  }
  return 0;
}
