// swim_messages.hpp: what failure detectors say to each other. Each message fits kSwimMessageBytesMax; the decoder is
// total.
#pragma once

#include <cstdint>
#include <vector>

#include "distri/utils/ids.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::membership {

// Of two reports on one node the greater (incarnation, health) counts. The numbers travel.
enum class Health : std::uint8_t { kAlive = 0, kSuspect = 1, kDead = 2 };
// "alive", ...
std::string_view health_name(Health health);

inline constexpr std::size_t kSwimMessageBytesMax = 1200;
inline constexpr std::size_t kSwimHeadBytesMax = 48;  // of a message without reports
inline constexpr std::size_t kSwimReportBytesMax = 73;
// Who has been refuting for longer than any machine lives is lying.
inline constexpr std::uint64_t kSwimIncarnationMax = std::uint64_t{1} << 62;

struct SwimReport {
  NodeId node;
  Health health = Health::kAlive;
  std::uint64_t incarnation = 0;
  NodeId by;  // kSuspect only: who could not reach it
  bool operator==(const SwimReport&) const = default;
};
std::size_t encoded_bytes(const SwimReport& report);

struct SwimMessage {
  enum class Kind : std::uint8_t {
    kPing = 1,     // "answer with kAck"
    kPingReq = 2,  // "ping `target` for me; if nothing comes back within nack_after_ms, tell me that you are there"
    kAck = 3,
    kNack = 4,
  };
  Kind kind = Kind::kPing;
  std::uint32_t sequence = 0;  // of the asker
  NodeId target;               // kPingReq only
  std::uint32_t nack_after_ms = 0;
  std::vector<SwimReport> reports;
  bool operator==(const SwimMessage&) const = default;
};
// Precondition: what it holds fits kSwimMessageBytesMax.
Bytes encode(const SwimMessage& message);
// Errors kProtocolError, kTooLarge.
Result<SwimMessage> decode_swim_message(BytesView bytes);

}  // namespace distri::membership
