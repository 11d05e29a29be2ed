// What happens to a cluster with keys: machines come, go, move, are lost, and come back after a month.
#include <algorithm>
#include <array>
#include <utility>

#include "members.hpp"

namespace distri::sim {

using membership::Joiner;
using membership::JoinLine;
using membership::Reason;

namespace {

constexpr int kDrainTries = 20;
constexpr Millis kDrainMs = 200;

}  // namespace

void Members::begin() {
  tend();
  world_.schedule(static_cast<Millis>(300 + random_.below(1'000)), [this] { event(); });
}

void Members::event() {
  if (healed_ || world_.failure()) return;
  static constexpr std::array kEvents{
      &Members::join_event,    &Members::join_event,     &Members::leave_event,           &Members::revoke_event,
      &Members::replace_event, &Members::swap_event,     &Members::move_while_down_event, &Members::restore_event,
      &Members::month_event,   &Members::intruder_event, &Members::restore_event,         &Members::root_event};
  (this->*kEvents[random_.below(kEvents.size())])();
  world_.schedule(static_cast<Millis>(300 + random_.below(2'500)), [this] { event(); });
}

void Members::start_later(std::size_t i) {
  world_.schedule(static_cast<Millis>(200 + random_.below(4'000)), [this, i] { world_.start(i); });
}

void Members::join_event() {
  if (joins_ == kJoinsMax || world_.size() == world_.options().nodes_max) return;
  ++joins_;
  const std::size_t i = world_.add_machine();
  add_seat();
  world_.machine(i).outside = true;
  world_.log().line("{} {} wants to join", world_.now(), world_.machine(i).name);
}

// A node that goes for good hands over what it has, says goodbye, and is removed.
void Members::leave_event() {
  const auto i = any_running();
  if (!i || live() <= kMembersMin || world_.machine(*i).draining) return;
  world_.log().line("{} {} wants to leave", world_.now(), world_.machine(*i).name);
  world_.machine(*i).draining = true;
  drain(*i, kDrainTries);
}

void Members::drain(std::size_t i, int tries) {
  Machine& machine = world_.machine(i);
  if (healed_ || tries == 0 || !runs(i) || !is_member(machine.id) || live() <= kMembersMin) {
    machine.draining = false;
    return;
  }
  const VersionVector held = machine.replica->vector().unfolded();
  for (std::size_t heir = 0; heir < seats_.size(); ++heir) {
    if (heir == i || !runs(heir) || !is_member(world_.machine(heir).id) || !machine.awaited.empty()) continue;
    if (!world_.machine(heir).disk || !world_.machine(heir).safe.covers(held)) continue;
    world_.hand_over(i, heir);
    world_.turn(i, {[](replication::Replica& replica, Millis) -> Result<> {
                  replica.announce_leaving("it leaves the cluster");
                  return {};
                }});
    world_.leave(i);
    revoke(machine.id, Reason::kRemoved, {});
    return tell_again();
  }
  world_.schedule(kDrainMs, [this, i, tries] { drain(i, tries - 1); });
}

// A node that runs, and may not hear of it for long.
void Members::revoke_event() {
  const std::size_t i = random_.below(seats_.size());
  const Machine& machine = world_.machine(i);
  if (machine.gone || machine.outside || !is_member(machine.id) || live() <= kMembersMin) return;
  revoke(machine.id, Reason::kRemoved, {});
}

// A machine is lost with its disk; another one gets its name.
void Members::replace_event() {
  const auto i = any_running();
  if (!i || live() <= kMembersMin) return;
  const NodeId before = world_.machine(*i).id;
  become_new(*i);
  revoke(before, Reason::kReplaced, world_.machine(*i).id);
  tell_again();
}

void Members::swap_places(std::size_t a, std::size_t b) {
  world_.log().line("{} {} and {} exchange addresses", world_.now(), world_.machine(a).name, world_.machine(b).name);
  for (std::size_t other = 0; other < seats_.size(); ++other) {
    world_.disconnect(a, other);
    world_.disconnect(b, other);
  }
  std::swap(seats_[a].place, seats_[b].place);
  for (const std::size_t i : {a, b}) {
    if (!seats_[i].member) continue;
    const auto announced = seats_[i].member->announce({seats_[i].place});
    if (!announced) return world_.fail(announced.error().message);
    if (!*announced) continue;
    changed(i);
    save(i, {});
  }
}

// Members or not: a node that was removed may stand where another one is looked for.
void Members::swap_event() {
  const std::size_t a = random_.below(seats_.size());
  const std::size_t b = random_.below(seats_.size());
  if (a != b && !world_.machine(a).paused && !world_.machine(b).paused) swap_places(a, b);
}

// It moves and goes down before that is saved, perhaps; and is elsewhere when it comes back.
void Members::move_while_down_event() {
  const auto i = any_running();
  const std::size_t first = random_.below(seats_.size());
  const std::size_t second = random_.below(seats_.size());
  if (!i || first == *i || second == *i || world_.machine(first).paused || world_.machine(second).paused) return;
  swap_places(*i, first);
  world_.schedule(static_cast<Millis>(random_.below(60)), [this, i = *i, second] {
    world_.crash(i);
    if (!world_.machine(second).paused) swap_places(i, second);
    start_later(i);
  });
}

// The table of a machine is put back from a copy, after the machine has moved and told so, perhaps, and moves again.
// (What it has sponsored is not put back: a sponsor that forgets who used an invitation gives the use away twice, and
// the table decides who has it.)
void Members::restore_event() {
  const auto i = any_running();
  if (!i) return;
  const auto moves = [this, i = *i, id = world_.machine(*i).id] {
    const std::size_t other = random_.below(seats_.size());
    const bool wanted = random_.chance(0.7) && other != i && world_.machine(i).id == id;
    if (wanted && !world_.machine(i).paused && !world_.machine(other).paused) swap_places(i, other);
  };
  for (int moved = 0; moved < 2; ++moved) world_.schedule(static_cast<Millis>(500 + random_.below(4'000)), moves);
  world_.schedule(static_cast<Millis>(5'000 + random_.below(1'000)),
                  [this, i = *i, id = world_.machine(*i).id, before = *seats_[*i].saved, moves] {
                    if (healed_ || world_.machine(i).id != id || !runs(i)) return;
                    world_.crash(i);
                    put_back(i, before);
                    moves();
                    start_later(i);
                  });
}

void Members::put_back(std::size_t i, const Saved& before) {
  Saved& saved = *seats_[i].saved;
  saved.table = before.table;
  saved.sequence = before.sequence;
  saved.revoked = before.revoked;
  std::erase_if(sealed_, [&](const auto& entry) { return !before.revoked.contains(entry.first); });
  world_.log().line("{} the table of {} is put back", world_.now(), world_.machine(i).name);
  tell_again();
}

// A machine is off while a month passes for everybody. Sometimes it is removed meanwhile.
void Members::month_event() {
  const auto i = any_running();
  if (!i) return;
  world_.crash(*i);
  for (std::size_t other = 0; other < world_.size(); ++other) world_.machine(other).clock_offset_ms += kMonthMs;
  world_.log().line("{} a month passes without {}", world_.now(), world_.machine(*i).name);
  if (random_.chance(0.5) && live() > kMembersMin && is_member(world_.machine(*i).id))
    revoke(world_.machine(*i).id, Reason::kRemoved, {});
  start_later(*i);
}

// Somebody who should not get in: with a secret that he made up, or with a line that is used up or has expired.
void Members::intruder_event() {
  const auto at = any_running();
  if (!at) return;
  std::shared_ptr<Line> used;
  for (const auto& line : lines_) {
    if (line->joined == line->uses && line->line.sponsor == world_.machine(*at).id) used = line;
  }
  JoinLine line{founding_.cluster(),
                world_.machine(*at).id,
                {seats_[*at].place},
                used ? used->line.invitation.copy() : new_key()};
  auto joiner = Joiner::start(std::move(line), new_key(), fmt::format("intruder-{}", keys_made_));
  if (!joiner) return world_.fail(joiner.error().message);
  const Hash256 before = table(*at).digest();
  const Bytes binding(random_.id<NodeId>().view());
  const auto answer = seats_[*at].member->join(joiner->request(binding), binding, world_.wall(world_.machine(*at)));
  const auto state = joiner->on_reply(answer.reply);
  if (!state || *state != Joiner::State::kRefused || answer.persist || table(*at).digest() != before)
    return world_.fail(fmt::format("{} lets a stranger in", world_.machine(*at).name));
  const Code code = joiner->refusal().code;
  const bool outdated = used && used->epoch != table(*at).epoch() && code == Code::kUnavailable;
  const bool clear = used ? code == Code::kCancelled || code == Code::kDeadlineExceeded || code == Code::kNotFound
                          : code == Code::kNotFound;
  if (!clear && !outdated)
    world_.fail(fmt::format("a stranger is refused with {}", distri::to_string(joiner->refusal())));
}

// The root key was stolen, or it is time; whoever the operator cannot ask hears of it later.
void Members::root_event() {
  if (chain_.epoch() < kRootChangesMax) change_root();
}

}  // namespace distri::sim
