#include "distri/replication/tree_messages.hpp"

#include "distri/utils/check.hpp"

namespace distri::replication {

namespace {

constexpr std::size_t kDotBytes = ActorId::kSize + 8;
constexpr std::size_t kStretchBytes = ActorId::kSize + 8 + 8;
constexpr std::uint8_t kChosenFlag = 1;

}  // namespace

void encode_have(wire::Writer& out, const std::vector<Dot>& held) {
  DISTRI_CHECK(!held.empty() && held.size() <= kTreeActorsMax);
  for (const Dot& dot : held) {
    out.raw(dot.actor.view());
    out.u64(dot.counter);
  }
}

Result<std::vector<Dot>> decode_have(BytesView payload) {
  const std::size_t count = payload.size() / kDotBytes;
  if (count == 0 || count > kTreeActorsMax || payload.size() % kDotBytes != 0) {
    return fail(Code::kProtocolError, "have: {} bytes are no list of 1 to {} writes", payload.size(), kTreeActorsMax);
  }
  wire::Reader in(payload);
  std::vector<Dot> held(count);
  for (Dot& dot : held) {
    dot.actor = in.id<ActorId>();
    dot.counter = in.u64();
    if (dot.actor.empty() || dot.counter == 0) return fail(Code::kProtocolError, "have: an actor or a counter is zero");
  }
  return held;
}

void encode(wire::Writer& out, const Graft& graft) {
  DISTRI_CHECK(graft.wanted.size() <= kTreeActorsMax);
  out.u8(graft.chosen ? kChosenFlag : 0);
  for (const Graft::Stretch& stretch : graft.wanted) {
    out.raw(stretch.actor.view());
    out.u64(stretch.after);
    out.u64(stretch.to);
  }
}

Result<Graft> decode_graft(BytesView payload) {
  const std::size_t count = payload.empty() ? 0 : (payload.size() - 1) / kStretchBytes;
  if (count > kTreeActorsMax || payload.size() != 1 + count * kStretchBytes) {
    return fail(Code::kProtocolError, "graft: {} bytes are no flags and list of 0 to {} stretches", payload.size(),
                kTreeActorsMax);
  }
  wire::Reader in(payload);
  const std::uint8_t flags = in.u8();
  if (flags > kChosenFlag) return fail(Code::kProtocolError, "graft: unknown flags {}", flags);
  Graft graft;
  graft.chosen = flags == kChosenFlag;
  graft.wanted.resize(count);
  for (Graft::Stretch& stretch : graft.wanted) {
    stretch.actor = in.id<ActorId>();
    stretch.after = in.u64();
    stretch.to = in.u64();
    if (stretch.actor.empty() || stretch.to <= stretch.after)
      return fail(Code::kProtocolError, "graft: an actor is zero, or a stretch is empty");
  }
  return graft;
}

Bytes encode_prune(PruneReason reason) {
  return Bytes(1, static_cast<char>(reason));
}

Result<PruneReason> decode_prune(BytesView payload) {
  if (payload.size() != 1 ||
      static_cast<std::uint8_t>(payload.front()) > static_cast<std::uint8_t>(PruneReason::kRefused))
    return fail(Code::kProtocolError, "prune: {} bytes are not one known reason", payload.size());
  return static_cast<PruneReason>(payload.front());
}

}  // namespace distri::replication
