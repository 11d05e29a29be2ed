// find.hpp: reading a collection: filter, sort, skip, limit, and pages.
//
// A page ends when it holds `page_documents_max` documents or `page_bytes_max` bytes (at least one document), whichever
// comes first; then `cursor` is set, and the same query with that cursor gives the next page. Cursors are
// self-contained (the position of the last document in the sort order), cost the node no memory, survive other writes,
// restarts and moving to another node, and never expire.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/db/collection.hpp"
#include "distri/db/filter.hpp"

namespace distri::db {

//
// Sorting: by bson::compare order of the value at each path, equal ones by _id. Where a path meets an array, its
// smallest element counts (the largest when descending); a missing field sorts as null, an empty array below null; a
// numeric part of a path is an array index. Threads: none; the owner of the collection serialises calls.

inline constexpr std::size_t kSortKeysMax = 32;
inline constexpr std::string_view kNaturalOrder = "$natural";
inline constexpr std::size_t kCursorPositionBytesMax = 16u << 10;

struct SortKey {
  std::string path;
  bool descending = false;
};

// {"age": -1, "name": 1} -> keys. kInvalidArgument for other values than 1 and -1, a path named twice, or more than
// kSortKeysMax keys. {"$natural": 1 or -1} stands alone: the order of an unsorted read (of insertion in a capped
// collection, else of `_id`), or its reverse.
Result<std::vector<SortKey>> parse_sort(bson::View sort);

struct FindQuery {
  const Filter* filter = nullptr;  // nullptr: all
  std::vector<SortKey> sort;       // empty: in natural order
  std::uint64_t skip = 0;          // first page only
  std::uint64_t limit = 0;         // over all pages; 0: none
  std::string cursor;              // empty: first page
  std::string hint;                // the index to use; "$natural": none; empty: the planner chooses
  std::size_t page_documents_max = 1000;
  std::size_t page_bytes_max = 1u << 20;
};

struct FindPage {
  std::vector<const Record*> records;  // valid until the collection changes
  std::string cursor;                  // empty: this was the last page
};

// Errors: kInvalidArgument for a cursor that is not one of this query (checked: it holds a hash of the query's sort,
// and a checksum); kTooLarge when a next page would have to begin after a document whose sort values take more than
// kCursorPositionBytesMax; BadValue for a hint that cannot be followed; those of Filter::check() on the documents that
// were looked at, which the choice of an index decides. Apart from that, documents and order are the same with any
// index and with none. A cursor is URL-safe text. With a cursor, `limit` is what that
// cursor says remains.
Result<FindPage> find(const Collection& collection, const FindQuery& query);

struct ScanPlan;
struct ScanCounts;

// A page in slices, between which the collection may change. Every document that matches all the while and is not
// touched is shown once, in its place. One that is changed meanwhile is shown as it is when the run comes to it; when
// the change moves it in the order of the read, it may be shown twice, or be left out.
class FindRun {
 public:
  // Shows a document: valid during the call. An error ends the run.
  using Take = std::function<Result<>(const Record& record)>;

  // The query's filter must outlive the run.
  explicit FindRun(FindQuery query);
  FindRun(FindRun&&) noexcept;
  FindRun& operator=(FindRun&&) noexcept;
  ~FindRun();

  // Goes on, and lessens `budget` by the steps that it takes: one for each key and document looked at, and for every 64
  // bytes of a document; the last may overdraw it. True: the page is complete. Documents come to `take` one by one, or,
  // when they must be sorted, all together at the end. nullptr: there is no collection. Errors: find()'s;
  // CappedPositionLost when the order of insertion that it reads in is kept no more. Not to be called after the end.
  Result<bool> step(const Collection* collection, std::uint64_t& budget, const Take& take);

  // When the page is complete: as FindPage::cursor.
  const std::string& cursor() const;
  // What it holds between two calls, about.
  std::size_t bytes() const;

  // ---- For explain(). The plan is valid until the collection changes.
  const FindQuery& query() const;  // with the sort that it has there
  const ScanPlan& plan() const;
  const ScanCounts& counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// How many documents match, in slices.
class CountRun {
 public:
  // nullptr: all. The filter must outlive the run.
  explicit CountRun(const Filter* filter);
  CountRun(CountRun&&) noexcept;
  CountRun& operator=(CountRun&&) noexcept;
  ~CountRun();

  // As FindRun::step(): true when count() is complete. Errors: as of Filter::check().
  Result<bool> step(const Collection* collection, std::uint64_t& budget);
  std::uint64_t count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// At once. Documents that match; nullptr: all. Errors: as of Filter::check().
Result<std::uint64_t> count_matching(const Collection& collection, const Filter* filter);
// The same; 0 when a condition fails on a document.
std::uint64_t count(const Collection& collection, const Filter* filter);

}  // namespace distri::db
