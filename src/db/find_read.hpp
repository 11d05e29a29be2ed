// find_read.hpp: how a page of a read is made, in the order that it asks for. Private to the module.
//
// Three ways: by `_id`, through the order of insertion, and sorting what a plan gives. Threads: none. Errors: as of
// find().
#pragma once

#include <algorithm>
#include <limits>
#include <memory>

#include "distri/db/scan.hpp"

namespace distri::db {

inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// Where reading begins and how much of it remains.
struct Start {
  bool resumed = false;
  Bytes after;  // position of the last document of the page before
  std::uint64_t skip = 0;
  std::uint64_t remaining = kNoLimit;
};

Result<Start> start_of(const FindQuery& query);

// Shows matching documents in order until the page is full.
class PageWriter {
 public:
  PageWriter(const FindQuery& query, std::uint64_t skip, std::uint64_t remaining)
      : query_(query),
        skip_(skip),
        remaining_(remaining),
        documents_max_(std::max<std::size_t>(query.page_documents_max, 1)) {}

  // false: the page is full and this document belongs to the next one, or the limit is reached, or `show` failed.
  Result<bool> take(const Record& record, std::string_view position, const FindRun::Take& show);
  // For who can tell a position later: the same, but that stand_at() must say where last() is before last() changes.
  Result<bool> take(const Record& record, const FindRun::Take& show);
  const Record* last() const { return last_; }  // the last one shown
  void stand_at(std::string_view position) { position_ = position; }
  const Bytes& position() const { return position_; }
  // There may be more behind `position`.
  void break_off(std::string_view position);
  // The cursor.
  Result<std::string> finish() const;

 private:
  const FindQuery& query_;
  std::uint64_t skip_;
  std::uint64_t remaining_;
  std::size_t documents_max_;
  std::size_t documents_ = 0;
  std::size_t bytes_ = 0;
  const Record* last_ = nullptr;
  Bytes position_;  // of the last one shown
  bool more_ = false;
};

// Documents that a page can use, and one more: it tells whether there is a next page.
std::uint64_t wanted_for(const FindQuery& query, const Start& start);

bool in_insertion_order(const FindQuery& query);
// Where a document is in the order of insertion, or in its reverse.
void append_insertion_position(Bytes& out, const Record& record, std::string_view id_key, bool descending);

// A page in the making.
class OrderedRead {
 public:
  virtual ~OrderedRead() = default;
  // As FindRun::step().
  virtual Result<bool> step(const Collection& collection, std::uint64_t& budget, const FindRun::Take& show) = 0;
  virtual Result<std::string> finish() const = 0;
  virtual const ScanPlan& plan() const = 0;
  virtual const ScanCounts& counts() const = 0;
  virtual std::size_t bytes() const = 0;
};

// The query is that of sort_in(), and must outlive the read.
std::unique_ptr<OrderedRead> read_by_id(const FindQuery& query, Start start);
std::unique_ptr<OrderedRead> read_in_insertion_order(const FindQuery& query, const Start& start);
// What a sorted read asks the planner.
ReadShape sorted_shape(const FindQuery& query, const Start& start);
std::unique_ptr<OrderedRead> read_sorted(const FindQuery& query, Start start, ScanPlan plan);

}  // namespace distri::db
