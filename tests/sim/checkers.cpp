#include <algorithm>

#include "cluster.hpp"

namespace distri::sim {

using replication::OpKind;

// Cheap enough to be done all the time.
void Cluster::check_step(std::size_t index) {
  const replication::Replica& replica = *nodes_[index].replica;
  if (auto broken = replica.check_invariants()) fail(fmt::format("node {}: {}", index, *broken));
  if (replica.counters().held_back_bytes > config_.holdback_bytes_max)
    fail(fmt::format("node {}: the hold-back is too large", index));
}

// Two nodes that have seen the same writes hold the same documents, at every moment.
void Cluster::check_meeting(std::size_t a, std::size_t b) {
  if (!nodes_[a].replica || !nodes_[b].replica) return;
  const replication::Replica& one = *nodes_[a].replica;
  const replication::Replica& other = *nodes_[b].replica;
  if (one.vector() == other.vector() && !(one.database_digest() == other.database_digest())) {
    fail(fmt::format("nodes {} and {} have seen the same writes and hold different documents", a, b));
  }
}

bool Cluster::agreed() const {
  const replication::VersionVector& vector = nodes_.front().replica->vector();
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
    return !node.paused && node.waiting.empty() && node.replica->vector() == vector && !node.replica->syncing_states();
  });
}

void Cluster::check_end() {
  const replication::Digest digest = nodes_.front().replica->database_digest();
  for (std::size_t i = 0; i < nodes_.size() && !failure_; ++i) {
    if (!(nodes_[i].replica->database_digest() == digest))
      fail(fmt::format("node {}: its digest differs in the end", i));
    check_step(i);
    check_against_model(i);
  }
  if (!failure_) check_acknowledged();
  log_.line("{} end {} writes, vector {}, digest {}", now_, model_.entries().size(),
            nodes_.front().replica->vector().to_string(), digest.hex());
}

// Byte for byte what brute force over all ops makes of them.
void Cluster::check_against_model(std::size_t index) {
  const replication::Replica& replica = *nodes_[index].replica;
  NaiveModel::Collections held;
  for (const auto& [name, documents] : replica.database().collections()) {
    NaiveModel::Documents& copy = held[name];
    for (const auto& [key, record] : documents.records()) copy.emplace(key, record.document.bytes());
  }
  const NaiveModel::Collections expected = model_.result(replica.vector());
  if (held == expected) return;
  for (const auto& [name, documents] : expected) {
    if (!held.contains(name)) return fail(fmt::format("node {}: collection '{}' is missing", index, name));
    if (held[name] != documents)
      return fail(fmt::format("node {}: the documents of '{}' are not what the writes make of them", index, name));
  }
  fail(fmt::format("node {}: it has collections that should not exist", index));
}

// No write that was acknowledged by a node that never lost its memory is gone: every node has seen it, and it shows or
// gave way to a newer one.
void Cluster::check_acknowledged() {
  const replication::Replica& replica = *nodes_.front().replica;
  for (const Acked& acked : acked_) {
    if (nodes_[acked.node].ever_crashed) continue;
    const auto entry = std::find_if(model_.entries().begin(), model_.entries().end(),
                                    [&](const auto& e) { return e.dot == acked.dot; });
    const auto found = entry == model_.entries().end() ? std::nullopt : entry->op.document.view().find("serial");
    if (!found || found->as_int64() != acked.serial)
      return fail(fmt::format("write {} was acknowledged, but never made", acked.serial));
    if (!replica.vector().covers(acked.dot))
      return fail(fmt::format("write {} was acknowledged, but is not everywhere", acked.serial));
    const replication::Op& op = entry->op;
    const bool superseded = std::any_of(model_.entries().begin(), model_.entries().end(), [&](const auto& other) {
      if (other.op.collection != op.collection || other.op.stamp <= op.stamp || !replica.vector().covers(other.dot))
        return false;
      return other.op.kind == OpKind::kDropCollection ||
             (other.op.kind != OpKind::kCreateCollection && other.op.key == op.key);
    });
    if (superseded) continue;
    const db::Collection* documents = replica.database().find(op.collection);
    const db::Record* record = documents == nullptr ? nullptr : documents->find(op.key);
    const auto shown = record == nullptr ? std::nullopt : record->document.view().find("serial");
    const bool visible = shown && shown->as_int64() == acked.serial;
    // An update that ran into a concurrent replacement of the whole document is void, even if its own stamp is the
    // newer one.
    const bool replaced = op.kind == OpKind::kUpdate && (record == nullptr || record->revision.stamp != op.target);
    if (!visible && !replaced)
      return fail(
          fmt::format("write {} was acknowledged and is the newest of its document, but does not show", acked.serial));
  }
}

}  // namespace distri::sim
