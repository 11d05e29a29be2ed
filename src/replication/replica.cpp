#include "distri/replication/replica.hpp"

#include <limits>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

// The planted defects that know no bound.
ReplicaConfig without_bound(ReplicaConfig config) {
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  if (config.plant == Plant::kIgnoreLogBudget) config.log_bytes_max = kNone;
  if (config.plant == Plant::kIgnoreHoldbackBudget) config.holdback_bytes_max = kNone;
  if (config.plant == Plant::kIgnoreConflictBudget) config.conflicts_max = kNone;
  if (config.plant == Plant::kIgnoreTombstoneBudget) config.tombstones_max = kNone;
  if (config.plant == Plant::kIgnoreChunkBytes) config.pull_chunk_bytes = 1u << 30;
  return config;
}

}  // namespace

Replica::Impl::Impl(ReplicaConfig c)
    : config(without_bound(std::move(c))),
      self(make_actor_id(config.node, config.incarnation)),
      store(config.conflicts_max, config.plant),
      clock(config.plant == Plant::kAdoptAnyClock ? std::numeric_limits<std::int64_t>::max() / 4
                                                  : config.clock_ahead_max_ms),
      log(config.log_bytes_max),
      holdback(config.holdback_bytes_max),
      tree(config.node, config.plant) {
  if (config.journal) {
    store.keep_touched();
    store.begin_commit(1);
  }
  vector.use_folds(folds);
  log.use_folds(folds);
}

std::vector<CollectionSummary> Replica::Impl::summaries() const {
  std::vector<CollectionSummary> result;
  for (const auto& [name, documents] : store.database().collections()) {
    result.push_back({name, documents.size(), store.digest(name)});
  }
  return result;
}

Replica::Replica(ReplicaConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Replica::~Replica() = default;

Result<> Replica::receive(const NodeId& from, MessageKind kind, BytesView payload, std::int64_t now_ms) {
  impl_->pass_time(now_ms);
  Result<> result = impl_->connected.contains(from)
                        ? impl_->receive(from, kind, payload)
                        : fail(Code::kProtocolError, "message from {}, which is not connected", from.short_hex());
  if (!result) impl_->notice(Notice::Kind::kBadMessage, from, result.error().message);
  return result;
}

void Replica::end_turn(std::int64_t now_ms) {
  impl_->pass_time(now_ms);
  impl_->seal();
  impl_->send_wants();
  impl_->send_acks();
}

void Replica::tick(std::int64_t now_ms) {
  impl_->pass_time(now_ms);
  impl_->tick();
}

std::vector<Outgoing> Replica::take_outgoing() {
  return std::exchange(impl_->outgoing, {});
}
std::vector<Notice> Replica::take_notices() {
  return std::exchange(impl_->notices, {});
}

void Replica::set_members(std::uint32_t members) {
  impl_->config.members = members;
  impl_->watch_members();
}
std::uint32_t Replica::members() const {
  return impl_->config.members;
}
void Replica::set_load(const Load& load) {
  impl_->load = load;
}
void Replica::set_services(std::vector<std::string> services) {
  impl_->services = std::move(services);
}
void Replica::set_newcomer(bool newcomer) {
  impl_->newcomer = newcomer;
}

void Replica::set_known_addresses(std::vector<std::string> addresses) {
  impl_->known_addresses = std::move(addresses);
}

bool Replica::build_indexes(std::size_t budget) {
  impl_->store.build_indexes(budget);
  return database().building_indexes();
}

const db::Database& Replica::database() const {
  return impl_->store.database();
}

std::vector<std::string> Replica::collection_names() const {
  std::vector<std::string> names;
  for (const auto& [name, documents] : impl_->store.database().collections()) names.push_back(name);
  return names;
}

bool Replica::collection_exists(std::string_view name) const {
  return impl_->store.exists(name);
}
const VersionVector& Replica::vector() const {
  return impl_->vector;
}
ActorId Replica::actor() const {
  return impl_->self;
}
Digest Replica::digest(std::string_view collection) const {
  return impl_->store.digest(collection);
}
std::vector<CollectionSummary> Replica::summaries() const {
  return impl_->summaries();
}

Digest Replica::database_digest() const {
  Digest sum;
  for (const CollectionSummary& summary : impl_->summaries()) {
    Bytes member;
    wire::Writer out(member);
    out.bytes8(summary.name);
    out.u64(summary.documents);
    out.raw(summary.digest.bytes());
    sum.add(blake2b_256(member));
  }
  return sum;
}

UpdateInfo Replica::own_info() const {
  return impl_->own_info();
}
const absl::btree_map<NodeId, UpdateInfo>& Replica::peers() const {
  return impl_->infos;
}

bool Replica::caught_up() const {
  for (const auto& [node, peer] : impl_->connected) {
    if (peer.announced && !impl_->covers_but_own(impl_->vector, *peer.announced)) return false;
  }
  return true;
}

bool Replica::syncing_states() const {
  return impl_->staging();
}
const OpLog& Replica::log() const {
  return impl_->log;
}

ReplicaCounters Replica::counters() const {
  ReplicaCounters result = impl_->counters;
  for (const auto& [node, peer] : impl_->connected) {
    if (peer.pull && peer.pull->staging) result.staging_bytes += peer.pull->staging->bytes;
  }
  if (impl_->orphan) result.staging_bytes += impl_->orphan->staging.bytes;
  result.held_back = impl_->holdback.size();
  result.held_back_bytes = impl_->holdback.bytes();
  result.log_bytes = impl_->log.bytes();
  result.folds = impl_->folds->size();
  result.tree_neighbours = impl_->tree.neighbours();
  result.tree_eager = impl_->tree.eager().size();
  result.tombstones = impl_->store.tombstones();
  return result;
}

std::optional<std::string> Replica::check_invariants() const {
  const Impl& impl = *impl_;
  if (auto broken = impl.store.check(impl.vector)) return broken;
  if (impl.vector.get(impl.self) != impl.own_counter()) return "the vector's own entry is not the number of own writes";
  if (impl.holdback.bytes() > impl.config.holdback_bytes_max) return "the hold-back exceeds its bound";
  if (impl.tree.neighbours() > BroadcastTree::kNeighboursMax) return "the broadcast tree has too many neighbours";
  if (auto waits = impl.overdue()) return waits;
  const OpLog& log = impl.log;
  if (log.bytes() > impl.config.log_bytes_max && log.end_position() - log.first_position() > 1)
    return "the log exceeds its bound";
  if (!impl.vector.covers(log.floor())) return "the log's floor is above the vector";
  VersionVector in_log = log.floor();
  for (std::uint64_t position = log.first_position(); position < log.end_position(); ++position) {
    const OpLog::Entry& entry = log.at(position);
    if (entry.first_counter > in_log.get(entry.actor) + 1) return "the log has a gap";
    in_log.advance(entry.actor, entry.last_counter);
  }
  if (impl.pending_ops > 0) in_log.advance(impl.self, impl.own_counter());
  in_log.drop_folded();
  if (!(in_log == impl.vector)) return "log and vector disagree on what has been applied";
  return std::nullopt;
}

}  // namespace distri::replication
