#include "world.hpp"

#include <algorithm>

#include "distri/replication/hlc.hpp"
#include "distri/replication/op_log.hpp"

namespace distri::sim {

using replication::Replica;

namespace {

// Between two looks at a machine's clock.
constexpr Millis kClockSlackMs = 1'000;
// A disk that has room again is found out.
constexpr Millis kRoomNoticedMs = 500;

}  // namespace

World::World(const WorldOptions& options, const FaultSet& faults, Random& random, EventLog& log)
    : options_(options), log_(log), random_(random), network_(options.nodes_max, faults, random) {
  for (std::size_t i = 0; i < options.nodes; ++i) add_machine();
}

void World::schedule(Millis delay, std::function<void()> action) {
  events_.push_back({now_ + delay, next_order_++, std::move(action)});
  std::push_heap(events_.begin(), events_.end());
}

bool World::run_until(Millis end, const std::function<bool()>& done) {
  std::uint64_t steps = 0;
  while (!failure_ && !events_.empty() && events_.front().at <= end) {
    if (steps++ % 16 == 0 && done()) return true;
    std::pop_heap(events_.begin(), events_.end());
    Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.at;
    event.action();
  }
  if (failure_) return false;
  if (done()) return true;
  now_ = std::max(now_, end);
  return false;
}

void World::fail(std::string what) {
  if (failure_) return;
  log_.line("{} FAILED: {}", now_, what);
  failure_ = std::move(what);
}

std::size_t World::add_machine() {
  const std::size_t i = machines_.size();
  Machine& machine = machines_.emplace_back();
  machine.name = i < 26 ? std::string(1, static_cast<char>('a' + i)) : fmt::format("n{}", i);
  machine.id = random_.id<NodeId>();
  machine.durability = i < options_.mixed.size() ? options_.mixed[i] : options_.durability;
  if (machine.durability != Durability::kMemory) machine.disk = std::make_unique<FaultyDisk>();
  return i;
}

std::unique_ptr<Replica> World::new_replica(std::size_t i) {
  Machine& machine = machines_[i];
  // Never one that was used before, on any machine: wall clocks do that for real nodes.
  const bool reuse = options_.defect.owner == OwnerPlant::kSkipIncarnationBump && machine.incarnation != 0;
  if (!reuse) machine.incarnation = ++next_incarnation_;
  replication::ReplicaConfig config = options_.config;
  config.node = machine.id;
  config.incarnation = machine.incarnation;
  config.address = "node-" + machine.name;
  config.journal = machine.disk != nullptr;
  config.plant = options_.defect.replica;
  return std::make_unique<Replica>(config);
}

void World::start(std::size_t i) {
  Machine& machine = machines_[i];
  if (machine.replica || machine.gone || (gate_ != nullptr && !gate_->may_start(i))) return;
  ++machine.life;
  machine.members = options_.config.members;
  machine.latest_wall_ms = 0;
  machine.replica = new_replica(i);
  machine.replica->set_newcomer(machine.newcomer);
  machine.started = "empty";
  if (machine.disk) load(i);
  if (gate_ != nullptr) set_members_of(i);
  machine.recorded = machine.replica->vector().get(machine.replica->actor());
  machine.announced.clear();
  machine.replica->conflicts().for_each(
      [&machine](const replication::Conflict& conflict) { machine.announced.insert(conflict.name); });
  log_.line("{} {} starts {}, incarnation {}, vector {}", now_, machine.name, machine.started, machine.incarnation,
            machine.replica->vector().to_string());
  schedule(static_cast<Millis>(random_.below(kTickMs)), [this, i, life = machine.life] {
    if (machines_[i].life == life) tick(i);
  });
  if (gate_ != nullptr) gate_->started(i);
}

void World::set_members_of(std::size_t i) {
  const std::vector<NodeId> members = gate_->members(i);
  machines_[i].members = static_cast<std::uint32_t>(members.size());
  if (machines_[i].replica && options_.defect.owner == OwnerPlant::kForgetNobody)
    machines_[i].replica->set_members(machines_[i].members);
  else if (machines_[i].replica)
    machines_[i].replica->set_members(members, gate_->knows_all_kept(i));
}

void World::schedule_on(std::size_t i, Millis delay, std::function<void()> action) {
  schedule(delay, [this, i, life = machines_[i].life, action = std::move(action)] { run_on(i, life, action); });
}

void World::run_on(std::size_t i, std::uint64_t life, std::function<void()> action) {
  Machine& machine = machines_[i];
  if (machine.life != life) return;
  if (!machine.paused) return action();
  machine.waiting.push_back([this, i, life, action = std::move(action)] { run_on(i, life, action); });
}

void World::note_loss(std::size_t i) {
  machines_[i].loss = ++next_order_;
  machines_[i].safe = {};
}

void World::crash(std::size_t i) {
  Machine& machine = machines_[i];
  if (!machine.replica) return;
  for (std::size_t other = 0; other < machines_.size(); ++other) {
    if (other != i) disconnect(i, other);
  }
  if (machine.disk) {
    const FaultyDisk::Crash lost = machine.disk->crash(random_);
    const bool promised =
        lost.synced_lost > 0 || (machine.durability == Durability::kBatched && lost.unsynced_lost > 0);
    log_.line("{} {} crashes, loses {} unsynced and {} synced batches", now_, machine.name,
              lost.unsynced_lost + machine.unwritten.size(), lost.synced_lost);
    if (promised) note_loss(i);
  } else {
    log_.line("{} {} crashes", now_, machine.name);
    machine.durable.merge(machine.replica->vector().unfolded());
    note_loss(i);
  }
  if (machine.replica->conflicts().evicted() > 0) evicted_ = true;
  machine.replica.reset();
  ++machine.life;
  machine.waiting.clear();
  machine.paused = machine.write_due = machine.sync_due = machine.refusing = false;
  machine.unwritten.clear();
  machine.unsynced.clear();
  // Its clients are not told anything any more.
  for (auto& awaited : machine.awaited) *awaited.outcome = Outcome::kIndeterminate;
  machine.awaited.clear();
  if (gate_ != nullptr) gate_->crashed(i);
}

void World::replace(std::size_t i) {
  crash(i);
  Machine& machine = machines_[i];
  note_loss(i);
  replaced_.push_back({machine.id, std::exchange(machine.durable, {})});
  machine.id = random_.id<NodeId>();
  machine.incarnation = 0;
  machine.damaged = false;
  if (machine.disk) machine.disk = std::make_unique<FaultyDisk>();
  log_.line("{} {} is another node from now on", now_, machine.name);
}

void World::leave(std::size_t i) {
  crash(i);
  machines_[i].gone = true;
  note_loss(i);
  log_.line("{} {} has left for good", now_, machines_[i].name);
}

void World::hand_over(std::size_t i, std::size_t heir) {
  std::vector<Promise> handed;
  for (const Promise& promise : promises_) {
    // What it had lost before it cannot hand over.
    const bool kept = std::ranges::find(promise.keepers, i) != promise.keepers.end();
    if (!kept || !machines_[heir].safe.covers(promise.dot)) continue;
    handed.push_back({promise.dot, promise.holders, {heir}, ++next_order_, promise.serial});
  }
  promises_.insert(promises_.end(), handed.begin(), handed.end());
}

std::size_t World::clone(std::size_t i) {
  const std::size_t copy = add_machine();
  const Machine& original = machines_[i];
  Machine& machine = machines_[copy];
  machine.id = original.id;
  machine.durability = original.durability;
  machine.clock_offset_ms = original.clock_offset_ms;
  machine.disk = std::make_unique<FaultyDisk>();
  machine.disk->put_image(original.disk->image());
  log_.line("{} the data directory of {} is copied to {}", now_, original.name, machine.name);
  return copy;
}

void World::rename(std::size_t i) {
  crash(i);
  machines_[i].id = random_.id<NodeId>();
  machines_[i].incarnation = 0;
  log_.line("{} {} gets an identity of its own", now_, machines_[i].name);
}

void World::pause(std::size_t i) {
  machines_[i].paused = true;
  log_.line("{} {} pauses", now_, machines_[i].name);
}

void World::resume(std::size_t i) {
  if (!machines_[i].paused) return;
  machines_[i].paused = false;
  // It has not looked at its disk.
  if (machines_[i].refusing) machines_[i].full_at = now_;
  log_.line("{} {} goes on", now_, machines_[i].name);
  const std::uint64_t life = machines_[i].life;
  for (auto& action : std::exchange(machines_[i].waiting, {})) {
    if (machines_[i].life == life) action();
  }
}

void World::tick(std::size_t i) {
  Machine& machine = machines_[i];
  if (!machine.replica) return;
  if (machine.disk && machine.disk->full()) machine.full_at = now_;
  if (!machine.paused) {
    machine.replica->tick(wall(machine));
    machine.replica->build_indexes(kIndexSlice);
    check_tombstones(i);
    expire(i);
    after_turn(i);
    if (gate_ != nullptr && machine.replica) gate_->ticked(i);
  }
  schedule(kTickMs, [this, i, life = machine.life] {
    if (machines_[i].life == life) tick(i);
  });
}

// The budget is enforced by each round of gossip, not by each write.
void World::check_tombstones(std::size_t i) {
  Machine& machine = machines_[i];
  const std::uint64_t tombstones = machine.replica->counters().tombstones;
  const bool over = tombstones > options_.config.tombstones_max;
  const bool excused = machine.refusing || machine.replica->syncing_states();
  machine.ticks_over_budget = over && !excused ? machine.ticks_over_budget + 1 : 0;
  if (machine.ticks_over_budget * kTickMs > 2 * options_.config.gossip_ms)
    fail(fmt::format("{}: it keeps {} tombstones", machine.name, tombstones));
}

Result<> World::turn(std::size_t i, const std::vector<Write>& writes) {
  Machine& machine = machines_[i];
  Result<> result;
  for (const Write& write : writes) {
    result = write(*machine.replica, wall(machine));
    if (result) continue;
    log_.line("{} {} refuses: {}", now_, machine.name, distri::to_string(result.error()));
    judge_refusal(i, result.error());
  }
  after_turn(i);
  return result;
}

// Promise 1: a node that runs refuses only what makes no sense, and everything while its disk has no room.
void World::judge_refusal(std::size_t i, const Error& refusal) {
  const Machine& machine = machines_[i];
  switch (refusal.code) {
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kInvalidArgument:
    case Code::kTooLarge:
      return;
    case Code::kStorageFull:
      if (machine.disk && (machine.disk->full() || now_ - machine.full_at <= kRoomNoticedMs)) return;
      break;
    default:
      break;
  }
  fail(fmt::format("{} runs and has room, but refuses a write: {}", machine.name, refusal.message));
}

void World::after_turn(std::size_t i) {
  if (!machines_[i].replica) return;
  watch_clock(machines_[i]);
  machines_[i].replica->end_turn(wall(machines_[i]));
  record(i);
  flush(i);
  store(i);
  if (machines_[i].replica) settle_awaited(i);
  if (machines_[i].replica && turned) turned(i);
}

// The batches that the machine has just made, into the history. They are near the end of its log.
void World::record(std::size_t i) {
  Machine& machine = machines_[i];
  const replication::OpLog& log = machine.replica->log();
  const ActorId self = machine.replica->actor();
  const std::uint64_t made = machine.replica->vector().get(self);
  std::vector<replication::Batch> fresh;
  for (std::uint64_t position = log.end_position(); made > machine.recorded && position > log.first_position();) {
    const replication::OpLog::Entry& entry = log.at(--position);
    if (entry.actor != self) continue;
    if (entry.first_counter <= machine.recorded) break;
    wire::Reader in(*entry.batch);
    auto batch = replication::decode_batch(in, options_.config.limits);
    if (!batch) return fail(fmt::format("{}'s own batch cannot be read: {}", machine.name, batch.error().message));
    fresh.push_back(std::move(*batch));
    largest_batch_ = std::max(largest_batch_, entry.batch->size());
  }
  std::reverse(fresh.begin(), fresh.end());
  machine.latest_wall_ms = std::max(machine.latest_wall_ms, wall(machine));
  const std::uint64_t clock_max =
      replication::HybridClock::from_ms(machine.latest_wall_ms + options_.config.clock_ahead_max_ms + kClockSlackMs);
  for (const replication::Batch& batch : fresh) {
    if (batch.first_counter != machine.recorded + 1) return fail("own writes are not numbered densely");
    machine.recorded = batch.last_counter();
    if (auto wrong = history_.add(batch, clock_max)) return fail(fmt::format("{}: {}", machine.name, *wrong));
  }
  if (made != machine.recorded)
    fail(fmt::format("{}: its log ends at own write {}, its vector at {}", machine.name, machine.recorded, made));
}

std::shared_ptr<Outcome> World::await(std::size_t i, const Dot& dot, std::uint32_t holders, Millis timeout_ms,
                                      std::int64_t serial) {
  auto outcome = std::make_shared<Outcome>(Outcome::kWaiting);
  if (holders > 1) machines_[i].replica->want_holders(dot);
  machines_[i].awaited.push_back({dot, holders, now_ + timeout_ms, serial, outcome});
  return outcome;
}

bool World::lost_any() const {
  return std::any_of(machines_.begin(), machines_.end(), [](const Machine& machine) { return machine.loss > 0; });
}

bool World::may_be_lost(const Dot& dot) const {
  return lost_any() || (gate_ != nullptr && !gate_->writer_is_member(dot.actor));
}

bool World::evicted() const {
  return evicted_ || std::any_of(machines_.begin(), machines_.end(), [](const Machine& machine) {
           return machine.replica && machine.replica->conflicts().evicted() > 0;
         });
}

// A client is told "done": so many machines must hold the write now, or have held it when they confirmed it.
void World::promise(std::size_t i, const Machine::Awaited& awaited) {
  const std::vector<NodeId> members = gate_ == nullptr ? std::vector<NodeId>() : gate_->members(i);
  const auto counts = [&](const NodeId& id) {
    return gate_ == nullptr || std::find(members.begin(), members.end(), id) != members.end();
  };
  auto holders =
      static_cast<std::size_t>(std::count_if(replaced_.begin(), replaced_.end(), [&](const Replaced& replaced) {
        return counts(replaced.id) && replaced.held.covers(awaited.dot);
      }));
  std::vector<std::size_t> keepers;
  for (std::size_t other = 0; other < machines_.size(); ++other) {
    const Machine& machine = machines_[other];
    const bool in_memory = !machine.disk && machine.replica && machine.replica->vector().covers(awaited.dot);
    if ((other == i || counts(machine.id)) && (in_memory || machine.durable.covers(awaited.dot))) ++holders;
    if (in_memory || machine.safe.covers(awaited.dot)) keepers.push_back(other);
  }
  if (holders < awaited.holders) {
    fail(fmt::format("{} says that {} members hold write {} durably, but only {} do", machines_[i].name,
                     awaited.holders, sim::to_string(awaited.dot), holders));
  }
  promises_.push_back({awaited.dot, awaited.holders, std::move(keepers), ++next_order_, awaited.serial});
}

// Answers clients whose write has the holders it asked for, or has waited too long.
void World::settle_awaited(std::size_t i) {
  Machine& machine = machines_[i];
  for (auto at = machine.awaited.begin(); at != machine.awaited.end();) {
    const bool held = machine.replica->holders(at->dot) >= at->holders;
    if (!held && (now_ < at->deadline || options_.defect.owner == OwnerPlant::kWaitForEver)) {
      // Promise 7.
      if (now_ >= at->deadline) fail(fmt::format("{} has kept a client waiting beyond its deadline", machine.name));
      ++at;
      continue;
    }
    if (at->holders > 1) machine.replica->forget_holders(at->dot);
    *at->outcome = held ? Outcome::kOk : Outcome::kIndeterminate;
    log_.line("{} {} answers {}: {}", now_, machine.name, sim::to_string(at->dot), held ? "done" : "indeterminate");
    if (held) promise(i, *at);
    at = machine.awaited.erase(at);
  }
}

}  // namespace distri::sim
