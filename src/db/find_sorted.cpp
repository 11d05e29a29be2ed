#include "distri/bson/compare.hpp"
#include "distri/db/find_read.hpp"
#include "distri/db/sort.hpp"

namespace distri::db {
namespace {

// Keeps the k first documents of the sort order, k being what a page can use. When the candidates come in the order of
// the sort's values, it stops at the first that sorts behind all it keeps; when they come in the page's very order, it
// shows them as they come and keeps none.
class SortedRead final : public OrderedRead {
 public:
  SortedRead(const FindQuery& query, Start start, ScanPlan plan)
      : query_(query),
        start_(std::move(start)),
        order_(query.sort),
        natural_(in_insertion_order(query)),
        wanted_(wanted_for(query, start_)),
        page_(query, 0, start_.remaining) {
    open(std::move(plan));
  }

  Result<bool> step(const Collection& collection, std::uint64_t& budget, const FindRun::Take& show) override {
    for (;;) {
      Result<> failed;
      const auto end = scan_->run(collection, counts_, budget, [&](std::string_view key, const Record& record) {
        auto taken = streams_ ? pass_on(key, record, show) : take(key, record);
        if (!taken) failed = fail(std::move(taken).error());
        return taken && *taken;
      });
      DISTRI_TRY_VOID(failed);
      if (streams_) stand_at_last();
      if (end == Scan::End::kPaused) {
        paused_ = true;
        return false;
      }
      if (end != Scan::End::kIndexGone) break;
      heap_.clear();
      position_bytes_ = 0;
      go_on_behind_last();
      DISTRI_TRY(ScanPlan plan, plan_scan(collection, sorted_shape(query_, start_)));
      open(std::move(plan));
    }
    if (!streams_) DISTRI_TRY_VOID(show_all(collection, budget, show));
    return true;
  }

  Result<std::string> finish() const override { return page_.finish(); }
  const ScanPlan& plan() const override { return scan_->plan(); }
  const ScanCounts& counts() const override { return counts_; }
  std::size_t bytes() const override { return scan_->bytes() + heap_.size() * sizeof(Candidate) + position_bytes_; }

 private:
  struct Candidate {
    Bytes position;
    std::size_t sort_size;
    const Record* record;  // until the first pause
    bool operator<(const Candidate& other) const { return position < other.position; }
    std::string_view id_key() const { return std::string_view(position).substr(sort_size); }
  };

  void open(ScanPlan plan) {
    in_order_ = plan.in_sort_order;
    streams_ = in_order_ && comes_as_shown(plan);
    if (in_order_ && start_.resumed) resume_after(plan, query_.sort, start_.after);
    scan_.emplace(std::move(plan), query_.filter, Scan::Order::kPlan);
  }

  // The entries of the index are in the order of positions: that of the sort's values and then of `_id`.
  bool comes_as_shown(const ScanPlan& plan) const {
    if (plan.kind != ScanPlan::Kind::kIndex || natural_) return false;
    const Index& index = *plan.index;
    return plan.sort_fields == index.definition().fields.size() && !index.multikey() && index.unindexable().empty() &&
           (!plan.backward || index.duplicates() == 0);
  }

  Result<bool> pass_on(std::string_view id_key, const Record& record, const FindRun::Take& show) {
    if (start_.resumed && !behind_start_) {
      position_.clear();
      append_position(position_, id_key, record);
      if (position_ <= start_.after) return true;
      behind_start_ = true;
    }
    if (query_.filter != nullptr) {
      DISTRI_TRY(const bool matched, query_.filter->check(record.document));
      if (!matched) return true;
    }
    if (skipped_ < start_.skip) {
      ++skipped_;
      return true;
    }
    return page_.take(record, show);
  }

  // As long as that document is as it was shown.
  void stand_at_last() {
    if (page_.last() == nullptr) return;
    position_.clear();
    append_position(position_, bson::order_key(page_.last()->document.view().begin()->value), *page_.last());
    page_.stand_at(position_);
    shown_any_ = true;
  }

  // What has been shown is done with; what has been skipped only, will be again.
  void go_on_behind_last() {
    skipped_ = 0;
    behind_start_ = false;
    if (!shown_any_) return;
    start_.resumed = true;
    start_.after = page_.position();
    start_.skip = 0;
  }

  std::size_t append_position(Bytes& out, std::string_view id_key, const Record& record) const {
    if (!natural_) return order_.append_position(out, record.document, id_key);
    append_insertion_position(out, record, id_key, query_.sort.front().descending);
    return InsertionOrder::kStampBytes;
  }

  // false: no later one can be better.
  Result<bool> take(std::string_view id_key, const Record& record) {
    position_.clear();
    const std::size_t sort_size = append_position(position_, id_key, record);
    const bool full = heap_.size() >= wanted_;
    if (full && in_order_) {
      const std::string_view worst = heap_.front().position;
      if (std::string_view(position_).substr(0, sort_size) > worst.substr(0, sort_size)) return false;
    }
    if (start_.resumed && position_ <= start_.after) return true;
    if (full && position_ > heap_.front().position) return true;
    if (query_.filter != nullptr) {
      DISTRI_TRY(const bool matched, query_.filter->check(record.document));
      if (!matched) return true;
    }
    keep(sort_size, record);
    return true;
  }

  void keep(std::size_t sort_size, const Record& record) {
    position_bytes_ += position_.size();
    if (heap_.size() < wanted_) {
      heap_.push_back({position_, sort_size, &record});
      if (heap_.size() == wanted_) std::make_heap(heap_.begin(), heap_.end());
      return;
    }
    std::pop_heap(heap_.begin(), heap_.end());
    position_bytes_ -= heap_.back().position.size();
    heap_.back().position.swap(position_);  // reuses the memory
    heap_.back().sort_size = sort_size;
    heap_.back().record = &record;
    std::push_heap(heap_.begin(), heap_.end());
  }

  // Those that are shown, in order; those that are skipped are in none.
  Result<> show_all(const Collection& collection, std::uint64_t& budget, const FindRun::Take& show) {
    const bool full = heap_.size() >= wanted_;
    const Bytes last = full ? heap_.front().position : Bytes();
    const auto first = heap_.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(start_.skip, heap_.size()));
    if (full) {
      for (auto end = heap_.end(); end != first; --end) std::pop_heap(heap_.begin(), end);
    } else {
      std::nth_element(heap_.begin(), first, heap_.end());
      std::sort(first, heap_.end());
    }
    heap_.erase(heap_.begin(), first);
    if (paused_) DISTRI_TRY_VOID(look_again(collection, full ? &last : nullptr, budget));
    for (const Candidate& candidate : heap_) {
      DISTRI_TRY(const bool more, page_.take(*candidate.record, candidate.position, show));
      if (!more) return {};
    }
    if (paused_ && full) page_.break_off(last);
    return {};
  }

  // What was found before a pause may have changed: it goes where it belongs now. Behind `last` there may be others
  // that were not kept.
  Result<> look_again(const Collection& collection, const Bytes* last, std::uint64_t& budget) {
    std::vector<Candidate> now;
    now.reserve(heap_.size());
    for (Candidate& candidate : heap_) {
      const std::string_view id_key = candidate.id_key();
      const Record* record = collection.find(id_key);
      if (record == nullptr) continue;
      spend_on(*record, budget);
      if (query_.filter != nullptr) {
        DISTRI_TRY(const bool matched, query_.filter->check(record->document));
        if (!matched) continue;
      }
      Bytes position;
      const std::size_t sort_size = append_position(position, id_key, *record);
      if ((start_.resumed && position <= start_.after) || (last != nullptr && position > *last)) continue;
      now.push_back({std::move(position), sort_size, record});
    }
    std::sort(now.begin(), now.end());
    const auto same = [](const Candidate& a, const Candidate& b) { return a.position == b.position; };
    now.erase(std::unique(now.begin(), now.end(), same), now.end());
    heap_ = std::move(now);
    return {};
  }

  const FindQuery& query_;
  Start start_;
  SortOrder order_;
  bool natural_;
  std::uint64_t wanted_;
  PageWriter page_;
  std::optional<Scan> scan_;
  ScanCounts counts_;
  bool in_order_ = false;
  bool streams_ = false;
  bool paused_ = false;
  std::vector<Candidate> heap_;  // the largest in front once it holds `wanted_`
  std::size_t position_bytes_ = 0;
  Bytes position_;

  // ---- While it streams.
  bool behind_start_ = false;
  bool shown_any_ = false;
  std::uint64_t skipped_ = 0;
};

}  // namespace

ReadShape sorted_shape(const FindQuery& query, const Start& start) {
  return {query.filter, &query.sort, wanted_for(query, start), true, query.hint};
}

std::unique_ptr<OrderedRead> read_sorted(const FindQuery& query, Start start, ScanPlan plan) {
  return std::make_unique<SortedRead>(query, std::move(start), std::move(plan));
}

}  // namespace distri::db
