// messages.hpp: the frames of the protocol and their payloads. docs/protocol.md is the specification; this is its code.
//
// A frame is a 12-byte header and a payload:
//   u32 payload length | u8 type | u8 flags | u16 zero | u32 stream
// All integers are little-endian. Every decode_* is total: any bytes give a value or an Error that names the field:
// kProtocolError, or kTooLarge for a part that is over its limit. Views in decoded messages point into the payload.
// Threads: plain functions; safe from any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "distri/utils/bytes.hpp"
#include "distri/utils/ids.hpp"
#include "distri/wire/limits.hpp"

namespace distri::wire {

enum class FrameType : std::uint8_t {
  kHello = 1,
  kRequest = 2,
  kReply = 3,
  kData = 4,
  kWindow = 5,
  kReset = 6,
  kPing = 7,
  kPong = 8,
  kGoodbye = 9,
  kMessage = 10,  // between nodes only
};

inline constexpr std::uint8_t kFlagEnd = 1;  // last bytes of a body (REQUEST, REPLY, DATA)
inline constexpr std::size_t kFrameHeaderBytes = 12;
inline constexpr std::uint32_t kMagic = 0x52545344;  // "DSTR"
inline constexpr std::uint16_t kVersion = 3;
// Clients of version 1 speak no other language. Nodes of version 1 have other digests of the same documents.
inline constexpr std::uint16_t kVersionMin = 1;
inline constexpr std::uint16_t kNodeVersionMin = 2;
// Nodes from this version on know the messages of the broadcast tree; others would close the link on them.
inline constexpr std::uint16_t kTreeVersion = 3;
// And those of the failure detector.
inline constexpr std::uint16_t kProbeVersion = 3;

struct FrameHeader {
  std::uint32_t payload_bytes = 0;
  FrameType type = FrameType::kHello;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
};

// `bytes` holds at least kFrameHeaderBytes. Errors: unknown type, unknown flag, nonzero reserved field, stream zero
// where one is needed or nonzero where none is allowed. The length is checked by the caller, who knows the limit.
Result<FrameHeader> decode_frame_header(BytesView bytes);

enum class Role : std::uint8_t { kClient = 0, kNode = 1 };

// How the parameters and the body of a request, and the body of its reply, are written.
enum class Format : std::uint8_t { kJson = 0, kBson = 1 };

struct Hello {
  std::uint16_t version_min = kVersionMin;
  std::uint16_t version_max = kVersion;
  Role role = Role::kClient;
  std::uint32_t frame_bytes_max = 0;
  std::uint32_t stream_window_bytes = 0;
  std::uint32_t streams_max = 0;
  std::uint32_t params_bytes_max = 0;
  std::uint32_t inline_body_bytes_max = 0;
  NodeId node;                    // zero for clients
  std::uint64_t incarnation = 0;  // zero for clients
  std::string address;            // where the sender listens; empty for clients
  std::string software;           // "distri 0.1.0", for logs
};

struct RequestHead {
  RequestId id;                   // zero: need not be remembered
  std::uint32_t deadline_ms = 0;  // time left when sent; 0: the node's default
  Format format = Format::kJson;
  std::uint8_t attempt = 0;  // 0 for the first try, then 1, 2, ...: lets the node recognise its own earlier work
  BytesView service;         // "Stats", "AddDocument<photos>"
  BytesView token;           // session token: what the caller has seen; empty: nothing in particular
  BytesView params;          // empty, or one document in `format`
};

struct ReplyHead {
  Code status = Code::kOk;
  BytesView message;  // for people; empty when ok
  BytesView hint;     // "host:port" of a less loaded node, with kBusy or kUnavailable
  BytesView token;    // session token: what a later request must bring to see what this one saw or did
};

// Bytes of the payload of a REQUEST or REPLY before its body.
std::size_t request_head_bytes(const RequestHead& head);
std::size_t reply_head_bytes(const ReplyHead& head);

// The first bytes_max bytes of a text, or up to three fewer so that no UTF-8 character is cut apart.
BytesView cut_text(BytesView text, std::size_t bytes_max);

// Complete frames, appended to `out`. Precondition: sizes within the limits (Session checks them). Texts in errors and
// in a hello are cut to their limit; an error with kOk travels as kCancelled, because kOk is no reason to end anything.
void encode_hello(Bytes& out, const Hello& hello);
void encode_request(Bytes& out, std::uint32_t stream, const RequestHead& head, BytesView body, bool end);
void encode_reply(Bytes& out, std::uint32_t stream, const ReplyHead& head, BytesView body, bool end);
void encode_data(Bytes& out, std::uint32_t stream, BytesView chunk, bool end);
void encode_window(Bytes& out, std::uint32_t stream, std::uint32_t credit_bytes);
void encode_reset(Bytes& out, std::uint32_t stream, const Error& error);
void encode_ping(Bytes& out, FrameType ping_or_pong, std::uint64_t token);
void encode_goodbye(Bytes& out, const Error& error);
void encode_message(Bytes& out, std::uint16_t kind, BytesView payload);

// Bytes behind the last field are ignored: a later version may add fields.
Result<Hello> decode_hello(BytesView payload);
// `body` receives the bytes behind the head.
Result<RequestHead> decode_request(BytesView payload, const Limits& limits, BytesView& body);
Result<ReplyHead> decode_reply(BytesView payload, const Limits& limits, BytesView& body);
Result<std::uint32_t> decode_window(BytesView payload);
Result<Error> decode_error(BytesView payload);  // RESET and GOODBYE
Result<std::uint64_t> decode_ping(BytesView payload);
Result<std::uint16_t> decode_message(BytesView payload, BytesView& body);

// The highest version both sides speak, which between nodes is at least kNodeVersionMin, or kProtocolError that names both ranges.
Result<std::uint16_t> negotiate_version(const Hello& ours, const Hello& theirs);

}  // namespace distri::wire
