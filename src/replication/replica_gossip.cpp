#include <absl/container/btree_set.h>

#include <algorithm>

#include "distri/replication/replica_impl.hpp"
#include "distri/utils/hash.hpp"

namespace distri::replication {

namespace {

constexpr std::int64_t kDuplicateNoticeEveryMs = 60'000;
// In one round of gossip. With more peers than this it takes several rounds until all have had a heartbeat, so that a
// silent node sends the same however large its cluster is.
constexpr std::size_t kHeartbeatsMax = 32;
// Of the log. Beyond this and half of the documents, who was away for so long gets them as fast by streaming all.

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
  info.wall_ms = wall_ms;
  info.newcomer = newcomer;
  return info;
}

namespace {

Bytes encoded(const UpdateInfo& info) {
  Bytes payload;
  wire::Writer out(payload);
  encode(out, info);
  return payload;
}

// Of everything but load and time, which are never the same twice.
std::uint64_t checksum_of(UpdateInfo info) {
  info.load = {};
  info.wall_ms.reset();
  return checksum_64(encoded(info));
}

}  // namespace

void Replica::Impl::send_info(const NodeId& to, Peer& peer) {
  const UpdateInfo info = own_info();
  peer.info_sent = checksum_of(info);
  ++counters.infos_sent;
  send(to, MessageKind::kUpdateInfo, std::make_shared<const Bytes>(encoded(info)));
}

// Who was sent our newest UpdateInfo is only told, now and then, that it is still true, and how loaded we are. A peer
// that missed it asks; nothing is sent twice on suspicion.
void Replica::Impl::gossip() {
  if (connected.empty()) return;
  const UpdateInfo info = own_info();
  const std::uint64_t checksum = checksum_of(info);
  const auto full = std::make_shared<const Bytes>(encoded(info));
  Bytes payload;
  wire::Writer out(payload);
  out.u64(checksum);
  for (const std::uint32_t part : {load.queued, load.running, load.workers, load.loop_lag_us}) out.u32(part);
  out.u64(static_cast<std::uint64_t>(wall_ms));
  const auto heartbeat = std::make_shared<const Bytes>(std::move(payload));
  const std::size_t rounds = (connected.size() + kHeartbeatsMax - 1) / kHeartbeatsMax;
  std::size_t turn = gossip_rounds++ % rounds;
  for (auto& [node, peer] : connected) {
    const bool due = turn++ % rounds == 0;
    if (peer.info_sent == checksum) {
      if (!due) continue;
      ++counters.heartbeats_sent;
      send(node, MessageKind::kHeartbeat, heartbeat);
      continue;
    }
    peer.info_sent = checksum;
    ++counters.infos_sent;
    send(node, MessageKind::kUpdateInfo, full);
  }
}

Result<> Replica::Impl::on_heartbeat(const NodeId& from, BytesView payload) {
  wire::Reader in(payload);
  const std::uint64_t checksum = in.u64();
  Load theirs;
  for (std::uint32_t* part : {&theirs.queued, &theirs.running, &theirs.workers, &theirs.loop_lag_us}) *part = in.u32();
  // Nodes of versions without expireAfterSeconds do not say what time it is.
  const bool tells_time = !in.at_end();
  const std::int64_t theirs_ms = tells_time ? static_cast<std::int64_t>(in.u64()) : 0;
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "heartbeat: wrong length");
  if (tells_time) heard_clock(from, theirs_ms);
  Peer& peer = connected[from];
  const auto known = infos.find(from);
  if (known == infos.end() || peer.info_received != checksum) {
    send(from, MessageKind::kWantInfo, std::make_shared<const Bytes>());
    return {};
  }
  known->second.load = theirs;
  if (tells_time) known->second.wall_ms = theirs_ms;
  peer.heard_at = elapsed;
  check_divergence(from, peer, known->second);
  return {};
}

void Replica::Impl::tick() {
  seal();
  if (elapsed - last_gossip >= config.gossip_ms) {
    last_gossip = elapsed;
    collect_tombstones();
    propose_folds();
    log.want(std::max(store.database().bytes() / 4, config.log_bytes_min));
    gossip();
  }
  tree_tick();
  send_wants();
  watch_members();
  last_tick = elapsed;
  if (config.plant != Plant::kNoTimeouts) {
    holdback.drop_older_than(elapsed - config.holdback_ms_max);
    check_timeouts();
  }
  if (config.plant != Plant::kNeverPull) consider_pulls();
}

std::optional<std::string> Replica::Impl::overdue() const {
  if (holdback.oldest_since_ms() < last_tick - config.holdback_ms_max)
    return fmt::format("a batch is held back for longer than {} ms", config.holdback_ms_max);
  for (const auto& [node, peer] : connected) {
    if (peer.pull && last_tick - peer.pull->since >= config.pull_timeout_ms)
      return fmt::format("a pull from {} waits for longer than {} ms", node.short_hex(), config.pull_timeout_ms);
  }
  if (orphan && last_tick - orphan->since >= config.pull_timeout_ms)
    return fmt::format("states whose sender has gone are kept for longer than {} ms", config.pull_timeout_ms);
  return std::nullopt;
}

Result<> Replica::Impl::on_update_info(const NodeId& from, BytesView payload) {
  wire::Reader in(payload);
  DISTRI_TRY(UpdateInfo info, decode_update_info(in));
  info.vector.use_folds(folds);
  if (info.node != from) {
    return fail(Code::kProtocolError, "update info: it names node {}, but came from {}", info.node.short_hex(),
                from.short_hex());
  }
  Peer& peer = connected[from];
  const auto known = infos.find(from);
  const bool older = known != infos.end() && info.incarnation < known->second.incarnation;
  if (from == config.node || older) report_copy(from, info.incarnation);
  // Two lives that talk by turns are not mixed up: the newer one counts. But when the first word on a link is that of
  // the older one, the copy is gone and the original is back.
  if (from == config.node || (older && peer.announced)) return {};
  // What the copy has confirmed, the original need not hold.
  if (older) {
    acknowledged.erase(from);
    for (const auto& [dot, askers] : wanted) wants_to_send.push_back(dot);
  }
  if (info.vector.get(self) > own_counter()) report_duplicate_identity(from, info.vector.get(self));
  check_divergence(from, peer, info);
  peer.announced_at = peer.announced ? elapsed : kNever;
  peer.announced = info.vector;
  peer.info_received = checksum_of(info);
  peer.heard_at = elapsed;
  if (info.wall_ms) heard_clock(from, *info.wall_ms);
  const ActorId actor = info.actor;
  infos.insert_or_assign(from, std::move(info));
  resume_staging(from, peer, actor);
  if (config.plant != Plant::kNeverPull) consider_pulls();
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
  start_mending(from, differing);
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
  if (mine == theirs) return true;  // the usual case, and asked for every peer at every tick
  for (const auto& [actor, counter] : theirs.entries()) {
    if (actor != self && mine.get(actor) < counter) return false;
  }
  return true;
}

// An incarnation that goes back is no restart.
void Replica::Impl::report_copy(const NodeId& from, std::uint64_t incarnation) {
  Peer& peer = connected[from];
  if (elapsed - peer.last_duplicate_notice < kDuplicateNoticeEveryMs) return;
  peer.last_duplicate_notice = elapsed;
  notice(Notice::Kind::kDuplicateIdentity, from,
         fmt::format("a node with this identity runs as incarnation {} beside another: its data directory was copied",
                     incarnation));
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

void Replica::peer_connected(const NodeId& node, std::int64_t now_ms, bool trees) {
  Impl& impl = *impl_;
  impl.pass_time(now_ms);
  impl.seal();
  impl.connected.insert_or_assign(node, Impl::Peer{});
  impl.away.erase(node);
  impl.whole_since.reset();
  if (trees) impl.tree.peer_connected(node);
  impl.send_info(node, impl.connected[node]);
  // What was asked before it came.
  for (const auto& [dot, askers] : impl.wanted) impl.wants_to_send.push_back(dot);
}

void Replica::peer_disconnected(const NodeId& node) {
  Impl& impl = *impl_;
  impl.whole_since.reset();
  if (const auto found = impl.connected.find(node); found != impl.connected.end()) {
    impl.orphan_staging(node, found->second);
    if (found->second.announced) impl.away.insert_or_assign(node, Impl::Away{*found->second.announced, impl.elapsed});
    impl.connected.erase(found);
  }
  impl.tree.peer_disconnected(node);
  if (impl.mending && impl.mending->peer == node) impl.mending.reset();
  std::erase_if(impl.outgoing, [&node](const Outgoing& message) { return message.to == node; });
  if (impl.config.plant != Plant::kNeverPull) impl.consider_pulls();
}

void Replica::set_members(const std::vector<NodeId>& members, bool all_known) {
  Impl& impl = *impl_;
  const absl::btree_set<NodeId> known(members.begin(), members.end());
  const auto stranger = [&known](const auto& entry) { return !known.contains(entry.first); };
  std::vector<NodeId> refused;
  for (const auto& [node, peer] : impl.connected) {
    if (!known.contains(node)) refused.push_back(node);
  }
  for (const NodeId& node : refused) peer_disconnected(node);
  impl.keyed = true;
  impl.all_members_known = all_known;
  for (auto& [node, peer] : impl.connected) peer.agreed_at = kNever;
  absl::erase_if(impl.acknowledged, stranger);
  absl::erase_if(impl.away, stranger);
  absl::erase_if(impl.clocks, stranger);
  absl::erase_if(impl.infos, stranger);
  set_members(static_cast<std::uint32_t>(known.size()));
}

void Replica::peer_agrees(const NodeId& node, bool agrees) {
  const auto found = impl_->connected.find(node);
  if (found != impl_->connected.end()) found->second.agreed_at = agrees ? impl_->elapsed : kNever;
}

void Replica::announce_leaving(std::string_view reason) {
  impl_->seal();
  const auto payload = std::make_shared<const Bytes>(reason.substr(0, kLeavingTextBytesMax));
  for (const auto& [node, peer] : impl_->connected) impl_->send(node, MessageKind::kLeaving, payload);
}

}  // namespace distri::replication
