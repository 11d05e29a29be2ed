// What a Peer's books say, for users; and what follows from a change of them.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

// ---- Lists

std::vector<PendingApproval> Peer::pending_approvals() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<PendingApproval> list;
  for (const auto& [id, entry] : impl_->books.ledger.entries()) {
    if (entry.state() != Entry::State::kWaiting) continue;
    list.push_back({entry.request, impl_->name_of_locked(entry.request.owner)});
  }
  std::ranges::sort(list, {}, [](const PendingApproval& each) { return each.request.made_ms; });
  return list;
}

std::vector<InboxEntry> Peer::inbox() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<InboxEntry> list;
  for (const auto& [id, holding] : impl_->books.holdings.all()) {
    list.push_back({holding.request, holding.state(), holding.grant, impl_->name_of_locked(holding.request.to)});
  }
  std::ranges::sort(list, {}, [](const InboxEntry& each) { return each.request.made_ms; });
  return list;
}

std::vector<AvailableResource> Peer::available() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<AvailableResource> list;
  for (const auto& [id, holding] : impl_->books.holdings.all()) {
    if (holding.state() != Holding::State::kGranted) continue;
    list.push_back({*holding.grant, impl_->name_of_locked(holding.request.to),
                    static_cast<std::uint32_t>(holding.used.size()), !impl_->pictures_due.contains(id)});
  }
  return list;
}

std::vector<SharedResource> Peer::shared() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<SharedResource> list;
  for (const auto& [id, entry] : impl_->books.ledger.entries()) {
    if (entry.state() != Entry::State::kGranted) continue;
    const auto lies_there = [](const Issue& issue) { return issue.kind == Issue::Kind::kEscrow && !issue.used(); };
    list.push_back({*entry.grant, impl_->name_of_locked(entry.request.owner), entry.used(),
                    static_cast<std::uint32_t>(std::ranges::count_if(entry.issues, lies_there)), entry.remaining()});
  }
  return list;
}

std::vector<CatalogEntry> Peer::offers() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<CatalogEntry> list;
  for (const auto& [name, entry] : impl_->offers) {
    if (!entry.gone) list.push_back(entry);
  }
  return list;
}

std::vector<Contact> Peer::contacts() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Contact> list;
  for (const auto& [key, contact] : impl_->books.contacts.all()) list.push_back(contact);
  return list;
}

Result<> Peer::trust(std::string_view name, const PublicKey& key) {
  Impl::Lock lock(impl_->mutex);
  DISTRI_TRY_VOID(impl_->books.contacts.trust(name, key));
  impl_->books.has_changed(Page::contacts());
  return impl_->keep(lock, Page::contacts());
}

Standing Peer::standing() const {
  const std::lock_guard lock(impl_->mutex);
  const Outbox& outbox = impl_->outbox;
  Standing standing;
  standing.rounds = impl_->rounds;
  standing.cloud_read = impl_->cloud_read;
  standing.cloud_away = !impl_->has_cloud() || impl_->cloud_away;
  standing.untold = outbox.requests.size() + outbox.grants.size() + outbox.offers.size() + (outbox.user ? 1 : 0) +
                    outbox.place.size() + outbox.take_out.size() + outbox.unwritten.size() + impl_->escrow_due.size();
  standing.to_fetch = static_cast<std::size_t>(
      std::ranges::count(impl_->pictures_due, 0, [](const auto& each) { return each.second.length_ms; }));
  return standing;
}

Delivery Peer::delivery(const GrantId& id) const {
  const std::lock_guard lock(impl_->mutex);
  const Outbox& outbox = impl_->outbox;
  const Holding* holding = impl_->books.holdings.find(id);
  if (const auto found = outbox.requests.find(id); found != outbox.requests.end() && holding != nullptr) {
    return found->second >= holding->request.version ? Delivery::kToldDirectly : Delivery::kKeptHere;
  }
  const Entry* entry = impl_->books.ledger.find(id);
  if (const auto found = outbox.grants.find(id); found != outbox.grants.end() && entry != nullptr && entry->grant) {
    return found->second >= entry->grant->version ? Delivery::kToldDirectly : Delivery::kKeptHere;
  }
  return impl_->has_cloud() ? Delivery::kWaitingInCloud : Delivery::kToldDirectly;
}

// ---- Names

std::string Peer::Impl::name_of_locked(const PublicKey& of) const {
  const Contact* contact = books.contacts.find(of);
  return contact != nullptr && !contact->names.empty() ? contact->names.back() : of.hex();
}

Result<PublicKey> Peer::Impl::resolve(std::string_view peer) const {
  {
    const std::lock_guard lock(mutex);
    const auto found = books.contacts.find(peer);
    if (found) return (*found)->user.owner;
    if (found.error().code != Code::kNotFound) return fail(found.error());
  }
  const auto bytes = from_hex(peer);
  if (bytes && bytes->size() == PublicKey::kSize) return PublicKey::from_view(*bytes);
  return fail(Code::kNotFound,
              "no user of this name or key is known; look at the catalog while the cloud can be reached, or name him "
              "by all 64 digits of his key");
}

void Peer::Impl::look_after_locked(const Contacts::Seen& seen) {
  for (const Contacts::Event& each : seen.events) {
    PeerEvent event;
    event.user = each.key;
    event.text = each.name;
    switch (each.kind) {
      case Contacts::Event::Kind::kNew:
        event.kind = PeerEvent::Kind::kNewUser;
        break;
      case Contacts::Event::Kind::kRenamed:
        event.kind = PeerEvent::Kind::kRenamed;
        break;
      case Contacts::Event::Kind::kNameClaimed:
        event.kind = PeerEvent::Kind::kNameClaimed;
        break;
    }
    events.post(std::move(event));
  }
}

// ---- What follows from a change

void Peer::Impl::settle_locked(const GrantId& id, const Ledger::Effects& effects) {
  for (const Grant& grant : effects.publish) outbox.grants.emplace(grant.id, 0);
  for (const ViewKey& each : effects.place) outbox.place.insert_or_assign(std::pair(each.grant, each.serial), each);
  for (const auto& each : effects.take_out) {
    outbox.place.erase({each.grant, each.serial});
    outbox.take_out.emplace(each.grant, each.serial);
  }
  // Precondition of what waits for the disk: there is something to be written.
  DISTRI_CHECK(effects.changed || effects.events.empty());
  for (const Ledger::Event& event : effects.events) unposted.push_back(event_locked(event));
  if (!effects.changed) return;
  books.has_changed(Page::entry(id));
  escrow_due.insert(id);
  wake_keeper();
}

void Peer::Impl::settle_locked(const GrantId& id, const Result<Ledger::Effects>& effects, std::string_view meaning) {
  if (effects) return settle_locked(id, *effects);
  const std::string& why = effects.error().message;
  trouble(meaning.empty() ? why : fmt::format("grant {}: {}: {}", id.short_hex(), meaning, why));
}

PeerEvent Peer::Impl::event_locked(const Ledger::Event& event) const {
  static constexpr std::pair<Ledger::Event::Kind, PeerEvent::Kind> kKinds[] = {
      {Ledger::Event::Kind::kRequested, PeerEvent::Kind::kRequested},
      {Ledger::Event::Kind::kRequestChanged, PeerEvent::Kind::kRequestChanged},
      {Ledger::Event::Kind::kWithdrawn, PeerEvent::Kind::kWithdrawn},
      {Ledger::Event::Kind::kViewed, PeerEvent::Kind::kViewed},
      {Ledger::Event::Kind::kEscrowUsed, PeerEvent::Kind::kEscrowUsed},
      {Ledger::Event::Kind::kDoubleUse, PeerEvent::Kind::kDoubleUse},
      {Ledger::Event::Kind::kUsedAfterTakenBack, PeerEvent::Kind::kUsedAfterTakenBack},
  };
  PeerEvent told;
  told.kind = std::ranges::find(kKinds, event.kind, [](const auto& pair) { return pair.first; })->second;
  told.id = event.grant;
  told.serial = event.serial;
  if (const Entry* entry = books.ledger.find(event.grant)) {
    told.user = entry->request.owner;
    told.resource = entry->request.resource;
  }
  return told;
}

void Peer::Impl::trouble(const std::string& text) {
  PeerEvent event;
  event.kind = PeerEvent::Kind::kTrouble;
  event.text = text;
  if (events.post(std::move(event))) options.log.warning("{}", text);
}

void Peer::Impl::wake_keeper() {
  awake = true;
  changed.notify_all();
}

}  // namespace distri::peer
