#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/db/index_catalog.hpp"
#include "swarm.hpp"

namespace distri::sim {

using replication::Replica;

namespace {

// Few collections, documents and fields, so that writers get in each other's way.
constexpr std::array<std::string_view, 3> kCollections{"apples", "birds", "cars"};
constexpr std::uint64_t kIds = 8;
constexpr std::uint64_t kFields = 6;
constexpr std::size_t kTallies = 3;
constexpr Millis kWriteTimeoutMs = 2'000;
constexpr Millis kLastWriteMs = 10'000;
// Turned away so often, a client whose writes may be lost begins a new session.
constexpr int kTurnedAwayMax = 20;
// So long after all is well it may take until a node knows that a write is lost: holdback_ms_max, gossip and some more.
constexpr Millis kLostMs = 20'000;

std::string field_name(Random& random) {
  return fmt::format("f{}", random.below(kFields));
}

void append_id(bson::Builder& builder, Random& random) {
  const auto id = static_cast<std::int32_t>(random.below(kIds));
  // The same _id in another type is the same document.
  if (random.below(10) == 0) {
    builder.append_double("_id", id);
  } else {
    builder.append_int32("_id", id);
  }
}

bson::Document tally_id(std::size_t tally) {
  bson::Builder builder;
  builder.append_int32("_id", static_cast<std::int32_t>(tally));
  return std::move(builder).finish();
}

}  // namespace

bool Swarm::takes_clients(std::size_t i) {
  Machine& machine = world_.machine(i);
  if (!running(i) || machine.draining) return false;
  if (machine.newcomer && has_copy(*machine.replica)) {
    machine.newcomer = false;
    machine.replica->set_newcomer(false);
  }
  return !machine.newcomer;
}

// As CloudNode has it, but that newcomers who are left alone wait for ever.
bool Swarm::has_copy(const Replica& replica) {
  return replica.caught_up() && std::ranges::any_of(replica.peers(), [&](const auto& entry) {
           return !entry.second.newcomer && replica.vector().covers(entry.second.vector);
         });
}

void Swarm::client_turn() {
  if (turns_left_ == 0) return;
  --turns_left_;
  Client& client = clients_[random_.below(clients_.size())];
  if (random_.below(4) == 0) client.home = any_machine();
  if (takes_clients(client.home)) {
    if (random_.below(3) == 0) client_read(client.home, client);
    client_write(client.home, client);
    if (random_.below(12) == 0 && running(client.home)) settle_conflict(client.home);
    if (faults_.has(Fault::kLeases) && running(client.home)) lease_turn(client.home);
    if (faults_.has(Fault::kCapped) && running(client.home)) capped_turn(client.home);
  }
  world_.schedule(1 + static_cast<Millis>(random_.below(2 * static_cast<std::uint64_t>(turn_gap_ms_))),
                  [this] { client_turn(); });
}

void Swarm::client_read(std::size_t i, Client& client) {
  if (client.outcome && *client.outcome == Outcome::kOk) client.session.wrote(client.waiting_for);
  client.outcome.reset();
  const Replica& replica = *world_.machine(i).replica;
  if (options_.defect.owner == OwnerPlant::kTokenFromTheFuture && client.waiting_for.counter > 0)
    client.session.wrote({client.waiting_for.actor, client.waiting_for.counter + 1'000});
  if (!client.session.served_by(replica) && options_.defect.owner != OwnerPlant::kIgnoreToken) {
    if (++client.turned_away < kTurnedAwayMax || !crashed_) return;
    client.session.forget();
  }
  client.turned_away = 0;
  serve_session(i, client);
}

void Swarm::serve_session(std::size_t i, Client& client) {
  const Machine& machine = world_.machine(i);
  for (const auto& [actor, counter] : machine.replica->durable().entries()) {
    if (machine.disk && !machine.durable.covers(Dot{actor, counter}))
      world_.fail(fmt::format("{}: a session is shown {}, which its disk does not have", machine.name,
                              to_string(Dot{actor, counter})));
  }
  std::vector<Dot> lost;
  const auto wrong = client.session.read(*world_.machine(i).replica, lost);
  if (wrong) world_.fail(fmt::format("{}: {}", world_.machine(i).name, *wrong));
  for (const Dot& dot : lost) {
    log_.line("{} {} tells a session that {} is lost", world_.now(), world_.machine(i).name, to_string(dot));
    if (!world_.may_be_lost(dot))
      world_.fail(
          fmt::format("a session was shown {}, which no disk has although none has lost anything", to_string(dot)));
  }
  lost_.insert(lost_.end(), lost.begin(), lost.end());
}

// What was said to be lost must not come back.
void Swarm::check_lost() {
  for (std::size_t i = 0; i < world_.size(); ++i) {
    if (!world_.machine(i).replica) continue;
    for (const Dot& dot : lost_) {
      if (world_.machine(i).replica->vector().covers(dot))
        world_.fail(fmt::format("{} has {}, which a session was told is lost", world_.machine(i).name, to_string(dot)));
    }
  }
}

// One to three writes in one turn of the node's loop.
void Swarm::client_write(std::size_t i, Client& client) {
  std::vector<World::Write> writes;
  const std::uint64_t count = 1 + random_.below(3);
  for (std::uint64_t n = 0; n < count; ++n) {
    const std::int64_t serial = next_serial_++;
    writes.push_back([this, i, serial, &client](Replica& replica, Millis now) -> Result<> {
      const Dot before = replica.newest_own_dot();
      Dot dot = before;
      bool carries = true;
      if (options_.defect.owner == OwnerPlant::kLoseWrite && !world_.planted() && world_.now() > 1'000) {
        // The planted defect of the service: it says yes and does nothing.
        world_.set_planted();
        ++dot.counter;
      } else {
        DISTRI_TRY(carries, random_write(replica, now, serial));
        dot = replica.newest_own_dot();
        if (dot == before) return {};
      }
      const std::uint32_t members = world_.machine(i).members;
      const std::uint64_t draw = random_.below(20);
      const std::uint32_t holders = draw < 15 ? 1 : draw < 19 ? members / 2 + 1 : members;
      log_.line("{} {} write {} is {}, w={}", world_.now(), world_.machine(i).name, serial, dot.counter, holders);
      client.outcome = world_.await(i, dot, holders, kWriteTimeoutMs, carries ? serial : -1);
      client.waiting_for = dot;
      return {};
    });
  }
  world_.turn(i, writes);
}

// When all is well again every node takes writes, and as many members as there are confirm them.
void Swarm::last_writes() {
  std::vector<std::shared_ptr<Outcome>> outcomes;
  std::size_t alive = 0;
  for (std::size_t i = 0; i < world_.size(); ++i) alive += world_.machine(i).gone ? 0 : 1;
  for (std::size_t i = 0; i < world_.size() && !world_.failure(); ++i) {
    if (world_.machine(i).gone) continue;
    const auto holders = static_cast<std::uint32_t>(std::min<std::size_t>(alive, world_.machine(i).members));
    const auto done = world_.turn(
        i, {[&](Replica& replica, Millis now) -> Result<> {
          const std::int64_t serial = next_serial_++;
          bson::Builder fields;
          fields.append_int64("serial", serial);
          DISTRI_TRY_VOID(replica.replace("last", bson::merge_fields(tally_id(i), std::move(fields).finish()), now));
          outcomes.push_back(world_.await(i, replica.newest_own_dot(), holders, kLastWriteMs, serial));
          return {};
        }});
    if (!done)
      world_.fail(
          fmt::format("{} refuses a write after all is well: {}", world_.machine(i).name, done.error().message));
  }
  const auto answered = [&outcomes] {
    return std::all_of(outcomes.begin(), outcomes.end(),
                       [](const auto& outcome) { return *outcome != Outcome::kWaiting; });
  };
  if (!world_.run_until(world_.now() + 2 * kLastWriteMs, answered) && !world_.failure())
    world_.fail("a write after all is well is not answered");
  for (const auto& outcome : outcomes) {
    if (*outcome != Outcome::kOk && !world_.failure())
      world_.fail(fmt::format("a write after all is well is not confirmed by all within {} s", kLastWriteMs / 1000));
  }
}

void Swarm::first_tallies() {
  std::vector<World::Write> inserts;
  for (std::size_t tally = 0; tally < kTallies; ++tally) {
    inserts.push_back([tally](Replica& replica, Millis now) {
      bson::Builder zero;
      zero.append_int32("n", 0);
      return replica.insert("tallies", bson::merge_fields(tally_id(tally), std::move(zero).finish()), now);
    });
  }
  world_.turn(0, inserts);
}

// In a tally (its sum is checked), or in any field of any document.
Result<bool> Swarm::random_increment(Replica& replica, Millis now, std::string_view collection,
                                     const bson::Document& document) {
  const std::int64_t delta = static_cast<std::int64_t>(random_.below(2'001)) - 1'000;
  bson::Builder deltas;
  if (random_.chance(0.5)) {
    const std::size_t tally = random_.below(kTallies);
    deltas.append_int64("n", delta);
    const Bytes key = bson::order_key(tally_id(tally).view().begin()->value);
    DISTRI_TRY_VOID(replica.increment("tallies", key, std::move(deltas).finish(), now));
    added_.push_back({replica.newest_own_dot(), tally, delta});
    return false;
  }
  deltas.append_int64(field_name(random_), delta);
  const Bytes key = bson::order_key(document.view().begin()->value);
  DISTRI_TRY_VOID(replica.increment(collection, key, std::move(deltas).finish(), now));
  return false;
}

// Somebody looks through the conflicts and restores or dismisses one.
void Swarm::settle_conflict(std::size_t i) {
  const auto conflicts = world_.machine(i).replica->conflicts().list({});
  if (conflicts.empty()) return;
  const replication::ConflictName name = conflicts[random_.below(conflicts.size())]->name;
  const bool restore = random_.chance(0.5) && name.collection != kCappedLog;
  world_.turn(i, {[&](Replica& replica, Millis now) {
                return restore ? replica.restore_conflict(name.collection, name.key, name.loser, now)
                               : replica.dismiss_conflict(name.collection, name.key, name.loser, now);
              }});
}

// Every document and every update carries `serial`.
Result<bool> Swarm::random_write(Replica& replica, Millis now, std::int64_t serial) {
  const std::string_view collection = kCollections[random_.below(kCollections.size())];
  const std::uint64_t kind = random_.below(100);
  if (kind < 2) {
    DISTRI_TRY_VOID(replica.drop_collection(collection, now));
    return false;
  }
  if (kind < 5) {
    DISTRI_TRY_VOID(replica.create_collection(collection, now));
    return false;
  }
  if (kind < 6) {
    DISTRI_TRY_VOID(write_index(replica, now, collection));
    return false;
  }
  const bson::Document document = random_document(serial);
  const Bytes key = bson::order_key(document.view().begin()->value);
  if (kind < 17) {
    DISTRI_TRY_VOID(replica.remove(collection, key, now));
    return false;
  }
  if (kind < 27) return random_increment(replica, now, collection, document);
  if (kind < 50) {
    DISTRI_TRY_VOID(replica.insert(collection, document, now));
  } else if (kind < 60) {
    DISTRI_TRY_VOID(replica.replace(collection, document, now));
  } else if (kind < 75) {
    DISTRI_TRY_VOID(replica.upsert_fields(collection, document, now));
  } else {
    std::vector<std::string> unset;
    const std::string candidate = field_name(random_);
    if (random_.chance(0.6) && !document.view().find(candidate)) unset.push_back(candidate);
    DISTRI_TRY_VOID(replica.update(collection, key, document, unset, now));
  }
  return true;
}

// Defines an index, in the place of another one of that name, or takes it away.
Result<> Swarm::write_index(Replica& replica, Millis now, std::string_view collection) {
  db::IndexDefinition index;
  index.name = fmt::format("i{}", random_.below(3));
  const std::uint64_t first = random_.below(kFields);
  index.fields.push_back({fmt::format("f{}", first), random_.chance(0.5)});
  if (random_.chance(0.3)) index.fields.push_back({fmt::format("f{}", (first + 1) % kFields), false});
  index.unique = random_.chance(0.2);
  index.sparse = random_.chance(0.3);
  const bson::Document definition = db::catalog_document(collection, index);
  if (random_.chance(0.7)) return replica.replace(db::kIndexCollection, definition, now);
  DISTRI_TRY_VOID(replica.remove(db::kIndexCollection, bson::order_key(definition.view().begin()->value), now));
  return {};
}

bson::Document Swarm::random_document(std::int64_t serial) {
  bson::Builder builder;
  append_id(builder, random_);
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < 3; ++i) names.push_back(field_name(random_));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::shuffle(names.begin(), names.end(), random_);
  const bool large = faults_.has(Fault::kLargeDocuments) && random_.below(30) == 0;
  for (const std::string& name : names) {
    if (large) {
      builder.append_string(name,
                            std::string(2'000 + random_.below(40'000), static_cast<char>('a' + random_.below(26))));
    } else {
      builder.append_int64(name, serial);
    }
  }
  builder.append_int64("serial", serial);
  return std::move(builder).finish();
}

// In the end every node serves every session, unless something that a client saw was lost with a crash.
// Everybody serves every session, at once, or as soon as it is clear that what a session waits for is lost. That is
// never clear while a member is missing.
void Swarm::check_sessions() {
  const auto turned_away = [this]() -> std::optional<std::string> {
    for (const Client& client : clients_) {
      for (std::size_t i = 0; i < world_.size(); ++i) {
        const Machine& machine = world_.machine(i);
        if (!machine.gone && !client.session.served_by(*machine.replica)) return machine.name;
      }
    }
    return std::nullopt;
  };
  bool whole = !crashed_;
  if (crashed_) {
    std::size_t alive = 0;
    for (std::size_t i = 0; i < world_.size(); ++i) alive += world_.machine(i).gone ? 0 : 1;
    // A node that went is waited for longer than a run takes (away_ms_max).
    const std::uint32_t members = members_ ? world_.machine(0).members : world_.options().config.members;
    whole = alive == world_.size() && alive >= members && replaced_ == 0 && cloned_ == 0;
    if (members_ && members_->removed_any()) whole = false;
    if (whole) world_.run_until(world_.now() + kLostMs, [&] { return !turned_away(); });
  }
  const auto by = turned_away();
  if (whole && by) world_.fail(fmt::format("{}: it turns a session away after everything has come to rest", *by));
  for (std::size_t i = 0; i < world_.size(); ++i) {
    if (world_.machine(i).gone) continue;
    for (Client& client : clients_) {
      if (client.session.served_by(*world_.machine(i).replica)) serve_session(i, client);
    }
  }
  check_lost();
}

// All increments that everybody has count, each once, and no others, on every node.
void Swarm::check_tallies() {
  for (std::size_t i = 0; i < world_.size() && !world_.failure(); ++i) {
    if (!world_.machine(i).gone) check_tallies_of(*world_.machine(i).replica);
  }
}

void Swarm::check_tallies_of(const Replica& replica) {
  std::array<std::int64_t, kTallies> sums{};
  for (const Added& added : added_) {
    if (replica.vector().covers(added.dot)) sums[added.tally] += added.delta;
  }
  const db::Collection* tallies = replica.database().find("tallies");
  if (tallies == nullptr) return;
  std::size_t tally = 0;
  for (const auto& [key, record] : tallies->records()) {
    const auto n = record.document.view().find("n");
    const std::int64_t shown = n->type() == bson::Type::kInt32 ? n->as_int32() : n->as_int64();
    const std::int64_t expected = sums[static_cast<std::size_t>(record.document.view().begin()->value.as_int32())];
    if (shown != expected)
      return world_.fail(fmt::format("tally {} shows {}, but the increments add up to {}", tally, shown, expected));
    ++tally;
  }
}

}  // namespace distri::sim
