// What a node says about itself: the Stats and Nodes services, and hints.
#include <string>

#include "distri/cloud/node_impl.hpp"
#include "distri/db/index.hpp"

namespace distri::cloud {
namespace {

double load_fraction(const replication::Load& load) {
  return load.workers == 0 ? 0.0 : static_cast<double>(load.queued + load.running) / load.workers;
}

void append_load(bson::Builder& out, const replication::Load& load) {
  out.begin_object("load");
  out.append_int64("queued", load.queued);
  out.append_int64("running", load.running);
  out.append_int64("workers", load.workers);
  out.append_int64("loop_lag_us", load.loop_lag_us);
  out.end();
}

void append_number(bson::Builder& out, std::string_view key, std::uint64_t value) {
  out.append_int64(key, static_cast<std::int64_t>(value));
}

}  // namespace

CloudNode::Impl::Memory CloudNode::Impl::memory() const {
  constexpr std::size_t kTombstoneBytes = 300;  // key, stamps, and its places in two maps
  Memory result;
  for (const auto& [name, collection] : replica->database().collections()) {
    std::size_t indexes = 0;
    for (const auto& index : collection.indexes()) indexes += index->bytes();
    result.indexes += indexes;
    result.documents += collection.memory_bytes() - indexes;
  }
  result.conflicts = replica->conflicts().bytes();
  result.tombstones = replica->counters().tombstones * kTombstoneBytes;
  return result;
}

void CloudNode::Impl::append_strangers(bson::Builder& out) const {
  const auto& counted = census.counters();
  out.begin_object("strangers");
  append_number(out, "now", census.strangers());
  append_number(out, "addresses", census.addresses());
  append_number(out, "refused_in_all", counted.refused_in_all);
  append_number(out, "refused_per_address", counted.refused_per_address);
  append_number(out, "refused_by_rate", counted.refused_by_rate);
  append_number(out, "displaced", counted.displaced);
  append_number(out, "timed_out", counted.timed_out);
  append_number(out, "over_bytes", counted.over_bytes);
  append_number(out, "over_frames", counted.over_frames);
  append_number(out, "over_streams", counted.over_streams);
  out.end();
  if (!cluster) return;
  const auto handshakes = cluster->tls()->counters();
  out.begin_object("handshakes");
  append_number(out, "full", handshakes.full);
  append_number(out, "resumed", handshakes.resumed);
  append_number(out, "failed_not_tls", handshakes.failed_not_tls);
  append_number(out, "failed_key", handshakes.failed_key);
  append_number(out, "failed_lost", handshakes.failed_lost);
  append_number(out, "failed_protocol", handshakes.failed_protocol);
  out.end();
}

bson::Document CloudNode::Impl::stats() {
  bson::Builder out;
  out.append_string("node", node_id.hex());
  append_number(out, "incarnation", incarnation);
  out.append_string("address", to_string(own_address));
  out.append_string("software", kSoftware);
  out.append_string("state", state == State::kStarting  ? "starting"
                             : state == State::kServing ? "serving"
                                                        : "stopping");
  append_number(out, "uptime_ms", static_cast<std::uint64_t>((clock.monotonic_ns() - started_ns) / 1'000'000));
  append_load(out, load());

  const Histogram& turns_us = loop.turns_us();
  out.begin_object("loop");
  append_number(out, "turns", turns_us.count());
  append_number(out, "turn_us_p50", turns_us.percentile(0.5));
  append_number(out, "turn_us_p99", turns_us.percentile(0.99));
  append_number(out, "turn_us_p999", turns_us.percentile(0.999));
  append_number(out, "turn_us_max", turns_us.max());
  out.end();

  out.begin_object("connections");
  std::size_t nodes_connected = 0;
  for (const auto& [raw, connection] : connections) nodes_connected += connection->from_node() ? 1 : 0;
  append_number(out, "clients", connections.size() - nodes_connected);
  append_number(out, "nodes", peers->connected_count());
  out.end();

  append_strangers(out);
  if (detector) {
    const auto& counters = detector->counters();
    out.begin_object("probes");
    append_number(out, "sent", counters.probes);
    append_number(out, "failed", counters.probes_failed);
    append_number(out, "suspicions", counters.suspicions);
    append_number(out, "deaths", counters.deaths);
    append_number(out, "refuted", counters.refuted);
    append_number(out, "local_health", static_cast<std::uint64_t>(detector->local_health()));
    out.end();
  }
  if (access) {
    const AccessCounters& counters = access->counters();
    out.begin_object("access");
    append_number(out, "accepted", counters.accepted);
    append_number(out, "refused", counters.refused);
    append_number(out, "limited", counters.limited);
    append_number(out, "hashes", counters.hashes);
    out.end();
  }

  append_number(out, "buffered_bytes", dispatcher->buffered_bytes());
  out.begin_object("requests");
  dispatcher->total().append_to(out);
  out.end();
  out.begin_object("services");
  const auto service = [&](const std::string& name, const RequestMetrics& metrics) {
    if (metrics.received == 0) return;
    out.begin_object(name);
    metrics.append_to(out);
    out.end();
  };
  for (const auto& [name, metrics] : dispatcher->built_in_metrics()) service(name, metrics);
  for (const auto& [name, registered] : registry) service(name, registered.metrics);
  out.end();

  out.begin_array("collections");
  std::size_t i = 0;
  for (const auto& summary : replica->summaries()) {
    const auto* collection = replica->database().find(summary.name);
    out.begin_object(std::to_string(i++));
    out.append_string("name", summary.name);
    append_number(out, "documents", summary.documents);
    append_number(out, "bytes", collection == nullptr ? 0 : collection->bytes());
    out.append_string("digest", summary.digest.hex());
    out.end();
  }
  out.end();
  out.append_string("digest", replica->database_digest().hex());
  out.begin_object("vector");
  for (const auto& [actor, counter] : replica->vector().entries()) append_number(out, actor.hex(), counter);
  out.end();

  const auto counters = replica->counters();
  out.begin_object("replication");
  append_number(out, "local_ops", counters.local_ops);
  append_number(out, "remote_ops", counters.remote_ops);
  append_number(out, "void_ops", counters.void_ops);
  append_number(out, "held_back", counters.held_back);
  append_number(out, "pulls", counters.pulls);
  append_number(out, "state_syncs", counters.state_syncs);
  append_number(out, "state_resumes", counters.state_resumes);
  append_number(out, "divergences", counters.divergences);
  append_number(out, "mended_ranges", counters.mended_ranges);
  append_number(out, "log_bytes", counters.log_bytes);
  append_number(out, "documents_expired", counters.documents_expired);
  append_number(out, "documents_capped", counters.documents_capped);
  append_number(out, "tombstones", counters.tombstones);
  append_number(out, "tombstones_removed", counters.tombstones_removed);
  append_number(out, "tombstones_dropped", counters.tombstones_dropped);
  append_number(out, "folded_actors", counters.folds);
  append_number(out, "conflicts", replica->conflicts().size());
  append_number(out, "conflicts_seen", conflicts_seen);
  append_number(out, "conflicts_evicted", replica->conflicts().evicted());
  append_number(out, "identity_conflicts", peers->identity_conflicts());
  out.begin_object("tree");
  append_number(out, "neighbours", counters.tree_neighbours);
  append_number(out, "eager", counters.tree_eager);
  append_number(out, "relayed", counters.relayed_batches);
  append_number(out, "grafted", counters.grafted_batches);
  out.end();
  out.end();

  append_storage(out);

  const Memory used = memory();
  out.begin_object("memory");
  append_number(out, "limit", config.memory_bytes_max);
  append_number(out, "used", used.total());
  append_number(out, "documents", used.documents);
  append_number(out, "indexes", used.indexes);
  append_number(out, "conflicts", used.conflicts);
  append_number(out, "tombstones", used.tombstones);
  out.end();

  out.begin_object("reads");
  append_number(out, "running", dispatcher->readings());
  append_number(out, "slices", dispatcher->read_slices());
  out.end();
  const WatchCounters& watched = dispatcher->watch_counters();
  out.begin_object("watch");
  append_number(out, "watchers", dispatcher->watchers());
  append_number(out, "events", watched.events);
  append_number(out, "pages", watched.pages);
  append_number(out, "bytes", watched.bytes);
  append_number(out, "history_lost", watched.history_lost);
  out.end();

  out.begin_array("peers");
  i = 0;
  for (const auto& [id, info] : replica->peers()) {
    out.begin_object(std::to_string(i++));
    out.append_string("node", id.hex());
    out.append_string("address", info.address);
    out.append_bool("connected", peers->connected(id));
    out.append_double("load", load_fraction(info.load));
    out.end();
  }
  out.end();
  return std::move(out).finish();
}

bson::Document CloudNode::Impl::nodes() {
  bson::Builder out;
  out.begin_array("nodes");
  out.begin_object("0");
  out.append_string("address", to_string(own_address));
  out.append_double("load", load_fraction(load()));
  out.append_bool("self", true);
  out.end();
  std::size_t i = 1;
  for (const auto& [id, info] : replica->peers()) {
    if (!answers(id) || info.address.empty()) continue;
    out.begin_object(std::to_string(i++));
    out.append_string("address", info.address);
    out.append_double("load", load_fraction(info.load));
    out.append_bool("self", false);
    out.end();
  }
  out.end();
  return std::move(out).finish();
}

std::string CloudNode::Impl::better_node() const {
  std::string best;
  double best_load = state == State::kServing ? load_fraction(load()) : 1e9;
  for (const auto& [id, info] : replica->peers()) {
    if (!answers(id) || info.address.empty() || load_fraction(info.load) >= best_load) continue;
    best_load = load_fraction(info.load);
    best = info.address;
  }
  return best;
}

}  // namespace distri::cloud
