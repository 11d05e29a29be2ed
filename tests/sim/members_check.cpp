// What must hold of membership, at every moment and in the end.
#include <algorithm>
#include <limits>

#include "members.hpp"

namespace distri::sim {

// The naive model: founded (or called by the last root change) or let in since, by somebody who was not removed or
// whose removal keeps it; and not removed.
bool Members::is_member(const NodeId& node) const {
  if (revoked_.contains(node)) return false;
  if (founded_.contains(node)) return true;
  return std::ranges::any_of(admitted_, [&](const auto& entry) {
    if (entry.node != node || entry.epoch != chain_.epoch()) return false;
    const auto sponsor = revoked_.find(entry.sponsor);
    return sponsor == revoked_.end() || sponsor->second.contains(node);
  });
}

// From the moment at which every member has heard (and saved) that a node was removed, nothing that it writes counts.
void Members::seal() {
  for (const auto& [removed, keeps] : revoked_) {
    if (sealed_.contains(removed)) continue;
    const bool all = std::ranges::all_of(seats_, [&](const Seat& seat) {
      return !is_member(seat.key.public_key()) || !seat.saved || seat.saved->revoked.contains(removed);
    });
    if (!all) continue;
    auto& limits = sealed_[removed];
    for (const auto& [actor, node] : writers_) {
      if (node == removed) limits[actor] = std::numeric_limits<std::uint64_t>::max();
    }
    for (std::size_t i = 0; i < world_.size(); ++i) {
      const Machine& machine = world_.machine(i);
      if (machine.id == removed && machine.replica) limits[machine.replica->actor()] = machine.recorded;
    }
    world_.log().line("{} everybody knows that {} was removed", world_.now(), removed.short_hex());
  }
}

void Members::check_sealed(std::size_t i) {
  const Machine& machine = world_.machine(i);
  if (sealed_.empty() || !machine.replica || !is_member(machine.id)) return;
  for (const auto& [actor, counter] : machine.replica->vector().entries()) {
    const auto writer = writers_.find(actor);
    const auto sealed = writer == writers_.end() ? sealed_.end() : sealed_.find(writer->second);
    if (sealed == sealed_.end()) continue;
    const auto limit = sealed->second.find(actor);
    if (counter <= (limit == sealed->second.end() ? 0 : limit->second)) continue;
    return world_.fail(fmt::format("{} took a write of node {}, which everybody knew was removed", machine.name,
                                   writer->second.short_hex()));
  }
}

// Nobody is linked to a node that it knows is no member, whatever its address; and the replica counts who belongs.
void Members::check_links(std::size_t i) {
  const Seat& seat = seats_[i];
  const std::string& name = world_.machine(i).name;
  if (!seat.member->belongs()) return;
  for (std::size_t other = 0; other < seats_.size(); ++other) {
    if (other == i || !world_.network().up(i, other) || table(i).is_member(world_.machine(other).id)) continue;
    return world_.fail(
        fmt::format("{} is linked to {}, which is no member by its own table", name, world_.machine(other).name));
  }
  if (world_.machine(i).replica->members() != table(i).members().size())
    world_.fail(fmt::format("{}: the replica counts {} members, its table {}", name,
                            world_.machine(i).replica->members(), table(i).members().size()));
}

std::optional<std::string> Members::unsettled() const {
  const Seat* first = nullptr;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const Seat& seat = seats_[i];
    const std::string& name = world_.machine(i).name;
    if (world_.machine(i).gone) continue;
    if (!runs(i)) return name + (world_.machine(i).outside ? " is not let in" : " does not run");
    if (seat.saving || seat.dirty) return name + " has not saved its table";
    const membership::MemberTable::Member* self = table(i).member(seat.key.public_key());
    if (self == nullptr) return name + " runs and is no member";
    if (self->addresses != std::vector<Address>{seat.place}) return name + " is said to be elsewhere";
    if (first == nullptr) first = &seat;
    if (first->member->table().digest() != table(i).digest()) return name + " has another table";
    for (std::size_t other = 0; other < i; ++other) {
      if (!world_.machine(other).gone && !world_.network().up(i, other))
        return fmt::format("{} and {} are not linked", world_.machine(other).name, name);
    }
  }
  if (std::ranges::all_of(orders_, &Order::told)) return std::nullopt;
  return "a removal is not known";
}

void Members::check_end() {
  std::set<NodeId> expected;
  for (const Seat& seat : seats_) {
    if (is_member(seat.key.public_key())) expected.insert(seat.key.public_key());
  }
  for (std::size_t i = 0; i < seats_.size() && !world_.failure(); ++i) {
    const Machine& machine = world_.machine(i);
    if (machine.gone != !expected.contains(machine.id))
      return world_.fail(fmt::format("{} {} a member, and should{}", machine.name, machine.gone ? "is not" : "is",
                                     machine.gone ? "" : " not be"));
    if (machine.gone) continue;
    const std::vector<NodeId> known = members(i);
    if (std::set<NodeId>(known.begin(), known.end()) != expected)
      return world_.fail(fmt::format("{}: its table names {} members, by what was done there are {}", machine.name,
                                     known.size(), expected.size()));
    for (const auto& [removed, keeps] : revoked_) {
      if (!table(i).is_revoked(removed))
        return world_.fail(fmt::format("{} has not heard that {} was removed", machine.name, removed.short_hex()));
    }
    for (std::size_t other = 0; other < seats_.size(); ++other) {
      if (world_.machine(other).gone) continue;
      const membership::MemberTable::Member* member = table(i).member(world_.machine(other).id);
      if (member->addresses != std::vector<Address>{seats_[other].place})
        return world_.fail(
            fmt::format("{} looks for {} at the wrong address", machine.name, world_.machine(other).name));
    }
    check_links(i);
    check_sealed(i);
  }
}

}  // namespace distri::sim
