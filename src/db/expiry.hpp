// expiry.hpp: which documents have expired by an index with expireAfterSeconds (a TTL index).
//
// A document expires when the date at the index's field is so many seconds ago; of several dates in an array the lowest
// counts. What has no date there never expires, nor does what the index does not hold (partial, sparse, unindexable).
//
// Threads: none; the owner of the collection serialises calls. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/db/index.hpp"

namespace distri::db {

// The `_id` keys of expired documents, each once; looks at no more than `keys_max` entries, and begins with the first
// of the index. None while the index is being built. `now_ms`: milliseconds since 1970.
// Precondition: the index has expireAfterSeconds.
std::vector<std::string> expired_documents(const Index& index, std::int64_t now_ms, std::size_t keys_max);

// Whether this document, as it is, has expired. Precondition: as above.
bool is_expired(const Index& index, bson::View document, std::int64_t now_ms);

}  // namespace distri::db
