#include <algorithm>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

// What a peer has just announced comes by the tree in most cases, and is pulled only when it has not come by then.
constexpr Elapsed kPatienceMs = 500;
// An answer to one graft. What does not fit is pulled.
constexpr std::size_t kGraftBytesMax = std::size_t{1} << 20;
constexpr int kHopsMax = 255;

std::shared_ptr<const Bytes> tree_batch(int hops, BytesView batch) {
  auto payload = std::make_shared<Bytes>();
  payload->reserve(1 + batch.size());
  payload->push_back(static_cast<char>(std::min(hops, kHopsMax)));
  *payload += batch;
  return payload;
}

}  // namespace

// The batch of a turn: to all peers, or to the neighbours in the tree and to peers that know no trees.
void Replica::Impl::publish(const Dot& last, const std::shared_ptr<const Bytes>& batch) {
  tree.set_active(std::max<std::size_t>(config.members, connected.size() + 1) > config.direct_nodes_max);
  if (!tree.active()) {
    for (const auto& [node, peer] : connected) send(node, MessageKind::kBatch, batch);
    tree.pushed_to_all(last);
    return;
  }
  for (const auto& [node, peer] : connected) {
    if (!tree.has_peer(node)) send(node, MessageKind::kBatch, batch);
  }
  relay(tree.applied(last, std::nullopt, BroadcastTree::kNotByTree, elapsed), *batch);
}

// Precondition: is_ready().
void Replica::Impl::apply_and_relay(Holdback::Held held) {
  const Dot last{held.batch.actor, held.batch.last_counter()};
  apply(held.from, std::move(held.batch), held.encoded);
  const BroadcastTree::Relay onward = tree.applied(last, held.from, held.hops, elapsed);
  counters.relayed_batches += onward.to.size();
  relay(onward, *held.encoded);
}

void Replica::Impl::relay(const BroadcastTree::Relay& onward, BytesView batch) {
  send_control();
  if (onward.to.empty()) return;
  const auto payload = tree_batch(onward.hops, batch);
  for (const NodeId& node : onward.to) send(node, MessageKind::kTreeBatch, payload);
}

bool Replica::Impl::on_its_way(const Peer& peer) const {
  return tree.active() && elapsed - peer.announced_at < std::min(kPatienceMs, config.gossip_ms / 2);
}

void Replica::Impl::tree_tick() {
  tree.set_active(std::max<std::size_t>(config.members, connected.size() + 1) > config.direct_nodes_max);
  tree.tick(vector, holdback, elapsed);
  send_control();
}

void Replica::Impl::send_control() {
  for (BroadcastTree::Control& control : tree.take_outgoing())
    send(control.to, control.kind, std::make_shared<const Bytes>(std::move(control.payload)));
}

Result<> Replica::Impl::on_tree_batch(const NodeId& from, BytesView payload) {
  if (refusing()) return {};
  if (payload.empty()) return fail(Code::kProtocolError, "tree batch: it is empty");
  const int hops = static_cast<unsigned char>(payload.front());
  const BytesView encoded = payload.substr(1);
  wire::Reader in(encoded);
  DISTRI_TRY(Batch batch, decode_batch(in, config.limits));
  deliver(from, std::move(batch), std::make_shared<const Bytes>(encoded), hops);
  send_control();
  return {};
}

Result<> Replica::Impl::on_graft(const NodeId& from, BytesView payload) {
  DISTRI_TRY(const Graft graft, decode_graft(payload));
  tree.on_graft(from, graft);
  send_control();
  std::size_t bytes = 0;
  for (const Graft::Stretch& stretch : graft.wanted) {
    for (const OpLog::Entry* entry : log.stretch(stretch.actor, stretch.after, stretch.to, kGraftBytesMax)) {
      if (bytes > 0 && bytes + entry->batch->size() > kGraftBytesMax) return {};
      bytes += entry->batch->size();
      ++counters.grafted_batches;
      send(from, MessageKind::kTreeBatch, tree_batch(BroadcastTree::kAskedFor, *entry->batch));
    }
  }
  return {};
}

}  // namespace distri::replication
