// The keeper: looks at the cloud, and goes on with what is to be told.
#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

void Peer::Impl::keep() {
  while (!stopping) {
    const bool looked = look_at_cloud();
    if (looked) {
      const std::lock_guard lock(mutex);
      top_up_escrow_locked();
    }
    send_all(looked);
    Lock lock(mutex);
    keep_all(lock);
    ++rounds;
    cloud_read = looked;
    changed.wait_for(lock, std::chrono::milliseconds(options.poll_ms), [this] { return awake || stopping; });
    awake = false;
  }
}

// While streams tell of changes, all is read only to compare it.
bool Peer::Impl::is_look_due_locked() const {
  const bool to_compare = reconciled_ms == 0 || clock.monotonic_ms() >= reconciled_ms + options.reconcile_ms;
  return look_wanted || to_compare || cloud_away || !watch->telling();
}

// Whether it is known what the cloud has: it was read now, or the streams have told since it was.
bool Peer::Impl::look_at_cloud() {
  if (!has_cloud()) return false;
  {
    const std::lock_guard lock(mutex);
    if (clock.monotonic_ms() < cloud_pause.until_ms) return false;
    if (!is_look_due_locked()) return true;
    look_wanted = false;
  }
  auto read = read_cloud();
  if (stopping) return false;
  read = noted(std::move(read));
  const std::lock_guard lock(mutex);
  if (read) {
    cloud_pause = {};
    return true;
  }
  look_wanted = true;
  if (!is_away(read.error())) {
    trouble(fmt::format("the cloud's records cannot be read: {}", read.error().message));
  }
  cloud_pause.grow(clock.monotonic_ms(), options.poll_ms, options.retry_ms_max);
  return false;
}

// As collections of owned documents. They may be there otherwise, made by another program: what is read is checked all
// the same.
Result<> Peer::Impl::prepare_cloud() {
  const auto made = cloud().prepare();
  prepared = made || !is_away(made.error());
  if (!prepared) return made;
  if (!made) trouble(fmt::format("the collections of peers are not as they should be: {}", made.error().message));
  return {};
}

Result<> Peer::Impl::read_cloud() {
  CloudRecords records = cloud();
  if (!prepared) DISTRI_TRY_VOID(prepare_cloud());
  if (stopping) return fail(stopped());
  DISTRI_TRY(const auto users, records.users());
  take_users(users);
  // Nodes may have lost it, and with it all that makes the collections what they are.
  const bool unknown = std::ranges::find(users.records, self, &User::owner) == users.records.end();
  if (unknown) DISTRI_TRY_VOID(prepare_cloud());
  std::int64_t due_ms = 0;
  {
    const std::lock_guard lock(mutex);
    due_ms = reconciled_ms == 0 ? 0 : reconciled_ms + options.reconcile_ms;
    if (unknown) outbox.user = true;
  }
  const bool due = clock.monotonic_ms() >= due_ms;
  const auto in_escrow = keys_in_escrow();
  std::set<KeyPlace> keys_there;
  if (due) {
    DISTRI_TRY_VOID(reconcile());
    DISTRI_TRY(const auto keys, records.view_keys_of(self));
    for (const ViewKey& each : keys.records) keys_there.emplace(each.grant, each.serial);
  }
  // After the keys: who has taken one has written his receipt before.
  DISTRI_TRY(const auto receipts, records.receipts_to(self));
  take_receipts(receipts);
  if (due) compare_escrow(in_escrow, keys_there);
  if (stopping) return fail(stopped());
  DISTRI_TRY(const auto requests, records.requests_to(self));
  take_requests(requests);
  DISTRI_TRY(const auto grants, records.grants_to(self));
  take_grants(grants);
  return {};
}

// ---- What others have written

CloudWatch::Listener Peer::Impl::cloud_listener() {
  return {
      .on_begin =
          [this] {
            const std::lock_guard lock(mutex);
            look_wanted = true;
            wake_keeper();
          },
      .on_record = [this](std::string_view collection, bson::View record) { take_change(collection, record); },
      .on_trouble =
          [this](const Error& error) {
            trouble(fmt::format("no node tells of changes, the cloud is looked at every {} ms instead: {}",
                                options.poll_ms, error.message));
          },
  };
}

// As with what is read, records that are nobody's are passed over.
void Peer::Impl::take_change(std::string_view collection, bson::View record) {
  const auto taken = [&](auto read, auto take) {
    auto one = read(record);
    if (!one) return;
    Found<typename decltype(one)::value_type> found;
    found.records.push_back(*std::move(one));
    (this->*take)(found);
  };
  if (collection == kUsersCollection) return taken(&read_user, &Impl::take_users);
  if (collection == kRequestsCollection) return taken(&read_request, &Impl::take_requests);
  if (collection == kGrantsCollection) return taken(&read_grant, &Impl::take_grants);
  if (collection == kReceiptsCollection) return taken(&read_receipt, &Impl::take_receipts);
  auto entry = read_catalog_entry(record);
  if (!entry || entry->owner == self) return;
  const std::lock_guard lock(mutex);
  if (take_offer_locked(*std::move(entry))) post_catalog_changed();
}

void Peer::Impl::take_users(const Found<User>& found) {
  Lock lock(mutex);
  for (const User& each : found.records) {
    if (each.owner == self) {
      take_own_record_locked(each);
      continue;
    }
    const auto seen = books.contacts.see(each);
    if (!seen) {
      trouble(seen.error().message);
      continue;
    }
    if (seen->changed) books.has_changed(Page::contacts());
    look_after_locked(*seen);
    // He may be elsewhere now.
    if (seen->changed) away.erase(each.owner);
  }
  if (const auto kept = keep(lock, Page::contacts()); !kept) trouble(kept.error().message);
}

// Written by another device of this user, or in a life with a clock that was ahead. Both devices are to be found, and
// must not write over each other without end.
void Peer::Impl::take_own_record_locked(const User& there) {
  if (!user || there.version < user->version || there == *user) return;
  std::vector<Address> addresses = user->addresses;
  for (const Address& each : there.addresses) {
    if (addresses.size() < kAddressesMax && std::ranges::find(addresses, each) == addresses.end())
      addresses.push_back(each);
  }
  const bool all_there = addresses.size() == there.addresses.size() && user->name == there.name;
  if (all_there) {
    user = there;
    outbox.user = false;
    return;
  }
  if (clock.monotonic_ms() < user_pause.until_ms) return;
  user_pause.grow(clock.monotonic_ms(), options.reconcile_ms, options.reconcile_ms);
  user->addresses = std::move(addresses);
  user->version = there.version + 1;
  user = sign(*std::move(user), key);
  outbox.user = true;
}

void Peer::Impl::take_requests(const Found<Request>& found) {
  Lock lock(mutex);
  for (const Request& each : found.records) {
    const Entry* known = books.ledger.find(each.id);
    if (known != nullptr && known->request == each) continue;
    settle_locked(each.id, books.ledger.on_request(each), "a request in the cloud is not taken");
  }
  keep_all(lock);
}

void Peer::Impl::take_receipts(const Found<Receipt>& found) {
  Lock lock(mutex);
  for (const Receipt& each : found.records) {
    settle_locked(each.grant, books.ledger.on_receipt(each), "a receipt in the cloud is not taken");
  }
  keep_all(lock);
}

void Peer::Impl::take_grants(const Found<Grant>& found) {
  for (const Grant& each : found.records) {
    {
      const std::lock_guard lock(mutex);
      const Holding* known = books.holdings.find(each.id);
      if (known == nullptr || known->grant == each) continue;
    }
    if (const auto taken = take_grant(each); !taken) {
      trouble(fmt::format("a grant in the cloud is not taken: {}", taken.error().message));
    }
  }
}

void Peer::Impl::take_catalog(Found<CatalogEntry> found) {
  const std::lock_guard lock(mutex);
  std::vector<CatalogEntry> mine;
  bool news = false;
  for (CatalogEntry& each : found.records) {
    if (each.owner == self) {
      mine.push_back(std::move(each));
      continue;
    }
    news = take_offer_locked(std::move(each)) || news;
  }
  reconcile_offers_locked(mine);
  if (news) post_catalog_changed();
}

bool Peer::Impl::take_offer_locked(CatalogEntry entry) {
  const std::pair id(entry.owner, entry.name);
  if (catalog.size() >= kCatalogEntriesMax && !catalog.contains(id)) {
    trouble(fmt::format("the catalog has more than {} images, the rest is left out", kCatalogEntriesMax));
    return false;
  }
  CatalogEntry& known = catalog[id];
  if (entry.version <= known.version && !known.owner.empty()) return false;
  known = std::move(entry);
  return true;
}

void Peer::Impl::post_catalog_changed() {
  PeerEvent event;
  event.kind = PeerEvent::Kind::kCatalogChanged;
  events.post(std::move(event));
}

}  // namespace distri::peer
