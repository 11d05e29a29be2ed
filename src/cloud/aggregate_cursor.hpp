// aggregate_cursor.hpp: where the next page of an aggregation begins.
//
// The next page comes from running the pipeline again, with the time and the random numbers of the first page, and
// leaving out the results that were given. So a cursor costs the node no memory, never expires, and is good on every
// node; but only while the documents that the pipeline reads are the same, which their digest tells.
//
// Threads: pure functions. Errors: kInvalidArgument for a text that no page came with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

struct AggregateCursor {
  std::uint64_t pipeline_hash = 0;   // and of the collection's name
  std::uint64_t documents_hash = 0;  // of the digests of all collections that are read
  std::uint64_t seed = 0;
  std::int64_t now_ms = 0;
  std::uint64_t given = 0;  // results on the pages before
};

// URL-safe text.
std::string encode_aggregate_cursor(const AggregateCursor& cursor);
Result<AggregateCursor> decode_aggregate_cursor(std::string_view text);

std::uint64_t aggregate_hash(BytesView bytes);

}  // namespace distri::cloud
