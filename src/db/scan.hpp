// scan.hpp: carrying out a plan, in slices. Private to the module.
//
// Between two calls of run() the collection may change. Documents that nobody touches meanwhile are met exactly once;
// one that changes may be met as it was, as it is, or, when its place in an index changes, twice or not at all.
//
// Threads: none; the collection must not change during a call. Errors: none; what the filter says is up to the caller.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "distri/db/find.hpp"
#include "distri/db/plan.hpp"

namespace distri::db {

// What a read had to look at.
struct ScanCounts {
  std::uint64_t keys = 0;       // entries of an index, or `_id`s looked up
  std::uint64_t documents = 0;  // documents
};

// What looking at a document takes of a budget.
inline constexpr std::size_t kBytesPerStep = 64;
inline void spend(std::uint64_t& budget, std::uint64_t steps) {
  budget -= std::min(budget, steps);
}
inline void spend_on(const Record& record, std::uint64_t& budget) {
  spend(budget, 1 + record.document.bytes().size() / kBytesPerStep);
}

// false: enough.
using TakeRecord = std::function<bool(std::string_view id_key, const Record& record)>;

class Scan {
 public:
  // kById: of `_id`. kPlan: of the index when the plan has the sort's, after the unindexable documents. kAny: any.
  enum class Order : std::uint8_t { kById, kPlan, kAny };
  enum class End : std::uint8_t {
    kAll,       // there are no more
    kEnough,    // `take` said so
    kPaused,    // the budget is used up: call run() again
    kIndexGone  // since the last call: what remains needs another plan
  };

  // `filter` must outlive the scan; the plan was made for it. `after`: an `_id` key to begin behind; kById only.
  Scan(ScanPlan plan, const Filter* filter, Order order, std::optional<Bytes> after = std::nullopt);

  // Calls `take` for candidates, matching or not, each once. Lessens `budget` by 1 for each key, and for each document
  // by 1 and 1 for every 64 bytes; the last one may overdraw it.
  End run(const Collection& collection, ScanCounts& counts, std::uint64_t& budget, const TakeRecord& take);

  const ScanPlan& plan() const { return plan_; }
  // Of kById, after kIndexGone: behind which `_id` key another scan goes on.
  const std::optional<Bytes>& position() const { return after_; }
  // What it holds between calls.
  std::size_t bytes() const;

 private:
  enum class Way : std::uint8_t { kRecords, kEntries, kGather };

  std::span<const ScanPlan> branches() const;
  bool indexes_are_here() const;
  void remember_indexes();
  template <class Visit>
  End each_record(const Collection& collection, ScanCounts& counts, std::uint64_t& budget, const Visit& visit);
  template <class Visit>
  End each_id(ScanCounts& counts, std::uint64_t& budget, const Visit& visit);
  template <class Visit>
  End each_unindexable(const ScanPlan& branch, std::uint64_t& budget, const Visit& visit);
  template <class Visit>
  End each_entry(const ScanPlan& branch, const KeyRange& range, ScanCounts& counts, std::uint64_t& budget,
                 const Visit& visit);
  template <class Visit>
  End each_gathered(const Collection& collection, ScanCounts& counts, std::uint64_t& budget, const Visit& visit);
  template <class Visit>
  End each_candidate(const Collection& collection, ScanCounts& counts, std::uint64_t& budget, const Visit& visit);

  ScanPlan plan_;
  const Filter* filter_;
  Order order_;
  Way way_ = Way::kRecords;
  std::optional<Bytes> after_;                       // of kRecords and kGather: the last one visited
  std::vector<std::weak_ptr<const Index>> indexes_;  // of the branches; since the first pause

  // ---- Where it is in the branches of an index plan.
  std::size_t branch_ = 0;
  bool unindexable_done_ = false;
  std::size_t range_ = 0;
  std::optional<Bytes> at_;  // the last entry, or unindexable `_id` key, that was visited
  absl::flat_hash_set<std::string> seen_;

  std::vector<std::string> gathered_;  // a heap, the smallest in front
  bool all_gathered_ = false;
};

// The documents that match, without a sort. When an index that it reads goes, it makes another plan.
class MatchScan {
 public:
  // `read` has no sort; what it refers to must outlive the scan. `after`: an `_id` key; with `read.ordered` only.
  explicit MatchScan(const ReadShape& read, std::optional<Bytes> after = std::nullopt)
      : read_(read), after_(std::move(after)) {}

  // As Scan::run(). kIndexGone: only when the order does not matter; the next call begins anew. Errors: of the plan,
  // and of Filter::check().
  Result<Scan::End> run(const Collection& collection, std::uint64_t& budget, const TakeRecord& take);

  // Precondition: run() has been called.
  const ScanPlan& plan() const { return scan_->plan(); }
  const ScanCounts& counts() const { return counts_; }
  std::size_t bytes() const { return scan_ ? scan_->bytes() : 0; }

 private:
  ReadShape read_;
  std::optional<Bytes> after_;
  std::optional<Scan> scan_;
  ScanCounts counts_;
};

// What a read takes for a collection that is not there.
const Collection& no_collection();

// The sort that a query has there: with "$natural" only where the collection keeps the order of insertion, else by
// `_id`; empty: ascending by `_id`.
std::vector<SortKey> sort_in(const Collection& collection, const std::vector<SortKey>& sort);

}  // namespace distri::db
