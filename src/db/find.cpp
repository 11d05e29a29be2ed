#include "distri/db/find.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "distri/db/cursor.hpp"
#include "distri/db/index_key.hpp"
#include "distri/db/scan.hpp"
#include "distri/db/sort.hpp"

namespace distri::db {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// Where reading begins and how much of it remains.
struct Start {
  bool resumed = false;
  Bytes after;  // position of the last document of the page before
  std::uint64_t skip = 0;
  std::uint64_t remaining = kNoLimit;
};

Result<Start> start_of(const FindQuery& query) {
  if (query.cursor.empty()) return Start{false, {}, query.skip, query.limit == 0 ? kNoLimit : query.limit};
  DISTRI_TRY(auto cursor, decode_cursor(query.cursor));
  if (cursor.sort_hash != hash_sort(query.sort)) {
    return fail(Code::kInvalidArgument, "cursor: it belongs to a query with another sort");
  }
  return Start{true, std::move(cursor.position), 0, cursor.remaining == 0 ? kNoLimit : cursor.remaining};
}

// Takes matching documents in order until the page is full. Invariant: the last record taken is at last_position().
class PageWriter {
 public:
  PageWriter(const FindQuery& query, const Start& start)
      : query_(query),
        skip_(start.skip),
        remaining_(start.remaining),
        documents_max_(std::max<std::size_t>(query.page_documents_max, 1)) {}

  // false: the page is full and this document belongs to the next one, or the limit is reached.
  bool take(const Record& record, std::string_view position) {
    if (skip_ > 0) {
      --skip_;
      return true;
    }
    if (remaining_ == 0) return false;
    const std::size_t size = record.document.bytes().size();
    const bool full =
        page_.records.size() >= documents_max_ ||
        (!page_.records.empty() && size > query_.page_bytes_max - std::min(bytes_, query_.page_bytes_max));
    if (full) {
      more_ = true;
      return false;
    }
    page_.records.push_back(&record);
    position_ = position;
    bytes_ += size;
    if (remaining_ != kNoLimit) --remaining_;
    return remaining_ != 0;
  }

  Result<FindPage> finish() && {
    if (!more_) return std::move(page_);
    if (position_.size() > kCursorPositionBytesMax) {
      return fail(Code::kTooLarge,
                  "find: the page ends at a document whose sort values take {} bytes, and a cursor holds at most {}; "
                  "ask for larger "
                  "pages or sort by a shorter field",
                  position_.size(), kCursorPositionBytesMax);
    }
    page_.cursor = encode_cursor({hash_sort(query_.sort), remaining_ == kNoLimit ? 0 : remaining_, Bytes(position_)});
    return std::move(page_);
  }

 private:
  const FindQuery& query_;
  std::uint64_t skip_;
  std::uint64_t remaining_;
  std::size_t documents_max_;
  FindPage page_;
  std::string_view position_;  // of the last record; the caller keeps the bytes
  std::size_t bytes_ = 0;
  bool more_ = false;
};

// Documents that a page can use, and one more: it tells whether there is a next page.
std::uint64_t wanted_for(const FindQuery& query, const Start& start) {
  const std::uint64_t page_max =
      std::min<std::uint64_t>(start.remaining, std::max<std::size_t>(query.page_documents_max, 1));
  const std::uint64_t room = kNoLimit - start.skip;
  return page_max >= room ? kNoLimit : start.skip + page_max + (page_max + start.skip < kNoLimit ? 1 : 0);
}

Result<FindPage> find_in_natural_order(const Collection& collection, const FindQuery& query, const Start& start,
                                       const ScanPlan& plan, ScanCounts& counts) {
  PageWriter page(query, start);
  DISTRI_TRY_VOID(scan_by_id(collection, query.filter, plan, start.resumed ? &start.after : nullptr, true, counts,
                             [&](std::string_view key, const Record& record) { return page.take(record, key); }));
  return std::move(page).finish();
}

bool in_insertion_order(const FindQuery& query) {
  return query.sort.size() == 1 && query.sort.front().path == kNaturalOrder;
}

// Where a document is in the order of insertion, or in its reverse.
void append_insertion_position(Bytes& out, const Record& record, std::string_view id_key, bool descending) {
  std::string stamp = InsertionOrder::place_of(record.revision.stamp, {});
  if (descending) complement(stamp);
  out.append(stamp).append(id_key);
}

// Walks through the order of insertion itself.
class InsertionWalk {
 public:
  InsertionWalk(const Collection& collection, const FindQuery& query, const Start& start, ScanCounts& counts)
      : collection_(collection), query_(query), page_(query, start), counts_(counts) {}

  Result<FindPage> run(const Start& start) && {
    const auto& places = collection_.insertion_order()->places();
    if (!query_.sort.front().descending) {
      auto at = start.resumed ? places.upper_bound(start.after) : places.begin();
      while (at != places.end() && take(*at)) ++at;
    } else {
      std::string place = start.after.substr(0, InsertionOrder::kStampBytes);
      complement(place);
      place += std::string_view(start.after).substr(place.size());
      auto at = start.resumed ? places.lower_bound(place) : places.end();
      while (at != places.begin() && take(*std::prev(at))) --at;
    }
    DISTRI_TRY_VOID(failed_);
    return std::move(page_).finish();
  }

 private:
  bool take(std::string_view place) {
    ++counts_.documents;
    const std::string_view id_key = InsertionOrder::id_key_of(place);
    const Record& record = *collection_.find(id_key);
    if (query_.filter != nullptr) {
      const auto matched = query_.filter->check(record.document);
      if (!matched) failed_ = fail(matched.error());
      if (!matched || !*matched) return matched.has_value();
    }
    // The page looks at the position of the last document that it took until it takes the next.
    Bytes& position = positions_[taken_ % positions_.size()];
    position.clear();
    append_insertion_position(position, record, id_key, query_.sort.front().descending);
    ++taken_;
    return page_.take(record, position);
  }

  const Collection& collection_;
  const FindQuery& query_;
  PageWriter page_;
  ScanCounts& counts_;
  std::array<Bytes, 2> positions_;
  std::size_t taken_ = 0;
  Result<> failed_;
};

// Keeps the k first documents of the sort order, k being what a page can use. When the candidates come in that order,
// it stops at the first that sorts behind all it keeps.
class TopDocuments {
 public:
  struct Candidate {
    Bytes position;
    const Record* record;
    bool operator<(const Candidate& other) const { return position < other.position; }
  };

  TopDocuments(const FindQuery& query, const Start& start, bool in_order)
      : query_(query),
        start_(start),
        order_(query.sort),
        natural_(in_insertion_order(query)),
        wanted_(wanted_for(query, start)),
        in_order_(in_order) {}

  // false: no later one can be better, or a condition failed.
  bool take(std::string_view id_key, const Record& record) {
    position_.clear();
    std::size_t sort_size = InsertionOrder::kStampBytes;
    if (natural_) {
      append_insertion_position(position_, record, id_key, query_.sort.front().descending);
    } else {
      sort_size = order_.append_position(position_, record.document, id_key);
    }
    const bool full = heap_.size() >= wanted_;
    if (full && in_order_) {
      const std::string_view worst = heap_.front().position;
      if (std::string_view(position_).substr(0, sort_size) > worst.substr(0, sort_size)) return false;
    }
    if (start_.resumed && position_ <= start_.after) return true;
    if (full && position_ > heap_.front().position) return true;
    if (query_.filter != nullptr) {
      const auto matched = query_.filter->check(record.document);
      if (!matched) failed_ = fail(matched.error());
      if (!matched || !*matched) return matched.has_value();
    }
    keep(record);
    return true;
  }

  Result<FindPage> finish() && {
    DISTRI_TRY_VOID(failed_);
    std::sort(heap_.begin(), heap_.end());
    PageWriter page(query_, start_);
    for (const Candidate& candidate : heap_) {
      if (!page.take(*candidate.record, candidate.position)) break;
    }
    return std::move(page).finish();
  }

 private:
  void keep(const Record& record) {
    if (heap_.size() < wanted_) {
      heap_.push_back({position_, &record});
      if (heap_.size() == wanted_) std::make_heap(heap_.begin(), heap_.end());
      return;
    }
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.back().position.swap(position_);  // reuses the memory
    heap_.back().record = &record;
    std::push_heap(heap_.begin(), heap_.end());
  }

  const FindQuery& query_;
  const Start& start_;
  SortOrder order_;
  bool natural_;
  std::uint64_t wanted_;
  bool in_order_;
  std::vector<Candidate> heap_;  // the largest in front once it holds `wanted_`
  Bytes position_;
  Result<> failed_;
};

Result<FindPage> find_sorted(const Collection& collection, const FindQuery& query, const Start& start, ScanPlan& plan,
                             ScanCounts& counts) {
  if (plan.in_sort_order && start.resumed) resume_after(plan, query.sort, start.after);
  TopDocuments top(query, start, plan.in_sort_order);
  scan_candidates(collection, query.filter, plan, counts,
                  [&](std::string_view key, const Record& record) { return top.take(key, record); });
  return std::move(top).finish();
}

}  // namespace

Result<FindPage> find_with_plan(const Collection& collection, const FindQuery& query, ScanPlan& plan,
                                ScanCounts& counts) {
  DISTRI_TRY(const Start start, start_of(query));
  const ReadShape read{query.filter, &query.sort, wanted_for(query, start), true, query.hint};
  DISTRI_TRY(plan, plan_scan(collection, read));
  if (query.sort.empty()) return find_in_natural_order(collection, query, start, plan, counts);
  if (in_insertion_order(query) && plan.kind == ScanPlan::Kind::kCollection)
    return InsertionWalk(collection, query, start, counts).run(start);
  return find_sorted(collection, query, start, plan, counts);
}

std::vector<SortKey> sort_in(const Collection& collection, const std::vector<SortKey>& sort) {
  const bool named = sort.size() == 1 && sort.front().path == kNaturalOrder;
  if (!named && !sort.empty()) return sort;
  const bool descending = named && sort.front().descending;
  if (collection.insertion_order() != nullptr) return {{std::string(kNaturalOrder), descending}};
  return descending ? std::vector<SortKey>{{"_id", true}} : std::vector<SortKey>();
}

Result<FindPage> find(const Collection& collection, const FindQuery& query) {
  ScanPlan plan;
  ScanCounts counts;
  FindQuery there = query;
  there.sort = sort_in(collection, query.sort);
  return find_with_plan(collection, there, plan, counts);
}

Result<std::uint64_t> count_matching(const Collection& collection, const Filter* filter) {
  if (filter == nullptr || filter->empty()) return collection.size();
  ReadShape read;
  read.filter = filter;
  read.ordered = false;
  DISTRI_TRY(const ScanPlan plan, plan_scan(collection, read));
  std::uint64_t matching = 0;
  ScanCounts counts;
  DISTRI_TRY_VOID(scan_by_id(collection, filter, plan, nullptr, false, counts, [&](std::string_view, const Record&) {
    ++matching;
    return true;
  }));
  return matching;
}

std::uint64_t count(const Collection& collection, const Filter* filter) {
  return count_matching(collection, filter).value_or(0);
}

Result<> for_each_match(const Collection& collection, const Filter* filter,
                        const std::function<bool(std::string_view id_key, const Record& record)>& take) {
  ReadShape read;
  read.filter = filter;
  DISTRI_TRY(const ScanPlan plan, plan_scan(collection, read));
  ScanCounts counts;
  return scan_by_id(collection, filter, plan, nullptr, true, counts, take);
}

}  // namespace distri::db
