// What users say of themselves and of what they have: an Agent's own, and that of others.
#include <algorithm>

#include "distri/peer/agent.hpp"
#include "distri/peer/limits.hpp"

namespace distri::peer {

namespace {

// Apart from version, owner and signature.
bool says_the_same(const CatalogEntry& entry, CatalogEntry other) {
  other.owner = entry.owner;
  other.version = entry.version;
  other.signature = entry.signature;
  return entry == other;
}

PeerEvent catalog_changed(const PublicKey& user) {
  PeerEvent event;
  event.kind = PeerEvent::Kind::kCatalogChanged;
  event.user = user;
  return event;
}

PeerEvent contact_event(const Contacts::Event& event) {
  PeerEvent told;
  told.user = event.key;
  told.text = event.name;
  switch (event.kind) {
    case Contacts::Event::Kind::kNew:
      told.kind = PeerEvent::Kind::kNewUser;
      break;
    case Contacts::Event::Kind::kRenamed:
      told.kind = PeerEvent::Kind::kRenamed;
      break;
    case Contacts::Event::Kind::kNameClaimed:
      told.kind = PeerEvent::Kind::kNameClaimed;
      break;
  }
  return told;
}

}  // namespace

// ---- Users

Change Agent::take_users(const std::vector<User>& found, std::int64_t now_ms) {
  Change change;
  change.pages.insert(Page::contacts());
  for (const User& each : found) {
    if (each.owner == self_) {
      take_own_record(each, now_ms);
      continue;
    }
    const auto seen = books_.contacts.see(each);
    if (!seen) {
      change.troubles.push_back(seen.error().message);
      continue;
    }
    for (const Contacts::Event& event : seen->events) change.events.push_back(contact_event(event));
    if (seen->changed) books_.has_changed(Page::contacts());
    // He may be elsewhere now.
    if (seen->changed) away_.erase(each.owner);
  }
  return change;
}

// Written by another device of this user, or in a life with a clock that was ahead. Both devices are to be found, and
// must not write over each other without end.
void Agent::take_own_record(const User& there, std::int64_t now_ms) {
  if (!user_ || there == *user_) return;
  if (there.version < user_->version) {
    outbox_.user = true;  // of a life before; a partition may have let it win
    return;
  }
  const auto is_there = [&](const Address& each) {
    return std::ranges::find(there.addresses, each) != there.addresses.end();
  };
  if (std::ranges::all_of(addresses_, is_there) && user_->name == there.name) {
    user_ = there;
    outbox_.user = false;
    return;
  }
  if (now_ms < user_pause_.until_ms) return;
  user_pause_.grow(now_ms, options_.reconcile_ms, options_.reconcile_ms);
  // This device's are first: the others' may be more than a record has room for, as each may have moved.
  user_->addresses = addresses_;
  for (const Address& each : there.addresses) {
    const bool known = std::ranges::find(addresses_, each) != addresses_.end();
    if (!known && user_->addresses.size() < kAddressesMax) user_->addresses.push_back(each);
  }
  user_->version = there.version + 1;
  user_ = sign(*std::move(user_), key_);
  outbox_.user = true;
}

// ---- Images of others

Change Agent::take_offers(std::vector<CatalogEntry> found) {
  Change change;
  bool news = false;
  for (CatalogEntry& each : found) {
    const std::pair id(each.owner, each.name);
    if (catalog_.size() >= kCatalogEntriesMax && !catalog_.contains(id)) {
      change.troubles.push_back(
          fmt::format("the catalog has more than {} images, the rest is left out", kCatalogEntriesMax));
      break;
    }
    CatalogEntry& known = catalog_[id];
    if (each.version <= known.version && !known.owner.empty()) continue;
    known = std::move(each);
    news = true;
  }
  if (news) change.events.push_back(catalog_changed({}));
  return change;
}

Change Agent::take_catalog(std::vector<CatalogEntry> found) {
  const auto others = std::ranges::stable_partition(found, [this](const auto& each) { return each.owner == self_; });
  std::vector<CatalogEntry> of_others(std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
  found.erase(others.begin(), others.end());
  reconcile_offers(found);
  return take_offers(std::move(of_others));
}

// ---- His own

void Agent::reconcile_offers(const std::vector<CatalogEntry>& there) {
  std::map<std::string, const CatalogEntry*> by_name;
  for (const CatalogEntry& each : there) {
    by_name[each.name] = &each;
    const auto mine = offers_.find(each.name);
    // Until a directory is published nothing is known of what is gone.
    if (mine == offers_.end() && (!offering_ || each.gone)) continue;
    CatalogEntry next = mine == offers_.end() ? each : mine->second;
    if (mine == offers_.end()) {
      next.gone = true;
    } else if (mine->second == each || mine->second.version > each.version) {
      continue;
    }
    // Higher also than what others have seen of a life before, and the cloud has lost.
    next.version = std::max(each.version + 1, life_);
    offers_[each.name] = sign(std::move(next), key_);
    outbox_.offers.insert(each.name);
  }
  for (const auto& [name, entry] : offers_) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second->version < entry.version) outbox_.offers.insert(name);
  }
}

Agent::Offered Agent::offer(const std::vector<CatalogEntry>& here, std::int64_t wall_ms) {
  Offered result;
  bool news = false;
  const auto put = [&](CatalogEntry next) {
    const auto known = offers_.find(next.name);
    const std::uint64_t last = known == offers_.end() ? 0 : known->second.version;
    // Higher than in the life before, without a book that says what that was.
    next.version = std::max(last + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(wall_ms, 1)));
    if (const auto fits = check(next); !fits) {
      result.left_out.emplace_back(next.name, fits.error());
      return;
    }
    const std::string name = next.name;
    outbox_.offers.insert(name);
    offers_[name] = sign(std::move(next), key_);
    news = true;
  };
  std::set<std::string_view> names;
  for (const CatalogEntry& each : here) {
    names.insert(each.name);
    const auto known = offers_.find(each.name);
    if (known == offers_.end() || !says_the_same(known->second, each)) put(each);
  }
  for (const auto& [name, entry] : std::map(offers_)) {
    if (entry.gone || names.contains(name)) continue;
    CatalogEntry gone = entry;
    gone.gone = true;
    put(std::move(gone));
  }
  if (!std::exchange(offering_, true)) {
    reconciled_ms_ = 0;
    result.change.wake = true;
  }
  if (!news) return result;
  result.change.events.push_back(catalog_changed(self_));
  result.change.wake = true;
  return result;
}

Result<CatalogEntry> Agent::offered_for(const GrantId& id) const {
  const Entry* entry = books_.ledger.find(id);
  if (entry == nullptr) return fail(Code::kNotFound, "request {}: there is none of that id", id.short_hex());
  if (entry->state() != Entry::State::kWaiting) {
    return fail(entry->state() == Entry::State::kWithdrawn ? Code::kCancelled : Code::kAlreadyExists,
                "request {}: it is {} already", id.short_hex(), state_name(entry->state()));
  }
  const auto found = offers_.find(entry->request.resource);
  if (offering_ && found != offers_.end() && !found->second.gone) return found->second;
  return fail(Code::kNotFound, "request {}: the image it is for is not published; publish its directory, or refuse",
              id.short_hex());
}

}  // namespace distri::peer
