#include "distri/wire/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "distri/utils/check.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::wire {
namespace {

// Writes the header on construction and the payload length when it goes out of scope.
class FrameWriter : public Writer {
 public:
  FrameWriter(Bytes& out, FrameType type, std::uint32_t stream, std::uint8_t flags = 0)
      : Writer(out), buffer_(out), begin_(out.size()) {
    std::array<char, kFrameHeaderBytes> header{};
    header[4] = static_cast<char>(type);
    header[5] = static_cast<char>(flags);
    for (std::size_t i = 0; i < 4; ++i) header[8 + i] = static_cast<char>(stream >> (8 * i));
    raw({header.data(), header.size()});
  }
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;
  ~FrameWriter() {
    const std::size_t payload_bytes = buffer_.size() - begin_ - kFrameHeaderBytes;
    for (std::size_t i = 0; i < 4; ++i) buffer_[begin_ + i] = static_cast<char>(payload_bytes >> (8 * i));
  }

 private:
  Bytes& buffer_;
  std::size_t begin_;
};

std::uint8_t end_flag(bool end) {
  return end ? kFlagEnd : std::uint8_t{0};
}

void write_error(FrameWriter& writer, const Error& error) {
  writer.u16(static_cast<std::uint16_t>(error.code == Code::kOk ? Code::kCancelled : error.code));
  writer.bytes16(cut_text(error.message, kMessageTextBytesMax));
}

std::unexpected<Error> malformed(std::string_view frame, std::string_view problem) {
  return fail(Code::kProtocolError, "malformed {} frame: {}", frame, problem);
}

constexpr std::string_view kShort = "the payload ends before its last field";
constexpr std::string_view kTrailing = "there are bytes behind the last field";

bool belongs_to_stream(FrameType type) {
  switch (type) {
    case FrameType::kRequest:
    case FrameType::kReply:
    case FrameType::kData:
    case FrameType::kWindow:
    case FrameType::kReset:
      return true;
    default:
      return false;
  }
}

bool carries_body(FrameType type) {
  return type == FrameType::kRequest || type == FrameType::kReply || type == FrameType::kData;
}

}  // namespace

BytesView cut_text(BytesView text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t size = bytes_max;
  while (size > 0 && bytes_max - size < 4 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

Result<FrameHeader> decode_frame_header(BytesView bytes) {
  DISTRI_CHECK(bytes.size() >= kFrameHeaderBytes);
  Reader reader(bytes);
  FrameHeader header;
  header.payload_bytes = reader.u32();
  const std::uint8_t type = reader.u8();
  header.flags = reader.u8();
  const std::uint16_t reserved = reader.u16();
  header.stream = reader.u32();
  if (type < static_cast<std::uint8_t>(FrameType::kHello) || type > static_cast<std::uint8_t>(FrameType::kMessage)) {
    return fail(Code::kProtocolError, "malformed frame header: type {} is unknown", type);
  }
  header.type = static_cast<FrameType>(type);
  const std::uint8_t allowed = carries_body(header.type) ? kFlagEnd : std::uint8_t{0};
  if ((header.flags & ~allowed) != 0) {
    return fail(Code::kProtocolError, "malformed frame header: flags {:#04x} are not defined for type {}", header.flags,
                type);
  }
  if (reserved != 0) {
    return fail(Code::kProtocolError, "malformed frame header: the reserved field is {} and must be 0", reserved);
  }
  if (belongs_to_stream(header.type) != (header.stream != 0)) {
    return fail(Code::kProtocolError, "malformed frame header: type {} with stream {}; {}", type, header.stream,
                header.stream == 0 ? "it needs a stream above 0" : "it belongs to the connection, stream 0");
  }
  return header;
}

void encode_hello(Bytes& out, const Hello& hello) {
  FrameWriter writer(out, FrameType::kHello, 0);
  writer.u32(kMagic);
  writer.u16(hello.version_min);
  writer.u16(hello.version_max);
  writer.u8(static_cast<std::uint8_t>(hello.role));
  writer.u32(hello.frame_bytes_max);
  writer.u32(hello.stream_window_bytes);
  writer.u32(hello.streams_max);
  writer.u32(hello.params_bytes_max);
  writer.u32(hello.inline_body_bytes_max);
  writer.raw(hello.node.view());
  writer.u64(hello.incarnation);
  writer.bytes16(cut_text(hello.address, kHelloAddressBytesMax));
  writer.bytes8(cut_text(hello.software, 255));
}

Result<Hello> decode_hello(BytesView payload) {
  Reader reader(payload);
  Hello hello;
  if (reader.u32() != kMagic)
    return malformed("HELLO", "it does not begin with DSTR, so the other side does not speak this protocol");
  hello.version_min = reader.u16();
  hello.version_max = reader.u16();
  const std::uint8_t role = reader.u8();
  hello.frame_bytes_max = reader.u32();
  hello.stream_window_bytes = reader.u32();
  hello.streams_max = reader.u32();
  hello.params_bytes_max = reader.u32();
  hello.inline_body_bytes_max = reader.u32();
  hello.node = reader.id<NodeId>();
  hello.incarnation = reader.u64();
  hello.address = reader.bytes16();
  hello.software = reader.bytes8();
  if (!reader.ok()) return malformed("HELLO", kShort);
  if (hello.version_min == 0 || hello.version_min > hello.version_max) {
    return malformed("HELLO",
                     fmt::format("version_min {} must be 1 to version_max {}", hello.version_min, hello.version_max));
  }
  if (role > static_cast<std::uint8_t>(Role::kNode)) return malformed("HELLO", fmt::format("role {} is unknown", role));
  hello.role = static_cast<Role>(role);
  if (hello.frame_bytes_max < kFrameBytesMin) {
    return malformed("HELLO", fmt::format("frame_bytes_max {} is below {}", hello.frame_bytes_max, kFrameBytesMin));
  }
  if (hello.address.size() > kHelloAddressBytesMax) {
    return malformed("HELLO",
                     fmt::format("address has {} bytes; the limit is {}", hello.address.size(), kHelloAddressBytesMax));
  }
  return hello;
}

std::size_t request_head_bytes(const RequestHead& head) {
  return RequestId::kSize + 4 + 1 + 1 + 1 + head.service.size() + 2 + head.token.size() + 4 + head.params.size();
}

std::size_t reply_head_bytes(const ReplyHead& head) {
  return 2 + 2 + cut_text(head.message, kMessageTextBytesMax).size() + 1 + head.hint.size() + 2 + head.token.size();
}

void encode_request(Bytes& out, std::uint32_t stream, const RequestHead& head, BytesView body, bool end) {
  FrameWriter writer(out, FrameType::kRequest, stream, end_flag(end));
  writer.raw(head.id.view());
  writer.u32(head.deadline_ms);
  writer.u8(static_cast<std::uint8_t>(head.format));
  writer.u8(head.attempt);
  writer.bytes8(head.service);
  writer.bytes16(head.token);
  writer.bytes32(head.params);
  writer.raw(body);
}

Result<RequestHead> decode_request(BytesView payload, const Limits& limits, BytesView& body) {
  Reader reader(payload);
  RequestHead head;
  head.id = reader.id<RequestId>();
  head.deadline_ms = reader.u32();
  const std::uint8_t format = reader.u8();
  head.attempt = reader.u8();
  head.service = reader.bytes8();
  head.token = reader.bytes16();
  const std::uint32_t params_bytes = reader.u32();
  if (reader.ok() && params_bytes > limits.params_bytes_max) {
    return fail(Code::kTooLarge, "REQUEST frame: params has {} bytes; the limit params_bytes_max is {}", params_bytes,
                limits.params_bytes_max);
  }
  head.params = reader.raw(params_bytes);
  if (!reader.ok()) return malformed("REQUEST", kShort);
  if (format > static_cast<std::uint8_t>(Format::kBson)) {
    return malformed("REQUEST", fmt::format("format {} is unknown", format));
  }
  head.format = static_cast<Format>(format);
  if (head.service.empty()) return malformed("REQUEST", "service is empty");
  if (head.token.size() > kTokenBytesMax) {
    return malformed("REQUEST", fmt::format("token has {} bytes; the limit is {}", head.token.size(), kTokenBytesMax));
  }
  body = reader.rest();
  if (body.size() > limits.inline_body_bytes_max) {
    return fail(
        Code::kTooLarge,
        "REQUEST frame: its body has {} bytes; the limit inline_body_bytes_max is {}, send the rest in DATA frames",
        body.size(), limits.inline_body_bytes_max);
  }
  return head;
}

void encode_reply(Bytes& out, std::uint32_t stream, const ReplyHead& head, BytesView body, bool end) {
  FrameWriter writer(out, FrameType::kReply, stream, end_flag(end));
  writer.u16(static_cast<std::uint16_t>(head.status));
  writer.bytes16(cut_text(head.message, kMessageTextBytesMax));
  writer.bytes8(head.hint);
  writer.bytes16(head.token);
  writer.raw(body);
}

Result<ReplyHead> decode_reply(BytesView payload, const Limits& limits, BytesView& body) {
  Reader reader(payload);
  ReplyHead head;
  head.status = code_from_number(reader.u16());
  head.message = reader.bytes16();
  head.hint = reader.bytes8();
  head.token = reader.bytes16();
  if (!reader.ok()) return malformed("REPLY", kShort);
  if (head.message.size() > kMessageTextBytesMax) {
    return malformed("REPLY",
                     fmt::format("message has {} bytes; the limit is {}", head.message.size(), kMessageTextBytesMax));
  }
  if (head.token.size() > kTokenBytesMax) {
    return malformed("REPLY", fmt::format("token has {} bytes; the limit is {}", head.token.size(), kTokenBytesMax));
  }
  body = reader.rest();
  if (body.size() > limits.inline_body_bytes_max) {
    return fail(
        Code::kTooLarge,
        "REPLY frame: its body has {} bytes; the limit inline_body_bytes_max is {}, send the rest in DATA frames",
        body.size(), limits.inline_body_bytes_max);
  }
  return head;
}

void encode_data(Bytes& out, std::uint32_t stream, BytesView chunk, bool end) {
  FrameWriter(out, FrameType::kData, stream, end_flag(end)).raw(chunk);
}

void encode_window(Bytes& out, std::uint32_t stream, std::uint32_t credit_bytes) {
  FrameWriter(out, FrameType::kWindow, stream).u32(credit_bytes);
}

Result<std::uint32_t> decode_window(BytesView payload) {
  Reader reader(payload);
  const std::uint32_t credit_bytes = reader.u32();
  if (!reader.ok()) return malformed("WINDOW", kShort);
  if (!reader.at_end()) return malformed("WINDOW", kTrailing);
  if (credit_bytes == 0) return malformed("WINDOW", "credit is 0");
  return credit_bytes;
}

void encode_reset(Bytes& out, std::uint32_t stream, const Error& error) {
  FrameWriter writer(out, FrameType::kReset, stream);
  write_error(writer, error);
}

void encode_goodbye(Bytes& out, const Error& error) {
  FrameWriter writer(out, FrameType::kGoodbye, 0);
  write_error(writer, error);
}

Result<Error> decode_error(BytesView payload) {
  Reader reader(payload);
  const std::uint16_t code = reader.u16();
  const BytesView message = reader.bytes16();
  if (!reader.ok()) return malformed("RESET or GOODBYE", kShort);
  if (!reader.at_end()) return malformed("RESET or GOODBYE", kTrailing);
  if (code == 0) return malformed("RESET or GOODBYE", "code is 0 (ok), which is no reason");
  if (message.size() > kMessageTextBytesMax) {
    return malformed("RESET or GOODBYE",
                     fmt::format("message has {} bytes; the limit is {}", message.size(), kMessageTextBytesMax));
  }
  return Error{code_from_number(code), std::string(message)};
}

void encode_ping(Bytes& out, FrameType ping_or_pong, std::uint64_t token) {
  FrameWriter(out, ping_or_pong, 0).u64(token);
}

Result<std::uint64_t> decode_ping(BytesView payload) {
  Reader reader(payload);
  const std::uint64_t token = reader.u64();
  if (!reader.ok()) return malformed("PING or PONG", kShort);
  if (!reader.at_end()) return malformed("PING or PONG", kTrailing);
  return token;
}

void encode_message(Bytes& out, std::uint16_t kind, BytesView payload) {
  FrameWriter writer(out, FrameType::kMessage, 0);
  writer.u16(kind);
  writer.raw(payload);
}

Result<std::uint16_t> decode_message(BytesView payload, BytesView& body) {
  Reader reader(payload);
  const std::uint16_t kind = reader.u16();
  if (!reader.ok()) return malformed("MESSAGE", kShort);
  body = reader.rest();
  return kind;
}

Result<std::uint16_t> negotiate_version(const Hello& ours, const Hello& theirs) {
  const std::uint16_t highest = std::min(ours.version_max, theirs.version_max);
  const bool nodes = ours.role == Role::kNode && theirs.role == Role::kNode;
  const std::uint16_t lowest = nodes ? kNodeVersionMin : kVersionMin;
  if (highest < std::max({lowest, ours.version_min, theirs.version_min})) {
    return fail(Code::kProtocolError,
                "no common protocol version: we speak {} to {}, the other side {} to {}{}; update the older one",
                ours.version_min, ours.version_max, theirs.version_min, theirs.version_max,
                nodes ? fmt::format(", and nodes need {}", kNodeVersionMin) : "");
  }
  return highest;
}

}  // namespace distri::wire
