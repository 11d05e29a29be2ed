#include "distri/membership/swim_messages.hpp"

#include "distri/utils/check.hpp"

namespace distri::membership {

namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string_view health_name(Health health) {
  switch (health) {
    case Health::kAlive:
      return "alive";
    case Health::kSuspect:
      return "suspect";
    case Health::kDead:
      return "dead";
  }
  return "unknown";
}

std::size_t encoded_bytes(const SwimReport& report) {
  return 1 + NodeId::kSize + 8 + (report.health == Health::kSuspect ? NodeId::kSize : 0);
}

Bytes encode(const SwimMessage& message) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(message.kind));
  out.u32(message.sequence);
  if (message.kind == SwimMessage::Kind::kPingReq) {
    out.raw(message.target.view());
    out.u32(message.nack_after_ms);
  }
  out.u8(static_cast<std::uint8_t>(message.reports.size()));
  for (const SwimReport& report : message.reports) {
    out.u8(static_cast<std::uint8_t>(report.health));
    out.raw(report.node.view());
    out.u64(report.incarnation);
    if (report.health == Health::kSuspect) out.raw(report.by.view());
  }
  DISTRI_CHECK(bytes.size() <= kSwimMessageBytesMax);
  return bytes;
}

Result<SwimMessage> decode_swim_message(BytesView bytes) {
  if (bytes.size() > kSwimMessageBytesMax) {
    return fail(Code::kTooLarge, "probe: it has {} bytes, at most {} are allowed", bytes.size(), kSwimMessageBytesMax);
  }
  wire::Reader in(bytes);
  SwimMessage message;
  const std::uint8_t version = in.u8();
  const std::uint8_t kind = in.u8();
  message.sequence = in.u32();
  if (!in.ok()) return fail(Code::kProtocolError, "probe: it ends early");
  if (version != kVersion) return fail(Code::kProtocolError, "probe: unknown version {}", version);
  if (kind < 1 || kind > 4) return fail(Code::kProtocolError, "probe: unknown kind {}", kind);
  message.kind = static_cast<SwimMessage::Kind>(kind);
  if (message.kind == SwimMessage::Kind::kPingReq) {
    message.target = in.id<NodeId>();
    message.nack_after_ms = in.u32();
  }
  const std::size_t count = in.u8();
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    SwimReport& report = message.reports.emplace_back();
    const std::uint8_t health = in.u8();
    report.node = in.id<NodeId>();
    report.incarnation = in.u64();
    if (in.ok() && health > 2) return fail(Code::kProtocolError, "probe: a report has unknown health {}", health);
    report.health = static_cast<Health>(health);
    if (report.health == Health::kSuspect) report.by = in.id<NodeId>();
    if (report.incarnation > kSwimIncarnationMax) {
      return fail(Code::kProtocolError, "probe: a report has an incarnation beyond all bounds");
    }
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "probe: wrong length");
  return message;
}

}  // namespace distri::membership
