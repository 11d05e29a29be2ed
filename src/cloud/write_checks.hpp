// write_checks.hpp: what a collection says to a document that a client wants to write: whose it is (ownership.hpp), its
// validator and its indexes.
//
// Asked by the node that takes the write, before it is written: documents of others, those that the validator refuses,
// keys of unique indexes that are taken, and documents that cannot be indexed. Writes of peers are never asked
// (db/index.hpp).
//
// Threads: the main thread. Errors: kPermissionDenied; kInvalidArgument, DocumentValidationFailure or
// CannotIndexParallelArrays; kAlreadyExists, DuplicateKey.
#pragma once

#include <string_view>

#include "distri/bson/document.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/replication/replica.hpp"

namespace distri::cloud {

// Spares those who write to a collection without options and indexes the making of what check_write() wants to see.
bool has_checks(const replication::Replica& replica, std::string_view collection);

// `rights`: the caller's; nullptr: everything. `before`: the document as it is, nullptr: there is none. `after`: as it
// is to be, with its `_id`.
Result<> check_write(const replication::Replica& replica, const Rights* rights, std::string_view collection,
                     const bson::StoredDocument* before, bson::View after);
Result<> check_removal(const replication::Replica& replica, const Rights* rights, std::string_view collection,
                       const bson::StoredDocument& before);

}  // namespace distri::cloud
