#include "exchange_world.hpp"

namespace distri::peer::test {

using Kind = Ledger::Event::Kind;

World::World(std::uint64_t seed) : random_(seed) {
  for (const char* name : {"ada", "adam"}) {
    owners_.push_back({name, Ledger(key(name)), {}, owners_.size() % nodes_.size(), true});
    owners_.back().disk = owners_.back().book.encode();
  }
  for (std::uint64_t i = 0; i < 5; ++i) {
    const char* name = i < 2 ? "bob" : i < 4 ? "beth" : "bill";
    devices_.push_back({name, Holdings(key(name), device_id(i + 1)), {}, i % nodes_.size(), true});
    devices_.back().disk = devices_.back().book.encode();
  }
}

void World::step() {
  if (random_.chance(0.03)) {
    for (std::uint64_t& side : side_) side = random_.below(2);
  }
  if (random_.chance(0.03)) {
    bool& up = node_up_[random_.below(nodes_.size())];
    kills_ += up ? 1 : 0;
    up = !up;
  }
  heal();
  if (!links_.empty() && random_.chance(0.5)) deliver();
  if (random_.chance(0.5)) {
    Owner& owner = owners_[random_.below(owners_.size())];
    if (random_.chance(0.04)) owner.up = !owner.up;
    if (owner.up) act(owner);
  } else {
    Device& device = devices_[random_.below(devices_.size())];
    if (random_.chance(0.04)) device.up = !device.up;
    if (random_.chance(0.02)) device.node = random_.below(nodes_.size());
    if (device.up) act(device);
  }
}

void World::settle() {
  faults_ = false;
  node_up_.fill(true);
  side_.fill(0);
  links_.clear();
  for (Owner& owner : owners_) owner.up = true;
  for (Device& device : devices_) device.up = true;
  for (int round = 0; round < 4; ++round) {
    for (Device& device : devices_) publish(device);
    heal();
    for (Owner& owner : owners_) {
      poll(owner);
      for (const auto& [id, entry] : std::map<GrantId, Entry::State>(states(owner))) {
        if (entry == Entry::State::kWaiting) keep(owner, owner.book.refuse(id));
      }
      say(owner, owner.book.unfinished());
    }
    heal();
    for (Device& device : devices_) poll(device);
  }
}

void World::check() const {
  std::map<std::pair<GrantId, std::uint32_t>, std::uint32_t> shown;
  for (const auto& [view, times] : shown_) {
    REQUIRE(times == 1);  // on one device
    ++shown[{std::get<0>(view), std::get<1>(view)}];
  }
  std::map<GrantId, std::uint32_t> in_all;
  for (const auto& [view, times] : shown) {
    const auto& [id, serial] = view;
    const Issue& issue = owner_of(made_.at(id)).book.find(id)->issues.at(serial - 1);
    // On two devices only if it was in escrow and its owner's book says so (an event may be lost in a crash, but not
    // what it tells of); and if he thought to have it back, he knows better.
    REQUIRE((times == 1 || times <= issue.devices.size()));
    REQUIRE((issue.kind != Issue::Kind::kTakenBack || !issue.devices.empty()));
    in_all[id] += times;
  }
  for (const auto& [id, times] : in_all) {
    std::uint32_t too_many = 0;
    for (const Issue& issue : owner_of(made_.at(id)).book.find(id)->issues) {
      const auto devices = static_cast<std::uint32_t>(issue.devices.size());
      too_many += issue.kind == Issue::Kind::kTakenBack ? devices : devices > 1 ? devices - 1 : 0;
    }
    REQUIRE(times <= most_views_.at(id) + too_many);
  }
  for (const auto& [id, made] : made_) {
    const Entry* entry = owner_of(made).book.find(id);
    const bool withdrawn = nodes_[0].requests.at(id).withdrawn;
    if (entry == nullptr) {
      REQUIRE(withdrawn);  // before its owner heard of it
      continue;
    }
    REQUIRE(entry->state() != Entry::State::kWaiting);
    REQUIRE((entry->state() == Entry::State::kWithdrawn) == withdrawn);
    for (const Device& device : devices_) {
      if (device.name != made.by) continue;
      const Holding* holding = device.book.find(id);
      REQUIRE(holding != nullptr);
      REQUIRE(state_name(holding->state()) == state_name(entry->state()));
      REQUIRE(holding->grant == entry->grant);
    }
    for (const CloudNode& node : nodes_) {
      REQUIRE(node.requests.at(id).withdrawn == withdrawn);
      if (entry->grant) REQUIRE(node.grants.at(id) == *entry->grant);
      const bool ended = entry->state() != Entry::State::kGranted;
      for (const auto& [name, slot] : node.view_keys) {
        REQUIRE_FALSE((ended && slot.present && slot.key.grant == id));
      }
    }
  }
}

std::map<GrantId, Entry::State> World::states(const Owner& owner) {
  std::map<GrantId, Entry::State> all;
  for (const auto& [id, entry] : owner.book.entries()) all.emplace(id, entry.state());
  return all;
}

const Owner& World::owner_of(const Made& made) const {
  return *std::ranges::find_if(owners_, [&](const Owner& owner) { return owner.name == made.to; });
}

Owner& World::owner_of(const PublicKey& id) {
  return *std::ranges::find_if(owners_, [&](const Owner& owner) { return owner.book.owner() == id; });
}

void World::heal() {
  for (std::size_t one = 0; one < nodes_.size(); ++one) {
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
      if (node_up_[one] && node_up_[other] && side_[one] == side_[other]) nodes_[one].merge(nodes_[other]);
    }
  }
}

void World::send(std::function<void()> message) {
  if (faults_ && random_.chance(0.15)) return;
  if (faults_ && random_.chance(0.15)) links_.push_back(message);
  links_.push_back(std::move(message));
}

void World::deliver() {
  const std::size_t at = random_.chance(0.7) ? 0 : random_.below(links_.size());
  const auto message = links_[at];
  links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(at));
  message();
}

bool World::persist(Owner& owner) {
  return persist<Owner>(owner, [&] {
    owner.book = value(Ledger::load(key(owner.name), owner.disk));
    say(owner, owner.book.unfinished());
  });
}

bool World::persist(Device& device) {
  return persist<Device>(device, [&] { device.book = value(Holdings::load(key(device.name), device.disk)); });
}

bool World::keep(Owner& owner, const Result<Ledger::Effects>& effects) {
  if (!effects) return false;
  const bool said = !effects->changed || persist(owner);
  // An event is for the user, who may hear of it again.
  if (said) say(owner, *effects);
  return said;
}

void World::say(Owner& owner, const Ledger::Effects& effects) {
  for (const auto& event : effects.events) {
    if (event.kind == Kind::kDoubleUse || event.kind == Kind::kUsedAfterTakenBack) ++reported_;
  }
  for (const Grant& grant : effects.publish) {
    const auto [known, fresh] = answers_.emplace(std::pair(grant.id, grant.version), grant);
    REQUIRE(known->second == grant);  // one version is one answer, for good
    most_views_[grant.id] = std::max(most_views_[grant.id], grant.views);
    if (CloudNode* node = node_of(owner)) node->put(grant);
    for (Device& device : devices_) {
      if (device.book.viewer() == grant.to) send([this, &device, grant] { take_grant(device, grant); });
    }
  }
  for (const ViewKey& placed : effects.place) {
    CloudNode* node = node_of(owner);
    if (node == nullptr) return;
    node->insert(placed);
    keep(owner, owner.book.on_placed(placed.grant, placed.serial, true));
  }
  for (const auto& taken : effects.take_out) {
    CloudNode* node = node_of(owner);
    if (node == nullptr) return;
    ViewKey taken_key;
    taken_key.owner = owner.book.owner();
    taken_key.grant = taken.grant;
    taken_key.serial = taken.serial;
    const bool was_there = node->compare_and_delete(document_id(taken_key));
    taken_back_ += was_there ? 1 : 0;
    keep(owner, owner.book.on_taken_back(taken.grant, taken.serial, was_there));
  }
}

void World::poll(Owner& owner) {
  const CloudNode* node = node_of(owner);
  if (node == nullptr) return;
  std::set<std::string> keys;
  for (const auto& [name, slot] : node->view_keys) {
    if (slot.present) keys.insert(name);
  }
  for (const auto& [id, request] : std::map(node->requests)) {
    if (request.to == owner.book.owner()) keep(owner, owner.book.on_request(request));
  }
  for (const auto& [id, receipt] : std::map(node->receipts)) {
    if (receipt.to == owner.book.owner()) keep(owner, owner.book.on_receipt(receipt));
  }
  if (faults_ && !random_.chance(0.05)) return;
  // Keys that this node lacks, and those that it should not have.
  for (const auto& [id, state] : states(owner)) {
    for (std::uint32_t serial = 1; serial <= owner.book.find(id)->issues.size(); ++serial) {
      ViewKey placed;
      placed.owner = owner.book.owner();
      placed.grant = id;
      placed.serial = serial;
      const bool there = keys.contains(document_id(placed));
      keep(owner, there ? owner.book.on_found(id, serial) : owner.book.on_missing(id, serial));
    }
  }
}

void World::act(Owner& owner) {
  if (random_.chance(0.3)) return poll(owner);
  const auto all = states(owner);
  if (all.empty()) return;
  const GrantId id = std::next(all.begin(), static_cast<std::ptrdiff_t>(random_.below(all.size())))->first;
  const auto number = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random_.below(bound)); };
  switch (random_.below(8)) {
    case 0:
    case 1:
      keep(owner, owner.book.approve(id, 1 + number(20), sealed_image()));
      break;
    case 2:
      if (random_.chance(0.2)) keep(owner, owner.book.refuse(id));
      break;
    case 3:
      keep(owner, owner.book.change_views(id, number(40)));
      break;
    case 4:
      if (random_.chance(0.1)) keep(owner, owner.book.revoke(id));
      break;
    case 5:
      keep(owner, owner.book.take_back(id, number(3)));
      break;
    default:
      keep(owner, owner.book.put_in_escrow(id, number(3)));
      break;
  }
}

void World::show(const Device& device, const GrantId& id, std::uint32_t serial, const SecretBytes& key) {
  if (key.empty()) return;
  REQUIRE(key == image_key());
  ++shown_[{id, serial, device.book.device()}];
}

void World::take_grant(Device& device, const Grant& grant) {
  if (!device.up) return;
  const auto news = device.book.on_grant(grant);
  if (news && *news) persist(device);
}

void World::poll(Device& device) {
  const CloudNode* node = node_of(device);
  if (node == nullptr) return;
  bool changed = false;
  for (const auto& [id, request] : node->requests) {
    if (request.owner == device.book.viewer()) changed |= device.book.on_request(request).value_or(false);
  }
  for (const auto& [id, grant] : node->grants) {
    if (grant.to == device.book.viewer()) changed |= device.book.on_grant(grant).value_or(false);
  }
  if (changed) persist(device);
}

void World::publish(Device& device) {
  for (const auto& [id, holding] : device.book.all()) send_request(device, holding.request);
  links_.clear();
}

void World::send_request(Device& device, const Request& request) {
  made_[request.id] = {owner_of(request.to).name, device.name};
  if (CloudNode* node = node_of(device)) node->put(request);
  send([this, request] {
    Owner& owner = owner_of(request.to);
    if (owner.up) keep(owner, owner.book.on_request(request));
  });
}

void World::act(Device& device) {
  if (random_.chance(0.2)) return poll(device);
  if (random_.chance(0.03) && next_request_ <= 12) {
    const Owner& owner = owners_[random_.below(owners_.size())];
    const Request request = value(device.book.request(next_request_++, owner.book.owner(), "photo.png", 3, kNow));
    if (!persist(device)) return;  // the user sees that it failed, or finds it in the book and sends it
    return send_request(device, request);
  }
  const auto& all = device.book.all();
  if (all.empty()) return;
  const Holding& holding = std::next(all.begin(), static_cast<std::ptrdiff_t>(random_.below(all.size())))->second;
  const GrantId id = holding.request.id;
  switch (random_.below(8)) {
    case 0:
      send_request(device, holding.request);
      return;
    case 1:
      if (random_.chance(0.05)) {
        const auto withdrawn = device.book.withdraw(id);
        if (withdrawn && persist(device)) send_request(device, *withdrawn);
      }
      return;
    case 2:
    case 3:
    case 4:
      return ask(device, id);
    default:
      return take(device, id);
  }
}

void World::ask(Device& device, const GrantId& id) {
  const auto view = device.book.ask_view(id, random_.id<ViewId>());
  if (!view || !persist(device)) return;
  send([this, &device, id, view] {
    Owner& owner = owner_of(device.book.find(id)->request.to);
    if (!owner.up) return;
    const auto given = owner.book.give_view(id, device.book.viewer(), *view);
    if (!given) {
      send([&device, id, view] {
        if (device.up) REQUIRE(device.book.view_refused(id, *view).has_value());
      });
      return;
    }
    if (given->effects.changed && !persist(owner)) return;
    send([this, &device, answer = given->key] {
      if (!device.up) return;
      const auto image = device.book.accept(answer);
      if (image && persist(device)) show(device, answer.grant, answer.serial, *image);
    });
  });
}

void World::take(Device& device, const GrantId& id) {
  CloudNode* node = node_of(device);
  if (node == nullptr) return;
  const Holding* holding = device.book.find(id);
  std::optional<ViewKey> next = holding->taking;
  for (const auto& [name, slot] : node->view_keys) {
    if (!next && slot.present && slot.key.grant == id && !device.book.is_used(id, slot.key.serial)) next = slot.key;
  }
  if (!next) return;
  const auto receipt = device.book.take(*next, kNow);
  if (!receipt || !persist(device)) return;
  node->put(*receipt);
  if (faults_ && random_.chance(0.1)) return;
  const bool was_there = node->compare_and_delete(document_id(*next));
  const auto image = device.book.taken(id, next->serial, was_there);
  if (image && persist(device)) show(device, id, next->serial, *image);
}

}  // namespace distri::peer::test
