#include "distri/replication/change_event.hpp"

#include <algorithm>

#include "distri/replication/conflict_document.hpp"
#include "distri/replication/counter.hpp"
#include "distri/replication/hlc.hpp"
#include "distri/replication/key_id.hpp"

namespace distri::replication {

namespace {

std::string_view operation_type(Effect::Kind kind) {
  switch (kind) {
    case Effect::Kind::kInserted:
      return "insert";
    case Effect::Kind::kReplaced:
      return "replace";
    case Effect::Kind::kUpdated:
      return "update";
    case Effect::Kind::kDeleted:
    case Effect::Kind::kDeletedNothing:
      return "delete";
    case Effect::Kind::kCreated:
    case Effect::Kind::kCreatedAgain:
      return "create";
    case Effect::Kind::kDropped:
    case Effect::Kind::kDroppedPartly:
    case Effect::Kind::kDroppedNothing:
      return "drop";
    case Effect::Kind::kNone:
      break;
  }
  return "";
}

void append_head(bson::Builder& out, std::string_view id, std::string_view type, const Stamp& stamp,
                 std::string_view collection) {
  out.append_string("_id", id);
  out.append_string("operationType", type);
  out.append_date("wallTime", HybridClock::to_ms(stamp.hlc));
  // As text it sorts as stamps do.
  out.append_string("stamp", fmt::format("{:016x}-{}", stamp.hlc, stamp.actor.hex()));
  out.begin_object("ns");
  out.append_string("coll", collection);
  out.end();
}

void append_key(bson::Builder& out, const bson::Value& id) {
  out.begin_object("documentKey");
  out.append_value("_id", id);
  out.end();
}

// What an update did, of the fields that are shown. False: nothing.
bool append_description(bson::Builder& out, const DocumentChange& change) {
  const auto shown = [&change](std::string_view name) {
    return std::find(change.hidden.begin(), change.hidden.end(), name) == change.hidden.end() &&
           std::find(change.effect.lost_fields.begin(), change.effect.lost_fields.end(), name) ==
               change.effect.lost_fields.end();
  };
  std::size_t fields = 0;
  out.begin_object("updateDescription");
  out.begin_object("updatedFields");
  for (const bson::Element& element : change.op.document.view()) {
    if (!shown(element.key)) continue;
    out.append_element(element);
    ++fields;
  }
  out.end();
  out.begin_array("removedFields");
  std::size_t removed = 0;
  for (const std::string& name : change.op.unset) {
    if (shown(name)) out.append_string(std::to_string(removed++), name);
  }
  out.end();
  if (change.op.kind == OpKind::kIncrement) {
    out.begin_object("incrementedFields");
    for (const Increment& increment : change.op.increments) {
      if (!shown(increment.field)) continue;
      const bson::Document delta = element_of(increment.field, increment.delta);
      out.append_element(*delta.view().begin());
      ++fields;
    }
    out.end();
  }
  out.end();
  return fields + removed > 0;
}

}  // namespace

bson::Document change_event(const DocumentChange& change) {
  const Op& op = change.op;
  bson::Builder out(op.document.bytes().size() + 256);
  append_head(out, write_id(change.dot), operation_type(change.effect.kind), op.stamp, op.collection);
  switch (change.effect.kind) {
    case Effect::Kind::kInserted:
    case Effect::Kind::kReplaced:
      append_key(out, op.document.view().begin()->value);
      out.append_object("fullDocument", op.document);
      break;
    case Effect::Kind::kDeleted:
    case Effect::Kind::kDeletedNothing:
      append_key(out, op.document.view().begin()->value);
      break;
    case Effect::Kind::kUpdated: {
      const auto told = change.effect.id.view().empty() ? id_of_key(op.key) : change.effect.id;
      if (told) append_key(out, told->view().begin()->value);
      if (!append_description(out, change)) return {};
      if (!change.lookup) break;
      if (change.current != nullptr) {
        out.append_object("fullDocument", *change.current);
      } else {
        out.append_null("fullDocument");
      }
      break;
    }
    case Effect::Kind::kDropped:
    case Effect::Kind::kDroppedPartly:
    case Effect::Kind::kDroppedNothing:
      out.append_bool("complete", change.drop_complete && change.effect.kind != Effect::Kind::kDroppedPartly);
      break;
    case Effect::Kind::kCreated:
    case Effect::Kind::kCreatedAgain:
    case Effect::Kind::kNone:
      break;
  }
  return std::move(out).finish();
}

bson::Document conflict_event(const Conflict& conflict, const db::Database& database) {
  bson::Builder out(conflict.bytes() + 256);
  append_head(out, conflict_id(conflict.name), "conflict", conflict.loser.stamp, conflict.name.collection);
  if (const auto id = document_id(conflict, database)) {
    append_key(out, *id);
  } else if (const auto told = id_of_key(conflict.name.key)) {
    append_key(out, told->view().begin()->value);
  }
  out.begin_object("conflict");
  append_conflict(out, conflict, database);
  out.end();
  return std::move(out).finish();
}

}  // namespace distri::replication
