// What is this user's own in the cloud: his record, and what the cloud lacks of the books.
#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

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
    Lock lock(mutex);
    std::map<GrantId, const Request*> asked;
    for (const Request& each : requests.records) {
      asked[each.id] = &each;
      // What was put away here comes back as withdrawn at most, and is nothing then.
      if (each.withdrawn && books.holdings.find(each.id) == nullptr) continue;
      const auto news = books.holdings.on_request(each);
      if (!news) trouble(news.error().message);
      if (news && *news) books.has_changed(Page::holding(each.id));
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
    keep_all(lock);
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

}  // namespace distri::peer
