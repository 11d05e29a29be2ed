#include "scenario.hpp"

namespace distri::sim {

Result<std::size_t> Scenario::machine(Words& words) const {
  DISTRI_TRY(const std::string name, words.take("the node"));
  for (std::size_t i = 0; i < world_->size(); ++i) {
    if (world_->machine(i).name == name && !world_->machine(i).gone) return i;
  }
  return distri::fail(Code::kInvalidArgument, "there is no node '{}'", name);
}

Result<std::size_t> Scenario::running_machine(Words& words) const {
  DISTRI_TRY(const std::size_t i, machine(words));
  if (!world_->running(i))
    return distri::fail(Code::kInvalidArgument, "node {} is {}", world_->machine(i).name,
                        world_->machine(i).paused ? "paused" : "down");
  return i;
}

// A machine that is down and has a disk.
Result<std::size_t> Scenario::stopped_disk(Words& words) const {
  DISTRI_TRY(const std::size_t i, machine(words));
  const Machine& machine = world_->machine(i);
  if (!machine.disk) return distri::fail(Code::kInvalidArgument, "{}: the nodes have no disk", command_);
  if (machine.replica)
    return distri::fail(Code::kInvalidArgument, "{}: node {} runs; crash it first", command_, machine.name);
  return i;
}

Result<> Scenario::crash(Words& words) {
  DISTRI_TRY(const std::size_t i, running_machine(words));
  world_->crash(i);
  return {};
}

Result<> Scenario::restart(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  world_->crash(i);
  world_->start(i);
  world_->connect_all();
  return {};
}

// The machine is gone for good; one with a fresh identity takes its name.
Result<> Scenario::replace_node(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  world_->replace(i);
  world_->start(i);
  world_->connect_all();
  return {};
}

Result<> Scenario::join(Words& words) {
  DISTRI_TRY(const std::string name, words.take("the name of the new node"));
  const std::string next(1, static_cast<char>('a' + world_->size()));
  if (name != next || world_->size() == options_.nodes_max)
    return distri::fail(Code::kInvalidArgument, "{}: the next node's name is '{}'", command_, next);
  world_->start(world_->add_machine());
  world_->connect_all();
  return {};
}

Result<> Scenario::leave(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  world_->leave(i);
  return {};
}

// `clone b as d`: a copy of the data directory of `b` starts on another machine.
Result<> Scenario::clone(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  if (!world_->machine(i).disk) return distri::fail(Code::kInvalidArgument, "clone: the nodes have no disk");
  if (!words.take_if("as")) return distri::fail(Code::kInvalidArgument, "clone: write 'clone b as d'");
  DISTRI_TRY(const std::string name, words.take("the name of the new node"));
  const std::string next(1, static_cast<char>('a' + world_->size()));
  if (name != next || world_->size() == options_.nodes_max)
    return distri::fail(Code::kInvalidArgument, "clone: the next node's name is '{}'", next);
  world_->duplicate_identity_expected = true;
  world_->start(world_->clone(i));
  world_->connect_all();
  return {};
}

Result<> Scenario::backup(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  if (!world_->machine(i).disk) return distri::fail(Code::kInvalidArgument, "backup: the nodes have no disk");
  return world_->machine(i).disk->backup("backup");
}

// `restore-backup b from a`: the stopped `b` gets the data directory that was copied on `a`.
Result<> Scenario::restore_backup(Words& words) {
  DISTRI_TRY(const std::size_t i, stopped_disk(words));
  if (!words.take_if("from")) return distri::fail(Code::kInvalidArgument, "write 'restore-backup b from a'");
  DISTRI_TRY(const std::size_t source, machine(words));
  const auto& backups = world_->machine(source).disk->backups();
  if (backups.empty())
    return distri::fail(Code::kInvalidArgument, "node {} has no backup", world_->machine(source).name);
  world_->machine(i).disk->put_image(backups.begin()->second);
  world_->note_loss(i);
  return {};
}

Result<> Scenario::lose_tail(Words& words) {
  DISTRI_TRY(const std::size_t i, stopped_disk(words));
  DISTRI_TRY(const std::int64_t batches,
             words.number("the number of batches", 1, static_cast<std::int64_t>(FaultyDisk::kRememberedBatches)));
  const std::size_t lost = world_->machine(i).disk->lose_tail(static_cast<std::size_t>(batches));
  if (lost < static_cast<std::size_t>(batches))
    return distri::fail(Code::kInvalidArgument, "lose-tail: only {} batches can be lost", lost);
  world_->note_loss(i);
  return {};
}

Result<> Scenario::flip_bit(Words& words) {
  DISTRI_TRY(const std::size_t i, stopped_disk(words));
  if (!world_->machine(i).disk->flip_bit(random_))
    return distri::fail(Code::kInvalidArgument, "flip-bit: nothing is stored there");
  world_->machine(i).damaged = true;
  return {};
}

// disk-full, disk-room, disk-lies
Result<> Scenario::disk(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  Machine& machine = world_->machine(i);
  if (!machine.disk) return distri::fail(Code::kInvalidArgument, "{}: the nodes have no disk", command_);
  if (command_ == "disk-lies") {
    machine.disk->set_lying(true);
  } else {
    machine.disk->set_full(command_ == "disk-full");
  }
  return {};
}

}  // namespace distri::sim
