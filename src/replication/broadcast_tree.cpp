#include "distri/replication/broadcast_tree.hpp"

#include <algorithm>
#include <bit>
#include <functional>

#include "distri/utils/hash.hpp"

namespace distri::replication {

namespace {

constexpr std::size_t kDegreeMin = 4;

// The same at both ends.
std::uint64_t score(const NodeId& a, const NodeId& b) {
  Bytes pair(std::min(a, b).view());
  pair += std::max(a, b).view();
  return checksum_64(pair);
}

}  // namespace

// ---- Who is there.

std::size_t BroadcastTree::degree(std::size_t nodes) {
  const auto log2 = static_cast<std::size_t>(std::bit_width(std::max<std::size_t>(1, nodes))) - 1;
  return std::max(kDegreeMin, log2 - std::min<std::size_t>(log2, 1));
}

void BroadcastTree::peer_connected(const NodeId& peer) {
  peer_disconnected(peer);  // what an earlier link knew
  peers_.insert(peer);
  stale_ = true;
}

void BroadcastTree::peer_disconnected(const NodeId& peer) {
  peers_.erase(peer);
  refused_.erase(peer);
  drop(peer);
}

void BroadcastTree::set_active(bool active) {
  if (active == active_) return;
  active_ = active;
  stale_ = true;
}

void BroadcastTree::drop(const NodeId& node) {
  neighbours_.erase(node);
  stale_ = true;
}

std::vector<NodeId> BroadcastTree::best_peers(Elapsed now) {
  std::vector<std::pair<std::uint64_t, NodeId>> scores;
  if (!active_) return {};
  absl::erase_if(refused_, [now](const auto& entry) { return now - entry.second >= kRefusedMs; });
  for (const NodeId& peer : peers_) {
    if (!refused_.contains(peer)) scores.emplace_back(score(self_, peer), peer);
  }
  const std::size_t count = std::min(degree(peers_.size() + 1), scores.size());
  const auto end = scores.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(scores.begin(), end, scores.end(), std::greater<>());
  std::vector<NodeId> best;
  for (auto at = scores.begin(); at != end; ++at) best.push_back(at->second);
  return best;
}

void BroadcastTree::choose(Elapsed now) {
  if (!stale_) return;
  stale_ = false;
  const std::vector<NodeId> best = best_peers(now);
  for (const NodeId& peer : best) {
    Neighbour* chosen = neighbour(peer);
    if (chosen == nullptr && neighbours_.size() < kNeighboursMax) chosen = &neighbours_[peer];
    if (chosen == nullptr || chosen->chosen) continue;
    chosen->chosen = true;
    send_graft(peer, *chosen, {});
  }
  for (auto at = neighbours_.begin(); at != neighbours_.end();) {
    auto& [peer, released] = *at;
    const bool keep = !released.chosen || std::find(best.begin(), best.end(), peer) != best.end();
    if (!keep) send_prune(peer, PruneReason::kReleased);
    if (!keep) released.chosen = false;
    at = released.chosen || released.chose_us ? std::next(at) : neighbours_.erase(at);
  }
}

BroadcastTree::Neighbour* BroadcastTree::neighbour(const NodeId& node) {
  const auto found = neighbours_.find(node);
  return found == neighbours_.end() ? nullptr : &found->second;
}

BroadcastTree::Neighbour* BroadcastTree::adopt(const NodeId& node) {
  if (Neighbour* known = neighbour(node)) return known;
  if (!peers_.contains(node)) return nullptr;
  if (neighbours_.size() >= kNeighboursMax) {
    send_prune(node, PruneReason::kRefused);
    return nullptr;
  }
  Neighbour& adopted = neighbours_[node];
  adopted.chose_us = true;
  return &adopted;
}

// ---- What neighbours hold.

void BroadcastTree::settle(Neighbour& neighbour, const Dot& dot) {
  if (neighbour.settled.size() >= kSettledMax) neighbour.settled.clear();  // some will be told what they know
  std::uint64_t& counter = neighbour.settled[dot.actor];
  counter = std::max(counter, dot.counter);
}

bool BroadcastTree::is_settled(const Neighbour& neighbour, const Dot& dot) {
  const auto found = neighbour.settled.find(dot.actor);
  return found != neighbour.settled.end() && found->second >= dot.counter;
}

void BroadcastTree::tell(Neighbour& neighbour, const Dot& dot, Elapsed since) {
  const auto found = neighbour.told.find(dot.actor);
  if (found != neighbour.told.end()) {
    found->second.counter = std::max(found->second.counter, dot.counter);
    found->second.since = std::min(found->second.since, since);
  } else if (neighbour.told.size() < kToldMax) {
    neighbour.told.emplace(dot.actor, Told{dot.counter, since});
  }
}

// ---- Batches.

void BroadcastTree::heard(const Dot& last, bool by_tree, Elapsed now) {
  const bool smaller = last.actor < reference_.actor || now - reference_.heard_at >= kReferenceMs;
  if (last.actor != reference_.actor && !smaller) return;
  if (last.actor != reference_.actor) reference_ = {last.actor, now, {}};
  reference_.heard_at = now;
  reference_.arrivals.push_back({last.counter, by_tree});
  if (reference_.arrivals.size() > kArrivalsMax) reference_.arrivals.pop_front();
}

bool BroadcastTree::came_by_tree(const Dot& last) const {
  return last.actor == reference_.actor &&
         std::any_of(reference_.arrivals.rbegin(), reference_.arrivals.rend(),
                     [&last](const Arrival& arrival) { return arrival.counter == last.counter && arrival.by_tree; });
}

BroadcastTree::Relay BroadcastTree::applied(const Dot& last, const std::optional<NodeId>& from, int hops, Elapsed now) {
  choose(now);
  Relay relay;
  bool by_tree = !from;
  if (from) {
    Neighbour* sender = hops > kAskedFor ? adopt(*from) : neighbour(*from);
    if (sender != nullptr) settle(*sender, last);
    if (sender != nullptr && hops > kAskedFor) by_tree = pushes(*sender, now);
  }
  if (neighbours_.empty()) return relay;
  if (hops > kAskedFor || !from) heard(last, by_tree, now);
  if (fresh_.size() < kTreeActorsMax || fresh_.contains(last.actor)) fresh_[last.actor] = last.counter;
  if (from && hops == kNotByTree) return relay;
  if (by_tree) relay.hops = std::max(hops, 0) + 1;
  for (auto& [node, neighbour] : neighbours_) {
    if (!neighbour.eager || is_settled(neighbour, last)) continue;
    settle(neighbour, last);
    relay.to.push_back(node);
  }
  return relay;
}

// Something new came from that neighbour: the link is one of the tree, unless it was pruned while this was on its way.
bool BroadcastTree::pushes(Neighbour& neighbour, Elapsed now) {
  if (now - neighbour.pruned_at >= kPruneAgainMs) neighbour.eager = true;
  return neighbour.eager;
}

void BroadcastTree::pushed_to_all(const Dot& last) {
  for (auto& [node, neighbour] : neighbours_) settle(neighbour, last);
}

void BroadcastTree::came_early(const NodeId& from, const Batch& batch, int hops, const VersionVector& vector,
                               Elapsed now) {
  Neighbour* sender = hops > kAskedFor ? adopt(from) : neighbour(from);
  if (sender == nullptr) return;
  if (hops > kAskedFor) pushes(*sender, now);
  settle(*sender, {batch.actor, batch.last_counter()});
  const Dot previous{batch.actor, batch.first_counter - 1};
  if (previous.counter > 0 && !vector.covers(previous)) tell(*sender, previous, now - kGraftAfterMs);
  for (const auto& [actor, counter] : batch.before.entries()) {
    if (vector.get(actor) < counter) tell(*sender, {actor, counter}, now - kGraftAfterMs);
  }
}

void BroadcastTree::came_again(const NodeId& from, const Dot& last, int hops, Elapsed now) {
  Neighbour* sender = hops > kAskedFor ? adopt(from) : neighbour(from);
  if (sender == nullptr) return;
  settle(*sender, last);
  if (hops <= kAskedFor || !came_by_tree(last) || now - sender->pruned_at < kPruneAgainMs) return;
  if (sender->eager && eager_count() == 1) return;
  sender->eager = false;
  sender->pruned_at = now;
  send_prune(from, PruneReason::kRedundant);
}

// ---- Messages.

void BroadcastTree::on_have(const NodeId& from, const std::vector<Dot>& held, const VersionVector& vector,
                            Elapsed now) {
  Neighbour* sender = adopt(from);
  if (sender == nullptr) return;
  for (const Dot& dot : held) {
    // Only of actors that exist here: others cannot fill it.
    if (vector.get(dot.actor) > 0) settle(*sender, dot);
    if (!vector.covers(dot)) tell(*sender, dot, now);
  }
}

void BroadcastTree::on_graft(const NodeId& from, const Graft& graft) {
  Neighbour* sender = adopt(from);
  if (sender == nullptr) return;
  sender->chose_us = graft.chosen;
  sender->eager = true;
  if (!sender->chosen && !sender->chose_us) sender->chose_us = true;  // it takes us for one
}

void BroadcastTree::on_prune(const NodeId& from, PruneReason reason, Elapsed now) {
  Neighbour* sender = neighbour(from);
  if (sender == nullptr) return;
  switch (reason) {
    case PruneReason::kRedundant:
      sender->eager = false;
      return;
    case PruneReason::kReleased:
      sender->chose_us = false;
      if (!sender->chosen) drop(from);
      return;
    case PruneReason::kRefused:
      refused_[from] = now;
      drop(from);
      return;
  }
}

// ---- Time.

void BroadcastTree::tick(const VersionVector& vector, const Holdback& holdback, Elapsed now) {
  choose(now);
  if (neighbours_.empty()) {
    fresh_.clear();
    return;
  }
  keep_one_eager();
  announce();
  ask(vector, holdback, now);
}

std::size_t BroadcastTree::eager_count() const {
  return static_cast<std::size_t>(
      std::count_if(neighbours_.begin(), neighbours_.end(), [](const auto& entry) { return entry.second.eager; }));
}

// The links to the tree are gone: another one, before somebody has to announce what we lack.
void BroadcastTree::keep_one_eager() {
  if (eager_count() > 0) return;
  auto& [node, first] = *neighbours_.begin();
  send_graft(node, first, {});
}

void BroadcastTree::announce() {
  for (auto& [node, neighbour] : neighbours_) {
    std::vector<Dot> news;
    for (const auto& [actor, counter] : fresh_) {
      const Dot dot{actor, counter};
      if (is_settled(neighbour, dot)) continue;
      settle(neighbour, dot);
      news.push_back(dot);
    }
    if (news.empty() || plant_ == Plant::kNeverAnnounce) continue;
    Bytes payload;
    wire::Writer out(payload);
    encode_have(out, news);
    outgoing_.push_back({node, MessageKind::kHave, std::move(payload)});
  }
  fresh_.clear();
}

// Of everything that was announced long enough ago and has not come, the neighbour that said it first. It is asked
// once: when that brings nothing the next one is, and in the end gossip shows what is missing.
void BroadcastTree::ask(const VersionVector& vector, const Holdback& holdback, Elapsed now) {
  absl::erase_if(asked_, [now](const auto& entry) { return now - entry.second >= kGraftAgainMs; });
  struct Offer {
    NodeId node;
    Told told;
  };
  absl::btree_map<ActorId, Offer> offers;
  for (auto& [node, neighbour] : neighbours_) {
    absl::erase_if(neighbour.told, [&](const auto& entry) { return vector.get(entry.first) >= entry.second.counter; });
    for (const auto& [actor, told] : neighbour.told) {
      if (now - told.since < kGraftAfterMs || asked_.contains(actor)) continue;
      const auto [offer, first] = offers.try_emplace(actor, Offer{node, told});
      if (!first && told.since < offer->second.told.since) offer->second = {node, told};
    }
  }
  absl::btree_map<NodeId, std::vector<Graft::Stretch>> wanted;
  for (const auto& [actor, offer] : offers) {
    neighbours_[offer.node].told.erase(actor);
    const auto gap = holdback.gap(actor, vector.get(actor), offer.told.counter);
    if (!gap) continue;  // it is here, and waits for writes of others
    asked_[actor] = now;
    wanted[offer.node].push_back({actor, gap->first, gap->second});
  }
  for (auto& [node, stretches] : wanted) {
    if (stretches.size() > kTreeActorsMax) stretches.resize(kTreeActorsMax);
    send_graft(node, neighbours_[node], std::move(stretches));
  }
}

void BroadcastTree::send_graft(const NodeId& to, Neighbour& neighbour, std::vector<Graft::Stretch> wanted) {
  neighbour.eager = true;
  Bytes payload;
  wire::Writer out(payload);
  encode(out, Graft{neighbour.chosen, std::move(wanted)});
  outgoing_.push_back({to, MessageKind::kGraft, std::move(payload)});
}

void BroadcastTree::send_prune(const NodeId& to, PruneReason reason) {
  outgoing_.push_back({to, MessageKind::kPrune, encode_prune(reason)});
}

std::vector<NodeId> BroadcastTree::eager() const {
  std::vector<NodeId> result;
  for (const auto& [node, neighbour] : neighbours_) {
    if (neighbour.eager) result.push_back(node);
  }
  return result;
}

std::vector<NodeId> BroadcastTree::lazy() const {
  std::vector<NodeId> result;
  for (const auto& [node, neighbour] : neighbours_) {
    if (!neighbour.eager) result.push_back(node);
  }
  return result;
}

std::size_t BroadcastTree::told() const {
  std::size_t sum = 0;
  for (const auto& [node, neighbour] : neighbours_) sum += neighbour.told.size();
  return sum;
}

}  // namespace distri::replication
