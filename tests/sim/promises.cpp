#include "promises.hpp"

#include <algorithm>

#include "distri/db/index_catalog.hpp"

namespace distri::sim {

using replication::OpKind;
using replication::Replica;

namespace {

class Judge {
 public:
  Judge(World& world, std::size_t i) : world_(world), replica_(*world.machine(i).replica) {}

  // What became of the write; nullopt: nothing wrong.
  std::optional<std::string> judge(const Promise& promise) const {
    const History::Write* write = world_.history().find(promise.dot);
    if (write == nullptr) return "was never made";
    if (promise.serial >= 0) {
      const auto found = write->op.document.view().find("serial");
      if (!found || found->as_int64() != promise.serial) return "was never made: another one bears its name";
    }
    if (!replica_.vector().covers(promise.dot)) {
      if (!kept(promise)) return std::nullopt;
      return "is not everywhere, although a machine kept it";
    }
    return shown(*write);
  }

 private:
  // A machine that had it durably has lost nothing since.
  bool kept(const Promise& promise) const {
    return std::any_of(promise.keepers.begin(), promise.keepers.end(), [&](std::size_t keeper) {
      const Machine& machine = world_.machine(keeper);
      return !machine.gone && machine.loss < promise.order;
    });
  }

  std::optional<std::string> shown(const History::Write& write) const {
    switch (write.op.kind) {
      case OpKind::kInsert:
        return shown_document(write);
      case OpKind::kUpdate:
        return shown_fields(write);
      case OpKind::kIncrement:
        return shown_increments(write);
      default:
        return std::nullopt;
    }
  }

  const db::Record* record(const History::Write& write) const {
    const db::Collection* documents = replica_.database().find(write.op.collection);
    return documents == nullptr ? nullptr : documents->find(write.op.key);
  }

  std::optional<std::string> shown_document(const History::Write& write) const {
    const db::Record* now = record(write);
    if (now != nullptr && now->revision.dot() == write.dot) return std::nullopt;
    if (gave_way(write, {})) return std::nullopt;
    // The same definition of an index, written by somebody else, took its place and may have been replaced since.
    if (write.op.collection == db::kIndexCollection && world_.history().has_twin(write)) return std::nullopt;
    return "does not show, although nobody who knew it replaced it, and is no conflict";
  }

  // A field shows when its register still is the one that this write set.
  std::optional<std::string> shown_fields(const History::Write& write) const {
    const db::Record* now = record(write);
    for (const bson::Element& element : write.op.document.view()) {
      const db::FieldRevision* field = register_of(now, element.key);
      if (field != nullptr && field->dot == write.dot) continue;
      const auto held = now == nullptr ? std::nullopt : now->document.view().find(element.key);
      if (held && held->type() == element.value.type() && held->raw() == element.value.raw()) continue;
      if (gave_way(write, element.key)) continue;
      return fmt::format("does not show in field '{}', although nobody who knew it replaced it, and is no conflict",
                         element.key);
    }
    return std::nullopt;
  }

  // An increment shows in the sum of its actor.
  std::optional<std::string> shown_increments(const History::Write& write) const {
    for (const replication::Increment& increment : write.op.increments) {
      // Nothing was added, so nothing can be missing; and no conflict is made of it.
      if (increment.delta.kind != db::Number::Kind::kDouble && increment.delta.integer == 0) continue;
      const db::FieldRevision* field = register_of(record(write), increment.field);
      if (field != nullptr && field->counter && field->stamp == increment.base &&
          std::any_of(field->counter->parts.begin(), field->counter->parts.end(), [&](const db::CounterPart& part) {
            return part.actor == write.dot.actor && part.counter >= write.dot.counter;
          })) {
        continue;
      }
      if (gave_way(write, increment.field)) continue;
      return fmt::format("does not count in field '{}', although nobody who knew it set it, and is no conflict",
                         increment.field);
    }
    return std::nullopt;
  }

  static const db::FieldRevision* register_of(const db::Record* record, std::string_view name) {
    if (record == nullptr) return nullptr;
    for (const db::FieldRevision& field : record->revision.fields()) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }

  bool gave_way(const History::Write& write, std::string_view field) const {
    return world_.history().superseded(write, field, replica_.vector()) != nullptr || kept_as_conflict(write, field) ||
           world_.history().resolved(write.op.collection, write.op.key, write.dot, replica_.vector()) ||
           world_.evicted();
  }

  // By its own name, or (an update that went down with its document) in the content of another loser.
  bool kept_as_conflict(const History::Write& write, std::string_view field) const {
    const auto element = write.op.document.view().find(field);
    for (const replication::Conflict* conflict :
         replica_.conflicts().list({write.op.collection, write.op.key, std::nullopt, SIZE_MAX})) {
      const Dot& loser = conflict->name.loser;
      if (loser == write.dot) return true;
      if (field.empty()) continue;
      const auto kept = conflict->loser.content.view().find(field);
      if (element && kept && kept->type() == element->type() && kept->raw() == element->raw()) return true;
      if (loser.actor == write.dot.actor && conflict->loser.increments.view().find(field)) return true;
      // The whole document, with what was added to the field.
      if (write.op.kind == OpKind::kIncrement && kept && conflict->loser.kind == replication::ConflictKind::kDocument)
        return true;
    }
    return false;
  }

  World& world_;
  const Replica& replica_;
};

}  // namespace

void check_promises(World& world, std::size_t i) {
  const Judge judge(world, i);
  for (const Promise& promise : world.promises()) {
    if (const auto wrong = judge.judge(promise)) {
      if (const History::Write* write = world.history().find(promise.dot))
        world.history().tell(world.log(), write->op.collection, write->op.key, world.machine(i).replica->vector());
      return world.fail(
          fmt::format("write {} was acknowledged (w={}) and {}", to_string(promise.dot), promise.holders, *wrong));
    }
  }
}

}  // namespace distri::sim
