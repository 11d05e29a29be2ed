#include <algorithm>
#include <limits>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

// Tombstones looked at in one go, so that a tick stays short.
constexpr std::size_t kTombstonesExaminedMax = 20'000;
// Documents that one message's digests stand for: the asker hashes so many in one turn, and so does the asked.
constexpr std::size_t kRangesPerMessage = 16;
constexpr std::size_t kDocumentsPerRange = 128;
constexpr std::int64_t kPlantedTombstoneAgeMs = 3'000;

}  // namespace

// What we and every other node have seen.
VersionVector Replica::Impl::seen_by_all() const {
  VersionVector result;
  for (const auto& [actor, counter] : vector.entries()) {
    std::uint64_t least = counter;
    for (const auto& [node, peer] : connected) least = std::min(least, peer.announced->get(actor));
    for (const auto& [node, gone] : away) least = std::min(least, gone.vector.get(actor));
    result.advance(actor, least);
  }
  for (const auto& [actor, of_actor] : folds->all()) {
    std::uint64_t least = vector.get(actor);
    for (const auto& [node, peer] : connected) least = std::min(least, peer.announced->get(actor));
    for (const auto& [node, gone] : away) least = std::min(least, gone.vector.get(actor));
    result.advance(actor, least);
  }
  return result;
}

// ---- Tombstones. One is done when every configured member has seen it, and everything that was written by somebody
// who had not seen it has come here. A member's own writes have, when its vector is covered here. A write of a life
// that ended may still be held back by somebody, at most holdback_ms_max: so long a cut is kept before it counts, and
// every member must have been heard since. Where members are let in at run time, each must have said since then that
// its table of members is ours (see newest_before_lost).
void Replica::Impl::collect_tombstones() {
  if (refusing() || staging()) return;
  if (config.plant == Plant::kTombstonesByTime) {
    const std::uint64_t old = HybridClock::from_ms(wall_ms - kPlantedTombstoneAgeMs);
    store.purge_tombstones([old](const Store::Tombstone& dead) { return dead.stamp.hlc < old; },
                           kTombstonesExaminedMax);
    return;
  }
  bool all_here = all_members_known && connected.size() + 1 >= config.members;
  bool all_known = true;
  for (const auto& [node, peer] : connected) {
    all_here = all_here && peer.announced;
    all_known = all_known && all_here && vector.covers(*peer.announced);
  }
  // Who went lately may be a member that `members` forgot to count.
  absl::erase_if(away, [this](const auto& entry) { return elapsed - entry.second.since > config.away_ms_max; });
  for (const auto& [node, gone] : away) all_known = all_known && vector.covers(gone.vector);
  if (!all_here) cut.reset();
  all_known = all_known && all_here;
  if (all_known && !cut) cut = Cut{seen_by_all(), elapsed};
  const Elapsed settled = cut ? cut->since + config.holdback_ms_max + 2 * config.gossip_ms : 0;
  const bool fresh = cut && all_known && std::all_of(connected.begin(), connected.end(), [&](const auto& entry) {
                       return entry.second.heard_at >= settled && (!keyed || entry.second.agreed_at >= settled);
                     });
  if (fresh) {
    counters.tombstones_removed += store.purge_tombstones(
        [this](const Store::Tombstone& dead) { return cut->vector.covers(dead.dot); }, kTombstonesExaminedMax);
    if (store.purge_complete()) cut.reset();
  }
  const std::size_t count = store.tombstones();
  if (count <= config.tombstones_max) return;
  const Stamp limit = store.stamp_of_oldest_tombstones(count - config.tombstones_max + config.tombstones_max / 10);
  const auto oldest = [&limit](const Store::Tombstone& dead) { return dead.stamp <= limit; };
  std::size_t dropped = 0;
  for (int pass = 0; pass < 2; ++pass) {  // the first one goes on from where the last look ended
    dropped += store.purge_tombstones(oldest, std::numeric_limits<std::size_t>::max());
  }
  counters.tombstones_dropped += dropped;
  notice(
      Notice::Kind::kTombstonesDropped, config.node,
      fmt::format("{} tombstones exceeded tombstones_max {}: the oldest {} went, although some of the {} members may "
                  "not have seen them",
                  count, config.tombstones_max, dropped, config.members));
}

// ---- Mending. The node with the smaller id asks; both end up with the join of the stretches that differ.

void Replica::Impl::start_mending(const NodeId& peer, const std::string& collection) {
  if (mending && elapsed - mending->since < config.pull_timeout_ms) return;
  if (!(config.node < peer) || staging() || refusing()) return;
  mending = Mending{peer, 0, collection, {}, 0, elapsed};
  compare_next();
}

void Replica::Impl::compare_next() {
  mending->id = next_mending_id++;
  mending->since = elapsed;
  RangeDigests message;
  message.id = mending->id;
  message.vector = vector;
  message.collection = mending->collection;
  message.from = mending->from;
  Bytes from = mending->from;
  for (std::size_t i = 0; i < kRangesPerMessage; ++i) {
    const Store::Range range = store.range(mending->collection, from, kDocumentsPerRange);
    message.ranges.push_back({range.to_end, range.to_end ? Bytes() : range.to, range.documents, range.digest});
    if (range.to_end) break;
    from = range.to;
  }
  Bytes payload;
  wire::Writer out(payload);
  encode(out, message);
  send(mending->peer, MessageKind::kRangeDigests, std::make_shared<const Bytes>(std::move(payload)));
}

Result<> Replica::Impl::on_range_digests(const NodeId& from, BytesView payload) {
  wire::Reader in(payload);
  DISTRI_TRY(const RangeDigests asked, decode_range_digests(in));
  // Writes have come in between: it will be asked again when the vectors meet.
  if (!(asked.vector == vector) || refusing()) return {};
  Bytes states;
  wire::Writer out(states);
  RangeStates answer;
  answer.id = asked.id;
  answer.answer = true;
  answer.vector = vector;
  answer.to = asked.from;
  for (const RangeDigests::Range& theirs : asked.ranges) {
    if (states.size() > config.pull_chunk_bytes) break;
    const Store::Range ours = store.range_to(asked.collection, answer.to, theirs.to, theirs.to_end);
    if (ours.documents != theirs.documents || !(ours.digest == theirs.digest)) {
      store.encode_range(out, asked.collection, answer.to, theirs.to, theirs.to_end);
    }
    answer.to = theirs.to;
    answer.to_end = theirs.to_end;
  }
  Bytes message;
  wire::Writer head(message);
  encode_range_states_head(head, answer);
  head.raw(states);
  send(from, MessageKind::kRangeStates, std::make_shared<const Bytes>(std::move(message)));
  return {};
}

Result<> Replica::Impl::on_range_states(const NodeId& from, BytesView payload) {
  wire::Reader in(payload);
  DISTRI_TRY(RangeStates message, decode_range_states(in));
  message.vector.use_folds(folds);
  if (message.answer && (!mending || mending->peer != from || mending->id != message.id)) return {};
  if (!(message.vector == vector) || refusing()) {
    if (message.answer) mending.reset();
    return {};
  }
  Bytes ours;
  wire::Writer out(ours);
  for (CollectionChunk& chunk : message.collections) {
    const auto [name, after, to, to_end] = std::tuple(chunk.name, chunk.from, chunk.to, chunk.to_end);
    store.merge(std::move(chunk), vector, message.vector, Store::Absence::kDoubtful);
    ++counters.mended_ranges;
    if (message.answer) store.encode_range(out, name, after, to, to_end);
  }
  if (!message.collections.empty()) interrupt_feed();
  if (!message.answer) {
    notice(Notice::Kind::kMended, from, "joined the stretches of a collection that differed");
    return {};
  }
  mending->ranges += message.collections.size();
  if (!message.collections.empty()) {
    RangeStates second;
    second.id = message.id;
    second.vector = vector;
    Bytes reply;
    wire::Writer head(reply);
    encode_range_states_head(head, second);
    head.raw(ours);
    send(from, MessageKind::kRangeStates, std::make_shared<const Bytes>(std::move(reply)));
  }
  if (message.to_end) {
    notice(Notice::Kind::kMended, from,
           fmt::format("collection '{}': {} stretches differed and were joined", mending->collection, mending->ranges));
    mending.reset();
  } else if (message.to <= mending->from) {
    mending.reset();
    return fail(Code::kProtocolError, "range states: they do not go forward");
  } else {
    mending->from = std::move(message.to);
    compare_next();
  }
  return {};
}

}  // namespace distri::replication
