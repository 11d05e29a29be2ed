// What users do: calls that change a book and tell others.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"
#include "distri/utils/random.hpp"

namespace distri::peer {

// ---- Owners

Result<> Peer::publish(const std::string& directory) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  return impl_->publish(directory);
}

std::vector<std::pair<std::string, Error>> Peer::left_out() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->left_out;
}

template <class Change>
Result<Delivery> Peer::Impl::answer(const GrantId& id, Change change) {
  const Call call(*this);
  if (!call) return fail(stopped());
  {
    Lock lock(mutex);
    DISTRI_TRY(const Ledger::Effects effects, change(books.ledger));
    settle_locked(id, effects);
    DISTRI_TRY_VOID(keep(lock, Page::entry(id)));
  }
  return send_grant(id, Patience::kUser);
}

Result<Delivery> Peer::grant_resource(const GrantId& request, std::uint32_t views) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  if (views > 0) return impl_->approve(request, views);
  return impl_->answer(request, [&](Ledger& ledger) { return ledger.refuse(request); });
}

Result<Delivery> Peer::update_permission(const GrantId& grant, std::uint32_t views) {
  return impl_->answer(grant, [&](Ledger& ledger) { return ledger.change_views(grant, views); });
}

Result<Delivery> Peer::revoke(const GrantId& grant) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  DISTRI_TRY(const Delivery delivery, impl_->answer(grant, [&](Ledger& ledger) { return ledger.revoke(grant); }));
  // Nobody gets it any more; that it stays does no harm.
  if (const auto removed = impl_->given.remove(grant.hex()); !removed) impl_->trouble(removed.error().message);
  return delivery;
}

Result<> Peer::forget(const GrantId& request) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  Impl::Lock lock(impl_->mutex);
  if (impl_->outbox.requests.contains(request) || impl_->outbox.grants.contains(request)) {
    return fail(Code::kUnavailable, "request {}: what ended it was not told to everybody yet; try again later",
                request.short_hex());
  }
  if (impl_->books.holdings.find(request) == nullptr) {
    DISTRI_TRY(const Ledger::Effects effects, impl_->books.ledger.forget(request));
    impl_->settle_locked(request, effects);
    return impl_->keep(lock, Page::entry(request));
  }
  DISTRI_TRY_VOID(impl_->books.holdings.forget(request));
  impl_->books.has_changed(Page::holding(request));
  return impl_->keep(lock, Page::holding(request));
}

// ---- Viewers

Result<Catalog> Peer::fetch_catalog(const CatalogFilter& filter) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  Catalog result;
  if (impl_->has_cloud()) {
    if (auto users = impl_->noted(impl_->cloud().users())) impl_->take_users(*users);
    if (!impl_->cloud_away) {
      auto found = impl_->noted(impl_->cloud().catalog(std::nullopt));
      result.current = found.has_value();
      if (found) impl_->take_catalog(*std::move(found));
    }
  }
  std::optional<PublicKey> owner;
  if (filter.peer) {
    DISTRI_TRY(owner, impl_->resolve(*filter.peer));
  }
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [id, entry] : impl_->catalog) {
    const bool wanted = !entry.gone && (!owner || entry.owner == *owner) &&
                        entry.name.starts_with(filter.name_prefix) &&
                        (filter.kind.empty() || entry.kind == filter.kind);
    if (wanted) result.offers.push_back({entry, impl_->name_of_locked(entry.owner)});
  }
  std::ranges::sort(result.offers, {}, [](const Offer& each) { return std::pair(each.owner_name, each.entry.name); });
  return result;
}

Result<Sent> Peer::request_resource(std::string_view peer, std::string resource, std::uint32_t views) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  DISTRI_TRY(const PublicKey owner, impl_->resolve(peer));
  Sent sent;
  {
    Impl::Lock lock(impl_->mutex);
    DISTRI_TRY(const Request made, impl_->books.holdings.request(Random::from_system().next(), owner,
                                                                 std::move(resource), views, impl_->clock.wall_ms()));
    sent.id = made.id;
    impl_->outbox.requests[made.id] = 0;
    impl_->books.has_changed(Page::holding(made.id));
    DISTRI_TRY_VOID(impl_->keep(lock, Page::holding(made.id)));
  }
  sent.delivery = impl_->send_request(sent.id, Impl::Patience::kUser);
  return sent;
}

Result<Delivery> Peer::withdraw(const GrantId& request) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  {
    Impl::Lock lock(impl_->mutex);
    DISTRI_TRY_VOID(impl_->books.holdings.withdraw(request));
    impl_->outbox.requests[request] = 0;
    impl_->pictures_due.erase(request);
    impl_->books.has_changed(Page::holding(request));
    DISTRI_TRY_VOID(impl_->keep(lock, Page::holding(request)));
  }
  return impl_->send_request(request, Impl::Patience::kUser);
}

void Peer::refresh() {
  const std::lock_guard lock(impl_->mutex);
  impl_->cloud_pause = {};
  impl_->away.clear();
  for (auto& [id, pause] : impl_->pictures_due) pause = {};
  impl_->reconciled_ms = 0;
  impl_->wake_keeper();
}

}  // namespace distri::peer
