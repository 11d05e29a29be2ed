// What is promised of the simulated world: at every moment, and in the end.
#include <algorithm>

#include "exchange_world.hpp"

namespace distri::peer::test {

// ---- What is said is on the disk

void World::check_said(const SimulatedPeer& peer, const Errand& errand) {
  ++(errand.directly() ? counts_.directly : counts_.by_cloud);
  const SimulatedDisk& disk = peer.disk();
  const auto issue_of = [&](const GrantId& id, std::uint32_t serial) {
    const Entry* entry = disk.entry(id);
    REQUIRE(entry != nullptr);
    REQUIRE(serial <= entry->issues.size());
    return entry->issues[serial - 1];
  };
  if (const auto* request = std::get_if<Request>(&errand.what)) {
    const Holding* holding = disk.holding(request->id);
    REQUIRE(holding != nullptr);
    REQUIRE((holding->request == *request || supersedes(holding->request, *request)));
    made_[request->id] = request->to == id_of("ada") ? "ada" : "adam";
  } else if (const auto* grant = std::get_if<Grant>(&errand.what)) {
    check_answer(peer, *grant);
  } else if (const auto* placed = std::get_if<ViewKey>(&errand.what)) {
    REQUIRE(issue_of(placed->grant, placed->serial).kind == Issue::Kind::kPlacing);
  } else if (const auto* out = std::get_if<TakeOut>(&errand.what)) {
    const Issue issue = issue_of(out->place.first, out->place.second);
    // Or it is not known whether it is there.
    REQUIRE((issue.comes_back() || issue.kind == Issue::Kind::kPlacing || issue.used()));
  } else if (const auto* receipt = std::get_if<Receipt>(&errand.what)) {
    const Holding* holding = disk.holding(receipt->grant);
    REQUIRE(holding != nullptr);
    REQUIRE(receipt->withdrawn);
    REQUIRE(holding->used.contains(receipt->serial));
  }
}

void World::check_answer(const SimulatedPeer& peer, const Grant& grant) {
  const Entry* entry = peer.disk().entry(grant.id);
  REQUIRE(entry != nullptr);
  REQUIRE(entry->grant);
  REQUIRE((*entry->grant == grant || entry->grant->version > grant.version));
  const auto [known, fresh] = answers_.emplace(std::pair(grant.id, grant.version), grant);
  REQUIRE(known->second == grant);  // one version is one answer, for good
  most_views_[grant.id] = std::max(most_views_[grant.id], grant.views);
}

void World::check_asked(const SimulatedPeer& peer, const GrantId& id, const ViewId& view) const {
  const Holding* holding = peer.disk().holding(id);
  REQUIRE(holding != nullptr);
  REQUIRE(holding->ask);
  REQUIRE(holding->ask->view == view);
}

void World::check_given(const SimulatedPeer& peer, const GrantId& id, const ViewId& view) {
  const Entry* entry = peer.disk().entry(id);
  REQUIRE(entry != nullptr);
  REQUIRE(entry->serial_of_view.contains(view));
}

void World::check_receipt(const SimulatedPeer& peer, const Receipt& receipt) const {
  const Holding* holding = peer.disk().holding(receipt.grant);
  REQUIRE(holding != nullptr);
  REQUIRE(holding->taking);
  REQUIRE(holding->taking->serial == receipt.serial);
}

// ---- In the end

void World::check() const {
  for (const CloudNode& node : nodes_) REQUIRE(node.holds_the_same(nodes_[0]));
  for (const auto& peer : peers_) {
    CAPTURE(peer->user());
    REQUIRE(peer->is_idle());
    REQUIRE(peer->agent().untold() == 0);
    for (const auto& [id, pause] : peer->agent().pictures_due()) REQUIRE(is_put_away(id));
    REQUIRE_FALSE(peer->agent().is_cloud_away());
  }
  check_users();
  check_requests();
  check_views();
}

// By anybody: who has put it away does not say again how it has ended, though nodes may have lost that.
bool World::is_put_away(const GrantId& id) const {
  return std::ranges::any_of(peers_, [&](const auto& peer) {
    const PeerBooks& books = peer->agent().books();
    return books.ledger.is_forgotten(id) || books.holdings.is_forgotten(id);
  });
}

const SimulatedPeer& World::owner_of(const GrantId& id) const {
  return **std::ranges::find_if(peers_, [&](const auto& peer) { return peer->user() == made_.at(id); });
}

void World::check_users() const {
  for (const auto& peer : peers_) {
    const Agent& agent = peer->agent();
    const User* record = nodes_[0].users.find(agent.self().hex());
    REQUIRE(record != nullptr);
    REQUIRE(*record == *agent.user());
    REQUIRE(std::ranges::count(record->addresses, peer->address()) == 1);
    std::set<std::string> offered;
    for (const auto& [name, entry] : agent.offers()) {
      const CatalogEntry* there = nodes_[0].catalog.find(document_id(entry));
      REQUIRE(there != nullptr);
      REQUIRE(*there == entry);
      if (!entry.gone) offered.insert(name);
    }
    REQUIRE(offered == peer->files);
    for (const auto& other : peers_) {
      if (other->user() == peer->user()) continue;
      REQUIRE(other->agent().addresses_of(agent.self()) == record->addresses);
      REQUIRE(other->agent().name_of(agent.self()) == peer->user());
      for (const auto& [name, entry] : agent.offers()) {
        REQUIRE(other->agent().catalog().at({agent.self(), name}) == entry);
      }
    }
  }
}

// No request is lost, or answered twice; and all say the same of it.
void World::check_requests() const {
  for (const auto& [id, to] : made_) {
    const auto has_it = [&](const auto& peer) {
      const Holdings& holdings = peer->agent().books().holdings;
      return holdings.find(id) != nullptr || holdings.is_forgotten(id);
    };
    REQUIRE(std::ranges::any_of(peers_, has_it));
  }
  for (const auto& peer : peers_) {
    for (const auto& [id, holding] : peer->agent().books().holdings.all()) check_one(*peer, holding);
    for (const auto& [id, entry] : peer->agent().books().ledger.entries()) check_escrow(*peer, entry);
  }
}

void World::check_one(const SimulatedPeer& device, const Holding& holding) const {
  const GrantId& id = holding.request.id;
  if (is_put_away(id)) return;
  const Request* request = nodes_[0].requests.find(document_id(holding.request));
  REQUIRE(request != nullptr);
  REQUIRE(*request == holding.request);
  const Ledger& ledger = owner_of(id).agent().books().ledger;
  const Entry* entry = ledger.find(id);
  if (entry == nullptr) {
    REQUIRE(request->withdrawn);  // before its owner heard of it
    return;
  }
  REQUIRE(entry->request == *request);
  REQUIRE(entry->state() != Entry::State::kWaiting);
  REQUIRE(state_name(holding.state()) == state_name(entry->state()));
  REQUIRE(holding.grant == entry->grant);
  for (const auto& other : peers_) {
    if (other->user() != device.user()) continue;
    const Holdings& holdings = other->agent().books().holdings;
    REQUIRE((holdings.find(id) != nullptr || request->withdrawn));
  }
}

// The keys that lie in the cloud are those of the book, and as many as there should be.
void World::check_escrow(const SimulatedPeer& owner, const Entry& entry) const {
  const GrantId& id = entry.request.id;
  if (entry.grant) {
    const Grant* grant = nodes_[0].grants.find(document_id(*entry.grant));
    REQUIRE(grant != nullptr);
    REQUIRE(*grant == *entry.grant);
  }
  std::set<std::uint32_t> in_book, there;
  for (std::size_t place = 0; place < entry.issues.size(); ++place) {
    const Issue& issue = entry.issues[place];
    REQUIRE(issue.kind != Issue::Kind::kPlacing);
    REQUIRE_FALSE(issue.comes_back());
    if (issue.in_cloud()) in_book.insert(static_cast<std::uint32_t>(place + 1));
  }
  for (const ViewKey& each : nodes_[0].view_keys.read([&](const ViewKey& key) { return key.grant == id; })) {
    REQUIRE(each.owner == owner.agent().self());
    there.insert(each.serial);
  }
  REQUIRE(in_book == there);
  if (entry.state() != Entry::State::kGranted) {
    REQUIRE(there.empty());
  } else {
    REQUIRE((there.size() == 2 || entry.remaining() == 0));
  }
}

void World::check_views() const {
  std::map<KeyPlace, std::uint32_t> shown;
  for (const auto& [view, times] : shown_) {
    REQUIRE(times == 1);  // on one device
    ++shown[{std::get<0>(view), std::get<1>(view)}];
  }
  std::map<GrantId, std::uint32_t> in_all;
  for (const auto& [view, times] : shown) {
    const auto& [id, serial] = view;
    in_all[id] += times;
    const Entry* entry = owner_of(id).agent().books().ledger.find(id);
    if (entry == nullptr || lost_.contains(view)) continue;  // put away; or nobody can know
    const Issue& issue = entry->issues.at(serial - 1);
    // Nor does he say that another one has had it, once that one has seen that he came too late.
    if (kind_ != Kind::kTrouble && !is_wanted(id, serial, issue)) REQUIRE(issue.devices.size() <= 1);
    // On two devices only if it was in escrow and its owner's book says so (an event may be lost in a crash, but not
    // what it tells of); and if he thought to have it back, he knows better.
    REQUIRE((times == 1 || (kind_ == Kind::kTrouble && times <= issue.devices.size())));
    REQUIRE((issue.kind != Issue::Kind::kTakenBack || !issue.devices.empty()));
  }
  for (const auto& [id, times] : in_all) {
    const Entry* entry = owner_of(id).agent().books().ledger.find(id);
    if (entry == nullptr) continue;
    std::uint32_t too_many = 0;
    for (const Issue& issue : entry->issues) {
      const auto devices = static_cast<std::uint32_t>(issue.devices.size());
      too_many += issue.kind == Issue::Kind::kTakenBack ? devices : devices > 1 ? devices - 1 : 0;
    }
    for (const auto& [lost, serial] : lost_) too_many += lost == id ? 1 : 0;
    REQUIRE(times <= most_views_.at(id) + (kind_ == Kind::kTrouble ? too_many : 0));
  }
  REQUIRE((kind_ == Kind::kTrouble || lost_views() == 0));
}

// Whether a device of its viewer asks for this view still, or takes its key.
bool World::is_wanted(const GrantId& id, std::uint32_t serial, const Issue& issue) const {
  return std::ranges::any_of(peers_, [&](const auto& peer) {
    const Holding* holding = peer->agent().books().holdings.find(id);
    if (holding == nullptr) return false;
    if (holding->taking && holding->taking->serial == serial) return true;
    return issue.kind == Issue::Kind::kOnline && holding->ask && holding->ask->view == issue.view;
  });
}

std::size_t World::lost_views() const {
  std::size_t lost = 0;
  for (const auto& peer : peers_) {
    for (const auto& [id, entry] : peer->agent().books().ledger.entries()) {
      if (entry.state() != Entry::State::kGranted || is_put_away(id)) continue;
      for (std::uint32_t serial = 1; serial <= entry.issues.size(); ++serial) {
        const Issue& issue = entry.issues[serial - 1];
        if (issue.used() && !had_.contains({id, serial}) && !is_wanted(id, serial, issue)) ++lost;
      }
    }
  }
  return lost;
}

}  // namespace distri::peer::test
