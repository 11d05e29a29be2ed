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

template <class Decide>
Result<Delivery> Peer::Impl::answer(const GrantId& id, Decide decide) {
  const Call call(*this);
  if (!call) return fail(stopped());
  {
    Lock lock(mutex);
    DISTRI_TRY(Change change, decide());
    DISTRI_TRY_VOID(settle(lock, std::move(change)));
  }
  return send_grant(id);
}

Result<Delivery> Peer::grant_resource(const GrantId& request, std::uint32_t views) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  if (views > 0) return impl_->approve(request, views);
  return impl_->answer(request, [&] { return impl_->agent.refuse(request); });
}

Result<Delivery> Peer::update_permission(const GrantId& grant, std::uint32_t views) {
  return impl_->answer(grant, [&] { return impl_->agent.change_views(grant, views); });
}

Result<Delivery> Peer::revoke(const GrantId& grant) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  DISTRI_TRY(const Delivery delivery, impl_->answer(grant, [&] { return impl_->agent.revoke(grant); }));
  // Nobody gets it any more; that it stays does no harm.
  if (const auto removed = impl_->given.remove(grant.hex()); !removed) impl_->trouble(removed.error().message);
  return delivery;
}

Result<> Peer::forget(const GrantId& request) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  Impl::Lock lock(impl_->mutex);
  DISTRI_TRY(Change change, impl_->agent.forget(request));
  return impl_->settle(lock, std::move(change));
}

// ---- Viewers

Result<Catalog> Peer::fetch_catalog(const CatalogFilter& filter) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  Catalog result;
  if (impl_->has_cloud()) {
    if (auto users = impl_->noted(impl_->cloud().users())) impl_->take_records(std::move(users->records));
    if (!impl_->is_cloud_away()) {
      auto found = impl_->noted(impl_->cloud().catalog(std::nullopt));
      result.current = found.has_value();
      Impl::Lock lock(impl_->mutex);
      if (found) impl_->settle_or_trouble(lock, impl_->agent.take_catalog(std::move(found->records)));
    }
  }
  std::optional<PublicKey> owner;
  if (filter.peer) {
    DISTRI_TRY(owner, impl_->resolve(*filter.peer));
  }
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [id, entry] : impl_->agent.catalog()) {
    const bool wanted = !entry.gone && (!owner || entry.owner == *owner) &&
                        entry.name.starts_with(filter.name_prefix) &&
                        (filter.kind.empty() || entry.kind == filter.kind);
    if (wanted) result.offers.push_back({entry, impl_->agent.name_of(entry.owner)});
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
    DISTRI_TRY(Agent::Asked asked, impl_->agent.request(Random::from_system().next(), owner, std::move(resource), views,
                                                        impl_->clock.wall_ms()));
    sent.id = asked.id;
    DISTRI_TRY_VOID(impl_->settle(lock, std::move(asked.change)));
  }
  sent.delivery = impl_->send_request(sent.id);
  return sent;
}

Result<Delivery> Peer::withdraw(const GrantId& request) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  {
    Impl::Lock lock(impl_->mutex);
    DISTRI_TRY(Change change, impl_->agent.withdraw(request));
    DISTRI_TRY_VOID(impl_->settle(lock, std::move(change)));
  }
  return impl_->send_request(request);
}

void Peer::refresh() {
  const std::lock_guard lock(impl_->mutex);
  impl_->note(impl_->agent.refresh());
}

}  // namespace distri::peer
