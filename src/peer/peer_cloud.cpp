// The keeper: looks at the cloud, and goes on with what is to be told.
#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

void Peer::Impl::keep() {
  while (!stopping) {
    const bool looked = look_at_cloud();
    if (looked) top_up_escrow();
    send_all(looked);
    std::unique_lock lock(mutex);
    ++rounds;
    cloud_read = looked;
    changed.wait_for(lock, std::chrono::milliseconds(options.poll_ms), [this] { return awake || stopping; });
    awake = false;
  }
}

// Whether nodes can be reached.
bool Peer::Impl::look_at_cloud() {
  if (!has_cloud()) return false;
  {
    const std::lock_guard lock(mutex);
    if (clock.monotonic_ms() < cloud_pause.until_ms) return false;
  }
  auto read = read_cloud();
  if (stopping) return false;
  read = noted(std::move(read));
  const std::lock_guard lock(mutex);
  if (read) {
    cloud_pause = {};
    return true;
  }
  if (!is_away(read.error())) {
    trouble(fmt::format("the cloud's records cannot be read: {}", read.error().message));
  }
  cloud_pause.grow(clock.monotonic_ms(), options.poll_ms, options.retry_ms_max);
  return false;
}

Result<> Peer::Impl::read_cloud() {
  CloudRecords records = cloud();
  if (!prepared) {
    // Of another program, perhaps: what is read is checked, whatever the collections are like.
    const auto made = records.prepare();
    if (!made && is_away(made.error())) return made;
    if (!made) trouble(fmt::format("the collections of peers are not as they should be: {}", made.error().message));
    prepared = true;
  }
  if (stopping) return fail(stopped());
  DISTRI_TRY(const auto users, records.users());
  take_users(users);
  std::int64_t due_ms = 0;
  {
    const std::lock_guard lock(mutex);
    due_ms = reconciled_ms == 0 ? 0 : reconciled_ms + options.reconcile_ms;
  }
  if (clock.monotonic_ms() >= due_ms) DISTRI_TRY_VOID(reconcile());
  DISTRI_TRY(const auto receipts, records.receipts_to(self));
  take_receipts(receipts);
  if (stopping) return fail(stopped());
  DISTRI_TRY(const auto requests, records.requests_to(self));
  take_requests(requests);
  DISTRI_TRY(const auto grants, records.grants_to(self));
  take_grants(grants);
  return {};
}

// ---- What others have written

void Peer::Impl::take_users(const Found<User>& found) {
  const std::lock_guard lock(mutex);
  bool changed_one = false;
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
    changed_one = changed_one || seen->changed;
    look_after_locked(*seen);
    // He may be elsewhere now.
    if (seen->changed) away.erase(each.owner);
  }
  if (const auto kept = books.keep_contacts(changed_one); !kept) trouble(kept.error().message);
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
  for (const Request& each : found.records) {
    const std::lock_guard lock(mutex);
    const Entry* known = books.ledger.find(each.id);
    if (known != nullptr && known->request == each) continue;
    const auto effects = books.ledger.on_request(each);
    const auto kept = effects ? settle_locked(each.id, *effects) : Result<>(fail(effects.error()));
    if (!kept) trouble(fmt::format("a request in the cloud is not taken: {}", kept.error().message));
  }
}

void Peer::Impl::take_receipts(const Found<Receipt>& found) {
  for (const Receipt& each : found.records) {
    const std::lock_guard lock(mutex);
    const auto effects = books.ledger.on_receipt(each);
    const auto kept = effects ? settle_locked(each.grant, *effects) : Result<>(fail(effects.error()));
    if (!kept) trouble(fmt::format("a receipt in the cloud is not taken: {}", kept.error().message));
  }
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
    const std::pair id(each.owner, each.name);
    if (catalog.size() >= kCatalogEntriesMax && !catalog.contains(id)) {
      trouble(fmt::format("the catalog has more than {} images, the rest is left out", kCatalogEntriesMax));
      continue;
    }
    CatalogEntry& known = catalog[id];
    if (each.version <= known.version && !known.owner.empty()) continue;
    known = std::move(each);
    news = true;
  }
  reconcile_offers_locked(mine);
  if (!news) return;
  PeerEvent event;
  event.kind = PeerEvent::Kind::kCatalogChanged;
  events.post(std::move(event));
}

// ---- What is mine

void Peer::Impl::make_user_record_locked() {
  User record;
  record.name = options.name;
  record.addresses = options.advertised;
  const Address here = server->address();
  const bool anywhere = here.host == "0.0.0.0" || here.host == "::";
  if (record.addresses.empty() && !anywhere) record.addresses = {here};
  // Higher than in the life before, without a book that says what that was.
  record.version = static_cast<std::uint64_t>(std::max<std::int64_t>(clock.wall_ms(), 1));
  user = sign(std::move(record), key);
  outbox.user = true;
}

// Finds out which of my records the cloud lacks, or has in an older version: after a restart, and when a partition let
// an older one win. What others of my devices have asked for is taken into the book.
Result<> Peer::Impl::reconcile() {
  CloudRecords records = cloud();
  DISTRI_TRY(const auto requests, records.requests_of(self));
  DISTRI_TRY(const auto grants, records.grants_of(self));
  DISTRI_TRY(auto entries, records.catalog(std::nullopt));
  {
    const std::lock_guard lock(mutex);
    std::map<GrantId, const Request*> asked;
    for (const Request& each : requests.records) {
      asked[each.id] = &each;
      // What was put away here comes back as withdrawn at most, and is nothing then.
      if (each.withdrawn && books.holdings.find(each.id) == nullptr) continue;
      const auto news = books.holdings.on_request(each);
      const auto kept = news ? settle_holding_locked(each.id, *news) : Result<>(fail(news.error()));
      if (!kept) trouble(kept.error().message);
    }
    for (const auto& [id, holding] : books.holdings.all()) {
      const auto there = asked.find(id);
      if (there == asked.end() || supersedes(holding.request, *there->second)) {
        outbox.requests.emplace(id, 0);
      } else {
        outbox.requests.erase(id);
      }
    }
    std::map<GrantId, std::uint64_t> answered;
    for (const Grant& each : grants.records) answered[each.id] = each.version;
    for (const auto& [id, entry] : books.ledger.entries()) {
      if (!entry.grant) continue;
      const auto there = answered.find(id);
      if (there == answered.end() || there->second < entry.grant->version) {
        outbox.grants.emplace(id, 0);
      } else {
        outbox.grants.erase(id);
        if (there->second > entry.grant->version) {
          trouble(
              fmt::format("grant {} has version {} in the cloud and {} in the book: was the book put back from a "
                          "copy, or is it used on two machines? Views may be given twice",
                          id.short_hex(), there->second, entry.grant->version));
        }
      }
    }
    reconciled_ms = std::max<std::int64_t>(clock.monotonic_ms(), 1);
  }
  take_catalog(std::move(entries));
  return {};
}

void Peer::Impl::reconcile_offers_locked(const std::vector<CatalogEntry>& there) {
  std::map<std::string, const CatalogEntry*> by_name;
  for (const CatalogEntry& each : there) {
    by_name[each.name] = &each;
    const auto mine = offers.find(each.name);
    // Until a directory is published nothing is known of what is gone.
    if (mine == offers.end() && (!published || each.gone)) continue;
    CatalogEntry next = mine == offers.end() ? each : mine->second;
    if (mine == offers.end()) {
      next.gone = true;
    } else if (mine->second == each || mine->second.version > each.version) {
      continue;
    }
    next.version = each.version + 1;
    offers[each.name] = sign(std::move(next), key);
    outbox.offers.insert(each.name);
  }
  for (const auto& [name, entry] : offers) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second->version < entry.version) outbox.offers.insert(name);
  }
}

// ---- Escrow

void Peer::Impl::top_up_escrow() {
  const std::lock_guard lock(mutex);
  for (const GrantId& id : std::exchange(escrow_due, {})) {
    const Entry* entry = books.ledger.find(id);
    if (entry == nullptr || entry->state() != Entry::State::kGranted) continue;
    const std::uint32_t there = entry->in_cloud();
    if (there >= options.escrow_views) continue;
    const std::uint32_t more = std::min(options.escrow_views - there, entry->remaining());
    if (more == 0) continue;
    const auto effects = books.ledger.put_in_escrow(id, more);
    const auto kept = effects ? settle_locked(id, *effects) : Result<>(fail(effects.error()));
    if (!kept)
      trouble(fmt::format("no views of grant {} are kept in the cloud: {}", id.short_hex(), kept.error().message));
  }
}

}  // namespace distri::peer
