// etcd_grpc.cpp: etcdserverpb.KV/Put and /Txn as unary gRPC calls on HTTP/2 (RFC 9113, RFC 7541), by hand.
#include <algorithm>

#include "etcd_protocol.hpp"

namespace bench {
namespace {

using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Result;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t kFrameHeaderBytes = 9;
constexpr std::size_t kMessageHeaderBytes = 5;
constexpr std::uint32_t kWindowBytes = 1u << 30;

enum FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindow = 8
};
constexpr std::uint8_t kEndStream = 1;  // and ACK of SETTINGS and PING
constexpr std::uint8_t kEndHeaders = 4;

void append_u32(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void append_frame_header(Bytes& out, std::size_t bytes, std::uint8_t type, std::uint8_t flags, std::uint32_t stream) {
  out.push_back(static_cast<char>(bytes >> 16));
  out.push_back(static_cast<char>(bytes >> 8));
  out.push_back(static_cast<char>(bytes));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  append_u32(out, stream);
}

void append_setting(Bytes& out, std::uint16_t id, std::uint32_t value) {
  out.push_back(static_cast<char>(id >> 8));
  out.push_back(static_cast<char>(id));
  append_u32(out, value);
}

std::uint32_t read_u32(BytesView bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

// Protobuf: a length-delimited field.
void append_field(Bytes& out, std::uint8_t number, BytesView value) {
  out.push_back(static_cast<char>(number << 3 | 2));
  std::size_t rest = value.size();
  for (; rest >= 128; rest >>= 7) out.push_back(static_cast<char>(rest | 128));
  out.push_back(static_cast<char>(rest));
  out += value;
}

class Grpc final : public EtcdProtocol {
 public:
  Grpc(std::string authority, bool if_absent) : authority_(std::move(authority)), if_absent_(if_absent) {}

  void append_preface(Bytes& out) override {
    out += kPreface;
    append_frame_header(out, 12, kSettings, 0, 0);
    append_setting(out, 1, 0);  // the server's headers need no table of ours
    append_setting(out, 4, kWindowBytes);
    append_frame_header(out, 4, kWindow, 0, 0);
    append_u32(out, kWindowBytes);
  }

  void append_put(Bytes& out, std::string_view key, std::string_view value, std::size_t tag) override {
    headers_.clear();
    headers_ += "\x83\x86";  // :method POST, :scheme http
    if (next_stream_ == 1) {
      // The first request's headers stay in the server's table, the last added under 62.
      append_header("\x44", if_absent_ ? "/etcdserverpb.KV/Txn" : "/etcdserverpb.KV/Put");
      append_header("\x41", authority_);
      append_header("\x5f", "application/grpc");
      append_header(BytesView("\x40\x02te", 4), "trailers");
    } else {
      headers_ += "\xc1\xc0\xbf\xbe";
    }
    append_frame_header(out, headers_.size(), kHeaders, kEndHeaders, next_stream_);
    out += headers_;

    make_message(key, value);
    append_frame_header(out, kMessageHeaderBytes + message_.size(), kData, kEndStream, next_stream_);
    out.push_back('\0');
    append_u32(out, static_cast<std::uint32_t>(message_.size()));
    out += message_;
    open_.push_back({next_stream_, tag, false});
    next_stream_ += 2;
  }

  Result<> receive(BytesView bytes, std::vector<std::size_t>& done, Bytes& out) override {
    received_ += bytes;
    std::size_t at = 0;
    while (received_.size() - at >= kFrameHeaderBytes) {
      const BytesView header = BytesView(received_).substr(at, kFrameHeaderBytes);
      const std::size_t length = read_u32(header) >> 8;
      if (received_.size() - at - kFrameHeaderBytes < length) break;
      const auto flags = static_cast<std::uint8_t>(header[4]);
      const BytesView payload = BytesView(received_).substr(at + kFrameHeaderBytes, length);
      DISTRI_TRY_VOID(
          take_frame(static_cast<std::uint8_t>(header[3]), flags, read_u32(header.substr(5)), payload, done, out));
      at += kFrameHeaderBytes + length;
    }
    received_.erase(0, at);
    return {};
  }

 private:
  struct Open {
    std::uint32_t stream;
    std::size_t tag;
    bool answered;
  };

  // Literal, added to the table. `name`: its index, or itself.
  void append_header(BytesView name, BytesView value) {
    headers_ += name;
    headers_.push_back(static_cast<char>(value.size()));
    headers_ += value;
  }

  void make_message(std::string_view key, std::string_view value) {
    message_.clear();
    append_field(message_, 1, key);
    append_field(message_, 2, value);
    if (!if_absent_) return;
    Bytes operation;  // RequestOp{request_put}
    append_field(operation, 1 + 1, message_);
    Bytes compare("\x10\x01", 2);  // EQUAL, CREATE
    append_field(compare, 3, key);
    compare += BytesView("\x28\x00", 2);  // revision 0: not there
    message_.clear();
    append_field(message_, 1, compare);
    append_field(message_, 2, operation);
  }

  Result<> take_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, BytesView payload,
                      std::vector<std::size_t>& done, Bytes& out) {
    if (type == kSettings && (flags & kEndStream) == 0) append_frame_header(out, 0, kSettings, kEndStream, 0);
    if (type == kPing && (flags & kEndStream) == 0) {
      append_frame_header(out, payload.size(), kPing, kEndStream, 0);
      out += payload;
    }
    if (type == kGoAway || type == kReset)
      return distri::fail(Code::kConnectionLost, "etcd ended {}", type == kGoAway ? "the connection" : "a put");
    if (type != kData && type != kHeaders) return {};
    const auto open = std::find_if(open_.begin(), open_.end(), [&](const Open& each) { return each.stream == stream; });
    if (open == open_.end()) return {};
    // Only a put that went well has a message in its answer; a refusal has trailers alone.
    if (type == kData && payload.size() > kMessageHeaderBytes) open->answered = true;
    if ((flags & kEndStream) == 0) return {};
    if (!open->answered) return distri::fail(Code::kInternal, "etcd refused a put; its log says why");
    done.push_back(open->tag);
    *open = open_.back();
    open_.pop_back();
    return {};
  }

  std::string authority_;
  bool if_absent_;
  std::uint32_t next_stream_ = 1;
  std::vector<Open> open_;
  Bytes received_, headers_, message_;
};

}  // namespace

std::unique_ptr<EtcdProtocol> make_grpc(const std::string& authority, bool if_absent) {
  return std::make_unique<Grpc>(authority, if_absent);
}

}  // namespace bench
