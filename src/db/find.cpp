#include "distri/db/find.hpp"

#include <algorithm>
#include <limits>

#include "distri/db/cursor.hpp"
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

// Calls take(id_key, record) for each document that matches, in the order of `_id` and from `after` on (excluded),
// until it says false. Looks only at documents that the filter's conditions on `_id` allow. An error: a condition
// failed.
template <class Take>
Result<> each_match(const Collection& collection, const Filter* filter, const Bytes* after, const Take& take) {
  using Key = const std::string&;
  const auto& records = collection.records();
  Result<> failed;
  const auto visit = [&](Key key, const Record& record) {
    if (filter == nullptr) return take(key, record);
    auto matched = filter->check(record.document);
    if (!matched) failed = fail(std::move(matched).error());
    return matched && (!*matched || take(key, record));
  };
  if (filter != nullptr && filter->id_keys()) {
    const auto& keys = *filter->id_keys();
    auto key = after == nullptr ? keys.begin() : std::upper_bound(keys.begin(), keys.end(), *after);
    for (; key != keys.end(); ++key) {
      const Record* record = collection.find(*key);
      if (record != nullptr && !visit(*key, *record)) break;
    }
    return failed;
  }
  static const IdBounds kEverything;
  const IdBounds& bounds = filter == nullptr ? kEverything : filter->id_bounds();
  auto at =
      after != nullptr && *after >= bounds.first ? records.upper_bound(*after) : records.lower_bound(bounds.first);
  for (; at != records.end() && (!bounds.end || at->first < *bounds.end); ++at) {
    if (!visit(at->first, at->second)) break;
  }
  return failed;
}

Result<FindPage> find_in_natural_order(const Collection& collection, const FindQuery& query, const Start& start) {
  PageWriter page(query, start);
  DISTRI_TRY_VOID(each_match(collection, query.filter, start.resumed ? &start.after : nullptr,
                             [&](const std::string& key, const Record& record) { return page.take(record, key); }));
  return std::move(page).finish();
}

// Keeps the k first documents of the sort order, k being what a page can use.
Result<FindPage> find_sorted(const Collection& collection, const FindQuery& query, const Start& start) {
  struct Candidate {
    Bytes position;
    const Record* record;
    bool operator<(const Candidate& other) const { return position < other.position; }
  };
  const std::uint64_t page_max =
      std::min<std::uint64_t>(start.remaining, std::max<std::size_t>(query.page_documents_max, 1));
  const std::uint64_t room = kNoLimit - start.skip;
  // One more than the page tells whether there is a next one.
  const std::uint64_t wanted =
      page_max >= room ? kNoLimit : start.skip + page_max + (page_max + start.skip < kNoLimit ? 1 : 0);

  const SortOrder order(query.sort);
  std::vector<Candidate> heap;  // the largest in front once it holds `wanted`
  Bytes position;
  const auto consider = [&](const std::string& id_key, const Record& record) {
    position.clear();
    order.append_position(position, record.document, id_key);
    if (start.resumed && position <= start.after) return true;
    if (heap.size() < wanted) {
      heap.push_back({position, &record});
      if (heap.size() == wanted) std::make_heap(heap.begin(), heap.end());
    } else if (position < heap.front().position) {
      std::pop_heap(heap.begin(), heap.end());
      heap.back().position.swap(position);  // reuses the memory
      heap.back().record = &record;
      std::push_heap(heap.begin(), heap.end());
    }
    return true;
  };
  DISTRI_TRY_VOID(each_match(collection, query.filter, nullptr, consider));
  std::sort(heap.begin(), heap.end());
  PageWriter page(query, start);
  for (const Candidate& candidate : heap) {
    if (!page.take(*candidate.record, candidate.position)) break;
  }
  return std::move(page).finish();
}

}  // namespace

Result<FindPage> find(const Collection& collection, const FindQuery& query) {
  DISTRI_TRY(const Start start, start_of(query));
  if (query.sort.empty()) return find_in_natural_order(collection, query, start);
  return find_sorted(collection, query, start);
}

Result<std::uint64_t> count_matching(const Collection& collection, const Filter* filter) {
  if (filter == nullptr || filter->empty()) return collection.size();
  std::uint64_t matching = 0;
  DISTRI_TRY_VOID(each_match(collection, filter, nullptr, [&](const std::string&, const Record&) {
    ++matching;
    return true;
  }));
  return matching;
}

std::uint64_t count(const Collection& collection, const Filter* filter) {
  return count_matching(collection, filter).value_or(0);
}

Result<> for_each_match(const Collection& collection, const Filter* filter,
                        const std::function<bool(const std::string& id_key, const Record& record)>& take) {
  return each_match(collection, filter, nullptr, take);
}

}  // namespace distri::db
