// plan.hpp: how a read goes about it: by `_id`, by an index, or through the whole collection. Private to the module.
//
// Any plan gives the same documents in the same order: the filter is asked of every candidate, and the order is made by
// whole positions (sort.hpp). A plan only decides which documents are looked at, and when it is safe to stop.
//
// The rule, with n documents in the collection, w wanted for a page and k the index entries in the bounds (counted, but
// no further than is of use):
//   - conditions that name `_id`s win; then the index with the smallest k, when k <= n / 3 (an entry costs about three
//     times as much as the next document of the collection);
//   - a read in the order of `_id` that an index does not keep must collect all k for each page, where the collection
//     alone would be left after about w * n / k documents: then k * k <= w * n / 2 is asked, too;
//   - for a sort, an index that has its order can be left after w documents: it is taken when its bounds are as good as
//     any, or when about w * k_order / k entries are less than half of the k of the best other index, or, without such
//     an index, when w <= n / 3;
//   - a stretch of `_id`s ($gt and so on) that is shorter wins over an index;
//   - an $or that must hold is read by the indexes of its branches when each has bounds, and all together have fewer
//     entries than the best index otherwise.
//
// Partial and sparse indexes are used only when the filter implies that they hold all that can match.
// Threads: none; a plan is valid until the collection changes. Errors: a hint that cannot be followed.
#pragma once

#include <vector>

#include "distri/db/collection.hpp"
#include "distri/db/index_bounds.hpp"

namespace distri::db {

struct ScanPlan {
  enum class Kind : std::uint8_t { kCollection, kIds, kIdRange, kIndex, kUnion };
  Kind kind = Kind::kCollection;

  // Of kIndex:
  const Index* index = nullptr;
  std::vector<FieldBounds> bounds;
  std::vector<KeyRange> ranges;
  std::size_t fields_used = 0;  // of the bounds
  bool in_id_order = false;     // the entries come in the order of `_id`
  bool in_sort_order = false;   // or of the sort, equal ones in any order
  bool backward = false;        // read from the end
  std::size_t sort_fields = 0;  // in_sort_order: up to here the fields are single points or of the sort

  // Of kUnion: a scan of an index for each branch of an $or. Documents may be in several.
  std::vector<ScanPlan> branches;
  std::vector<PathCondition> conditions;  // of a branch: what its bounds were made of
};

// What is to be read. `wanted`: how many documents in order make a page; kAll for all.
struct ReadShape {
  static constexpr std::uint64_t kAll = ~0ull;
  const Filter* filter = nullptr;
  const std::vector<SortKey>* sort = nullptr;  // nullptr or empty: by `_id`
  std::uint64_t wanted = kAll;
  bool ordered = true;    // false: any order will do
  std::string_view hint;  // the name of an index that must be used; "$natural": none may be
};

Result<ScanPlan> plan_scan(const Collection& collection, const ReadShape& read);

// A sorted read goes on behind `after`, the position of a document: leaves out what comes before, as far as the order
// of the index tells.
void resume_after(ScanPlan& plan, const std::vector<SortKey>& sort, std::string_view after);

}  // namespace distri::db
