// What nodes remove by themselves: documents that have expired, by which clock, and the oldest of capped collections.
//
// A wall clock that is wrong must not destroy data (DESIGN, promise 4), so no node believes its own: the time is the
// lower median of its own clock and of what other nodes last said of theirs (UpdateInfo and heartbeats). Of three or
// more clocks a wrong one, whether ahead or behind, lies outside of the median or between two right ones; of two the
// earlier counts. What a connected peer said is taken as it is, at most a few rounds of gossip old; what a peer said
// that is gone goes on with the time that has passed here since, in which leaps of our own clock hardly show (Elapsed).
// Peers that are gone are asked only up to the configured number of members, the last heard first: a node that comes
// back under ever new names has one voice for each that is connected.
//
// Whoever has not heard of a majority of the configured members in this life removes nothing. A node that knows of
// nobody has only its own clock, and waits a minute before it trusts that.
//
// Of a capped collection the oldest documents go when it is over its limits: with each insert, at the node that takes
// it, and, for what comes together in a merge, when the node that sweeps gets there.
#include <algorithm>
#include <utility>

#include "distri/db/expiry.hpp"
#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

constexpr Elapsed kAloneMs = 60'000;

bool exceeds(const db::Collection& documents, const db::Cap& cap) {
  if (documents.size() <= 1) return false;  // the newest stays, however large it is
  return documents.bytes() > static_cast<std::size_t>(cap.bytes) ||
         (cap.documents > 0 && documents.size() > static_cast<std::size_t>(cap.documents));
}

}  // namespace

void Replica::Impl::heard_clock(const NodeId& from, std::int64_t wall) {
  clocks.insert_or_assign(from, HeardClock{wall, elapsed});
}

std::optional<std::int64_t> Replica::Impl::expiry_clock_ms() const {
  if (config.plant == Plant::kExpireByOwnClock) return wall_ms;
  std::vector<std::int64_t> readings{wall_ms};
  std::vector<HeardClock> gone;
  for (const auto& [node, heard] : clocks) {
    if (connected.contains(node)) {
      readings.push_back(heard.wall_ms);
    } else {
      gone.push_back(heard);
    }
  }
  std::stable_sort(gone.begin(), gone.end(),
                   [](const HeardClock& a, const HeardClock& b) { return a.heard_at > b.heard_at; });
  for (const HeardClock& heard : gone) {
    if (readings.size() >= config.members) break;
    std::int64_t now = 0;
    readings.push_back(__builtin_add_overflow(heard.wall_ms, elapsed - heard.heard_at, &now) ? heard.wall_ms : now);
  }
  if (readings.size() < config.members / 2 + 1) return std::nullopt;
  if (readings.size() == 1 && elapsed < kAloneMs) return std::nullopt;
  const auto median = readings.begin() + static_cast<std::ptrdiff_t>((readings.size() - 1) / 2);
  std::nth_element(readings.begin(), median, readings.end());
  return *median;
}

// One of those that hear each other is enough, and several do no harm: deletes of one document merge into one.
bool Replica::Impl::sweeps() const {
  if (refusing() || staging()) return false;
  return std::none_of(connected.begin(), connected.end(),
                      [this](const auto& peer) { return peer.first < config.node && !peer.second.leaving; });
}

std::optional<std::int64_t> Replica::expiry_clock_ms() const {
  return impl_->expiry_clock_ms();
}

bool Replica::sweep(std::size_t budget, std::int64_t now_ms) {
  Impl& impl = *impl_;
  impl.pass_time(now_ms);
  if (!impl.sweeps()) return false;
  return impl.remove_expired(budget, now_ms) || impl.trim_all(budget, now_ms);
}

// True: the budget is spent. What cannot be removed (nothing lies above its stamp) is passed over.
bool Replica::Impl::remove_expired(std::size_t& budget, std::int64_t now_ms) {
  const db::Database& database = store.database();
  const auto clock_ms = database.expiring().empty() ? std::nullopt : expiry_clock_ms();
  if (!clock_ms) return false;
  // Asked anew for each document: with its last one a collection may go.
  const auto index_of = [&database](const std::pair<std::string, std::string>& place) -> const db::Index* {
    const db::Collection* documents = database.find(place.first);
    return documents == nullptr ? nullptr : documents->index(place.second);
  };
  bool removed = false;
  for (const auto& place : database.expiring()) {
    const std::string& collection = place.first;
    const db::Index* index = index_of(place);
    if (index == nullptr) continue;
    for (const std::string& key : db::expired_documents(*index, *clock_ms, budget)) {
      --budget;
      const db::Record* record = store.find(collection, key);
      index = index_of(place);
      if (record == nullptr || index == nullptr || !db::is_expired(*index, record->document, *clock_ms)) continue;
      if (!remove_document(*record, collection, key, now_ms)) continue;
      removed = true;
      ++counters.documents_expired;
    }
    if (budget == 0) return removed;
  }
  return false;
}

bool Replica::Impl::trim_all(std::size_t& budget, std::int64_t now_ms) {
  if (config.plant == Plant::kTrimInsertsOnly) return false;
  for (const auto& [collection, options] : store.database().options()) {
    if (options.cap && !trim(collection, budget, now_ms)) return true;
  }
  return false;
}

// Removes the oldest documents of a capped collection that is over its limits. False: there are more. One that cannot
// be removed ends it.
bool Replica::Impl::trim(std::string_view collection, std::size_t& budget, std::int64_t now_ms) {
  const RequestId request = std::exchange(current_request, {});  // a caller is not told of these
  bool done = false;
  for (;;) {
    const db::Collection* documents = store.database().find(collection);
    const auto& cap = store.database().options(collection).cap;
    done = documents == nullptr || !cap || !exceeds(*documents, *cap);
    if (done || budget == 0) break;
    --budget;
    const auto& places = documents->insertion_order()->places();
    const std::string& place = config.plant == Plant::kTrimNewest ? *places.rbegin() : *places.begin();
    const std::string key(db::InsertionOrder::id_key_of(place));
    done = !remove_document(*documents->find(key), collection, key, now_ms);
    if (done) break;
    ++counters.documents_capped;
  }
  current_request = request;
  return done;
}

// What an insert into a capped collection must exceed, so that the order of stamps is that of insertion as its writer
// knows it, whatever the clocks say.
Stamp Replica::Impl::newest_inserted(std::string_view collection) const {
  if (config.plant == Plant::kInsertByClock) return {};
  const db::Collection* documents = store.database().find(collection);
  if (documents == nullptr || documents->insertion_order() == nullptr || documents->size() == 0) return {};
  const std::string_view key = db::InsertionOrder::id_key_of(*documents->insertion_order()->places().rbegin());
  return documents->find(key)->revision.stamp();
}

}  // namespace distri::replication
