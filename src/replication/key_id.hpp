// key_id.hpp: from the key of a document back to its `_id`.
//
// Threads: pure functions. Errors: none.
#pragma once

#include <optional>

#include "distri/bson/document.hpp"

namespace distri::replication {

// {_id: value} for the value that has this key; nullopt for the rarer types. Equal ids have equal keys, so 1 may stand
// for 1.0: exact for those of which is_told_by_key() is true.
std::optional<bson::Document> id_of_key(BytesView key);
bool is_told_by_key(const bson::Value& id);

}  // namespace distri::replication
