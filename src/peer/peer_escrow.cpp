// View keys that go into the cloud and out of it, and receipts that were in vain.
#include <algorithm>
#include <iterator>

#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

void Peer::Impl::top_up_escrow_locked() {
  for (const GrantId& id : std::exchange(escrow_due, {})) {
    const Entry* entry = books.ledger.find(id);
    if (entry == nullptr || entry->state() != Entry::State::kGranted) continue;
    const std::uint32_t there = entry->in_cloud();
    if (there >= options.escrow_views) continue;
    const std::uint32_t more = std::min(options.escrow_views - there, entry->remaining());
    if (more == 0) continue;
    settle_locked(id, books.ledger.put_in_escrow(id, more), "no view is kept in the cloud");
  }
}

// Receipts were read before, so that a key of which it is not known whether it is there, and that was used, is not put
// there again.
void Peer::Impl::place_view_keys() {
  std::vector<ViewKey> keys;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [which, each] : outbox.place) keys.push_back(each);
  }
  for (const ViewKey& each : keys) {
    if (stopping || cloud_away) return;
    {
      Lock lock(mutex);
      const auto kept = keep(lock, Page::entry(each.grant));
      const Entry* entry = books.ledger.find(each.grant);
      const bool wanted = entry != nullptr && each.serial <= entry->issues.size() &&
                          entry->issues[each.serial - 1].kind == Issue::Kind::kPlacing;
      if (!wanted) outbox.place.erase({each.grant, each.serial});
      if (!wanted || !kept) continue;
    }
    const auto placed = noted(cloud().place(each));
    if (!placed) {
      if (!is_away(placed.error())) trouble(placed.error().message);
      // It may be there, and be used already.
      const std::lock_guard lock(mutex);
      look_wanted = true;
      continue;
    }
    const std::lock_guard lock(mutex);
    outbox.place.erase({each.grant, each.serial});
    // Saved with others: after a crash it is placed again, which does nothing.
    settle_locked(each.grant, books.ledger.on_placed(each.grant, each.serial, true));
  }
}

void Peer::Impl::take_out_view_keys() {
  std::set<std::pair<GrantId, std::uint32_t>> keys;
  {
    const std::lock_guard lock(mutex);
    keys = outbox.take_out;
  }
  for (const auto& [id, serial] : keys) {
    if (stopping || cloud_away) return;
    {
      Lock lock(mutex);
      if (!keep(lock, Page::entry(id))) continue;
    }
    const auto was_there = noted(cloud().take_back(self, id, serial));
    if (!was_there) {
      if (!is_away(was_there.error())) trouble(was_there.error().message);
      continue;
    }
    Lock lock(mutex);
    outbox.take_out.erase({id, serial});
    settle_locked(id, books.ledger.on_taken_back(id, serial, *was_there));
    // At once: after a crash nobody would know that the key was still there.
    if (const auto kept = keep(lock, Page::entry(id)); !kept) trouble(kept.error().message);
  }
}

std::set<KeyPlace> Peer::Impl::keys_in_escrow() const {
  const std::lock_guard lock(mutex);
  std::set<KeyPlace> keys;
  for (const auto& [id, entry] : books.ledger.entries()) {
    for (std::size_t place = 0; place < entry.issues.size(); ++place) {
      const Issue& issue = entry.issues[place];
      if (issue.kind == Issue::Kind::kEscrow && !issue.used()) keys.emplace(id, place + 1);
    }
  }
  return keys;
}

// A key is missing without a receipt when that was lost with its node, or its viewer could not tell whether he had it.
// One is found that was given up when the node that has it was away then. In both cases twice in a row, as one node may
// not have yet what another one has.
void Peer::Impl::compare_escrow(const std::set<KeyPlace>& in_escrow, const std::set<KeyPlace>& there) {
  const std::lock_guard lock(mutex);
  std::set<KeyPlace> missing, found;
  std::ranges::set_difference(in_escrow, there, std::inserter(missing, missing.end()));
  std::ranges::set_difference(there, in_escrow, std::inserter(found, found.end()));
  for (const auto& [id, serial] : missing) {
    if (missing_keys.contains({id, serial})) settle_locked(id, books.ledger.on_missing(id, serial));
  }
  for (const auto& [id, serial] : found) {
    if (found_keys.contains({id, serial}) && books.ledger.find(id) != nullptr) {
      settle_locked(id, books.ledger.on_found(id, serial));
    }
  }
  missing_keys = std::move(missing);
  found_keys = std::move(found);
}

void Peer::Impl::remove_receipts() {
  std::vector<Receipt> receipts;
  {
    const std::lock_guard lock(mutex);
    receipts.swap(outbox.unwritten);
  }
  for (const Receipt& each : receipts) {
    if (!cloud_away && noted(cloud().remove(each))) continue;
    const std::lock_guard lock(mutex);
    outbox.unwritten.push_back(each);
  }
}

}  // namespace distri::peer
