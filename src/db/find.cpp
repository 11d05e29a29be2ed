#include "distri/db/find.hpp"

#include "distri/db/find_read.hpp"

namespace distri::db {

class FindRun::Impl {
 public:
  explicit Impl(FindQuery query) : query_(std::move(query)) {}

  Result<bool> step(const Collection* given, std::uint64_t& budget, const Take& take) {
    const Collection& collection = given == nullptr ? no_collection() : *given;
    if (!read_) DISTRI_TRY_VOID(begin(collection));
    DISTRI_TRY(const bool complete, read_->step(collection, budget, take));
    if (!complete) return false;
    DISTRI_TRY(cursor_, read_->finish());
    return true;
  }

  const FindQuery& query() const { return query_; }
  const OrderedRead& read() const { return *read_; }
  const std::string& cursor() const { return cursor_; }
  std::size_t bytes() const { return sizeof *this + (read_ ? read_->bytes() : 0); }

 private:
  Result<> begin(const Collection& collection) {
    query_.sort = sort_in(collection, query_.sort);
    DISTRI_TRY(Start start, start_of(query_));
    if (query_.sort.empty()) {
      read_ = read_by_id(query_, std::move(start));
      return {};
    }
    DISTRI_TRY(ScanPlan plan, plan_scan(collection, sorted_shape(query_, start)));
    if (in_insertion_order(query_) && plan.kind == ScanPlan::Kind::kCollection) {
      read_ = read_in_insertion_order(query_, start);
    } else {
      read_ = read_sorted(query_, std::move(start), std::move(plan));
    }
    return {};
  }

  FindQuery query_;
  std::unique_ptr<OrderedRead> read_;
  std::string cursor_;
};

FindRun::FindRun(FindQuery query) : impl_(std::make_unique<Impl>(std::move(query))) {}
FindRun::FindRun(FindRun&&) noexcept = default;
FindRun& FindRun::operator=(FindRun&&) noexcept = default;
FindRun::~FindRun() = default;

Result<bool> FindRun::step(const Collection* collection, std::uint64_t& budget, const Take& take) {
  return impl_->step(collection, budget, take);
}
const std::string& FindRun::cursor() const {
  return impl_->cursor();
}
std::size_t FindRun::bytes() const {
  return impl_->bytes();
}
const FindQuery& FindRun::query() const {
  return impl_->query();
}
const ScanPlan& FindRun::plan() const {
  return impl_->read().plan();
}
const ScanCounts& FindRun::counts() const {
  return impl_->read().counts();
}

std::vector<SortKey> sort_in(const Collection& collection, const std::vector<SortKey>& sort) {
  const bool named = sort.size() == 1 && sort.front().path == kNaturalOrder;
  if (!named && !sort.empty()) return sort;
  const bool descending = named && sort.front().descending;
  if (collection.insertion_order() != nullptr) return {{std::string(kNaturalOrder), descending}};
  return descending ? std::vector<SortKey>{{"_id", true}} : std::vector<SortKey>();
}

Result<FindPage> find(const Collection& collection, const FindQuery& query) {
  FindRun run(query);
  FindPage page;
  std::uint64_t budget = kNoLimit;
  DISTRI_TRY_VOID(run.step(&collection, budget, [&](const Record& record) -> Result<> {
    page.records.push_back(&record);
    return {};
  }));
  page.cursor = run.cursor();
  return page;
}

class CountRun::Impl {
 public:
  explicit Impl(const Filter* filter)
      : all_(filter == nullptr || filter->empty()), scan_({filter, nullptr, ReadShape::kAll, false, {}}) {}

  Result<bool> step(const Collection* collection, std::uint64_t& budget) {
    if (collection == nullptr) return true;
    if (all_) {
      count_ = collection->size();
      return true;
    }
    for (;;) {
      DISTRI_TRY(const auto end, scan_.run(*collection, budget, [this](std::string_view, const Record&) {
        ++count_;
        return true;
      }));
      if (end != Scan::End::kIndexGone) return end != Scan::End::kPaused;
      count_ = 0;
    }
  }
  std::uint64_t count() const { return count_; }

 private:
  bool all_;
  MatchScan scan_;
  std::uint64_t count_ = 0;
};

CountRun::CountRun(const Filter* filter) : impl_(std::make_unique<Impl>(filter)) {}
CountRun::CountRun(CountRun&&) noexcept = default;
CountRun& CountRun::operator=(CountRun&&) noexcept = default;
CountRun::~CountRun() = default;
Result<bool> CountRun::step(const Collection* collection, std::uint64_t& budget) {
  return impl_->step(collection, budget);
}
std::uint64_t CountRun::count() const {
  return impl_->count();
}

Result<std::uint64_t> count_matching(const Collection& collection, const Filter* filter) {
  CountRun run(filter);
  std::uint64_t budget = kNoLimit;
  DISTRI_TRY_VOID(run.step(&collection, budget));
  return run.count();
}

std::uint64_t count(const Collection& collection, const Filter* filter) {
  return count_matching(collection, filter).value_or(0);
}

}  // namespace distri::db
