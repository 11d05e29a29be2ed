// What a Peer's books say, for users; and what follows from a change of them.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

// ---- Lists

std::vector<PendingApproval> Peer::pending_approvals() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<PendingApproval> list;
  for (const auto& [id, entry] : impl_->agent.books().ledger.entries()) {
    if (entry.state() != Entry::State::kWaiting) continue;
    list.push_back({entry.request, impl_->agent.name_of(entry.request.owner)});
  }
  std::ranges::sort(list, {}, [](const PendingApproval& each) { return each.request.made_ms; });
  return list;
}

std::vector<InboxEntry> Peer::inbox() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<InboxEntry> list;
  for (const auto& [id, holding] : impl_->agent.books().holdings.all()) {
    list.push_back({holding.request, holding.state(), holding.grant, impl_->agent.name_of(holding.request.to)});
  }
  std::ranges::sort(list, {}, [](const InboxEntry& each) { return each.request.made_ms; });
  return list;
}

std::vector<AvailableResource> Peer::available() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<AvailableResource> list;
  for (const auto& [id, holding] : impl_->agent.books().holdings.all()) {
    if (holding.state() != Holding::State::kGranted) continue;
    list.push_back({*holding.grant, impl_->agent.name_of(holding.request.to),
                    static_cast<std::uint32_t>(holding.used.size()), !impl_->agent.pictures_due().contains(id)});
  }
  return list;
}

std::vector<SharedResource> Peer::shared() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<SharedResource> list;
  for (const auto& [id, entry] : impl_->agent.books().ledger.entries()) {
    if (entry.state() != Entry::State::kGranted) continue;
    const auto lies_there = [](const Issue& issue) { return issue.kind == Issue::Kind::kEscrow && !issue.used(); };
    list.push_back({*entry.grant, impl_->agent.name_of(entry.request.owner), entry.used(),
                    static_cast<std::uint32_t>(std::ranges::count_if(entry.issues, lies_there)), entry.remaining()});
  }
  return list;
}

std::vector<CatalogEntry> Peer::offers() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<CatalogEntry> list;
  for (const auto& [name, entry] : impl_->agent.offers()) {
    if (!entry.gone) list.push_back(entry);
  }
  return list;
}

std::vector<Contact> Peer::contacts() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Contact> list;
  for (const auto& [key, contact] : impl_->agent.books().contacts.all()) list.push_back(contact);
  return list;
}

Result<> Peer::trust(std::string_view name, const PublicKey& key) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  Impl::Lock lock(impl_->mutex);
  DISTRI_TRY(Change change, impl_->agent.trust(name, key));
  return impl_->settle(lock, std::move(change));
}

Standing Peer::standing() const {
  const std::lock_guard lock(impl_->mutex);
  Standing standing;
  standing.rounds = impl_->rounds;
  standing.cloud_read = impl_->cloud_read;
  standing.cloud_away = !impl_->has_cloud() || impl_->agent.is_cloud_away();
  standing.untold = impl_->agent.untold();
  const auto not_tried = [](const auto& each) { return each.second.length_ms == 0; };
  standing.to_fetch = static_cast<std::size_t>(std::ranges::count_if(impl_->agent.pictures_due(), not_tried));
  return standing;
}

Delivery Peer::delivery(const GrantId& id) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->agent.delivery(id);
}

// ---- Names

Result<PublicKey> Peer::Impl::resolve(std::string_view peer) const {
  {
    const std::lock_guard lock(mutex);
    const auto found = agent.books().contacts.find(peer);
    if (found) return (*found)->user.owner;
    if (found.error().code != Code::kNotFound) return fail(found.error());
  }
  const auto bytes = from_hex(peer);
  if (bytes && bytes->size() == PublicKey::kSize) return PublicKey::from_view(*bytes);
  return fail(Code::kNotFound,
              "no user of this name or key is known; look at the catalog while the cloud can be reached, or name him "
              "by all 64 digits of his key");
}

// ---- What follows from a change

void Peer::Impl::note(Change change) {
  for (const std::string& text : change.troubles) trouble(text);
  const auto is_saved = [this](const Page& page) { return agent.books().is_saved(page); };
  const bool now = std::ranges::all_of(change.pages, is_saved);
  for (PeerEvent& event : change.events) {
    if (now) {
      events.post(std::move(event));
    } else {
      unposted.push_back(std::move(event));
    }
  }
  if (change.wake) wake_keeper();
  if (change.fetch) changed.notify_all();
}

Result<> Peer::Impl::settle(Lock& lock, Change change) {
  const auto pages = change.pages;
  const auto ended = std::exchange(change.ended, {});
  note(std::move(change));
  for (const Page& page : pages) DISTRI_TRY_VOID(keep(lock, page));
  if (ended.empty()) return {};
  lock.unlock();
  for (const GrantId& id : ended) {
    if (!received.remove(id.hex())) trouble("the picture of an ended grant could not be removed");
  }
  lock.lock();
  return {};
}

void Peer::Impl::settle_or_trouble(Lock& lock, Change change) {
  if (const auto settled = settle(lock, std::move(change)); !settled) trouble(settled.error().message);
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
