#include <algorithm>
#include <array>

#include "swarm.hpp"

namespace distri::sim {

namespace {

constexpr std::size_t kReplacedMax = 2;

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
  add(Fault::kReplace, &Swarm::replace);
  add(Fault::kJoin, &Swarm::join);
  add(Fault::kBreak, &Swarm::break_link);
  if (world_.options().durability != Durability::kMemory) {
    add(Fault::kLostFsync, &Swarm::lost_fsync);
    add(Fault::kBitFlip, &Swarm::bit_flip);
    add(Fault::kDiskFull, &Swarm::disk_full);
    add(Fault::kRestoredBackup, &Swarm::restored_backup);
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
  FaultyDisk& disk = *world_.machine(i).disk;
  disk.set_lying(true);
  log_.line("{} the disk of {} lies", world_.now(), world_.machine(i).name);
  world_.schedule(static_cast<Millis>(100 + random_.below(2'000)), [this, i] {
    if (!healed_) crash_and_restart(i);
    world_.machine(i).disk->set_lying(false);
  });
}

void Swarm::bit_flip() {
  const std::size_t i = any_machine();
  if (!crash_and_restart(i) || !world_.machine(i).disk->flip_bit(random_)) return;
  world_.machine(i).damaged = true;
  log_.line("{} a bit of {} is flipped", world_.now(), world_.machine(i).name);
}

void Swarm::disk_full() {
  const std::size_t i = any_machine();
  world_.machine(i).disk->set_full(true);
  log_.line("{} the disk of {} is full", world_.now(), world_.machine(i).name);
  world_.schedule(static_cast<Millis>(300 + random_.below(4'000)),
                  [this, i] { world_.machine(i).disk->set_full(false); });
}

void Swarm::restored_backup() {
  const std::size_t i = any_machine();
  if (!world_.machine(i).replica) return;
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

void Swarm::heal() {
  healed_ = true;
  log_.line("{} heal", world_.now());
  world_.network().heal();
  for (std::size_t i = 0; i < world_.size(); ++i) {
    Machine& machine = world_.machine(i);
    if (machine.disk) machine.disk->set_full(false);
    world_.start(i);
  }
  world_.connect_all();
}

}  // namespace distri::sim
