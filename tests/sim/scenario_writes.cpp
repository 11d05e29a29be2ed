#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/index_catalog.hpp"
#include "scenario.hpp"

namespace distri::sim {

using replication::Notice;
using replication::Replica;

namespace {

constexpr Millis kWriteTimeoutMs = 500;

constexpr std::array<std::pair<std::string_view, Notice::Kind>, 11> kNotices{{
    {"divergence", Notice::Kind::kDivergence},
    {"clock-ahead", Notice::Kind::kClockAhead},
    {"holdback-full", Notice::Kind::kHoldbackFull},
    {"bad-message", Notice::Kind::kBadMessage},
    {"pull-timeout", Notice::Kind::kPullTimeout},
    {"log-truncated", Notice::Kind::kLogTruncated},
    {"synced-by-state", Notice::Kind::kSyncedByState},
    {"duplicate-identity", Notice::Kind::kDuplicateIdentity},
    {"conflict", Notice::Kind::kConflict},
    {"mended", Notice::Kind::kMended},
    {"tombstones-dropped", Notice::Kind::kTombstonesDropped},
}};

Bytes key_of(const bson::Document& document) {
  return bson::order_key(document.view().begin()->value);
}

template <class T>
Result<> drop_value(Result<T> result) {
  if (!result) return distri::fail(std::move(result).error());
  return {};
}

}  // namespace

// The command and what follows it: a write to be done in a turn of some node.
Result<World::Write> Scenario::parse_write(const std::string& command, Words& words) {
  DISTRI_TRY(const std::string collection, words.take("the collection"));
  if (command == "create")
    return [=](Replica& r, Millis now) { return drop_value(r.create_collection(collection, now)); };
  if (command == "drop") return [=](Replica& r, Millis now) { return drop_value(r.drop_collection(collection, now)); };
  if (command == "add" || command == "replace" || command == "upsert") {
    DISTRI_TRY(const bson::Document document, words.json("the document"));
    if (command == "add") return [=](Replica& r, Millis now) { return r.insert(collection, document, now); };
    if (command == "replace") return [=](Replica& r, Millis now) { return r.replace(collection, document, now); };
    return [=](Replica& r, Millis now) { return drop_value(r.upsert_fields(collection, document, now)); };
  }
  if (command == "index") {
    DISTRI_TRY(const bson::Document specification, words.json("the index"));
    DISTRI_TRY(const db::IndexDefinition index, db::parse_index(specification));
    const bson::Document definition = db::catalog_document(collection, index);
    return [=](Replica& r, Millis now) { return r.replace(db::kIndexCollection, definition, now); };
  }
  if (command == "options") {
    DISTRI_TRY(const bson::Document given, words.json("the options"));
    db::CollectionOptions options;
    DISTRI_TRY_VOID(db::change_options(options, given));
    const bson::Document definition = db::options_document(collection, options);
    return [=](Replica& r, Millis now) { return r.replace(db::kOptionsCollection, definition, now); };
  }
  DISTRI_TRY(const bson::Document id, words.id());
  const Bytes key = key_of(id);
  if (command == "delete") {
    return [=](Replica& r, Millis now) -> Result<> {
      DISTRI_TRY(const bool there, r.remove(collection, key, now));
      if (!there) return distri::fail(Code::kNotFound, "there is no document {}", bson::to_json(id));
      return {};
    };
  }
  if (command == "set") {
    DISTRI_TRY(const bson::Document fields, words.json("the fields"));
    return [=](Replica& r, Millis now) { return r.update(collection, key, fields, {}, now); };
  }
  if (command == "inc") {
    DISTRI_TRY(const bson::Document deltas, words.json("the numbers to add"));
    return [=](Replica& r, Millis now) { return r.increment(collection, key, deltas, now); };
  }
  if (command == "unset") {
    std::vector<std::string> names;
    while (!words.empty()) names.push_back(*words.take("a field"));
    return [=](Replica& r, Millis now) { return r.update(collection, key, bson::Document(), names, now); };
  }
  return distri::fail(Code::kInvalidArgument, "'{}' is no write", command);
}

// A write that must be taken; its acknowledgement is not waited for, but remembered when it comes.
Result<> Scenario::simple_write(Words& words) {
  DISTRI_TRY(const std::size_t i, running_machine(words));
  DISTRI_TRY(const World::Write write, parse_write(command_, words));
  DISTRI_TRY_VOID(words.end());
  return world_->turn(i, {[&](Replica& replica, Millis now) -> Result<> {
                        const Dot before = replica.newest_own_dot();
                        DISTRI_TRY_VOID(write(replica, now));
                        if (replica.newest_own_dot() != before)
                          world_->await(i, replica.newest_own_dot(), 1, 3'600'000);
                        return {};
                      }});
}

// `write a w=majority expect ok add COL {...}`
Result<> Scenario::awaited_write(Words& words) {
  DISTRI_TRY(const std::size_t i, running_machine(words));
  DISTRI_TRY(const std::string concern, words.take("the write concern (w=1, w=majority, w=all, w=2 ...)"));
  const std::uint32_t members = options_.config.members;
  std::uint32_t holders = 0;
  if (concern == "w=majority") holders = members / 2 + 1;
  if (concern == "w=all") holders = members;
  if (concern.size() == 3 && concern.starts_with("w=") && concern[2] >= '1' && concern[2] <= '9')
    holders = static_cast<std::uint32_t>(concern[2] - '0');
  if (holders == 0 || holders > members) {
    return distri::fail(Code::kInvalidArgument, "write: '{}' is none of w=1 to w={}, w=majority, w=all", concern,
                        std::min(members, 9u));
  }
  if (!words.take_if("expect")) return distri::fail(Code::kInvalidArgument, "write: 'expect' is missing");
  DISTRI_TRY(const std::string expected, words.take("the outcome (ok, indeterminate, or the name of an error)"));
  DISTRI_TRY(const std::string command, words.take("the write"));
  DISTRI_TRY(const World::Write write, parse_write(command, words));
  DISTRI_TRY_VOID(words.end());
  std::shared_ptr<Outcome> outcome;
  const Result<> done = world_->turn(i, {[&](Replica& replica, Millis now) -> Result<> {
                                       DISTRI_TRY_VOID(write(replica, now));
                                       outcome = world_->await(i, replica.newest_own_dot(), holders, kWriteTimeoutMs);
                                       return {};
                                     }});
  std::string found = done ? "indeterminate" : std::string(code_name(done.error().code));
  if (done) {
    world_->run_until(world_->now() + 2 * kWriteTimeoutMs, [&] { return *outcome != Outcome::kWaiting; });
    if (*outcome == Outcome::kOk) found = "ok";
  }
  if (found == expected) return {};
  return distri::fail(Code::kDataLoss, "write: expected {}, found {}{}", expected, found,
                      done ? "" : ": " + done.error().message);
}

// `restore a COL ID`, `dismiss a COL ID`: the only conflict of that document.
Result<> Scenario::settle_conflict(Words& words) {
  DISTRI_TRY(const std::size_t i, running_machine(words));
  DISTRI_TRY(const std::string collection, words.take("the collection"));
  DISTRI_TRY(const bson::Document id, words.id());
  const auto found = world_->machine(i).replica->conflicts().list({collection, key_of(id), std::nullopt, 100});
  if (found.size() != 1) {
    return distri::fail(Code::kDataLoss, "{}: the document has {} conflicts, expected one", world_->machine(i).name,
                        found.size());
  }
  const replication::ConflictName name = found.front()->name;
  const bool restore = command_ == "restore";
  return world_->turn(i, {[&](Replica& r, Millis now) {
                        return restore ? r.restore_conflict(name.collection, name.key, name.loser, now)
                                       : r.dismiss_conflict(name.collection, name.key, name.loser, now);
                      }});
}

// `expect conflicts a COL 1`, `expect conflicts all COL 0`
Result<> Scenario::expect_conflicts(Words& words) {
  const bool all = words.take_if("all");
  std::size_t only = 0;
  if (!all) {
    DISTRI_TRY(only, running_machine(words));
  }
  DISTRI_TRY(const std::string collection, words.take("the collection"));
  DISTRI_TRY(const std::int64_t count, words.number("the number of conflicts", 0, 1 << 30));
  for (std::size_t i = 0; i < world_->size(); ++i) {
    if ((!all && i != only) || !world_->running(i)) continue;
    const auto found = world_->machine(i).replica->conflicts().list({collection, std::nullopt, std::nullopt, SIZE_MAX});
    if (found.size() == static_cast<std::size_t>(count)) continue;
    std::string list;
    for (const replication::Conflict* conflict : found) {
      list +=
          fmt::format(" [{}: {}]", conflict_kind_name(conflict->loser.kind), bson::to_json(conflict->loser.content));
    }
    return distri::fail(Code::kDataLoss, "{}: '{}' has {} conflicts, expected {}:{}", world_->machine(i).name,
                        collection, found.size(), count, list);
  }
  return {};
}

Result<> Scenario::expect(Words& words) {
  if (words.take_if("conflicts")) return expect_conflicts(words);
  if (words.take_if("notice")) return expect_notice(words);
  if (words.take_if("started")) return expect_started(words);
  if (!words.take_if("all")) {
    DISTRI_TRY(const std::size_t i, running_machine(words));
    return expect_document(i, words);
  }
  const Words at = words;
  for (std::size_t i = 0; i < world_->size(); ++i) {
    if (!world_->running(i)) continue;
    Words again = at;
    DISTRI_TRY_VOID(expect_document(i, again));
    DISTRI_TRY_VOID(again.end());
  }
  while (!words.empty()) DISTRI_TRY_VOID(words.take("a word"));
  return {};
}

// `COL ID {json}`, `COL ID absent`, `COL count N`, `COL missing`
Result<> Scenario::expect_document(std::size_t i, Words& words) {
  const Machine& machine = world_->machine(i);
  DISTRI_TRY(const std::string collection, words.take("the collection"));
  const db::Collection* documents = machine.replica->database().find(collection);
  if (words.take_if("missing")) {
    if (documents == nullptr) return {};
    return distri::fail(Code::kDataLoss, "{} has collection '{}' with {} documents", machine.name, collection,
                        documents->size());
  }
  if (words.take_if("count")) {
    DISTRI_TRY(const std::int64_t count, words.number("the number of documents", 0, 1 << 30));
    const std::size_t found = documents == nullptr ? 0 : documents->size();
    if (found == static_cast<std::size_t>(count)) return {};
    return distri::fail(Code::kDataLoss, "{}: '{}' has {} documents, expected {}", machine.name, collection, found,
                        count);
  }
  DISTRI_TRY(const bson::Document id, words.id());
  const db::Record* record = documents == nullptr ? nullptr : documents->find(key_of(id));
  const std::string found = record == nullptr ? "absent" : bson::to_json(record->document);
  if (words.take_if("absent")) {
    if (record == nullptr) return {};
    return distri::fail(Code::kDataLoss, "{}: expected absent, found {}", machine.name, found);
  }
  DISTRI_TRY(const bson::Document fields, words.json("the document, or 'absent'"));
  bson::Builder builder;
  if (!fields.view().find("_id")) builder.append_element(*id.view().begin());
  for (const bson::Element& element : fields.view()) builder.append_element(element);
  const bson::Document expected = std::move(builder).finish();
  if (record != nullptr && bson::compare(record->document.view(), expected.view()) == 0) return {};
  return distri::fail(Code::kDataLoss, "{}: expected {}, found {}", machine.name, bson::to_json(expected), found);
}

// `expect notice a clock-ahead`: it was said at least once.
Result<> Scenario::expect_notice(Words& words) {
  const bool all = words.take_if("any");
  std::size_t i = 0;
  if (!all) {
    DISTRI_TRY(i, machine(words));
  }
  DISTRI_TRY(const std::string name, words.take("the kind of notice"));
  const auto kind =
      std::find_if(kNotices.begin(), kNotices.end(), [&](const auto& entry) { return entry.first == name; });
  if (kind == kNotices.end()) return distri::fail(Code::kInvalidArgument, "there is no notice '{}'", name);
  const auto& notices = world_->notices();
  if (std::any_of(notices.begin(), notices.end(), [&](const World::Heard& heard) {
        return (all || heard.machine == i) && heard.kind == kind->second;
      })) {
    return {};
  }
  return distri::fail(Code::kDataLoss, "{} has not said '{}'", all ? "nobody" : world_->machine(i).name, name);
}

// `expect started b loaded`: how it began its present life: empty, loaded from disk, or damaged (and so empty).
Result<> Scenario::expect_started(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  DISTRI_TRY(const std::string how, words.take("empty, loaded or damaged"));
  const Machine& machine = world_->machine(i);
  if (how != "empty" && how != "loaded" && how != "damaged")
    return distri::fail(Code::kInvalidArgument, "'{}' is none of empty, loaded, damaged", how);
  if (machine.started == how) return {};
  return distri::fail(Code::kDataLoss, "{} started {}, expected {}", machine.name, machine.started, how);
}

}  // namespace distri::sim
