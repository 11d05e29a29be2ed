// index_checks.hpp: what the indexes of a collection say to a document that a client wants to write.
//
// Asked by the node that takes the write, before it is written: keys of unique indexes that are taken, and documents
// that cannot be indexed. Writes of peers are never asked (db/index.hpp).
//
// Threads: the main thread. Errors: kAlreadyExists, DuplicateKey; kInvalidArgument, CannotIndexParallelArrays.
#pragma once

#include <string_view>

#include "distri/bson/document.hpp"
#include "distri/replication/replica.hpp"

namespace distri::cloud {

// Spares those who write to a collection without indexes the making of what check_indexes() wants to see.
bool has_indexes(const replication::Replica& replica, std::string_view collection);

// `document` as it is to be, with its `_id`.
Result<> check_indexes(const replication::Replica& replica, std::string_view collection, bson::View document);

}  // namespace distri::cloud
