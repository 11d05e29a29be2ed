#include <algorithm>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

// ---- What may be shown.

const VersionVector& Replica::Impl::durable() const {
  return config.journal ? durable_vector : vector;
}

const VersionVector& Replica::durable() const {
  return impl_->config.plant == Plant::kShowUndurable ? impl_->vector : impl_->durable();
}

std::uint64_t Replica::undurable() const {
  return impl_->store.undurable().newest();
}

std::uint64_t Replica::undurable(std::string_view collection) const {
  return impl_->store.undurable().newest(collection);
}

std::uint64_t Replica::undurable(std::string_view collection, std::string_view key) const {
  return impl_->store.undurable().newest(collection, key);
}

std::uint64_t Replica::durable_commit() const {
  return impl_->durable_commit;
}

const Error* Replica::refusal() const {
  return impl_->refusal ? &*impl_->refusal : nullptr;
}

// ---- What is gone.

void Replica::Impl::watch_members() {
  if (config.plant == Plant::kLostTooEarly) {
    whole_since = kNever;
    return;
  }
  const bool whole = connected.size() + 1 >= config.members && away.empty() && all_members_known && !staging() &&
                     !orphan && std::all_of(connected.begin(), connected.end(), [](const auto& entry) {
                       return entry.second.announced.has_value();
                     });
  if (!whole) {
    whole_since.reset();
  } else if (!whole_since) {
    whole_since = elapsed;
  }
}

// The life that made it ended before whole_since: its node has come back as another, or is no member. Somebody may have
// had its batch by then without having announced it, held back for something else, at most holdback_ms_max. So each
// member must have been heard after that. Of a node alone nobody else can have anything.
//
// Where members are let in and removed at run time, this node may not have heard of one yet, who may have it. Whoever
// was let in before whole_since is in the table of the member that let it in; so each must have said, after the same
// time, that its table is ours; or who let it in was removed since, and the removal says whom it keeps
// (all_members_known). Whoever is let in later has what it has from members that are connected here.
std::optional<std::uint64_t> Replica::newest_before_lost(const Dot& dot) const {
  const Impl& impl = *impl_;
  std::uint64_t newest = impl.vector.get(dot.actor);
  if (!impl.whole_since || newest >= dot.counter || dot.actor == impl.self) return std::nullopt;
  const Elapsed settled = *impl.whole_since + impl.config.holdback_ms_max + 2 * impl.config.gossip_ms;
  if (impl.connected.empty() && impl.holdback.size() > 0 && impl.elapsed < settled) return std::nullopt;
  for (const auto& [node, peer] : impl.connected) {
    const auto info = impl.infos.find(node);
    if (info == impl.infos.end() || info->second.actor == dot.actor || peer.heard_at < settled) return std::nullopt;
    if (impl.keyed && peer.agreed_at < settled) return std::nullopt;
    newest = std::max(newest, peer.announced->get(dot.actor));
  }
  if (newest >= dot.counter) return std::nullopt;
  return newest;
}

}  // namespace distri::replication
