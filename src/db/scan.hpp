// scan.hpp: carrying out a plan. Private to the module.
//
// Threads: none; the collection must not change meanwhile. Errors: those of Filter::check().
#pragma once

#include <functional>
#include <string_view>

#include "distri/db/find.hpp"
#include "distri/db/plan.hpp"

namespace distri::db {

// What a read had to look at.
struct ScanCounts {
  std::uint64_t keys = 0;       // entries of an index, or `_id`s looked up
  std::uint64_t documents = 0;  // documents
};

// false: enough.
using TakeRecord = std::function<bool(std::string_view id_key, const Record& record)>;

// Calls `take` for each document that matches, in the order of `_id`, from behind `after` on (nullptr: from the
// beginning). With `ordered` false: in any order.
Result<> scan_by_id(const Collection& collection, const Filter* filter, const ScanPlan& plan, const std::string* after,
                    bool ordered, ScanCounts& counts, const TakeRecord& take);

// Calls take(id_key, record) for every candidate, matching or not, each once; in the order of the index when the plan
// has the sort's, after the unindexable ones. `take` asks the filter.
void scan_candidates(const Collection& collection, const Filter* filter, const ScanPlan& plan, ScanCounts& counts,
                     const TakeRecord& take);

// The sort that a query has there: with "$natural" only where the collection keeps the order of insertion, else by
// `_id`; empty: ascending by `_id`.
std::vector<SortKey> sort_in(const Collection& collection, const std::vector<SortKey>& sort);

// find() that tells how (find.cpp). Precondition: the query's sort is that of sort_in().
Result<FindPage> find_with_plan(const Collection& collection, const FindQuery& query, ScanPlan& plan,
                                ScanCounts& counts);

}  // namespace distri::db
