#include "members.hpp"

#include <algorithm>
#include <utility>

#include "distri/utils/hash.hpp"

namespace distri::sim {

using membership::LocalMember;
using membership::MemberTable;
using membership::Sponsor;

namespace {

constexpr std::uint64_t kMembersStream = 0x6d656d62657273;  // "members"

SigningKey seeded_key(std::uint64_t seed, std::uint64_t number) {
  const Hash256 hash = blake2b_256(fmt::format("simulated key {} of seed {}", number, seed));
  return SigningKey::from_seed({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

Address place_of(std::size_t i) {
  return {fmt::format("10.0.{}.{}", i / 250, 1 + i % 250), 7400};
}

}  // namespace

Members::Members(World& world, std::uint64_t seed, const Defect& defect)
    : world_(world),
      random_(seed ^ kMembersStream),
      defect_(defect),
      seed_(seed),
      root_(new_key()),
      next_root_(new_key()),
      founding_{root_.public_key(), membership::digest_of(next_root_.public_key())},
      chain_(founding_) {
  MemberTable table(founding_);
  for (std::size_t i = 0; i < world_.size(); ++i) {
    add_seat();
    const NodeId id = world_.machine(i).id;
    const auto added =
        table.add(membership::admit_by_root(table.authority(), root_, id, seats_[i].name, World::kEpochMs));
    if (!added) world_.fail(fmt::format("founding: {}", added.error().message));
    founded_.insert(id);
  }
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const auto added = table.add(membership::announce(table.cluster(), seats_[i].key, 1, {seats_[i].place}));
    if (!added) world_.fail(fmt::format("founding: {}", added.error().message));
  }
  for (Seat& seat : seats_) seat.saved = Saved{table.encode(), {}, 1, {}};
  world_.set_gate(this);
}

SigningKey Members::new_key() {
  return seeded_key(seed_, ++keys_made_);
}

void Members::add_seat() {
  const std::size_t i = seats_.size();
  Seat& seat = seats_.emplace_back(new_key());
  seat.name = fmt::format("node-{}", i);
  seat.place = place_of(i);
  world_.machine(i).id = seat.key.public_key();
}

// ---- What a node's owner does (cloud::Cluster, cloud::Peers).

bool Members::may_start(std::size_t i) {
  if (i >= seats_.size()) return false;
  Seat& seat = seats_[i];
  if (!seat.saved) return false;
  auto table = MemberTable::load(seat.saved->table);
  auto sponsor = seat.saved->sponsor.empty() ? Result<Sponsor>(Sponsor(seat.key.copy()))
                                             : Sponsor::load(seat.key.copy(), seat.saved->sponsor);
  if (!table || !sponsor) {
    world_.fail(fmt::format("{} cannot read what it has saved: {}", world_.machine(i).name,
                            table ? sponsor.error().message : table.error().message));
    return false;
  }
  seat.member.emplace(seat.key.copy(), *std::move(table), *std::move(sponsor), seat.saved->sequence, defect_.member);
  if (seat.member->belongs()) return true;
  seat.member.reset();
  world_.schedule(1, [this, i, id = world_.machine(i).id] {
    if (world_.machine(i).id == id && !world_.machine(i).replica) retire(i);
  });
  return false;
}

std::vector<NodeId> Members::members(std::size_t i) const {
  std::vector<NodeId> nodes;
  if (!seats_[i].member) return nodes;
  for (const MemberTable::Member& member : table(i).members()) nodes.push_back(member.node);
  return nodes;
}

bool Members::writer_is_member(const ActorId& actor) const {
  const auto writer = writers_.find(actor);
  return writer != writers_.end() && is_member(writer->second);
}

bool Members::knows_all_kept(std::size_t i) const {
  return !seats_[i].member || table(i).knows_all_kept();
}

void Members::started(std::size_t i) {
  Seat& seat = seats_[i];
  writers_.insert_or_assign(world_.machine(i).replica->actor(), world_.machine(i).id);
  seat.gossip_at = world_.now() + static_cast<Millis>(random_.below(LocalMember::kGossipMs));
  seat.dial_at = world_.now() + static_cast<Millis>(random_.below(kDialMs));
  learn_places(i);
  const auto announced = seat.member->announce({seat.place});
  if (!announced) return world_.fail(fmt::format("{}: {}", seat.name, announced.error().message));
  if (!*announced) return;
  changed(i);
  save(i, {});
}

void Members::crashed(std::size_t i) {
  Seat& seat = seats_[i];
  seat.member.reset();
  seat.places.clear();
  seat.saving = seat.dirty = false;
  seat.waiting.clear();
}

void Members::save(std::size_t i, std::function<void()> done) {
  Seat& seat = seats_[i];
  seat.dirty = true;
  if (done) seat.waiting.push_back(std::move(done));
  if (seat.saving) return;
  seat.saving = true;
  seat.dirty = false;
  Saved saved{table(i).encode(), seat.member->sponsor_state(), seat.member->sequence(), {}};
  for (const auto& [node, why] : table(i).revoked()) saved.revoked.insert(node);
  world_.schedule_on(i, static_cast<Millis>(1 + random_.below(20)),
                     [this, i, saved = std::move(saved), version = table(i).version(),
                      waiting = std::exchange(seat.waiting, {})] { end_save(i, saved, version, waiting); });
}

void Members::end_save(std::size_t i, Saved saved, std::uint64_t version,
                       const std::vector<std::function<void()>>& done) {
  Seat& seat = seats_[i];
  if (!seat.member) return;
  seat.saving = false;
  seat.saved = std::move(saved);
  if (seat.member->saved(version)) changed(i);
  seal();
  for (const auto& each : done) each();
  if (seat.dirty && seat.member) save(i, {});
}

// The table of a machine has changed.
void Members::changed(std::size_t i) {
  Seat& seat = seats_[i];
  world_.set_members_of(i);
  learn_places(i);
  world_.log().line("{} {} has a table of {} members, {} revoked, {} statements", world_.now(), world_.machine(i).name,
                    table(i).members().size(), table(i).revoked().size(), table(i).statements());
  for (std::size_t to = 0; to < seats_.size(); ++to) send(i, to, seat.member->digest());
  close_links(i);
  if (!seat.member->belongs()) world_.schedule_on(i, 1, [this, i] { retire(i); });
}

void Members::close_links(std::size_t i) {
  if (defect_.owner == OwnerPlant::kKeepLinks) return;
  for (std::size_t to = 0; to < seats_.size(); ++to) {
    if (to == i || !world_.network().up(i, to) || seats_[i].member->admit_node(world_.machine(to).id)) continue;
    if (const auto farewell = seats_[i].member->farewell(world_.machine(to).id, true)) tell(i, to, *farewell);
    world_.disconnect(i, to);
  }
}

// On a link that is not up yet, or is closed behind these words.
void Members::tell(std::size_t from, std::size_t to, const LocalMember::Outgoing& message) {
  if (world_.network().blocked(from, to)) return;
  for (const Millis at : world_.network().arrivals(from, to, world_.now())) {
    world_.schedule_on(to, at - world_.now(), [this, from, to, message] {
      heard(from, to, static_cast<std::uint16_t>(message.kind), message.payload);
    });
  }
}

void Members::send(std::size_t from, std::size_t to, const LocalMember::Outgoing& message) {
  if (from != to) world_.send_membership(from, to, static_cast<std::uint16_t>(message.kind), message.payload);
}

void Members::heard(std::size_t from, std::size_t to, std::uint16_t kind, BytesView payload) {
  Seat& seat = seats_[to];
  if (!seat.member) return;
  const auto taken = seat.member->receive(static_cast<LocalMember::Message>(kind), payload);
  if (!taken) {
    return world_.fail(fmt::format("{} refuses what {} says of the members: {}", world_.machine(to).name,
                                   world_.machine(from).name, taken.error().message));
  }
  if (taken->agrees && world_.machine(to).replica)
    world_.machine(to).replica->peer_agrees(world_.machine(from).id, *taken->agrees);
  if (taken->answer && world_.network().up(from, to)) {
    send(to, from, *taken->answer);
  } else if (taken->answer && taken->answer->kind == LocalMember::Message::kStatements) {
    tell(to, from, *taken->answer);  // it was questioned
  }
  if (kind == static_cast<std::uint16_t>(LocalMember::Message::kStatements) && !world_.network().up(from, to)) {
    if (const auto farewell = seat.member->farewell_to_former(world_.machine(from).id, payload))
      tell(to, from, *farewell);
  }
  if (!taken->changed) return;
  changed(to);
  save(to, {});
}

void Members::linked(std::size_t a, std::size_t b) {
  send(a, b, seats_[a].member->digest());
  send(b, a, seats_[b].member->digest());
}

void Members::learn_places(std::size_t i) {
  for (const MemberTable::Member& member : table(i).members()) {
    if (member.node == world_.machine(i).id) continue;
    for (const Address& address : member.addresses) seats_[i].places.insert(to_string(address));
  }
}

// Two that both moved while they could not hear each other know no place of each other's; so the operator names one
// node to all in the end (--peers).
std::optional<std::size_t> Members::anchor() const {
  for (std::size_t i = 0; healed_ && i < seats_.size(); ++i) {
    if (runs(i) && is_member(world_.machine(i).id)) return i;
  }
  return std::nullopt;
}

bool Members::knows_place(std::size_t i, std::size_t other) const {
  return seats_[i].places.contains(to_string(seats_[other].place)) || anchor() == other;
}

// By the key that the link has shown, wherever the other side listens.
bool Members::lets_in(std::size_t i, std::size_t other) const {
  if (defect_.owner == OwnerPlant::kTrustAddresses && knows_place(i, other)) return true;
  return seats_[i].member->admit_node(world_.machine(other).id).has_value();
}

bool Members::may_link(std::size_t a, std::size_t b) {
  if (!runs(a) || !runs(b) || (!knows_place(a, b) && !knows_place(b, a))) return false;
  bool both = true;
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)}) {
    if (lets_in(here, there)) continue;
    both = false;
    if (const auto question = seats_[here].member->question(world_.machine(there).id)) tell(here, there, *question);
    if (const auto farewell = seats_[here].member->farewell(world_.machine(there).id, false))
      tell(here, there, *farewell);
  }
  return both;
}

void Members::ticked(std::size_t i) {
  Seat& seat = seats_[i];
  check_links(i);
  if (world_.now() >= seat.gossip_at) {
    seat.gossip_at = world_.now() + LocalMember::kGossipMs;
    for (std::size_t to = 0; to < seats_.size(); ++to) send(i, to, seat.member->digest());
    check_sealed(i);
  }
  if (world_.now() < seat.dial_at) return;
  seat.dial_at = world_.now() + kDialMs;
  for (std::size_t to = 0; to < seats_.size() && seat.member; ++to) {
    if (to != i && seats_[to].member && !world_.network().up(i, to) && knows_place(i, to)) world_.connect(i, to);
  }
}

// It knows that it is no member any more, and stops.
void Members::retire(std::size_t i) {
  const NodeId id = world_.machine(i).id;
  if (world_.machine(i).gone || world_.machine(i).outside) return;
  if (is_member(id)) return world_.fail(fmt::format("{} was put out, but nobody removed it", world_.machine(i).name));
  if (revoked_.contains(id)) {
    world_.leave(i);
  } else {
    become_new(i);  // who let it in was removed, and nobody asked for it to be kept
  }
  tell_again();
}

// The machine begins anew, with an empty directory and a key of its own.
void Members::become_new(std::size_t i) {
  Seat& seat = seats_[i];
  world_.replace(i);
  seat.key = new_key();
  seat.saved.reset();
  seat.joining.reset();
  seat.join_at = world_.now() + static_cast<Millis>(random_.below(1'000));
  world_.machine(i).id = seat.key.public_key();
  world_.machine(i).outside = true;
}

}  // namespace distri::sim
