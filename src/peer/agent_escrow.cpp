// The view keys of an Agent that lie in the cloud.
#include <algorithm>
#include <iterator>

#include "distri/peer/agent.hpp"

namespace distri::peer {

Change Agent::top_up_escrow() {
  Change change;
  for (const GrantId& id : std::exchange(escrow_due_, {})) {
    const Entry* entry = books_.ledger.find(id);
    if (entry == nullptr || entry->state() != Entry::State::kGranted) continue;
    const std::uint32_t there = entry->in_cloud();
    if (there >= options_.escrow_views) continue;
    const std::uint32_t more = std::min(options_.escrow_views - there, entry->remaining());
    if (more == 0) continue;
    change.add(settled_or_trouble(id, books_.ledger.put_in_escrow(id, more), "no view is kept in the cloud"));
  }
  return change;
}

std::set<KeyPlace> Agent::keys_in_escrow() const {
  std::set<KeyPlace> keys;
  for (const auto& [id, entry] : books_.ledger.entries()) {
    for (std::size_t place = 0; place < entry.issues.size(); ++place) {
      const Issue& issue = entry.issues[place];
      if (issue.kind == Issue::Kind::kEscrow && !issue.used()) keys.emplace(id, place + 1);
    }
  }
  return keys;
}

// What differs between the escrow of the book, before `there` was read, and that of the cloud. A key is missing without
// a receipt when that was lost with its node, or its viewer could not tell whether he had it. One is found that was
// given up when the node that has it was away then. In both cases twice in a row, as one node may not have yet what
// another one has.
Change Agent::compare_escrow(const std::set<KeyPlace>& in_escrow, const std::set<KeyPlace>& there) {
  Change change;
  std::set<KeyPlace> missing, found;
  std::ranges::set_difference(in_escrow, there, std::inserter(missing, missing.end()));
  std::ranges::set_difference(there, in_escrow, std::inserter(found, found.end()));
  for (const auto& [id, serial] : missing) {
    if (!missing_keys_.contains({id, serial})) continue;
    change.add(settled_or_trouble(id, books_.ledger.on_missing(id, serial)));
  }
  for (const auto& [id, serial] : found) {
    if (!found_keys_.contains({id, serial}) || books_.ledger.find(id) == nullptr) continue;
    change.add(settled_or_trouble(id, books_.ledger.on_found(id, serial)));
  }
  missing_keys_ = std::move(missing);
  found_keys_ = std::move(found);
  return change;
}

}  // namespace distri::peer
