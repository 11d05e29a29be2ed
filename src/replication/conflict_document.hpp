// conflict_document.hpp: a conflict as callers see it: the service Conflicts, the change feed, NodeConfig::on_conflict.
//
// Threads: pure functions. Errors: none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "distri/bson/document.hpp"
#include "distri/db/database.hpp"
#include "distri/replication/conflicts.hpp"

namespace distri::replication {

// Opaque to callers: actor, counter and key, in hex.
std::string conflict_id(const ConflictName& name);
// nullopt: it is no such text.
std::optional<ConflictName> parse_conflict_id(std::string_view collection, std::string_view id);
// "actor-counter", in hex: the name of a write.
std::string write_id(const db::Dot& dot);

// The `_id` of the document that the loser was about, if it is still there or was kept.
std::optional<bson::Value> document_id(const Conflict& conflict, const db::Database& database);
// {"id", "collection", "_id", "kind", "content", "unset", "increments", "time_ms", "winner"} (docs/services.md).
void append_conflict(bson::Builder& out, const Conflict& conflict, const db::Database& database);

}  // namespace distri::replication
