#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

constexpr std::int64_t kClockNoticeEveryMs = 60'000;

// What a planted defect puts in the place of every op of a batch.
Op note_op(const Batch& batch) {
  Op op;
  op.kind = OpKind::kNote;
  op.stamp = batch.ops.front().stamp;
  return op;
}

}  // namespace

Result<> Replica::Impl::receive(const NodeId& from, MessageKind kind, BytesView payload) {
  // The turn's own writes so far come before anything that this message brings or asks for.
  seal();
  switch (kind) {
    case MessageKind::kUpdateInfo:
      return on_update_info(from, payload);
    case MessageKind::kBatch:
      return on_batch(from, payload);
    case MessageKind::kPull:
      return on_pull(from, payload);
    case MessageKind::kPullReply:
      return on_pull_reply(from, payload);
    case MessageKind::kState:
      return on_state(from, payload);
    case MessageKind::kWantAck:
      return on_want_ack(from, payload);
    case MessageKind::kAck:
      return on_ack(from, payload);
    case MessageKind::kRangeDigests:
      return on_range_digests(from, payload);
    case MessageKind::kRangeStates:
      return on_range_states(from, payload);
    case MessageKind::kHeartbeat:
      return on_heartbeat(from, payload);
    case MessageKind::kWantInfo:
      if (!payload.empty()) return fail(Code::kProtocolError, "want info: it is not empty");
      send_info(from, connected[from]);
      return {};
    case MessageKind::kTreeBatch:
      return on_tree_batch(from, payload);
    case MessageKind::kHave: {
      DISTRI_TRY(const std::vector<Dot> held, decode_have(payload));
      tree.on_have(from, held, vector, elapsed);
      send_control();
      return {};
    }
    case MessageKind::kGraft:
      return on_graft(from, payload);
    case MessageKind::kPrune: {
      DISTRI_TRY(const PruneReason reason, decode_prune(payload));
      tree.on_prune(from, reason, elapsed);
      return {};
    }
    case MessageKind::kLeaving:
      if (payload.size() > kLeavingTextBytesMax) {
        return fail(Code::kProtocolError, "leaving: {} bytes of text, at most {} are allowed", payload.size(),
                    kLeavingTextBytesMax);
      }
      connected[from].leaving = true;
      return {};
  }
  return fail(Code::kProtocolError, "message: unknown kind {}", static_cast<int>(kind));
}

Result<> Replica::Impl::on_batch(const NodeId& from, BytesView payload) {
  if (refusing()) return {};
  wire::Reader in(payload);
  DISTRI_TRY(Batch batch, decode_batch(in, config.limits));
  deliver(from, std::move(batch), std::make_shared<const Bytes>(payload));
  return {};
}

void Replica::Impl::deliver(const NodeId& from, Batch batch, std::shared_ptr<const Bytes> encoded, int hops) {
  batch.before.use_folds(folds);
  if (batch.actor == self || batch.before.get(self) > own_counter()) {
    const std::uint64_t claimed = batch.actor == self ? batch.last_counter() : batch.before.get(self);
    if (claimed > own_counter()) report_duplicate_identity(from, claimed);
    return;
  }
  const Dot last{batch.actor, batch.last_counter()};
  if (vector.covers(last)) {
    ++counters.duplicate_batches;
    tree.came_again(from, last, hops, elapsed);
    return;
  }
  if (is_ready(batch, vector)) {
    apply_and_relay({std::move(batch), std::move(encoded), from, elapsed, hops});
    drain_holdback();
    return;
  }
  if (holdback.holds(batch)) {
    tree.came_again(from, last, hops, elapsed);
    return;
  }
  tree.came_early(from, batch, hops, vector, elapsed);
  if (config.plant == Plant::kAdvanceVectorEarly) vector.advance(batch.actor, batch.last_counter());
  if (!holdback.add({std::move(batch), std::move(encoded), from, elapsed, hops})) {
    notice(Notice::Kind::kHoldbackFull, from,
           fmt::format("a batch came early and found no room (holdback_bytes_max {}); it will be pulled",
                       config.holdback_bytes_max));
  }
}

// Precondition: is_ready(). What is covered already (the head of a batch that was cut by a state transfer) is passed
// over.
void Replica::Impl::apply(const NodeId& from, Batch batch, std::shared_ptr<const Bytes> encoded,
                          const Stretches* taken) {
  const std::uint64_t seen = vector.get(batch.actor);
  const std::uint64_t last = batch.last_counter();
  EffectsWriter effects;
  bool all_known = true;
  for (std::size_t i = 0; i < batch.ops.size(); ++i) {
    const Dot dot{batch.actor, batch.first_counter + i};
    if (dot.counter <= seen) {
      effects.add({});
      continue;
    }
    observe_clock(from, batch.ops[i].stamp);
    ++counters.remote_ops;
    remember_request(batch.ops[i]);
    Effect effect;
    if (batch.ops[i].kind == OpKind::kFold) {
      apply_fold(batch.ops[i], dot);
    } else if (taken != nullptr && taken->contain(batch.ops[i], dot)) {
      all_known = false;
    } else if (batch.ops[i].kind != OpKind::kNote) {
      effect = store.apply(std::move(batch.ops[i]), dot, Seen(batch.before, dot));
      if (!effect.took_effect) ++counters.void_ops;
    }
    effects.add(effect);
  }
  vector.advance(batch.actor, last);
  if (!idle.empty() || folds->size() > 0) vector.drop_folded();
  log.append({batch.actor, batch.first_counter, last, std::move(encoded), all_known ? effects.take() : Bytes()});
}

void Replica::Impl::drain_holdback() {
  while (auto held = holdback.take_ready(vector)) {
    if (config.plant == Plant::kDropHeldBatch) held->batch.ops.assign(held->batch.ops.size(), note_op(held->batch));
    apply_and_relay(std::move(*held));
  }
}

void Replica::Impl::observe_clock(const NodeId& from, const Stamp& stamp) {
  if (clock.observe(stamp.hlc, wall_ms)) return;
  const auto found = connected.find(from);
  if (found == connected.end() || elapsed - found->second.last_clock_notice < kClockNoticeEveryMs) return;
  found->second.last_clock_notice = elapsed;
  notice(Notice::Kind::kClockAhead, from,
         fmt::format("a write of actor {} is stamped {} s ahead of our clock; it is merged, but our clock does not "
                     "follow (limit {} s)",
                     stamp.actor.short_hex(), (HybridClock::to_ms(stamp.hlc) - wall_ms) / 1000,
                     config.clock_ahead_max_ms / 1000));
}

}  // namespace distri::replication
