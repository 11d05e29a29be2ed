#include <algorithm>

#include "world.hpp"

namespace distri::sim {

namespace {

constexpr Millis kRetryMs = 100;
constexpr Millis kBatchedSyncMs = 500;
constexpr std::uint64_t kTornEvery = 10;

}  // namespace

void World::load(std::size_t i) {
  Machine& machine = machines_[i];
  if (machine.disk->records() == 0) return;
  const auto source = [&machine](const replication::RecordVisitor& visit) { return machine.disk->load(visit); };
  const auto loaded = machine.replica->load(source, wall(machine));
  if (loaded) {
    machine.started = "loaded";
    if (machine.damaged) fail(fmt::format("{} started from a damaged disk and did not notice", machine.name));
    // What is on the disk is durable, whether it had been synced or not.
    machine.durable.merge(machine.replica->vector().unfolded());
    machine.safe.merge(machine.replica->vector().unfolded());
    return;
  }
  log_.line("{} {} cannot use its disk: {}", now_, machine.name, distri::to_string(loaded.error()));
  const bool reuse = options_.defect.owner == OwnerPlant::kSkipIncarnationBump;
  if (!machine.damaged && !reuse)
    fail(fmt::format("{} cannot start from a disk that kept its word: {}", machine.name, loaded.error().message));
  machine.damaged = false;
  machine.disk->put_image({});
  note_loss(i);
  machine.replica = new_replica(i);
  machine.started = "damaged";
}

// Takes what changed; it goes to the disk a moment later.
void World::store(std::size_t i) {
  Machine& machine = machines_[i];
  if (!machine.disk || !machine.replica) return;
  while (auto commit = machine.replica->take_commit()) {
    machine.unwritten.push_back({std::move(*commit), machine.replica->vector().unfolded()});
  }
  if (machine.unwritten.empty() || machine.write_due) return;
  const std::uint64_t life = machine.life;
  if (crashed_here(i, life)) return;
  machine.write_due = true;
  schedule_on(i, static_cast<Millis>(random_.below(2)), [this, i] { write_commits(i); });
}

bool World::crashed_here(std::size_t i, std::uint64_t life) {
  if (crash_point && crash_point(i)) return true;
  return machines_[i].life != life;
}

void World::write_commits(std::size_t i) {
  Machine& machine = machines_[i];
  const std::uint64_t life = machine.life;
  machine.write_due = false;
  while (!machine.unwritten.empty()) {
    Machine::Stored& next = machine.unwritten.front();
    const bool torn = options_.defect.owner == OwnerPlant::kTornCommit && next.commit.number % kTornEvery == 0;
    if (torn && !next.commit.changes.empty())  // it may have been tried before
      next.commit.changes.erase(next.commit.changes.begin());
    if (const auto written = machine.disk->write(next.commit.changes); !written) {
      machine.refusing = true;
      machine.full_at = now_;
      machine.replica->refuse_writes(written.error());
      machine.write_due = true;
      schedule_on(i, kRetryMs, [this, i] { write_commits(i); });
      return;
    }
    next.commit.changes.clear();
    machine.unsynced.push_back(std::move(next));
    machine.unwritten.pop_front();
    if (crashed_here(i, life)) return;
  }
  if (machine.refusing) {
    machine.refusing = false;
    machine.replica->accept_writes();
  }
  const bool early = options_.defect.owner == OwnerPlant::kAckBeforeFsync;
  if (machine.durability == Durability::kBatched || early) {
    if (!early) {
      machine.durable.merge(machine.unsynced.back().vector);
      machine.safe.merge(machine.unsynced.back().vector);
    }
    machine.replica->committed(machine.unsynced.back().commit.number, wall(machine));
  }
  begin_sync(i);
  after_turn(i);
}

// One sync at a time; what is written meanwhile waits for the next one.
void World::begin_sync(std::size_t i) {
  Machine& machine = machines_[i];
  if (machine.sync_due || machine.unsynced.empty()) return;
  machine.sync_due = true;
  const Millis delay = machine.durability == Durability::kBatched
                           ? kBatchedSyncMs
                           : static_cast<Millis>(random_.below(static_cast<std::uint64_t>(options_.sync_ms_max) + 1));
  schedule_on(i, delay, [this, i, up_to = machine.unsynced.back().commit.number] { end_sync(i, up_to); });
}

void World::end_sync(std::size_t i, std::uint64_t up_to) {
  Machine& machine = machines_[i];
  const std::uint64_t life = machine.life;
  if (crashed_here(i, life)) return;
  machine.sync_due = false;
  if (!machine.disk->sync()) {
    machine.sync_due = true;
    schedule_on(i, kRetryMs, [this, i, up_to] { end_sync(i, up_to); });
    return;
  }
  while (!machine.unsynced.empty() && machine.unsynced.front().commit.number <= up_to) {
    machine.durable.merge(machine.unsynced.front().vector);
    machine.safe.merge(machine.unsynced.front().vector);
    machine.unsynced.pop_front();
  }
  if (crashed_here(i, life)) return;
  machine.replica->committed(up_to, wall(machine));
  begin_sync(i);
  after_turn(i);
}

}  // namespace distri::sim
