#include <algorithm>
#include <array>

#include "swarm.hpp"

namespace distri::sim {

namespace {

constexpr std::size_t kReplacedMax = 2;
// Nobody waits for longer, paused or not.
constexpr Millis kRenameMs = 10'000;

}  // namespace

// One thing that goes wrong now, of those that this seed allows; then the next one, some time later.
void Swarm::disaster() {
  if (healed_) return;
  std::vector<void (Swarm::*)()> possible;
  const auto add = [&](Fault fault, void (Swarm::*action)()) {
    if (faults_.has(fault)) possible.push_back(action);
  };
  add(Fault::kPartition, &Swarm::partition);
  add(Fault::kBridge, &Swarm::bridge);
  add(Fault::kLongOutage, &Swarm::long_outage);
  add(Fault::kOneWay, &Swarm::one_way);
  add(Fault::kPause, &Swarm::pause);
  add(Fault::kClockJump, &Swarm::clock_jump);
  add(Fault::kCrash, &Swarm::crash);
  add(Fault::kPowerCut, &Swarm::power_cut);
  add(Fault::kReplace, &Swarm::replace);
  add(Fault::kJoin, &Swarm::join);
  add(Fault::kBreak, &Swarm::break_link);
  add(Fault::kRemove, &Swarm::remove);
  if (world_.options().durability != Durability::kMemory || faults_.has(Fault::kMixedDurability)) {
    add(Fault::kLostFsync, &Swarm::lost_fsync);
    add(Fault::kBitFlip, &Swarm::bit_flip);
    add(Fault::kDiskFull, &Swarm::disk_full);
    add(Fault::kRestoredBackup, &Swarm::restored_backup);
    add(Fault::kClone, &Swarm::clone);
  }
  if (!possible.empty()) (this->*possible[random_.below(possible.size())])();
  world_.schedule(static_cast<Millis>(200 + random_.below(1'500)), [this] { disaster(); });
}

// Machines of different sides cannot reach each other for a while; side 0 reaches all.
void Swarm::cut(const std::vector<int>& sides, Millis duration) {
  const bool silent = random_.chance(0.5);
  log_.line("{} cut {} for {} ms{}", world_.now(), fmt::join(sides, ""), duration, silent ? ", silent" : "");
  for (std::size_t a = 0; a < sides.size(); ++a) {
    for (std::size_t b = a + 1; b < sides.size(); ++b) {
      if (sides[a] == sides[b] || sides[a] == 0 || sides[b] == 0) continue;
      Network& network = world_.network();
      if (silent) {
        network.swallow(a, b, true);
        network.swallow(b, a, true);
      } else {
        network.block(a, b, true);
        world_.disconnect(a, b);
      }
      world_.schedule(duration, [this, &network, a, b] {
        network.swallow(a, b, false);
        network.swallow(b, a, false);
        network.block(a, b, false);
        world_.connect(a, b);
      });
    }
  }
}

void Swarm::partition() {
  std::vector<int> sides(world_.size());
  for (int& side : sides) side = random_.chance(0.5) ? 1 : 2;
  cut(sides, static_cast<Millis>(500 + random_.below(5'000)));
}

void Swarm::bridge() {
  std::vector<int> sides(world_.size());
  for (int& side : sides) side = random_.chance(0.5) ? 1 : 2;
  sides[any_machine()] = 0;
  cut(sides, static_cast<Millis>(500 + random_.below(5'000)));
}

void Swarm::long_outage() {
  std::vector<int> sides(world_.size(), 1);
  sides[any_machine()] = 2;
  cut(sides, static_cast<Millis>(3'000 + random_.below(10'000)));
}

void Swarm::one_way() {
  const std::size_t from = any_machine();
  const std::size_t to = (from + 1 + random_.below(world_.size() - 1)) % world_.size();
  log_.line("{} {} -> {} lost for a while", world_.now(), world_.machine(from).name, world_.machine(to).name);
  world_.network().swallow(from, to, true);
  world_.schedule(static_cast<Millis>(500 + random_.below(5'000)),
                  [this, from, to] { world_.network().swallow(from, to, false); });
}

void Swarm::pause() {
  const std::size_t i = any_machine();
  if (!running(i)) return;
  world_.pause(i);
  world_.schedule(static_cast<Millis>(500 + random_.below(4'000)), [this, i] { world_.resume(i); });
}

void Swarm::clock_jump() {
  constexpr Millis kYearMs = 365LL * 86'400'000;
  Machine& machine = world_.machine(any_machine());
  const std::array<Millis, 5> offsets{-(World::kEpochMs + world_.now()), kYearMs, -300'000, 300'000, 0};
  machine.clock_offset_ms = offsets[random_.below(offsets.size())];
  log_.line("{} {} clock jumps, now {}", world_.now(), machine.name, world_.wall(machine));
}

// False: it is the last one that runs, or down already.
bool Swarm::crash_and_restart(std::size_t i) {
  std::size_t alive = 0;
  for (std::size_t other = 0; other < world_.size(); ++other) alive += world_.machine(other).replica ? 1 : 0;
  if (!world_.machine(i).replica || alive < 2) return false;
  crashed_ = true;
  world_.crash(i);
  restart_later(i);
  return true;
}

void Swarm::power_cut() {
  log_.line("{} power cut", world_.now());
  for (std::size_t i = 0; i < world_.size(); ++i) {
    if (!world_.machine(i).replica) continue;
    crashed_ = true;
    world_.crash(i);
    restart_later(i);
  }
}

void Swarm::restart_later(std::size_t i) {
  world_.schedule(static_cast<Millis>(100 + random_.below(3'000)), [this, i] {
    if (world_.machine(i).replica) return;
    world_.start(i);
    world_.reconnect_later(i);
  });
}

void Swarm::crash() {
  crash_and_restart(any_machine());
}

void Swarm::lost_fsync() {
  const std::size_t i = any_machine();
  if (!world_.machine(i).disk) return;
  world_.machine(i).disk->set_lying(true);
  log_.line("{} the disk of {} lies", world_.now(), world_.machine(i).name);
  world_.schedule(static_cast<Millis>(100 + random_.below(2'000)), [this, i] {
    if (!healed_) crash_and_restart(i);
    world_.machine(i).disk->set_lying(false);
  });
}

void Swarm::bit_flip() {
  const std::size_t i = any_machine();
  if (!world_.machine(i).disk || !crash_and_restart(i) || !world_.machine(i).disk->flip_bit(random_)) return;
  world_.machine(i).damaged = true;
  log_.line("{} a bit of {} is flipped", world_.now(), world_.machine(i).name);
}

void Swarm::disk_full() {
  const std::size_t i = any_machine();
  if (!world_.machine(i).disk) return;
  world_.machine(i).disk->set_full(true);
  log_.line("{} the disk of {} is full", world_.now(), world_.machine(i).name);
  world_.schedule(static_cast<Millis>(300 + random_.below(4'000)),
                  [this, i] { world_.machine(i).disk->set_full(false); });
}

void Swarm::restored_backup() {
  const std::size_t i = any_machine();
  if (!world_.machine(i).replica || !world_.machine(i).disk) return;
  log_.line("{} {} is backed up", world_.now(), world_.machine(i).name);
  world_.schedule(static_cast<Millis>(500 + random_.below(6'000)),
                  [this, i, id = world_.machine(i).id, image = world_.machine(i).disk->image()] {
                    if (healed_ || !(world_.machine(i).id == id) || !crash_and_restart(i)) return;
                    world_.machine(i).disk->put_image(image);
                    world_.machine(i).damaged = false;
                    world_.note_loss(i);
                    log_.line("{} {} starts from its backup", world_.now(), world_.machine(i).name);
                  });
}

void Swarm::replace() {
  if (replaced_ == kReplacedMax) return;
  const std::size_t i = any_machine();
  if (!crash_and_restart(i)) return;
  ++replaced_;
  world_.replace(i);
}

void Swarm::join() {
  if (world_.size() == world_.options().nodes_max) return;
  const std::size_t i = world_.add_machine();
  world_.start(i);
  world_.reconnect_later(i);
}

void Swarm::break_link() {
  const std::size_t a = any_machine();
  const std::size_t b = (a + 1 + random_.below(world_.size() - 1)) % world_.size();
  world_.disconnect(a, b);
  world_.schedule(static_cast<Millis>(50 + random_.below(1'000)), [this, a, b] { world_.connect(a, b); });
}

// Somebody starts a copy of a node's data directory on another machine, and sees the complaints some time later.
void Swarm::clone() {
  const std::size_t i = any_machine();
  if (copy_ || renamed_ || cloned_ == kClonesMax || world_.size() == world_.options().nodes_max) return;
  if (!running(i) || !world_.machine(i).disk) return;
  ++cloned_;
  copy_ = Copy{i, world_.clone(i)};
  world_.start(copy_->copy);
  world_.reconnect_later(copy_->copy);
  world_.schedule(static_cast<Millis>(1'000 + random_.below(6'000)), [this] { settle_clone(); });
}

// The copy is made a node of its own, or thrown away with all that only it has.
void Swarm::settle_clone() {
  if (!copy_) return;
  const auto [original, copy] = *std::exchange(copy_, std::nullopt);
  crashed_ = true;
  if (random_.chance(0.5)) {
    world_.rename(copy);
    // Not before nobody waits any more for a write that it confirmed under its old name: it would count twice.
    renamed_ = copy;
    world_.schedule(kRenameMs, [this, copy] {
      renamed_.reset();
      restart_later(copy);
    });
  } else {
    world_.leave(copy);
  }
  if (world_.machine(original).replica) world_.reconnect_later(original);
}

// The operator takes a node away for good and counts one member less; the others learn of it when they start again, one
// after another.
void Swarm::remove() {
  const std::size_t i = any_machine();
  if (removed_ || copy_ || !world_.machine(i).replica) return;
  std::vector<std::size_t> others;
  for (std::size_t other = 0; other < world_.size(); ++other) {
    if (other != i && world_.machine(other).replica) others.push_back(other);
  }
  if (others.size() < 2) return;
  removed_ = crashed_ = true;
  world_.leave(i);
  world_.set_members(world_.options().config.members - 1);
  Millis delay = 0;
  for (const std::size_t other : others) {
    delay += static_cast<Millis>(300 + random_.below(700));
    world_.schedule(delay, [this, other] {
      const Machine& machine = world_.machine(other);
      if (!healed_ && machine.members != world_.options().config.members) crash_and_restart(other);
    });
  }
}

void Swarm::heal() {
  settle_clone();
  healed_ = true;
  if (members_) members_->heal();
  log_.line("{} heal", world_.now());
  world_.network().heal();
  for (std::size_t i = 0; i < world_.size(); ++i) {
    Machine& machine = world_.machine(i);
    if (machine.disk) machine.disk->set_full(false);
    if (renamed_ != i) world_.start(i);
  }
  world_.connect_all();
}

}  // namespace distri::sim
