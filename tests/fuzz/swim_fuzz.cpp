// Messages of failure detectors on any bytes: the decoder alone, and a detector that is told such things while time
// goes on. Properties: no crash; what is decoded is encoded to the same bytes; what it sends is decoded and within its
// bound; time never stands still; only members are spoken to.
#include <cstdint>
#include <cstdlib>

#include "choices.hpp"
#include "distri/membership/swim.hpp"

namespace {

using namespace distri;
using namespace distri::membership;
using distri::fuzz::Choices;

void require(bool condition) {
  if (!condition) std::abort();
}

NodeId id(std::uint64_t number) {
  NodeId node;
  node.bytes[0] = static_cast<unsigned char>(number);
  return node;
}

void check_decoder(BytesView bytes) {
  const auto message = decode_swim_message(bytes);
  if (message) require(encode(*message) == bytes);
}

void drain(Swim& swim, std::uint64_t members) {
  for (const Swim::Message& message : swim.take_messages()) {
    require(message.bytes.size() <= kSwimMessageBytesMax && decode_swim_message(message.bytes).has_value());
    require(message.to.bytes[0] > 0 && message.to.bytes[0] < members);
  }
  for (const Swim::Change& change : swim.take_changes()) require(change.node != id(0));
}

SwimMessage draw_message(Choices& choices) {
  SwimMessage message;
  message.kind = static_cast<SwimMessage::Kind>(1 + choices.below(4));
  message.sequence = static_cast<std::uint32_t>(choices.below(16));
  if (message.kind == SwimMessage::Kind::kPingReq) {
    message.target = id(choices.below(12));
    message.nack_after_ms = static_cast<std::uint32_t>(choices.below(256) * 10);
  }
  for (std::uint64_t i = choices.below(4); i > 0; --i) {
    SwimReport report{id(choices.below(12)), static_cast<Health>(choices.below(3)), choices.below(5), {}};
    if (report.health == Health::kSuspect) report.by = id(choices.below(12));
    message.reports.push_back(report);
  }
  return message;
}

void check_detector(Choices choices) {
  std::uint64_t members = 2 + choices.below(8);
  std::int64_t now_ms = 0;
  Swim swim(id(0), choices.below(3), choices.below(2) == 0 ? SwimOptions{} : SwimOptions::plain(), Random(1), now_ms);
  const auto set_members = [&] {
    std::vector<NodeId> all;
    for (std::uint64_t i = 0; i < members; ++i) all.push_back(id(i));
    swim.set_members(all);
  };
  set_members();
  while (!choices.over()) {
    switch (choices.below(4)) {
      case 0:
        now_ms = std::max(now_ms, swim.next_ms());
        swim.on_time(now_ms);
        require(swim.next_ms() > now_ms);
        break;
      case 1:
        now_ms += static_cast<std::int64_t>(choices.below(256)) * 100;
        break;
      case 2:
        if (choices.below(8) == 0) members = 2 + choices.below(8), set_members();
        break;
      default: {
        const std::uint64_t from = choices.below(12);
        const bool heard = swim.receive(now_ms, id(from), encode(draw_message(choices))).has_value();
        require(heard == (from > 0 && from < members));
        break;
      }
    }
    drain(swim, members);
    require(swim.local_health() >= 0 && swim.local_health() <= SwimOptions{}.local_health_max);
  }
}

}  // namespace

// First byte: what.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (data[0] % 2 == 0) {
    check_decoder({reinterpret_cast<const char*>(data) + 1, size - 1});
  } else {
    check_detector(Choices(data + 1, size - 1));
  }
  return 0;
}
