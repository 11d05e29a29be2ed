// The holder of the root key: lets machines in, takes nodes out, and repeats himself until it is known. And the
// exchange by which a machine joins.
#include <algorithm>
#include <utility>

#include "members.hpp"

namespace distri::sim {

using membership::Joiner;
using membership::JoinLine;
using membership::MemberTable;
using membership::Reason;

namespace {

constexpr Millis kTendMs = 500;
constexpr Millis kAskMs = 400;
constexpr Millis kJoinMs = 6'000;  // then it gives up, with what it heard last
constexpr Millis kRepeatMs = 800;

template <class Statement>
Bytes encoded(const Statement& statement) {
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, statement);
  return bytes;
}

}  // namespace

// Members that are here to stay, as far as the operator has decided.
std::size_t Members::live() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const Machine& machine = world_.machine(i);
    count += !machine.gone && !machine.outside && is_member(machine.id) ? 1 : 0;
  }
  return count;
}

// A node that the operator may turn to.
std::optional<std::size_t> Members::any_running() {
  std::vector<std::size_t> running;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (runs(i) && is_member(world_.machine(i).id)) running.push_back(i);
  }
  if (running.empty()) return std::nullopt;
  return running[random_.below(running.size())];
}

void Members::tend() {
  tell_orders();
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (world_.machine(i).outside && !seats_[i].joining && world_.now() >= seats_[i].join_at) invite(i);
  }
  world_.schedule(kTendMs, [this] { tend(); });
}

// ---- Invitations

// The line is given to the machine when the sponsor has it on its disk. If that never comes, he invites again.
void Members::invite(std::size_t i) {
  seats_[i].join_at = world_.now() + kRepeatMs;
  for (const auto& line : lines_) {
    if (line->given < line->uses && random_.chance(0.5)) return begin_join(i, line);
  }
  const auto sponsor = any_running();
  if (!sponsor) return;
  SigningKey key = new_key();
  const std::uint16_t uses = static_cast<std::uint16_t>(1 + random_.below(3));
  const Millis lasts = random_.chance(0.2) ? 2'000 : 600'000;
  if (table(*sponsor).epoch() != chain_.epoch()) return;  // it would not know the signature yet
  const auto invitation = membership::invite(chain_.authority(), root_, key.public_key(), world_.machine(*sponsor).id,
                                             world_.wall(world_.machine(*sponsor)) + lasts, uses);
  const auto opened =
      seats_[*sponsor].member->open_invitation(encoded(invitation), world_.wall(world_.machine(*sponsor)));
  if (!opened) {
    return world_.fail(
        fmt::format("{} does not take an invitation: {}", world_.machine(*sponsor).name, opened.error().message));
  }
  auto line = std::make_shared<Line>(
      JoinLine{founding_.cluster(), world_.machine(*sponsor).id, {seats_[*sponsor].place}, std::move(key)}, uses,
      chain_.epoch());
  world_.log().line("{} {} may sponsor {}", world_.now(), world_.machine(*sponsor).name, world_.machine(i).name);
  save(*sponsor, [this, i, line] {
    lines_.push_back(line);
    if (world_.machine(i).outside && !seats_[i].joining) begin_join(i, line);
  });
}

// ---- The machine that joins

void Members::begin_join(std::size_t i, const std::shared_ptr<Line>& line) {
  ++line->given;
  Seat& seat = seats_[i];
  JoinLine copy{line->line.cluster, line->line.sponsor, line->line.addresses, line->line.invitation.copy()};
  auto joiner = Joiner::start(std::move(copy), seat.key.copy(), seat.name);
  if (!joiner) return world_.fail(joiner.error().message);
  seat.joining = std::make_shared<Joining>(Joining{*std::move(joiner), line, world_.now() + kJoinMs});
  ask(i);
}

void Members::ask(std::size_t i) {
  const std::shared_ptr<Joining> joining = seats_[i].joining;
  if (!joining || joining->joiner.state() != Joiner::State::kAsking) return;
  if (world_.now() >= joining->end)
    return refused(i, {Code::kUnavailable, "the sponsor cannot be asked: " + joining->last});
  const Address& address = joining->joiner.line().addresses.front();
  std::optional<std::size_t> there;
  for (std::size_t other = 0; other < seats_.size(); ++other) {
    if (other != i && seats_[other].place == address && runs(other) && !world_.network().blocked(i, other))
      there = other;
  }
  if (!there) {
    joining->last = "nobody answers at " + to_string(address);
  } else if (world_.machine(*there).id != joining->joiner.line().sponsor) {
    joining->last = "another node answers at " + to_string(address);
  } else {
    joining->last = "no answer in time";
    ask_at(i, *there);
  }
  world_.schedule(kAskMs, [this, i, joining] {
    if (seats_[i].joining == joining) ask(i);
  });
}

// One connection: the request, and what comes back on it.
void Members::ask_at(std::size_t i, std::size_t sponsor) {
  const std::shared_ptr<Joining> joining = seats_[i].joining;
  const Bytes binding(random_.id<NodeId>().view());
  const Bytes request = joining->joiner.request(binding);
  const auto back = [this, i, sponsor, joining](const Bytes& reply) {
    for (const Millis at : world_.network().arrivals(sponsor, i, world_.now()))
      world_.schedule(at - world_.now(), [this, i, joining, reply] { on_reply(i, joining, reply); });
  };
  for (const Millis at : world_.network().arrivals(i, sponsor, world_.now())) {
    world_.schedule_on(sponsor, at - world_.now(), [this, sponsor, request, binding, back] {
      if (!seats_[sponsor].member) return;
      auto answer = seats_[sponsor].member->join(request, binding, world_.wall(world_.machine(sponsor)));
      if (!answer.persist) return back(answer.reply);
      changed(sponsor);
      save(sponsor, [back, reply = std::move(answer.reply)] { back(reply); });
    });
  }
}

void Members::on_reply(std::size_t i, const std::shared_ptr<Joining>& joining, BytesView reply) {
  if (seats_[i].joining != joining || joining->joiner.state() != Joiner::State::kAsking) return;
  const auto state = joining->joiner.on_reply(reply);
  if (!state)
    return world_.fail(fmt::format("{}: the sponsor's answer: {}", world_.machine(i).name, state.error().message));
  if (*state == Joiner::State::kMember) joined(i);
  if (*state == Joiner::State::kRefused) refused(i, joining->joiner.refusal());
}

void Members::joined(std::size_t i) {
  Seat& seat = seats_[i];
  const std::shared_ptr<Joining> joining = std::exchange(seat.joining, nullptr);
  const MemberTable& given = joining->joiner.table();
  seat.saved = Saved{given.encode(), {}, 0, {}};
  for (const auto& [node, why] : given.revoked()) seat.saved->revoked.insert(node);
  ++joining->line->joined;
  admitted_.push_back({seat.key.public_key(), joining->line->line.sponsor, joining->line->epoch});
  world_.machine(i).outside = false;
  world_.machine(i).newcomer = true;
  world_.log().line("{} {} has joined", world_.now(), world_.machine(i).name);
  world_.start(i);
}

// A clear reason, and what the operator makes of it.
void Members::refused(std::size_t i, const Error& why) {
  Seat& seat = seats_[i];
  const std::shared_ptr<Joining> joining = std::exchange(seat.joining, nullptr);
  world_.log().line("{} {} cannot join: {}", world_.now(), world_.machine(i).name, distri::to_string(why));
  seat.join_at = world_.now() + static_cast<Millis>(random_.below(kRepeatMs));
  switch (why.code) {
    case Code::kUnavailable:
      // The same line again, with luck; or another one.
      if (random_.chance(0.5)) {
        --joining->line->given;
        begin_join(i, joining->line);
      } else if (healed_) {
        joining->line->given = joining->line->uses;
      }
      return;
    case Code::kDeadlineExceeded:
    case Code::kNotFound:
      joining->line->given = joining->line->uses;
      return;
    case Code::kAlreadyExists: {
      // Its name is taken, or it was let in by somebody whose answer never came.
      const NodeId before = seat.key.public_key();
      become_new(i);
      seat.name = fmt::format("node-{}-{}", i, keys_made_);
      return revoke(before, Reason::kReplaced, seat.key.public_key());
    }
    default:
      world_.fail(fmt::format("{} is refused with a good invitation: {}", world_.machine(i).name, why.message));
  }
}

// ---- Removals

void Members::revoke(const NodeId& node, Reason reason, const NodeId& by) {
  std::vector<NodeId> keeps;
  if (const auto asked = any_running()) keeps = table(*asked).sponsored_by(node);
  const auto revocation =
      membership::revoke(chain_.authority(), root_, node, reason, by, World::kEpochMs + world_.now(), keeps);
  MemberTable statement = chain_;
  if (const auto added = statement.add(revocation); !added) return world_.fail(added.error().message);
  revoked_.emplace(node, std::set<NodeId>(keeps.begin(), keeps.end()));
  orders_.push_back({statement.encode()});
  world_.log().line("{} the root removes {}, {} of those that it let in stay", world_.now(), node.short_hex(),
                    keeps.size());
  tell_orders();
}

void Members::tell_orders() {
  for (std::size_t n = 0; n < orders_.size(); ++n) {
    if (orders_[n].told) continue;
    const auto to = any_running();
    if (!to) return;
    const auto taken = seats_[*to].member->change(orders_[n].statements);
    if (!taken) return world_.fail(fmt::format("a removal is refused: {}", taken.error().message));
    if (*taken > 0) changed(*to);
    save(*to, [this, n] { orders_[n].told = true; });
  }
}

// The root key of the next epoch speaks. What the operator can ask for the roll: all nodes that run, as `distri cluster
// rotate` does, and what he has decided himself.
void Members::change_root() {
  MemberTable roster = chain_;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    if (!runs(i) || !is_member(world_.machine(i).id)) continue;
    if (const auto merged = roster.merge(table(i).encode()); !merged) return world_.fail(merged.error().message);
  }
  for (const Order& order : orders_) {
    if (const auto merged = roster.merge(order.statements); !merged) return world_.fail(merged.error().message);
  }
  const membership::Roll roll = roster.roll();
  std::set<NodeId> called;
  std::size_t staying = 0;
  for (const auto& member : roll.members) called.insert(member.node);
  for (const Seat& seat : seats_) staying += called.contains(seat.key.public_key()) ? 1 : 0;
  if (staying < kMembersMin) return;
  SigningKey after = new_key();
  const auto change = roster.change_root(next_root_, membership::digest_of(after.public_key()), roll);
  if (!change) return world_.fail(fmt::format("root change: {}", change.error().message));
  if (const auto added = chain_.add(*change); !added) return world_.fail(added.error().message);
  root_ = std::exchange(next_root_, std::move(after));
  founded_ = std::move(called);
  orders_.assign(1, {chain_.encode()});
  world_.log().line("{} the root key changes, epoch {}: {} members, {} removed", world_.now(), chain_.epoch(),
                    roll.members.size(), roll.revoked.size());
  tell_orders();
}

// Who knew of it may be gone.
void Members::tell_again() {
  for (Order& order : orders_) order.told = false;
}

}  // namespace distri::sim
