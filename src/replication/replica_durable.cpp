#include <algorithm>
#include <functional>

#include "distri/replication/journal_record.hpp"
#include "distri/replication/replica_impl.hpp"
#include "distri/utils/check.hpp"

namespace distri::replication {

namespace {

constexpr std::uint8_t kFormat = 3;
// Earlier ones: with digests of another hash, and without what the change feed cannot tell; and without the effects of
// the log's entries.
constexpr std::uint8_t kFormatWithoutFeed = 2;
constexpr std::uint8_t kFormatWithoutEffects = 1;
constexpr std::size_t kDotBytes = 24;

Bytes log_key(std::uint64_t position) {
  Bytes key(1, kLogRecord);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(position >> shift));
  return key;
}

std::uint64_t log_position(BytesView key) {
  std::uint64_t position = 0;
  for (const char byte : key.substr(1)) position = position << 8 | static_cast<unsigned char>(byte);
  return position;
}

std::shared_ptr<const Bytes> encoded(const std::vector<Dot>& dots) {
  Bytes payload;
  wire::Writer out(payload);
  for (const Dot& dot : dots) {
    out.raw(dot.actor.view());
    out.u64(dot.counter);
  }
  return std::make_shared<const Bytes>(std::move(payload));
}

Result<std::vector<Dot>> decode_dots(BytesView payload) {
  if (payload.empty() || payload.size() % kDotBytes != 0) {
    return fail(Code::kProtocolError, "acknowledgement: {} bytes are no list of writes", payload.size());
  }
  wire::Reader in(payload);
  std::vector<Dot> dots(payload.size() / kDotBytes);
  for (Dot& dot : dots) {
    dot.actor = in.id<ActorId>();
    dot.counter = in.u64();
  }
  return dots;
}

// Of every actor only the newest: who holds that holds the earlier ones, too.
void keep_newest(std::vector<Dot>& dots) {
  std::sort(dots.begin(), dots.end(), std::greater<>());
  dots.erase(std::unique(dots.begin(), dots.end(), [](const Dot& a, const Dot& b) { return a.actor == b.actor; }),
             dots.end());
}

// A peer's questions that we keep at most; a client's write waits for its answer, so more than a few thousand are no
// honest load. The oldest are forgotten; their askers time out.
constexpr std::size_t kAckWantedMax = 100'000;

}  // namespace

// ---- Commits.

std::optional<Commit> Replica::take_commit() {
  Impl& impl = *impl_;
  DISTRI_CHECK(impl.config.journal);
  DISTRI_CHECK(impl.pending_ops == 0);  // end_turn() comes first
  if (!impl.store.touched() && impl.folds_to_journal.empty() && impl.committed_vector == impl.vector &&
      impl.journaled_end == impl.log.end_position() && impl.journaled_first == impl.log.first_position()) {
    return std::nullopt;
  }
  Commit commit;
  commit.number = ++impl.last_commit;
  impl.store.take_changes(commit.changes);
  impl.store.begin_commit(commit.number + 1);
  impl.store.take_conflict_changes(commit.changes);
  impl.journal_log(commit.changes);
  impl.journal_folds(commit.changes);
  // What the log has dropped it cannot tell anyway.
  if (impl.log.floor().covers(impl.feed_floor)) impl.feed_floor = {};
  Bytes head;
  wire::Writer out(head);
  out.u8(kFormat);
  impl.vector.encode(out);
  impl.log.floor().encode(out);
  out.u64(impl.log.first_position());
  out.u64(impl.log.end_position());
  out.u64(impl.store.collections_known());
  out.u64(impl.store.tombstones());
  out.u64(impl.folds->size());
  impl.feed_floor.encode(out);
  const Bytes key(1, kHeadRecord);
  commit.changes.emplace_back(key, sealed(key, std::move(head)));
  impl.committed_vector = impl.vector;
  impl.in_flight.push_back({commit.number, impl.vector});
  if (impl.config.plant == Plant::kAckBeforeDurable) impl.durable_vector = impl.vector;
  return commit;
}

void Replica::Impl::journal_log(std::vector<Change>& changes) {
  for (std::uint64_t gone = journaled_first; gone < std::min(log.first_position(), journaled_end); ++gone) {
    changes.emplace_back(log_key(gone), std::nullopt);
  }
  for (std::uint64_t fresh = std::max(journaled_end, log.first_position()); fresh < log.end_position(); ++fresh) {
    const OpLog::Entry& entry = log.at(fresh);
    const Bytes key = log_key(fresh);
    Bytes body;
    body.reserve(entry.batch->size() + entry.effects.size() + 36 + kChecksumBytes);
    wire::Writer out(body);
    out.raw(entry.actor.view());
    out.u64(entry.first_counter);
    out.u64(entry.last_counter);
    out.bytes32(entry.effects);
    out.raw(*entry.batch);
    changes.emplace_back(key, sealed(key, std::move(body)));
  }
  journaled_first = log.first_position();
  journaled_end = log.end_position();
}

void Replica::Impl::journal_folds(std::vector<Change>& changes) {
  std::sort(folds_to_journal.begin(), folds_to_journal.end());
  folds_to_journal.erase(std::unique(folds_to_journal.begin(), folds_to_journal.end()), folds_to_journal.end());
  for (const ActorId& actor : folds_to_journal) {
    const Bytes key = kFoldRecord + Bytes(actor.view());
    Bytes body;
    wire::Writer out(body);
    for (const Fold& fold : *folds->find(actor)) {
      out.u64(fold.counter);
      out.raw(fold.by.actor.view());
      out.u64(fold.by.counter);
    }
    changes.emplace_back(key, sealed(key, std::move(body)));
  }
  folds_to_journal.clear();
}

Result<> Replica::Impl::load_fold(BytesView key, BytesView body) {
  wire::Reader actor(key.substr(1));
  wire::Reader in(body);
  const auto id = actor.id<ActorId>();
  do {
    Fold fold;
    fold.counter = in.u64();
    fold.by.actor = in.id<ActorId>();
    fold.by.counter = in.u64();
    folds->add(id, fold);
  } while (in.ok() && !in.at_end());
  if (!in.ok() || !in.at_end() || !actor.ok()) return fail(Code::kDataLoss, "the record of a folded actor is damaged");
  return {};
}

void Replica::committed(std::uint64_t number, std::int64_t now_ms) {
  Impl& impl = *impl_;
  impl.pass_time(now_ms);
  DISTRI_CHECK(number <= impl.last_commit);
  while (!impl.in_flight.empty() && impl.in_flight.front().number <= number) {
    impl.durable_vector = std::move(impl.in_flight.front().vector);
    impl.in_flight.pop_front();
  }
  impl.store.committed(number);
  impl.durable_commit = std::max(impl.durable_commit, number);
  impl.send_acks();
}

void Replica::refuse_writes(Error reason) {
  impl_->refusal = std::move(reason);
  for (auto& [node, peer] : impl_->connected) peer.pull.reset();
}

void Replica::accept_writes() {
  impl_->refusal.reset();
}

// ---- Loading.

Result<LoadReport> Replica::load(const RecordSource& source, std::int64_t now_ms) {
  Impl& impl = *impl_;
  DISTRI_CHECK(impl.vector.entries().empty() && impl.connected.empty() && impl.next_counter == 1);
  impl.pass_time(now_ms);
  impl.store.begin_commit(0);
  LoadReport report;
  bool head_seen = false;
  bool any = false;
  DISTRI_TRY_VOID(source([&](BytesView key, BytesView value) -> Result<> {
    any = true;
    head_seen = head_seen || key == BytesView(&kHeadRecord, 1);
    return impl.load_record(key, value, report);
  }));
  if (!any) {
    impl.store.begin_commit(impl.last_commit + 1);
    return report;
  }
  if (!head_seen) return fail(Code::kDataLoss, "the journal has records, but no head");
  const bool digests_fit = impl.loaded_format > kFormatWithoutFeed;
  DISTRI_TRY_VOID(impl.store.finish_load(digests_fit));
  if (impl.log.end_position() != impl.journaled_end) {
    return fail(Code::kDataLoss, "the journal's log ends at position {}, {} were written", impl.log.end_position(),
                impl.journaled_end);
  }
  if (impl.store.collections_known() != report.collections || impl.store.tombstones() != report.tombstones) {
    return fail(Code::kDataLoss, "the journal has {} collections and {} tombstones, {} and {} were written",
                impl.store.collections_known(), impl.store.tombstones(), report.collections, report.tombstones);
  }
  if (impl.folds->size() != report.folds) {
    return fail(Code::kDataLoss, "the journal has {} folded actors, {} were written", impl.folds->size(), report.folds);
  }
  if (impl.vector.get(impl.self) != 0) {
    return fail(Code::kDataLoss, "the journal holds writes of this very incarnation: it is not fresh");
  }
  // What the load itself touched is what the journal holds.
  std::vector<Change> discarded;
  impl.store.take_changes(discarded);
  impl.store.take_conflict_changes(discarded);
  // What today's format has otherwise is written anew, all at once, with the first commit.
  if (!digests_fit) impl.store.touch_heads();
  if (impl.loaded_format == kFormatWithoutEffects) impl.journaled_end = impl.log.first_position();
  impl.store.begin_commit(impl.last_commit + 1);
  impl.committed_vector = impl.durable_vector = impl.vector;
  impl.recall_requests();
  for (const auto& [name, documents] : impl.store.database().collections()) report.documents += documents.size();
  return report;
}

Result<> Replica::Impl::load_record(BytesView key, BytesView value, LoadReport& report) {
  auto body = unsealed(key, value);
  if (config.plant == Plant::kIgnoreChecksums && value.size() >= kChecksumBytes)
    body = value.substr(0, value.size() - kChecksumBytes);
  if (key.empty() || !body) return fail(Code::kDataLoss, "a record of {} bytes fails its checksum", value.size());
  switch (key.front()) {
    case kCollectionRecord:
      return store.load_collection(key, *body);
    case kConflictRecord:
      ++report.conflicts;
      return store.load_conflict(key, *body);
    case kStateRecord:
      return store.load_state(key, *body);
    case kFoldRecord:
      return load_fold(key, *body);
    case kHeadRecord:
      return load_head(*body, report);
    case kLogRecord:
      ++report.log_entries;
      return load_log_entry(key, *body);
    default:
      return fail(Code::kDataLoss, "a record of unknown kind {}", static_cast<int>(key.front()));
  }
}

Result<> Replica::Impl::load_head(BytesView body, LoadReport& report) {
  wire::Reader in(body);
  loaded_format = in.u8();
  if (loaded_format < kFormatWithoutEffects || loaded_format > kFormat) {
    return fail(Code::kDataLoss, "the journal has format {}, this version reads {} to {}", loaded_format,
                kFormatWithoutEffects, kFormat);
  }
  DISTRI_TRY(vector, VersionVector::decode(in));
  DISTRI_TRY(VersionVector floor, VersionVector::decode(in));
  vector.use_folds(folds);
  floor.use_folds(folds);
  journaled_first = in.u64();
  journaled_end = in.u64();
  report.collections = in.u64();
  report.tombstones = in.u64();
  report.folds = in.u64();
  if (loaded_format > kFormatWithoutFeed) {
    DISTRI_TRY(feed_floor, VersionVector::decode(in));
  }
  if (!in.ok() || !in.at_end() || !vector.covers(floor) || journaled_first > journaled_end) {
    return fail(Code::kDataLoss, "the journal's head is damaged");
  }
  loaded_log = floor;
  log.begin_at(journaled_first, std::move(floor));
  return {};
}

Result<> Replica::Impl::load_log_entry(BytesView key, BytesView body) {
  wire::Reader in(body);
  OpLog::Entry entry;
  entry.actor = in.id<ActorId>();
  entry.first_counter = in.u64();
  entry.last_counter = in.u64();
  if (loaded_format > kFormatWithoutEffects) entry.effects = in.bytes32();
  if (!in.ok() || key.size() != 9 || log_position(key) != log.end_position() ||
      !vector.covers(Dot{entry.actor, entry.last_counter})) {
    return fail(Code::kDataLoss, "the journal's log is damaged at position {}", log.end_position());
  }
  entry.batch = std::make_shared<const Bytes>(in.rest());
  loaded_log.advance(entry.actor, entry.last_counter);
  if (entry.effects.empty()) feed_floor.merge(loaded_log);
  log.append(std::move(entry));
  return {};
}

// ---- Write concern.

std::uint32_t Replica::holders(const Dot& dot) const {
  const Impl& impl = *impl_;
  std::uint32_t count = impl.durable().covers(dot) ? 1 : 0;
  for (const auto& [node, seen] : impl.acknowledged) count += seen.covers(dot) ? 1 : 0;
  if (impl.config.plant == Plant::kAckForOthers) count += static_cast<std::uint32_t>(impl.connected.size());
  return std::min(count, impl.config.members);
}

void Replica::want_holders(const Dot& dot) {
  if (++impl_->wanted[dot] == 1) impl_->wants_to_send.push_back(dot);
}

void Replica::forget_holders(const Dot& dot) {
  const auto found = impl_->wanted.find(dot);
  if (found != impl_->wanted.end() && --found->second == 0) impl_->wanted.erase(found);
}

Dot Replica::newest_own_dot() const {
  return {impl_->self, impl_->own_counter()};
}

// Behind the batches of the same turn: a peer that gets both answers as soon as it may.
void Replica::Impl::send_wants() {
  if (wants_to_send.empty()) return;
  keep_newest(wants_to_send);
  const auto payload = encoded(wants_to_send);
  wants_to_send.clear();
  for (const auto& [node, peer] : connected) send(node, MessageKind::kWantAck, payload);
}

Result<> Replica::Impl::on_want_ack(const NodeId& from, BytesView payload) {
  DISTRI_TRY(const std::vector<Dot> dots, decode_dots(payload));
  std::vector<Dot>& wanted_by_peer = connected[from].ack_wanted;
  for (const Dot& dot : dots) {
    if (config.plant != Plant::kForgetWants || durable().covers(dot)) wanted_by_peer.push_back(dot);
  }
  if (wanted_by_peer.size() > kAckWantedMax) {
    wanted_by_peer.erase(wanted_by_peer.begin(), wanted_by_peer.end() - static_cast<std::ptrdiff_t>(kAckWantedMax));
  }
  return {};
}

void Replica::Impl::send_acks() {
  for (auto& [node, peer] : connected) {
    if (peer.ack_wanted.empty()) continue;
    const auto held = std::stable_partition(peer.ack_wanted.begin(), peer.ack_wanted.end(),
                                            [this](const Dot& dot) { return !durable().covers(dot); });
    if (held == peer.ack_wanted.end()) continue;
    std::vector<Dot> newest(held, peer.ack_wanted.end());
    peer.ack_wanted.erase(held, peer.ack_wanted.end());
    keep_newest(newest);
    send(node, MessageKind::kAck, encoded(newest));
  }
}

Result<> Replica::Impl::on_ack(const NodeId& from, BytesView payload) {
  DISTRI_TRY(const std::vector<Dot> dots, decode_dots(payload));
  VersionVector& seen = acknowledged[from];
  for (const Dot& dot : dots) {
    // Only what was asked: a peer cannot fill the vector with actors that do not exist.
    if (vector.covers(dot)) seen.advance(dot.actor, dot.counter);
  }
  return {};
}

}  // namespace distri::replication
