// Capped collections: what writes into them, and what judges the nodes that remove the oldest.
//
// Two of them. "log" is only ever added to, and the documents in it are changed; its cap stays as it is. So what it
// must hold in the end is known: the newest of all documents ever inserted. Into "ring" everything is written, its cap
// and whether it has one change, too. There, and in "log", each single removal is judged: it took the oldest, and the
// cap asked for it. The judge sorts documents by the stamps of their inserts, and knows nothing of
// db/insertion_order.hpp and replica_sweep.cpp.
#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/db/collection_options.hpp"
#include "swarm.hpp"

namespace distri::sim {

using replication::OpKind;
using replication::Replica;

namespace {

constexpr std::string_view kLog = Swarm::kCappedLog;
constexpr std::string_view kRing = "ring";
constexpr std::array kCapped{kLog, kRing};
constexpr std::uint64_t kRingIds = 12;
constexpr std::int64_t kRoomBytes = 1 << 20;
constexpr Millis kWriteTimeoutMs = 2'000;
// What is over the limits goes within so much time when all is well.
constexpr Millis kTrimMs = 20'000;

bool over(const db::Cap& cap, std::size_t documents, std::size_t bytes) {
  return documents > 1 && (bytes > static_cast<std::size_t>(cap.bytes) ||
                           (cap.documents > 0 && documents > static_cast<std::size_t>(cap.documents)));
}

bool by_age(const Inserted& a, const Inserted& b) {
  return std::tie(a.stamp, a.key) < std::tie(b.stamp, b.key);
}

std::size_t bytes_of(const std::vector<Inserted>& members, std::size_t first) {
  std::size_t bytes = 0;
  for (std::size_t i = first; i < members.size(); ++i) bytes += members[i].bytes;
  return bytes;
}

const std::optional<db::Cap>& cap_of(const Replica& replica, std::string_view collection) {
  return replica.database().options(collection).cap;
}

Bytes key_of(bson::View document) {
  return bson::order_key(document.begin()->value);
}

}  // namespace

// Oldest first.
std::vector<Inserted> World::inserted_in(std::size_t i, std::string_view collection) const {
  std::vector<Inserted> members;
  const db::Collection* documents = machines_[i].replica->database().find(collection);
  if (documents == nullptr) return members;
  for (const auto& [key, record] : documents->records())
    members.push_back({record.revision.stamp(), Bytes(key), record.document.bytes().size()});
  std::sort(members.begin(), members.end(), by_age);
  return members;
}

// `before` are the documents that the node chose from. What is gone was the oldest, and each of it one too many.
void World::judge_trimmed(std::size_t i, std::string_view collection, const std::vector<Inserted>& before) {
  const std::vector<Inserted> after = inserted_in(i, collection);
  if (after.size() >= before.size()) return;
  const std::string& name = machines_[i].name;
  const std::size_t gone = before.size() - after.size();
  log_.line("{} {} removes {} of {} documents of '{}'", now_, name, gone, before.size(), collection);
  const bool oldest =
      std::equal(before.begin() + static_cast<std::ptrdiff_t>(gone), before.end(), after.begin(),
                 [](const Inserted& a, const Inserted& b) { return a.stamp == b.stamp && a.key == b.key; });
  if (!oldest) return fail(fmt::format("{} removes documents of '{}' and keeps older ones", name, collection));
  const auto& cap = cap_of(*machines_[i].replica, collection);
  if (!cap || !over(*cap, after.size() + 1, bytes_of(before, gone - 1)))
    fail(fmt::format("{} removes a document of '{}', which is within its limits", name, collection));
}

// What the owner does at each tick, and a look at what it did there.
void World::sweep(std::size_t i) {
  std::vector<std::pair<std::string_view, std::vector<Inserted>>> before;
  for (const std::string_view collection : kCapped) {
    auto members = inserted_in(i, collection);
    if (!members.empty()) before.emplace_back(collection, std::move(members));
  }
  machines_[i].replica->sweep(kSweepSlice, wall(machines_[i]));
  for (const auto& [collection, members] : before) judge_trimmed(i, collection, members);
}

// Where nobody restores or deletes anything, whoever is removed made way for as many newer ones as the cap allows, so
// none of the newest that were ever inserted is.
void Swarm::check_log(std::size_t i) {
  const Machine& machine = world_.machine(i);
  const auto& cap = cap_of(*machine.replica, kLog);
  const std::vector<Inserted> held = world_.inserted_in(i, kLog);
  std::vector<const History::Write*> inserts;
  for (const auto& write : world_.history().writes()) {
    if (write->op.kind == OpKind::kInsert && write->op.collection == kLog &&
        machine.replica->vector().covers(write->dot))
      inserts.push_back(write.get());
  }
  if (!cap) {
    if (!inserts.empty()) world_.fail(fmt::format("{}: '{}' is not capped any more", machine.name, kLog));
    return;
  }
  std::sort(inserts.begin(), inserts.end(), [](const auto* a, const auto* b) { return a->op.stamp < b->op.stamp; });
  if (inserts.size() > static_cast<std::size_t>(cap->documents))
    inserts.erase(inserts.begin(), inserts.end() - static_cast<std::ptrdiff_t>(cap->documents));
  const bool newest = std::equal(inserts.begin(), inserts.end(), held.begin(), held.end(),
                                 [](const auto* write, const Inserted& member) { return write->op.key == member.key; });
  if (!newest) {
    return world_.fail(fmt::format("{}: '{}' holds {} documents that are not the newest {} of all", machine.name, kLog,
                                   held.size(), inserts.size()));
  }
}

// Whatever the clocks said, what was inserted came behind all that its writer knew, also behind what is gone since.
void Swarm::check_log_order() {
  std::vector<const History::Write*> inserts;
  for (const auto& write : world_.history().writes()) {
    if (write->op.kind == OpKind::kInsert && write->op.collection == kLog) inserts.push_back(write.get());
  }
  for (const auto* write : inserts) {
    for (const auto* other : inserts) {
      if (other->op.stamp > write->op.stamp && write->saw(other->dot))
        return world_.fail(fmt::format("in '{}' write {} stands before {}, which its writer knew", kLog,
                                       to_string(write->dot), to_string(other->dot)));
    }
  }
}

// Nobody writes any more: what is over the limits goes, everywhere, and all read the same in the same order.
void Swarm::check_capped() {
  if (!faults_.has(Fault::kCapped)) return;
  const auto too_full = [this]() -> std::optional<std::string> {
    for (std::size_t i = 0; i < world_.size(); ++i) {
      if (world_.machine(i).gone) continue;
      for (const std::string_view collection : kCapped) {
        const auto& cap = cap_of(*world_.machine(i).replica, collection);
        const std::vector<Inserted> members = world_.inserted_in(i, collection);
        if (cap && over(*cap, members.size(), bytes_of(members, 0)))
          return fmt::format("{} keeps {} documents of '{}', more than its cap", world_.machine(i).name, members.size(),
                             collection);
      }
    }
    return std::nullopt;
  };
  world_.run_until(world_.now() + kTrimMs, [&] { return !too_full(); });
  if (const auto where = too_full(); where && !world_.failure()) world_.fail(*where);
  if (!world_.failure()) agree();
  check_log_order();
  for (std::size_t i = 0; i < world_.size() && !world_.failure(); ++i) {
    if (world_.machine(i).gone) continue;
    for (const std::string_view collection : kCapped) check_reading(i, collection);
    check_log(i);
  }
}

// What a read without `sort` goes by is the order of the inserts.
void Swarm::check_reading(std::size_t i, std::string_view collection) {
  const Replica& replica = *world_.machine(i).replica;
  const db::Collection* documents = replica.database().find(collection);
  if (documents == nullptr || !cap_of(replica, collection)) return;
  const std::vector<Inserted> members = world_.inserted_in(i, collection);
  const auto& places = documents->insertion_order()->places();
  const bool same = std::equal(members.begin(), members.end(), places.begin(), places.end(),
                               [](const Inserted& member, const std::string& place) {
                                 return member.key == db::InsertionOrder::id_key_of(place);
                               });
  if (!same)
    world_.fail(
        fmt::format("{} reads '{}' in another order than that of insertion", world_.machine(i).name, collection));
}

// One to three writes in one turn of the node's loop.
void Swarm::capped_turn(std::size_t i) {
  if (capped_.below(3) == 0) return;
  const std::string_view collection = kCapped[capped_.below(kCapped.size())];
  if (!cap_of(*world_.machine(i).replica, collection) || (collection == kRing && capped_.below(15) == 0))
    return write_cap(i, collection);
  std::vector<World::Write> writes;
  const std::uint64_t count = 1 + capped_.below(3);
  for (std::uint64_t n = 0; n < count; ++n) {
    writes.push_back([this, i, collection](Replica& replica, Millis now) {
      return collection == kLog ? write_log(i, replica, now) : write_ring(i, replica, now);
    });
  }
  world_.turn(i, writes);
}

// A cap that is given, changed, or taken away for a while.
void Swarm::write_cap(std::size_t i, std::string_view collection) {
  db::CollectionOptions options;
  if (collection == kLog) {
    options.cap = db::Cap{kRoomBytes, log_documents_};
  } else if (capped_.below(6) != 0) {
    const bool by_bytes = capped_.chance(0.4);
    options.cap = by_bytes ? db::Cap{50 + static_cast<std::int64_t>(capped_.below(500)), 0}
                           : db::Cap{kRoomBytes, 1 + static_cast<std::int64_t>(capped_.below(8))};
  }
  world_.turn(i, {[&](Replica& replica, Millis now) -> Result<> {
                DISTRI_TRY_VOID(replica.create_collection(collection, now));
                return replica.replace(db::kOptionsCollection, db::options_document(collection, options), now);
              }});
}

// A document with a name of its own, or a field of one that is there.
Result<> Swarm::write_log(std::size_t i, Replica& replica, Millis now) {
  const std::int64_t serial = next_serial_++;
  const std::vector<Inserted> before = world_.inserted_in(i, kLog);
  bson::Builder fields;
  if (before.empty() || capped_.below(4) != 0) {
    fields.append_int64("_id", serial).append_int64("serial", serial);
    return put_capped(i, replica, now, kLog, std::move(fields).finish(), serial, false);
  }
  const Bytes& key = before[capped_.below(before.size())].key;
  fields.append_int64("serial", serial);
  DISTRI_TRY_VOID(replica.update(kLog, key, std::move(fields).finish(), {}, now));
  await_capped(i, replica.newest_own_dot(), serial);
  return {};
}

Result<> Swarm::write_ring(std::size_t i, Replica& replica, Millis now) {
  const std::uint64_t kind = capped_.below(100);
  if (kind < 1) {
    DISTRI_TRY_VOID(replica.drop_collection(kRing, now));
    return {};
  }
  const std::int64_t serial = next_serial_++;
  bson::Builder fields;
  fields.append_int32("_id", static_cast<std::int32_t>(capped_.below(kRingIds)));
  // Larger now and then than all that fits together.
  if (capped_.below(3) == 0) fields.append_string("text", std::string(capped_.below(600), 'x'));
  fields.append_int64("serial", serial);
  bson::Document document = std::move(fields).finish();
  if (kind < 10) {
    DISTRI_TRY_VOID(replica.remove(kRing, key_of(document), now));
    return {};
  }
  if (kind < 25) {
    DISTRI_TRY_VOID(replica.update(kRing, key_of(document), document, {}, now));
    await_capped(i, replica.newest_own_dot(), serial);
    return {};
  }
  return put_capped(i, replica, now, kRing, std::move(document), serial, kind < 50);
}

// Inserts, replaces, or (`upsert`) updates what is there, and judges what had to make way.
Result<> Swarm::put_capped(std::size_t i, Replica& replica, Millis now, std::string_view collection,
                           bson::Document document, std::int64_t serial, bool upsert) {
  std::vector<Inserted> members = world_.inserted_in(i, collection);
  const Bytes key = key_of(document);
  const auto old = std::find_if(members.begin(), members.end(), [&](const Inserted& one) { return one.key == key; });
  const bool updates = upsert && old != members.end();
  const std::size_t bytes = document.bytes().size();
  if (upsert) {
    DISTRI_TRY_VOID(replica.upsert_fields(collection, document, now));
  } else {
    DISTRI_TRY_VOID(replica.replace(collection, std::move(document), now));
  }
  const db::Record* record = replica.database().find(collection)->find(key);
  if (record == nullptr) {
    world_.fail(fmt::format("{} removes what it has just inserted into '{}'", world_.machine(i).name, collection));
    return {};
  }
  // An update keeps its place, and pushes nothing out.
  if (!updates) {
    if (old != members.end()) members.erase(old);
    members.push_back({record->revision.stamp(), key, bytes});
    std::sort(members.begin(), members.end(), by_age);
  }
  world_.judge_trimmed(i, collection, members);
  await_capped(i, updates ? replica.newest_own_dot() : record->revision.dot(), serial);
  return {};
}

void Swarm::await_capped(std::size_t i, const Dot& dot, std::int64_t serial) {
  const std::uint32_t members = world_.machine(i).members;
  const std::uint32_t holders = capped_.below(4) != 0 ? 1 : members / 2 + 1;
  log_.line("{} {} writes {} into a capped collection, w={}", world_.now(), world_.machine(i).name, to_string(dot),
            holders);
  world_.await(i, dot, holders, kWriteTimeoutMs, serial);
}

}  // namespace distri::sim
