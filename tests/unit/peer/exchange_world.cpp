#include "exchange_world.hpp"

#include <algorithm>

namespace distri::peer::test {

namespace {

constexpr int kEventsInStep = 12;
constexpr std::int64_t kStepMsMax = 120;
constexpr std::size_t kRequestsMax = 14;
constexpr std::size_t kForgetful = 2;  // the node that comes back with nothing

constexpr std::size_t World::Counts::* kCounts[] = {
    &World::Counts::requests,   &World::Counts::crashes,     &World::Counts::kills,     &World::Counts::losses,
    &World::Counts::taken_back, &World::Counts::reported,    &World::Counts::directly,  &World::Counts::by_cloud,
    &World::Counts::online,     &World::Counts::from_escrow, &World::Counts::forgotten, &World::Counts::full,
};

}  // namespace

void World::Counts::add(const Counts& more) {
  for (std::size_t Counts::* each : kCounts) this->*each += more.*each;
}

std::string World::Counts::text() const {
  return fmt::format(
      "{} requests, {} views online, {} from escrow, {} crashes, {} full disks, {} nodes killed, {} of them with all "
      "they had, {} keys taken back, {} uses reported that were too many, {} put away; told {} times directly, {} to "
      "the "
      "cloud",
      requests, online, from_escrow, crashes, full, kills, losses, taken_back, reported, forgotten, directly, by_cloud);
}

World::World(Kind kind, std::uint64_t seed)
    : kind_(kind), random_(seed), tidy_(seed % 4 == 0), faults_(kind == Kind::kTrouble || kind == Kind::kOneNode) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].number = static_cast<int>(i);
  struct Cast {
    const char* user;
    std::set<std::string> files;
  };
  std::vector<Cast> cast = {{"ada", {"photo.png", "moon.png"}},
                            {"adam", {"photo.png"}},
                            {"bob", {}},
                            {"bob", {}},
                            {"beth", {}},
                            {"beth", {}},
                            {"bill", {}}};
  if (kind == Kind::kScript) cast = {{"ada", {}}, {"bob", {}}, {"adam", {}}, {"beth", {}}, {"bill", {}}};
  for (const Cast& each : cast) {
    if (kind == Kind::kAbsence && !peers_.empty() && peers_.back()->user() == each.user) continue;
    const std::size_t number = peers_.size() + 1;
    peers_.push_back(std::make_unique<SimulatedPeer>(*this, each.user, number, each.files));
    peers_.back()->node = kind == Kind::kTrouble || kind == Kind::kScript ? number % nodes_.size() : 0;
  }
}

// ---- What happens

void World::step() {
  now_ms_ += static_cast<std::int64_t>(random_.below(kStepMsMax));
  trouble();
  for (int i = 0; i < kEventsInStep && !events_.empty(); ++i) deliver();
  for (const auto& peer : peers_) {
    if (!peer->up()) continue;
    peer->tick();
    if (chance(0.3)) peer->hear();
  }
  SimulatedPeer& peer = *peers_[random_.below(peers_.size())];
  if (peer.up()) act(peer);
}

void World::trouble() {
  SimulatedPeer& peer = *peers_[random_.below(peers_.size())];
  if (chance(0.03)) peer.online = !peer.online;
  if (chance(0.01)) links_cut_ = !links_cut_;
  if (kind_ == Kind::kAbsence) return;
  if (!peer.up() && chance(0.15)) {
    peer.start();
  } else if (peer.up() && chance(0.005)) {
    crash(peer);
  }
  if (kind_ == Kind::kOneNode) return;
  if (chance(0.02)) peer.node = random_.below(nodes_.size());
  if (chance(0.02)) {
    for (std::uint64_t& side : side_) side = random_.below(2);
  }
  if (chance(0.02)) {
    const std::size_t node = random_.below(nodes_.size());
    node_up_[node] ? kill(node, node == kForgetful) : revive(node);
  }
  if (chance(0.3)) heal(false);
}

void World::kill(std::size_t node, bool loses_all) {
  node_up_[node] = false;
  ++counts_.kills;
  if (!loses_all) return;
  ++counts_.losses;
  const auto only_here = [&](const std::string& id, const auto& document, auto collection) {
    return std::ranges::none_of(nodes_, [&](const CloudNode& other) {
      const auto& documents = (other.*collection).documents;
      const auto found = documents.find(id);
      return other.number != nodes_[node].number && found != documents.end() &&
             found->second.present == document.present && found->second.written >= document.written;
    });
  };
  for (const auto& [id, key] : nodes_[node].view_keys.documents) {
    if (!key.present && only_here(id, key, &CloudNode::view_keys)) lost_.emplace(key.record.grant, key.record.serial);
  }
  for (const auto& [id, receipt] : nodes_[node].receipts.documents) {
    if (receipt.present && only_here(id, receipt, &CloudNode::receipts)) {
      lost_.emplace(receipt.record.grant, receipt.record.serial);
    }
  }
  CloudNode anew;
  anew.number = nodes_[node].number + static_cast<int>(nodes_.size());
  nodes_[node] = std::move(anew);
}

void World::heal(bool all) {
  for (std::size_t one = 0; one < nodes_.size(); ++one) {
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
      const bool linked = node_up_[one] && node_up_[other] && side_[one] == side_[other];
      if (linked && (all || chance(0.5))) nodes_[one].merge(nodes_[other]);
    }
  }
}

void World::crash(SimulatedPeer& peer) {
  ++counts_.crashes;
  peer.crash();
  if (chance(0.7)) peer.start();
}

void World::deliver() {
  const std::size_t at = !faults_ || chance(0.7) ? 0 : random_.below(std::min<std::size_t>(events_.size(), 20));
  const auto event = std::move(events_[at]);
  events_.erase(events_.begin() + static_cast<std::ptrdiff_t>(at));
  event();
}

void World::settle() {
  faults_ = false;
  node_up_.fill(true);
  side_.fill(0);
  links_cut_ = false;
  constexpr int kSeconds = 150;
  for (int second = 0; second < kSeconds; ++second) {
    for (const auto& peer : peers_) {
      peer->online = true;
      if (!peer->up()) peer->start();
      for (const GrantId& id : ids_of(*peer, true)) {
        // Nobody waits for ever.
        const bool waits = peer->agent().books().ledger.find(id)->state() == Entry::State::kWaiting;
        if (waits && second > kSeconds / 3) peer->refuse(id);
      }
      // Else only a comparison tells what became of the key.
      for (const GrantId& id : ids_of(*peer, false)) {
        if (kind_ == Kind::kAbsence && peer->agent().begun(id)) peer->view_from_escrow(id);
      }
    }
    pass(1);
  }
}

void World::pass(int seconds) {
  for (int second = 0; second < seconds; ++second) {
    now_ms_ += 1'000;
    heal(true);
    for (const auto& peer : peers_) {
      if (!peer->up()) continue;
      peer->tick();
      while (peer->hear()) continue;
    }
    while (!events_.empty()) deliver();
  }
}

// ---- Calls

CloudNode* World::node_of(SimulatedPeer& peer) {
  for (std::size_t i = 0; i < nodes_.size() && !node_up_[peer.node]; ++i) peer.node = (peer.node + 1) % nodes_.size();
  return node_up_[peer.node] ? &nodes_[peer.node] : nullptr;
}

// Whoever is there and has the key, of his devices any one.
SimulatedPeer* World::reached(const SimulatedPeer& from, const std::vector<Address>& at, const PublicKey& who) {
  std::vector<SimulatedPeer*> there;
  for (const auto& each : peers_) {
    const bool listens = each->up() && each->online && each->agent().self() == who && each.get() != &from;
    if (listens && std::ranges::find(at, each->address()) != at.end()) there.push_back(each.get());
  }
  return there.empty() || !from.online || links_cut_ ? nullptr : there[random_.below(there.size())];
}

void World::call_peer(SimulatedPeer& from, const std::vector<Address>& at, const PublicKey& who, Service service,
                      SimulatedPeer::Reply then) {
  const auto call = std::make_shared<Call>(*this, from, std::move(then));
  const bool lost = strikes(0.1);
  const bool twice = strikes(0.1);
  const bool answer_lost = strikes(0.1);
  later([this, &from, at, who, service = std::move(service), call, lost, twice, answer_lost] {
    SimulatedPeer* peer = reached(from, at, who);
    if (peer == nullptr || lost) return call->end(fail(Code::kUnavailable, "he is not there"));
    service(*peer, [call, answer_lost](Result<Bytes> answer) {
      call->end(answer_lost ? fail(Code::kDeadlineExceeded, "the answer was lost") : std::move(answer));
    });
    if (!twice) return;
    later([this, &from, at, who, service] {
      if (SimulatedPeer* again = reached(from, at, who)) service(*again, [](const Result<Bytes>&) {});
    });
  });
}

bool World::write(CloudNode& node, const Errand& errand, const PublicKey& self) {
  if (const auto* key = std::get_if<TakeOut>(&errand.what)) return node.take_back(self, *key);
  return std::visit(
      [&](const auto& record) {
        if constexpr (requires { node.put(record); }) {
          return node.put(record);
        } else {
          return false;
        }
      },
      errand.what);
}

// ---- What users do

std::vector<GrantId> World::ids_of(const SimulatedPeer& peer, bool owner) {
  std::vector<GrantId> ids;
  const PeerBooks& books = peer.agent().books();
  if (owner) {
    for (const auto& [id, entry] : books.ledger.entries()) ids.push_back(id);
  } else {
    for (const auto& [id, holding] : books.holdings.all()) ids.push_back(id);
  }
  return ids;
}

void World::act(SimulatedPeer& peer) {
  const bool owner = !peer.files.empty() && chance(0.6);
  const auto ids = ids_of(peer, owner);
  if (!owner && chance(0.03) && counts_.requests < kRequestsMax) {
    const auto& of = *peers_[random_.below(2)];
    if (of.user() == peer.user()) return;
    ++counts_.requests;
    return peer.request(id_of(of.user()), chance(0.9) ? "photo.png" : "moon.png");
  }
  if (ids.empty()) return;
  const GrantId id = ids[random_.below(ids.size())];
  owner ? act_as_owner(peer, id) : act_as_viewer(peer, id);
}

void World::act_as_owner(SimulatedPeer& peer, const GrantId& id) {
  const auto number = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random_.below(bound)); };
  switch (random_.below(8)) {
    case 0:
    case 1:
    case 2:
      return peer.approve(id, 1 + number(12));
    case 3:
      if (chance(0.1)) peer.refuse(id);
      return;
    case 4:
      if (chance(0.3)) peer.change_views(id, number(30));
      return;
    case 5:
      if (chance(0.03)) peer.revoke(id);
      return;
    case 6:
      if (tidy_) peer.forget(id);
      return;
    default:
      if (!chance(0.05)) return;
      if (peer.files.erase("moon.png") == 0) peer.files.insert("moon.png");
      return peer.publish();
  }
}

void World::act_as_viewer(SimulatedPeer& peer, const GrantId& id) {
  switch (random_.below(8)) {
    case 0:
      if (chance(0.05)) peer.withdraw(id);
      return;
    case 1:
      if (tidy_) peer.forget(id);
      return;
    case 2:
    case 3:
      return peer.view_online(id);
    default:
      return peer.view_from_escrow(id);
  }
}

// ---- What was heard of

void World::note(const SimulatedPeer& peer, const Change& change) {
  for (const std::string& text : change.troubles) FAIL(peer.user() << ": " << text);
}

void World::note(const std::vector<PeerEvent>& events) {
  for (const PeerEvent& event : events) {
    if (event.kind == PeerEvent::Kind::kDoubleUse || event.kind == PeerEvent::Kind::kUsedAfterTakenBack) {
      ++counts_.reported;
    }
  }
}

std::size_t World::views_of(const GrantId& id) const {
  std::size_t views = 0;
  for (const auto& [view, times] : shown_) views += std::get<0>(view) == id ? static_cast<std::size_t>(times) : 0;
  return views;
}

void World::shown(const SimulatedPeer& peer, const GrantId& id, std::uint32_t serial, bool from_escrow) {
  ++(from_escrow ? counts_.from_escrow : counts_.online);
  ++shown_[{id, serial, peer.device()}];
}

}  // namespace distri::peer::test
