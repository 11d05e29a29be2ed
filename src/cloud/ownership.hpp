// ownership.hpp: documents that only their owner may write, in collections that say so (ownerField, takerField).
//
// The owner of a document is named by its field `ownerField`: the text is the hexadecimal key of a user, or begins with
// it and a ':'. Nobody else inserts, changes or deletes it, and the field cannot be given to somebody else. With the
// field "_id" that holds across partitions, too: no other user can ever have written a document of that name. Whoever
// `takerField` names in the same way may delete the document, and nothing else.
//
// It binds users and tokens, by their rights; a token is nobody's, and owns nothing. Administrators of the collection,
// members, and everybody in a cluster without keys, where nobody is known, may write all documents. What binds is asked
// by the node that takes the write, as validators are.
//
// Threads: the main thread. Errors: kPermissionDenied names the collection and the field.
#pragma once

#include <string_view>

#include "distri/bson/document.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/db/collection_options.hpp"

namespace distri::cloud {

// Whether a caller with these rights (nullptr: everything) may make `before` into `after`; nullptr: there is none.
Result<> check_owner(const Rights* rights, const db::CollectionOptions& options, std::string_view collection,
                     const bson::StoredDocument* before, const bson::View* after);

// Whether `rights` (nullptr: everything) are bound by owners there.
bool bound_by_owners(const Rights* rights, const db::CollectionOptions& options, std::string_view collection);

}  // namespace distri::cloud
