#include <algorithm>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

constexpr std::int64_t kDuplicateNoticeEveryMs = 60'000;

}  // namespace

void Replica::Impl::pass_time(std::int64_t now_ms) {
  if (elapsed == 0) {
    elapsed = 1;
  } else if (now_ms > wall_ms) {
    elapsed += std::min(now_ms - wall_ms, kLeapMsMax);
  }
  wall_ms = now_ms;
}

UpdateInfo Replica::Impl::own_info() const {
  UpdateInfo info;
  info.node = config.node;
  info.incarnation = config.incarnation;
  info.actor = self;
  info.address = config.address;
  info.load = load;
  info.services = services;
  info.vector = vector;
  info.collections = summaries();
  info.known_addresses = known_addresses;
  return info;
}

std::shared_ptr<const Bytes> Replica::Impl::encoded_info() const {
  Bytes payload;
  wire::Writer out(payload);
  encode(out, own_info());
  return std::make_shared<const Bytes>(std::move(payload));
}

void Replica::Impl::tick() {
  seal();
  if (elapsed - last_gossip >= config.gossip_ms) {
    last_gossip = elapsed;
    if (!connected.empty()) {
      const auto payload = encoded_info();
      for (const auto& [node, peer] : connected) send(node, MessageKind::kUpdateInfo, payload);
    }
  }
  send_wants();
  holdback.drop_older_than(elapsed - config.holdback_ms_max);
  check_timeouts();
  consider_pulls();
}

Result<> Replica::Impl::on_update_info(const NodeId& from, BytesView payload) {
  wire::Reader in(payload);
  DISTRI_TRY(UpdateInfo info, decode_update_info(in));
  if (info.node != from) {
    return fail(Code::kProtocolError, "update info: it names node {}, but came from {}", info.node.short_hex(),
                from.short_hex());
  }
  Peer& peer = connected[from];
  if (info.vector.get(self) > own_counter()) report_duplicate_identity(from, info.vector.get(self));
  check_divergence(from, peer, info);
  peer.announced = info.vector;
  infos.insert_or_assign(from, std::move(info));
  consider_pulls();
  return {};
}

// The same writes must have made the same documents.
void Replica::Impl::check_divergence(const NodeId& from, Peer& peer, const UpdateInfo& info) {
  if (!(info.vector == vector)) return;
  const auto ours = summaries();
  std::string differing;
  auto mine = ours.begin();
  auto theirs = info.collections.begin();
  while (differing.empty() && (mine != ours.end() || theirs != info.collections.end())) {
    if (theirs == info.collections.end() || (mine != ours.end() && mine->name < theirs->name)) {
      differing = mine->name;
    } else if (mine == ours.end() || theirs->name < mine->name) {
      differing = theirs->name;
    } else if (mine->documents != theirs->documents || !(mine->digest == theirs->digest)) {
      differing = mine->name;
    } else {
      ++mine, ++theirs;
    }
  }
  if (differing.empty()) {
    peer.diverged = false;
    return;
  }
  if (peer.diverged && peer.diverged_at == vector) return;
  peer.diverged = true;
  peer.diverged_at = vector;
  ++counters.divergences;
  notice(Notice::Kind::kDivergence, from,
         fmt::format("collection '{}' differs although both nodes have seen the same {} writes", differing,
                     vector.total()));
}

// `mine` has all that `theirs` has, our own writes aside (nobody can know more of them than we do).
bool Replica::Impl::covers_but_own(const VersionVector& mine, const VersionVector& theirs) const {
  for (const auto& [actor, counter] : theirs.entries()) {
    if (actor != self && mine.get(actor) < counter) return false;
  }
  return true;
}

void Replica::Impl::report_duplicate_identity(const NodeId& from, std::uint64_t counter) {
  const auto found = connected.find(from);
  if (found == connected.end() || elapsed - found->second.last_duplicate_notice < kDuplicateNoticeEveryMs) return;
  found->second.last_duplicate_notice = elapsed;
  notice(Notice::Kind::kDuplicateIdentity, from,
         fmt::format("it knows write {} of our own actor {}, but we have made only {}: another node runs with our "
                     "identity and incarnation",
                     counter, self.short_hex(), own_counter()));
}

void Replica::peer_connected(const NodeId& node, std::int64_t now_ms) {
  Impl& impl = *impl_;
  impl.pass_time(now_ms);
  impl.seal();
  impl.connected.insert_or_assign(node, Impl::Peer{});
  impl.send(node, MessageKind::kUpdateInfo, impl.encoded_info());
  // What was asked before it came.
  for (const auto& [dot, askers] : impl.wanted) impl.wants_to_send.push_back(dot);
}

void Replica::peer_disconnected(const NodeId& node) {
  Impl& impl = *impl_;
  impl.connected.erase(node);
  std::erase_if(impl.outgoing, [&node](const Outgoing& message) { return message.to == node; });
  impl.consider_pulls();
}

void Replica::announce_leaving(std::string_view reason) {
  impl_->seal();
  const auto payload = std::make_shared<const Bytes>(reason.substr(0, kLeavingTextBytesMax));
  for (const auto& [node, peer] : impl_->connected) impl_->send(node, MessageKind::kLeaving, payload);
}

}  // namespace distri::replication
