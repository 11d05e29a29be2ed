#include "distri/db/scan.hpp"

#include <algorithm>
#include <array>

#include "distri/utils/check.hpp"

namespace distri::db {
namespace {

bool reads_index(const ScanPlan& plan) {
  return plan.kind == ScanPlan::Kind::kIndex || plan.kind == ScanPlan::Kind::kUnion;
}

// Entries come in any order, each document once.
bool has_each_once(const ScanPlan& plan) {
  return plan.kind == ScanPlan::Kind::kIndex && !plan.index->multikey() && plan.index->unindexable().empty();
}

// Records and their documents lie anywhere in memory, and a scan would wait for both at each: it asks for the records
// that come, and when one should have arrived, for the document whose place it says.
class ReadAhead {
 public:
  ReadAhead(Records::const_iterator first, Records::const_iterator end) : next_(first), end_(end) {}

  // To be called before each record that is visited.
  void step() {
    // Two at a time until it is far enough ahead: a scan that ends soon has asked for little.
    for (int i = 0; i < 2 && asked_ < visited_ + kRecords && next_ != end_; ++i, ++next_) {
      if (asked_ >= kDocumentsBehind) ask_for_document(*records_[(asked_ - kDocumentsBehind) % kRecords]);
      const Record& record = next_->second;
      __builtin_prefetch(&record);
      __builtin_prefetch(&record + 1);  // its key
      records_[asked_++ % kRecords] = &record;
    }
    ++visited_;
  }

 private:
  static constexpr std::size_t kRecords = 16;
  static constexpr std::size_t kDocumentsBehind = 8;

  static void ask_for_document(const Record& record) {
    const char* bytes = record.document.data();
    __builtin_prefetch(bytes);
    __builtin_prefetch(bytes + 64);  // of the next line of the cache; need not exist
  }

  Records::const_iterator next_;
  Records::const_iterator end_;
  std::size_t asked_ = 0;
  std::size_t visited_ = 0;
  std::array<const Record*, kRecords> records_;
};

}  // namespace

Scan::Scan(ScanPlan plan, const Filter* filter, Order order, std::optional<Bytes> after)
    : plan_(std::move(plan)), filter_(filter), order_(order), after_(std::move(after)) {
  if (!reads_index(plan_)) return;
  const bool in_id_order = order_ == Order::kById && plan_.in_id_order;
  way_ = in_id_order || order_ == Order::kPlan || (order_ == Order::kAny && has_each_once(plan_)) ? Way::kEntries
                                                                                                  : Way::kGather;
  if (in_id_order && after_) {
    for (KeyRange& range : plan_.ranges) range.first += *after_;
  }
}

// The scans of one index that it consists of.
std::span<const ScanPlan> Scan::branches() const {
  if (plan_.kind == ScanPlan::Kind::kUnion) return plan_.branches;
  return {&plan_, 1};
}

void Scan::remember_indexes() {
  if (!indexes_.empty() || !reads_index(plan_)) return;
  for (const ScanPlan& branch : branches()) indexes_.push_back(branch.index->weak_from_this());
}

bool Scan::indexes_are_here() const {
  return std::none_of(indexes_.begin(), indexes_.end(), [](const auto& index) { return index.expired(); });
}

std::size_t Scan::bytes() const {
  std::size_t bytes = 0;
  for (const std::string& id : gathered_) bytes += sizeof id + (id.capacity() > sizeof id ? id.capacity() : 0);
  return bytes + seen_.size() * 2 * sizeof(std::string);
}

// The documents that the conditions on `_id` allow, or all.
template <class Visit>
Scan::End Scan::each_record(const Collection& collection, ScanCounts& counts, std::uint64_t& budget,
                            const Visit& visit) {
  if (filter_ != nullptr && filter_->id_keys()) {
    const auto& keys = *filter_->id_keys();
    auto key = after_ ? std::upper_bound(keys.begin(), keys.end(), *after_) : keys.begin();
    for (; key != keys.end(); ++key) {
      ++counts.keys;
      spend(budget, 1);
      const Record* record = collection.find(*key);
      if (record != nullptr && !visit(*key, *record)) return End::kEnough;
      if (budget == 0) {
        after_ = *key;
        return End::kPaused;
      }
    }
    return End::kAll;
  }
  static const IdBounds kEverything;
  const auto& records = collection.records();
  const IdBounds& bounds = filter_ == nullptr ? kEverything : filter_->id_bounds();
  auto at = after_ && *after_ >= bounds.first ? records.upper_bound(*after_) : records.lower_bound(bounds.first);
  ReadAhead ahead(at, records.end());
  for (; at != records.end() && (!bounds.end || at->first < *bounds.end); ++at) {
    ahead.step();
    if (!visit(at->first, at->second)) return End::kEnough;
    if (budget == 0) {
      after_ = Bytes(at->first);
      return End::kPaused;
    }
  }
  return End::kAll;
}

template <class Visit>
Scan::End Scan::each_unindexable(const ScanPlan& branch, std::uint64_t& budget, const Visit& visit) {
  const Index::Ids& ids = branch.index->unindexable();
  for (auto id = at_ ? ids.upper_bound(*at_) : ids.begin(); id != ids.end(); ++id) {
    spend(budget, 1);
    if (!visit(*id, nullptr)) return End::kEnough;
    if (budget == 0) {
      at_ = *id;
      return End::kPaused;
    }
  }
  return End::kAll;
}

// In the plan's direction.
template <class Visit>
Scan::End Scan::each_entry(const ScanPlan& branch, const KeyRange& range, ScanCounts& counts, std::uint64_t& budget,
                           const Visit& visit) {
  if (range.end && range.first >= *range.end) return End::kAll;
  const Index::Entries& entries = branch.index->entries();
  const auto take = [&](const IndexEntry& entry) -> std::optional<End> {
    ++counts.keys;
    spend(budget, 1);
    if (!visit(entry.id_key(), entry.record)) return End::kEnough;
    if (budget > 0) return std::nullopt;
    at_ = entry.bytes;
    return End::kPaused;
  };
  if (!branch.backward) {
    auto entry = at_ ? entries.upper_bound(std::string_view(*at_)) : entries.lower_bound(std::string_view(range.first));
    for (; entry != entries.end() && (!range.end || entry->bytes < *range.end); ++entry) {
      if (const auto end = take(*entry)) return *end;
    }
    return End::kAll;
  }
  const auto first = entries.lower_bound(std::string_view(range.first));
  auto entry = at_         ? entries.lower_bound(std::string_view(*at_))
               : range.end ? entries.lower_bound(std::string_view(*range.end))
                           : entries.end();
  while (entry != first) {
    --entry;
    if (const auto end = take(*entry)) return *end;
  }
  return End::kAll;
}

// The documents that the plan's ranges, and its lists of the unindexable, name; one may come several times. The record
// is nullptr where the list does not know it.
template <class Visit>
Scan::End Scan::each_id(ScanCounts& counts, std::uint64_t& budget, const Visit& visit) {
  const bool in_id_order = order_ == Order::kById && plan_.in_id_order;
  for (; branch_ < branches().size(); ++branch_) {
    const ScanPlan& branch = branches()[branch_];
    if (!unindexable_done_ && !in_id_order) {
      if (const End end = each_unindexable(branch, budget, visit); end != End::kAll) return end;
      at_.reset();
    }
    unindexable_done_ = true;
    for (; range_ < branch.ranges.size(); ++range_) {
      const KeyRange& range = branch.ranges[branch.backward ? branch.ranges.size() - 1 - range_ : range_];
      if (const End end = each_entry(branch, range, counts, budget, visit); end != End::kAll) return end;
      at_.reset();
    }
    range_ = 0;
    unindexable_done_ = false;
  }
  return End::kAll;
}

// In the order of `_id`, each once.
template <class Visit>
Scan::End Scan::each_gathered(const Collection& collection, ScanCounts& counts, std::uint64_t& budget,
                              const Visit& visit) {
  if (!all_gathered_) {
    const End end = each_id(counts, budget, [&](std::string_view id, const Record*) {
      if (after_ && id <= *after_) return true;
      gathered_.emplace_back(id);
      std::push_heap(gathered_.begin(), gathered_.end(), std::greater<>());
      return true;
    });
    if (end != End::kAll) return end;
    all_gathered_ = true;
  }
  while (!gathered_.empty()) {
    std::pop_heap(gathered_.begin(), gathered_.end(), std::greater<>());
    std::string id = std::move(gathered_.back());
    gathered_.pop_back();
    if (after_ && id == *after_) continue;
    after_ = std::move(id);
    // It may have gone since it was gathered.
    const Record* record = collection.find(*after_);
    if (record != nullptr && !visit(*after_, *record)) return End::kEnough;
    if (budget == 0) return End::kPaused;
  }
  return End::kAll;
}

template <class Visit>
Scan::End Scan::each_candidate(const Collection& collection, ScanCounts& counts, std::uint64_t& budget,
                               const Visit& visit) {
  switch (way_) {
    case Way::kRecords:
      return each_record(collection, counts, budget, visit);
    case Way::kGather:
      return each_gathered(collection, counts, budget, visit);
    case Way::kEntries:
      return each_id(counts, budget, [&](std::string_view id, const Record* record) {
        const bool may_repeat = plan_.kind == ScanPlan::Kind::kUnion || branches()[branch_].index->multikey();
        if (may_repeat && !seen_.emplace(id).second) return true;
        if (after_ && id <= *after_) return true;
        if (record == nullptr) record = collection.find(id);
        DISTRI_CHECK(record != nullptr);  // an index names only documents that are here
        const bool more = visit(id, *record);
        if (budget == 0 && order_ == Order::kById) after_ = Bytes(id);
        return more;
      });
  }
  return End::kAll;
}

Scan::End Scan::run(const Collection& collection, ScanCounts& counts, std::uint64_t& budget, const TakeRecord& take) {
  if (!indexes_are_here() && !all_gathered_) return End::kIndexGone;
  const End end = each_candidate(collection, counts, budget, [&](std::string_view key, const Record& record) {
    ++counts.documents;
    spend_on(record, budget);
    return take(key, record);
  });
  if (end == End::kPaused) remember_indexes();
  return end;
}

Result<Scan::End> MatchScan::run(const Collection& collection, std::uint64_t& budget, const TakeRecord& take) {
  for (;;) {
    if (!scan_) {
      DISTRI_TRY(ScanPlan plan, plan_scan(collection, read_));
      scan_.emplace(std::move(plan), read_.filter, read_.ordered ? Scan::Order::kById : Scan::Order::kAny, after_);
    }
    Result<> failed;
    const Scan::End end = scan_->run(collection, counts_, budget, [&](std::string_view key, const Record& record) {
      if (read_.filter == nullptr) return take(key, record);
      auto matched = read_.filter->check(record.document);
      if (!matched) failed = fail(std::move(matched).error());
      return matched && (!*matched || take(key, record));
    });
    DISTRI_TRY_VOID(failed);
    if (end != Scan::End::kIndexGone) return end;
    after_ = scan_->position();
    scan_.reset();
    if (!read_.ordered) return end;
  }
}

const Collection& no_collection() {
  static const Collection kNone;
  return kNone;
}

}  // namespace distri::db
