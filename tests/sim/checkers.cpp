#include "checkers.hpp"

#include <algorithm>

#include "distri/replication/op_log.hpp"
#include "promises.hpp"

namespace distri::sim {

using replication::OpKind;
using replication::Replica;

namespace {

// Promise 5: no document shows whose end this node has seen.
void check_resurrection(World& world, std::size_t i) {
  const Replica& replica = *world.machine(i).replica;
  for (const auto& [name, documents] : replica.database().collections()) {
    for (const auto& [key, record] : documents.records()) {
      const History::Write* generation = world.history().find(record.revision.dot());
      if (generation == nullptr) {
        return world.fail(fmt::format("{}: a document of '{}' was written by {}, which nobody made",
                                      world.machine(i).name, name, to_string(record.revision.dot())));
      }
      if (const auto* end = world.history().superseded(*generation, {}, replica.vector())) {
        return world.fail(fmt::format("{}: document {} of '{}' is back that write {} ended", world.machine(i).name,
                                      to_string(record.revision.dot()), name, to_string(end->dot)));
      }
    }
  }
}

// Increments of one actor to one field are one sum, named by the last of them; or they are in the whole document that
// is kept under that name.
bool stands_for(const Replica& replica, const NaiveModel::Lost& lost) {
  for (const replication::Conflict* conflict :
       replica.conflicts().list({lost.collection, lost.key, std::nullopt, SIZE_MAX})) {
    const replication::Loser& loser = conflict->loser;
    if (loser.dot.actor != lost.dot.actor || loser.dot.counter < lost.dot.counter) continue;
    if (loser.increments.view().find(lost.increment)) return true;
    if (loser.kind == replication::ConflictKind::kDocument && loser.content.view().find(lost.increment)) return true;
  }
  return false;
}

// Something of that write is in its document.
bool still_shows(const Replica& replica, const History::Write& write) {
  const db::Collection* documents = replica.database().find(write.op.collection);
  const db::Record* record = documents == nullptr ? nullptr : documents->find(write.op.key);
  if (record == nullptr) return false;
  const auto& fields = record->revision.fields();
  return record->revision.dot() == write.dot ||
         std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return field.dot == write.dot; });
}

bool kept_by_any(const World& world, const NaiveModel::Lost& lost, const History::Write& write) {
  for (std::size_t i = 0; i < world.size(); ++i) {
    const Replica* replica = world.machine(i).replica.get();
    if (replica == nullptr) continue;
    if (still_shows(*replica, write)) return true;
    if (replica->conflicts().find({lost.collection, lost.key, lost.dot}) != nullptr) return true;
  }
  return false;
}

void check_conflict_bounds(World& world, std::size_t i) {
  const replication::Conflicts& conflicts = world.machine(i).replica->conflicts();
  if (auto broken = conflicts.check()) world.fail(fmt::format("{}: {}", world.machine(i).name, *broken));
  std::map<std::string, std::size_t> sizes;
  conflicts.for_each([&](const replication::Conflict& conflict) { ++sizes[conflict.name.collection]; });
  for (const auto& [name, size] : sizes) {
    if (size > world.options().config.conflicts_max)
      world.fail(fmt::format("{}: '{}' has {} conflicts", world.machine(i).name, name, size));
  }
}

// Promise 3: nobody has to look for conflicts, there is an event for each.
void check_conflict_events(World& world, std::size_t i) {
  const Machine& machine = world.machine(i);
  machine.replica->conflicts().for_each([&](const replication::Conflict& conflict) {
    if (!machine.announced.contains(conflict.name))
      world.fail(fmt::format("{}: that write {} to '{}' lost was never said", machine.name,
                             to_string(conflict.name.loser), conflict.name.collection));
  });
}

// Every node that has seen the same writes keeps the same losers: those that the naive model names.
void check_losers(World& world, std::size_t i) {
  if (world.evicted()) return;
  const Replica& replica = *world.machine(i).replica;
  for (const NaiveModel::Lost& lost : world.history().model().lost(replica.vector())) {
    if (replica.conflicts().find({lost.collection, lost.key, lost.dot}) != nullptr) continue;
    const History::Write* write = world.history().find(lost.dot);
    if (write == nullptr || world.history().has_twin(*write)) continue;
    if (!lost.increment.empty() && stands_for(replica, lost)) continue;
    // Of a delete whose tombstone was dropped nobody can know that it lost, or that it won; who learned of what it beat
    // only afterwards does not list that. But somebody does.
    if (world.over_budget() && (write->op.kind == OpKind::kDelete || kept_by_any(world, lost, *write))) continue;
    world.history().tell(world.log(), lost.collection, lost.key, replica.vector());
    return world.fail(fmt::format("{}: write {} to '{}' lost to one that had not seen it, and is no conflict",
                                  world.machine(i).name, to_string(lost.dot), lost.collection));
  }
}

// A conflict that somebody who knew the loss has restored or dismissed is gone for whoever knows of that.
void check_resolved(World& world, std::size_t i) {
  const Replica& replica = *world.machine(i).replica;
  for (const auto& [name, conflict] : replica.conflicts().entries()) {
    for (const History::Write* write : world.history().of(name.collection, name.key)) {
      if (write->op.kind != OpKind::kResolve || write->op.loser != name.loser) continue;
      const Dot& winner = conflict.loser.winner;
      if (winner.counter == 0 || !write->saw(winner) || !replica.vector().covers(write->dot)) continue;
      world.history().tell(world.log(), name.collection, name.key, replica.vector());
      return world.fail(fmt::format("{}: conflict {} of '{}' is back, although {} resolved it", world.machine(i).name,
                                    to_string(name.loser), name.collection, to_string(write->dot)));
    }
  }
}

}  // namespace

void check_step(World& world, std::size_t i) {
  const Machine& machine = world.machine(i);
  if (!machine.replica) return;
  if (auto broken = machine.replica->check_invariants()) world.fail(fmt::format("{}: {}", machine.name, *broken));
  const replication::ReplicaCounters counters = machine.replica->counters();
  const replication::ReplicaConfig& config = world.options().config;
  if (counters.held_back_bytes > config.holdback_bytes_max)
    world.fail(fmt::format("{}: the hold-back is too large", machine.name));
  const replication::OpLog& log = machine.replica->log();
  if (log.bytes() > config.log_bytes_max && log.end_position() - log.first_position() > 1)
    world.fail(fmt::format("{}: its log takes {} bytes", machine.name, log.bytes()));
  check_conflict_bounds(world, i);
  check_conflict_events(world, i);
  check_resurrection(world, i);
}

void check_meeting(World& world, std::size_t a, std::size_t b) {
  if (!world.machine(a).replica || !world.machine(b).replica) return;
  const Replica& one = *world.machine(a).replica;
  const Replica& other = *world.machine(b).replica;
  if (one.vector() == other.vector() && !(one.database_digest() == other.database_digest()) && !world.over_budget()) {
    world.fail(fmt::format("{} and {} have seen the same writes and hold different documents", world.machine(a).name,
                           world.machine(b).name));
  }
}

bool agreed(const World& world) {
  const VersionVector* vector = nullptr;
  std::optional<replication::Digest> digest;
  for (std::size_t i = 0; i < world.size(); ++i) {
    const Machine& machine = world.machine(i);
    if (machine.gone) continue;
    if (!machine.replica || machine.paused || !machine.waiting.empty() || machine.replica->syncing_states() ||
        !machine.unwritten.empty() || !machine.unsynced.empty() || !machine.awaited.empty()) {
      return false;
    }
    if (vector != nullptr && !(machine.replica->vector() == *vector)) return false;
    // Mending is part of it.
    if (world.over_budget() && digest && !(*digest == machine.replica->database_digest())) return false;
    digest = machine.replica->database_digest();
    vector = &machine.replica->vector();
  }
  return true;
}

// What a delete whose tombstone was dropped makes of an older write that it had not seen depends on who kept the
// tombstone; that all hold the same is checked all the same.
void check_against_model(World& world, std::size_t i) {
  if (world.over_budget()) return;
  const Replica& replica = *world.machine(i).replica;
  NaiveModel::Collections held;
  for (const auto& [name, documents] : replica.database().collections()) {
    NaiveModel::Documents& copy = held[name];
    for (const auto& [key, record] : documents.records()) copy.emplace(key, record.document.bytes());
  }
  const NaiveModel::Collections expected = world.history().model().result(replica.vector());
  if (held == expected) return;
  const std::string& who = world.machine(i).name;
  for (const auto& [name, documents] : expected) {
    if (!held.contains(name)) return world.fail(fmt::format("{}: collection '{}' is missing", who, name));
    if (held[name] != documents)
      return world.fail(fmt::format("{}: the documents of '{}' are not what the writes make of them", who, name));
  }
  world.fail(fmt::format("{}: it has collections that should not exist", who));
}

void check_copies_noticed(World& world) {
  const auto& notices = world.notices();
  const bool noticed = std::any_of(notices.begin(), notices.end(), [](const World::Heard& heard) {
    return heard.kind == replication::Notice::Kind::kDuplicateIdentity;
  });
  if (world.copies_met() && !noticed) world.fail("two nodes of one identity ran and nobody noticed");
}

void check_end(World& world) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < world.size() && !world.failure(); ++i) {
    if (world.machine(i).gone) continue;
    if (first) check_meeting(world, *first, i);
    if (!first) first = i;
    check_step(world, i);
    check_against_model(world, i);
    if (!world.failure()) check_losers(world, i);
    if (!world.failure()) check_resolved(world, i);
  }
  if (world.failure() || !first) return;
  check_promises(world, *first);
  const Replica& replica = *world.machine(*first).replica;
  world.log().line("{} end {} writes, {} promises, vector {}, digest {}", world.now(), world.history().writes().size(),
                   world.promises().size(), replica.vector().to_string(), replica.database_digest().hex());
}

}  // namespace distri::sim
