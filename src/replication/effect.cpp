#include "distri/replication/effect.hpp"

#include <utility>

#include "distri/bson/value.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::replication {

namespace {

constexpr std::uint8_t kKindMask = 0x0f;
constexpr std::uint8_t kLostFieldsFlag = 0x10;
constexpr std::uint8_t kConflictsFlag = 0x20;
constexpr std::uint8_t kIdFlag = 0x40;
constexpr std::uint8_t kAnyConflicts = 1;

void encode(wire::Writer& out, const db::Dot& dot) {
  out.raw(dot.actor.view());
  out.u64(dot.counter);
}

db::Dot decode_dot(wire::Reader& in) {
  db::Dot dot;
  dot.actor = in.id<ActorId>();
  dot.counter = in.u64();
  return dot;
}

std::unexpected<Error> damaged() {
  return fail(Code::kDataLoss, "the log's record of what a write did is damaged");
}

}  // namespace

void EffectsWriter::add(const Effect& effect) {
  if (bytes_.empty()) bytes_.push_back(0);
  if (!effect.conflicts.empty()) bytes_.front() = static_cast<char>(kAnyConflicts);
  const bool id = !effect.id.view().empty();
  wire::Writer out(bytes_);
  out.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(effect.kind) |
                                   (effect.lost_fields.empty() ? 0 : kLostFieldsFlag) |
                                   (effect.conflicts.empty() ? 0 : kConflictsFlag) | (id ? kIdFlag : 0)));
  if (!effect.lost_fields.empty()) {
    out.u32(static_cast<std::uint32_t>(effect.lost_fields.size()));
    for (const std::string& name : effect.lost_fields) out.bytes32(name);
  }
  if (!effect.conflicts.empty()) {
    out.u32(static_cast<std::uint32_t>(effect.conflicts.size()));
    for (const Effect::Lost& lost : effect.conflicts) {
      encode(out, lost.loser);
      encode(out, lost.winner);
      out.bytes32(lost.key);
    }
  }
  if (id) out.bytes32(effect.id.bytes());
}

Bytes EffectsWriter::take() {
  return std::exchange(bytes_, {});
}

bool has_conflicts(BytesView effects) {
  return !effects.empty() && (effects.front() & kAnyConflicts) != 0;
}

Result<std::vector<Effect>> decode_effects(BytesView effects, std::size_t ops) {
  wire::Reader in(effects);
  in.u8();
  std::vector<Effect> result(ops);
  for (Effect& effect : result) {
    const std::uint8_t head = in.u8();
    if ((head & kKindMask) > static_cast<std::uint8_t>(Effect::Kind::kCreatedAgain)) return damaged();
    effect.kind = static_cast<Effect::Kind>(head & kKindMask);
    if ((head & kLostFieldsFlag) != 0) {
      const std::uint32_t count = in.u32();
      if (count > in.remaining() / 4) return damaged();
      for (std::uint32_t i = 0; i < count; ++i) effect.lost_fields.emplace_back(in.bytes32());
    }
    if ((head & kConflictsFlag) != 0) {
      const std::uint32_t count = in.u32();
      if (count > Effect::kConflictsMax) return damaged();
      for (std::uint32_t i = 0; i < count; ++i) {
        Effect::Lost lost;
        lost.loser = decode_dot(in);
        lost.winner = decode_dot(in);
        lost.key = in.bytes32();
        effect.conflicts.push_back(std::move(lost));
      }
    }
    if ((head & kIdFlag) != 0) {
      auto id = bson::Document::parse(Bytes(in.bytes32()));
      if (!id) return damaged();
      effect.id = std::move(*id);
    }
  }
  if (!in.ok() || !in.at_end()) return damaged();
  return result;
}

}  // namespace distri::replication
