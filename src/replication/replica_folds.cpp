#include <algorithm>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

// Folded in one go, so that a batch of folds stays small.
constexpr std::size_t kFoldsMax = 64;

}  // namespace

void Replica::Impl::apply_fold(const Op& op, const Dot& dot) {
  const Fold fold{op.folded.counter, dot};
  learn_fold(op.folded.actor, fold);
  const std::vector<ActorId> changed = folds->shorten(op.folded.actor, fold);
  folds_to_journal.insert(folds_to_journal.end(), changed.begin(), changed.end());
  idle.erase(op.folded.actor);
}

void Replica::Impl::learn_fold(const ActorId& actor, const Fold& fold) {
  if (folds->add(actor, fold)) folds_to_journal.push_back(actor);
}

// The connected node with the smallest id says it, so that it is said once. Nothing breaks when two do.
void Replica::Impl::propose_folds() {
  if (refusing() || staging() || !all_members_known || connected.size() + 1 < config.members) return;
  for (const auto& [node, peer] : connected) {
    if (node < config.node || !peer.announced) {
      idle.clear();
      return;
    }
  }
  absl::btree_map<ActorId, Idle> still;
  std::vector<Dot> ripe;
  for (const auto& [actor, counter] : vector.entries()) {
    const bool alive = actor == self || std::any_of(connected.begin(), connected.end(), [&](const auto& entry) {
                         const auto info = infos.find(entry.first);
                         return info != infos.end() && info->second.actor == actor;
                       });
    const bool same = std::all_of(connected.begin(), connected.end(),
                                  [&](const auto& entry) { return entry.second.announced->get(actor) == counter; });
    if (alive || !same) continue;
    const auto before = idle.find(actor);
    const Elapsed since = before != idle.end() && before->second.counter == counter ? before->second.since : elapsed;
    still.emplace(actor, Idle{counter, since});
    if (elapsed - since >= config.fold_after_ms && ripe.size() < kFoldsMax) ripe.push_back({actor, counter});
  }
  idle = std::move(still);
  for (const Dot& last : ripe) {
    Op op;
    op.kind = OpKind::kFold;
    op.folded = last;
    auto stamp = next_stamp({}, wall_ms);
    if (!stamp) return;
    op.stamp = *stamp;
    if (!write(std::move(op))) return;
  }
}

}  // namespace distri::replication
