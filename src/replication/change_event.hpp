// change_event.hpp: one change as readers of the feed see it: a document in the form of MongoDB's change events.
//
// {_id, operationType, wallTime, stamp, ns: {coll}, documentKey: {_id}, ...} (docs/documents.md has them all). Threads:
// pure functions. Errors: none.
#pragma once

#include <string_view>
#include <vector>

#include "distri/db/database.hpp"
#include "distri/replication/conflicts.hpp"
#include "distri/replication/effect.hpp"
#include "distri/replication/op.hpp"

namespace distri::replication {

// An op that changed something.
struct DocumentChange {
  const Op& op;
  Dot dot;
  const Effect& effect;
  std::vector<std::string_view> hidden = {};  // fields of an update that are left out, beside effect.lost_fields
  bool drop_complete = true;                  // of a drop: nothing in the collection has outlived it
  // For updates: show the document as it is now.
  bool lookup = false;
  const bson::StoredDocument* current = nullptr;  // nullptr: it is gone
};

// An empty document: nothing of it is left to be shown. Precondition: effect.kind is not kNone.
bson::Document change_event(const DocumentChange& change);
// A write has lost.
bson::Document conflict_event(const Conflict& conflict, const db::Database& database);

}  // namespace distri::replication
