// Documents that expire: what writes them, and what judges the nodes that remove them.
//
// Leases are documents of the collection "leases" with a date; nobody deletes them, so whatever goes there has expired.
// The judge knows true time and how far each node's clock was ever ahead of it, and nothing of replica_sweep.cpp.
#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/index.hpp"
#include "distri/db/index_catalog.hpp"
#include "swarm.hpp"

namespace distri::sim {

using replication::Replica;

namespace {

constexpr std::string_view kLeases = "leases";
constexpr std::uint64_t kLeaseIds = 8;
constexpr Millis kMonthMs = 30LL * 86'400'000;
// A leap of a node's own clock may count as so much time that has passed.
constexpr Millis kLeapCountsMs = 61'000;
constexpr Millis kSlackMs = 5'000;
// All that is due goes within so much time when all is well.
constexpr Millis kExpiryMs = 20'000;

// Since 1970; nullopt: never.
std::optional<Millis> due_ms(bson::View document, std::int64_t expire_after_s) {
  const auto at = document.find("at");
  std::optional<Millis> lowest;
  const auto see = [&lowest](const bson::Value& value) {
    if (value.type() == bson::Type::kDate) lowest = std::min(lowest.value_or(value.as_date_ms()), value.as_date_ms());
  };
  if (at) see(*at);
  if (at && at->type() == bson::Type::kArray) {
    for (const bson::Element& element : at->as_object()) see(element.value);
  }
  if (lowest) *lowest += expire_after_s * 1'000;
  return lowest;
}

const db::Index* lease_index(const Replica& replica) {
  const db::Collection* leases = replica.database().find(kLeases);
  const db::Index* index = leases == nullptr ? nullptr : leases->index("at_1");
  return index != nullptr && index->definition().expire_after_s ? index : nullptr;
}

bson::Document lease_definition(std::int32_t expire_after_s) {
  db::IndexDefinition index;
  index.name = "at_1";
  index.fields.push_back({"at", false});
  index.expire_after_s = expire_after_s;
  return db::catalog_document(kLeases, index);
}

}  // namespace

void World::watch_clock(Machine& machine) {
  if (machine.clock_offset_ms != machine.seen_offset_ms) ++leaps_;
  machine.seen_offset_ms = machine.clock_offset_ms;
  const auto known = ahead_max_.try_emplace(machine.id, machine.clock_offset_ms).first;
  known->second = std::max(known->second, machine.clock_offset_ms);
}

// What the owner does at each tick, and a look at what it did.
void World::expire(std::size_t i) {
  Replica& replica = *machines_[i].replica;
  watch_clock(machines_[i]);
  std::vector<std::pair<std::string, bson::Document>> before;
  if (lease_index(replica) != nullptr) {
    for (const auto& [key, record] : replica.database().find(kLeases)->records())
      before.emplace_back(key, record.document);
  }
  sweep(i);
  const db::Collection* after = replica.database().find(kLeases);
  for (const auto& [key, document] : before) {
    if (after == nullptr || after->find(key) == nullptr) judge_expired(i, *lease_index(replica), document);
  }
}

// Promise 4. More clocks than one must have said that its time is over: of the nodes that a majority is made of, more
// than half.
void World::judge_expired(std::size_t i, const db::Index& index, bson::View document) {
  const Machine& machine = machines_[i];
  const auto due = due_ms(document, *index.definition().expire_after_s);
  if (!due) return fail(fmt::format("{} removes a document that never expires", machine.name));
  log_.line("{} {} removes a document that was due at {}", now_, machine.name, *due - kEpochMs);
  const Millis true_ms = kEpochMs + now_ + kSlackMs + leaps_ * kLeapCountsMs;
  const auto agreeing = static_cast<std::uint32_t>(std::count_if(
      ahead_max_.begin(), ahead_max_.end(), [&](const auto& node) { return true_ms + node.second >= *due; }));
  const std::uint32_t majority = machine.members / 2 + 1;
  if (agreeing < majority / 2 + 1) {
    fail(fmt::format("{} removes a document {} s early, by the clocks of only {} nodes", machine.name,
                     (*due - kEpochMs - now_) / 1000, agreeing));
  }
}

// A lease is taken, for seconds or for a month, or the time that all have is changed.
void Swarm::lease_turn(std::size_t i) {
  const Replica& replica = *world_.machine(i).replica;
  const bool change = leases_.below(60) == 0;
  if (change || (lease_index(replica) == nullptr && leases_.below(4) == 0)) {
    const auto expire_after_s = static_cast<std::int32_t>(leases_.below(4));
    world_.turn(i, {[&](Replica& r, Millis now) {
                  return r.replace(db::kIndexCollection, lease_definition(expire_after_s), now);
                }});
    return;
  }
  if (leases_.below(3) != 0) return;
  const Millis true_ms = World::kEpochMs + world_.now();
  const auto soon = [&] { return true_ms + static_cast<Millis>(leases_.below(10'000)) - 2'000; };
  bson::Builder out;
  out.append_int32("_id", static_cast<std::int32_t>(leases_.below(kLeaseIds)));
  switch (leases_.below(8)) {
    case 0:
      out.append_string("at", "never");
      break;
    case 1:
      out.begin_array("at").append_date("0", true_ms + kMonthMs).append_date("1", soon()).end();
      break;
    case 2:
    case 3:
    case 4:
      out.append_date("at", true_ms + kMonthMs);
      break;
    default:
      out.append_date("at", soon());
  }
  out.append_int64("serial", next_serial_++);
  const bson::Document lease = std::move(out).finish();
  const bool touch = leases_.chance(0.5);
  world_.turn(i, {[&](Replica& r, Millis now) -> Result<> {
                if (!touch) return r.replace(kLeases, lease, now);
                DISTRI_TRY_VOID(r.upsert_fields(kLeases, lease, now));
                return {};
              }});
}

// When all is well, what has expired by the clocks of all goes everywhere. (With members missing, nodes count them as
// clocks that may stand still.)
void Swarm::check_leases() {
  if (!faults_.has(Fault::kLeases)) return;
  std::vector<Millis> offsets;
  std::size_t members = 1;
  for (std::size_t i = 0; i < world_.size(); ++i) {
    const Machine& machine = world_.machine(i);
    members = std::max<std::size_t>(members, machine.members);
    if (!machine.gone) offsets.push_back(machine.clock_offset_ms);
  }
  members = std::max(members, offsets.size());
  std::sort(offsets.begin(), offsets.end());
  const std::size_t missing = members - offsets.size();
  if (cloned_ > 0 || (members - 1) / 2 < missing) return;
  const Millis clock_ms = World::kEpochMs + world_.now() + offsets[(members - 1) / 2 - missing];
  const auto overdue = [&]() -> std::optional<std::string> {
    for (std::size_t i = 0; i < world_.size(); ++i) {
      const Machine& machine = world_.machine(i);
      const db::Index* index = machine.gone ? nullptr : lease_index(*machine.replica);
      if (index == nullptr) continue;
      for (const auto& [key, record] : machine.replica->database().find(kLeases)->records()) {
        const auto due = due_ms(record.document, *index->definition().expire_after_s);
        if (due && *due <= clock_ms) return machine.name;
      }
    }
    return std::nullopt;
  };
  world_.run_until(world_.now() + kExpiryMs, [&] { return !overdue(); });
  if (const auto where = overdue(); where && !world_.failure())
    world_.fail(fmt::format("{} keeps a document that has expired", *where));
  if (!world_.failure()) agree();
}

}  // namespace distri::sim
