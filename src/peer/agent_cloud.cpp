// What an Agent finds in the cloud.
#include <algorithm>

#include "distri/peer/agent.hpp"

namespace distri::peer {

// ---- Looks

std::optional<Reading> Look::next() const {
  if (!done_) return Reading::kUsers;
  switch (*done_) {
    case Reading::kUsers:
      return compares_ ? Reading::kOwnRequests : Reading::kReceipts;
    case Reading::kOwnRequests:
      return Reading::kOwnGrants;
    case Reading::kOwnGrants:
      return Reading::kCatalog;
    case Reading::kCatalog:
      return Reading::kOwnKeys;
    case Reading::kOwnKeys:
      // After the keys: who has taken one has written his receipt before.
      return Reading::kReceipts;
    case Reading::kReceipts:
      return Reading::kRequests;
    case Reading::kRequests:
      return Reading::kGrants;
    case Reading::kGrants:
      break;
  }
  return std::nullopt;
}

// While streams tell of changes, all is read only to compare it.
Agent::LookDue Agent::is_look_due(std::int64_t now_ms, bool told_of_changes) const {
  if (now_ms < look_pause_.until_ms) return LookDue::kPaused;
  const bool to_compare = reconciled_ms_ == 0 || now_ms >= reconciled_ms_ + options_.reconcile_ms;
  return look_wanted_ || to_compare || cloud_away_ || !told_of_changes ? LookDue::kYes : LookDue::kNo;
}

Look Agent::begin_look(std::int64_t now_ms) {
  look_wanted_ = false;
  Look look(reconciled_ms_ == 0 || now_ms >= reconciled_ms_ + options_.reconcile_ms);
  look.absent_ = outbox_.absent;
  return look;
}

Change Agent::take(Look& look, CloudRecordList found, std::int64_t now_ms) {
  const Reading reading = *look.next();
  look.done_ = reading;
  switch (reading) {
    case Reading::kUsers: {
      const auto& users = std::get<std::vector<User>>(found);
      Change change = take_users(users, now_ms);
      look.unknown_ = std::ranges::find(users, self_, &User::owner) == users.end();
      if (look.unknown_) outbox_.user = true;
      return change;
    }
    case Reading::kOwnRequests:
      return reconcile_requests(std::get<std::vector<Request>>(found));
    case Reading::kOwnGrants:
      return reconcile_grants(std::get<std::vector<Grant>>(found));
    case Reading::kCatalog:
      reconciled_ms_ = std::max<std::int64_t>(now_ms, 1);
      look.in_escrow_ = keys_in_escrow();
      return take_catalog(std::get<std::vector<CatalogEntry>>(std::move(found)));
    case Reading::kOwnKeys:
      for (const ViewKey& each : std::get<std::vector<ViewKey>>(found)) {
        look.keys_there_.emplace(each.grant, each.serial);
      }
      return {};
    case Reading::kReceipts: {
      Change change = take_receipts(std::get<std::vector<Receipt>>(found));
      change.add(settle_absent(look.absent_));
      if (look.compares_) change.add(compare_escrow(look.in_escrow_, look.keys_there_));
      return change;
    }
    case Reading::kRequests:
    case Reading::kGrants:
      break;
  }
  return take(std::move(found), now_ms);
}

Change Agent::end_look(const Result<>& read, std::int64_t now_ms) {
  Change change = note_cloud(read ? Error{Code::kOk, ""} : read.error());
  if (read) {
    look_pause_ = {};
    return change;
  }
  look_wanted_ = true;
  if (!is_away(read.error())) {
    change.troubles.push_back(fmt::format("the cloud's records cannot be read: {}", read.error().message));
  }
  look_pause_.grow(now_ms, options_.poll_ms, options_.retry_ms_max);
  return change;
}

Change Agent::take(CloudRecordList found, std::int64_t now_ms) {
  if (const auto* users = std::get_if<std::vector<User>>(&found)) return take_users(*users, now_ms);
  if (const auto* requests = std::get_if<std::vector<Request>>(&found)) return take_requests(*requests);
  if (const auto* grants = std::get_if<std::vector<Grant>>(&found)) return take_grants(*grants);
  if (const auto* receipts = std::get_if<std::vector<Receipt>>(&found)) return take_receipts(*receipts);
  if (auto* entries = std::get_if<std::vector<CatalogEntry>>(&found)) {
    std::erase_if(*entries, [this](const CatalogEntry& each) { return each.owner == self_; });
    return take_offers(std::move(*entries));
  }
  return {};
}

// ---- What others have written

Change Agent::take_requests(const std::vector<Request>& found) {
  Change change;
  for (const Request& each : found) {
    const Entry* known = books_.ledger.find(each.id);
    if (known != nullptr && known->request == each) continue;
    change.add(settled_or_trouble(each.id, books_.ledger.on_request(each), "a request in the cloud is not taken"));
  }
  return change;
}

Change Agent::take_receipts(const std::vector<Receipt>& found) {
  Change change;
  for (const Receipt& each : found) {
    change.add(settled_or_trouble(each.grant, books_.ledger.on_receipt(each), "a receipt in the cloud is not taken"));
  }
  return change;
}

Change Agent::take_grants(const std::vector<Grant>& found) {
  Change change;
  for (const Grant& each : found) {
    const Holding* known = books_.holdings.find(each.id);
    if (known == nullptr || known->grant == each) continue;
    if (auto taken = on_grant(each)) {
      change.add(*std::move(taken));
    } else {
      change.troubles.push_back(fmt::format("a grant in the cloud is not taken: {}", taken.error().message));
    }
  }
  return change;
}

// ---- What is this user's own

// Finds out which of his requests the cloud lacks, or has in an older version: after a restart, and when a partition
// let an older one win. What others of his devices have asked for is taken into the book.
Change Agent::reconcile_requests(const std::vector<Request>& there) {
  Change change;
  std::map<GrantId, const Request*> asked;
  for (const Request& each : there) {
    asked[each.id] = &each;
    // What was put away here comes back as withdrawn at most, and is nothing then.
    if (each.withdrawn && books_.holdings.find(each.id) == nullptr) continue;
    if (const auto news = books_.holdings.on_request(each)) {
      change.add(settle_holding(each.id, *news));
    } else {
      change.troubles.push_back(news.error().message);
    }
  }
  for (const auto& [id, holding] : books_.holdings.all()) {
    const auto found = asked.find(id);
    if (found == asked.end() || supersedes(holding.request, *found->second)) {
      outbox_.requests.emplace(id, 0);
    } else {
      outbox_.requests.erase(id);
    }
  }
  return change;
}

// The same of his answers.
Change Agent::reconcile_grants(const std::vector<Grant>& there) {
  Change change;
  std::map<GrantId, std::uint64_t> answered;
  for (const Grant& each : there) answered[each.id] = each.version;
  for (const auto& [id, entry] : books_.ledger.entries()) {
    if (!entry.grant) continue;
    const auto found = answered.find(id);
    if (found == answered.end() || found->second < entry.grant->version) {
      outbox_.grants.emplace(id, 0);
      continue;
    }
    outbox_.grants.erase(id);
    if (found->second == entry.grant->version) continue;
    change.troubles.push_back(
        fmt::format("grant {} has version {} in the cloud and {} in the book: was the book put back from a "
                    "copy, or is it used on two machines? Views may be given twice",
                    id.short_hex(), found->second, entry.grant->version));
  }
  return change;
}

}  // namespace distri::peer
