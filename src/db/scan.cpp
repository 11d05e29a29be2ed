#include "distri/db/scan.hpp"

#include <algorithm>
#include <span>
#include <unordered_set>

#include "distri/utils/check.hpp"

namespace distri::db {
namespace {

// Calls visit(entry) for the entries of the plan's ranges, in its direction, until it says false.
template <class Visit>
bool each_entry(const ScanPlan& plan, ScanCounts& counts, const Visit& visit) {
  const Index::Entries& entries = plan.index->entries();
  const auto one = [&](const KeyRange& range) {
    if (range.end && range.first >= *range.end) return true;
    auto first = entries.lower_bound(std::string_view(range.first));
    if (!plan.backward) {
      for (; first != entries.end() && (!range.end || first->bytes < *range.end); ++first) {
        ++counts.keys;
        if (!visit(*first)) return false;
      }
      return true;
    }
    for (auto at = range.end ? entries.lower_bound(std::string_view(*range.end)) : entries.end(); at != first;) {
      --at;
      ++counts.keys;
      if (!visit(*at)) return false;
    }
    return true;
  };
  if (plan.backward) return std::all_of(plan.ranges.rbegin(), plan.ranges.rend(), one);
  return std::all_of(plan.ranges.begin(), plan.ranges.end(), one);
}

bool reads_index(const ScanPlan& plan) {
  return plan.kind == ScanPlan::Kind::kIndex || plan.kind == ScanPlan::Kind::kUnion;
}

// The scans of one index that it consists of.
std::span<const ScanPlan> branches_of(const ScanPlan& plan) {
  if (plan.kind == ScanPlan::Kind::kUnion) return plan.branches;
  return {&plan, 1};
}

// The documents that the plan's ranges and the unindexable list name, each once, in the order of `_id`.
std::vector<std::string_view> gather(const ScanPlan& plan, const std::string* after, ScanCounts& counts) {
  std::vector<std::string_view> ids;
  for (const ScanPlan& branch : branches_of(plan)) {
    ids.insert(ids.end(), branch.index->unindexable().begin(), branch.index->unindexable().end());
    each_entry(branch, counts, [&](const IndexEntry& entry) {
      const std::string_view id = entry.id_key();
      if (after == nullptr || id > *after) ids.push_back(id);
      return true;
    });
  }
  if (after != nullptr) std::erase_if(ids, [&](std::string_view id) { return id <= *after; });
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

const Record& record_of(const Collection& collection, std::string_view id_key) {
  const Record* record = collection.find(id_key);
  DISTRI_CHECK(record != nullptr);  // an index names only documents that are here
  return *record;
}

// The documents that the conditions on `_id` allow, or all.
template <class Visit>
void each_without_index(const Collection& collection, const Filter* filter, const std::string* after,
                        ScanCounts& counts, const Visit& visit) {
  if (filter != nullptr && filter->id_keys()) {
    const auto& keys = *filter->id_keys();
    auto key = after == nullptr ? keys.begin() : std::upper_bound(keys.begin(), keys.end(), *after);
    for (; key != keys.end(); ++key) {
      ++counts.keys;
      const Record* record = collection.find(*key);
      if (record != nullptr && !visit(*key, *record)) return;
    }
    return;
  }
  static const IdBounds kEverything;
  const auto& records = collection.records();
  const IdBounds& bounds = filter == nullptr ? kEverything : filter->id_bounds();
  auto at =
      after != nullptr && *after >= bounds.first ? records.upper_bound(*after) : records.lower_bound(bounds.first);
  for (; at != records.end() && (!bounds.end || at->first < *bounds.end); ++at) {
    if (!visit(at->first, at->second)) return;
  }
}

}  // namespace

Result<> scan_by_id(const Collection& collection, const Filter* filter, const ScanPlan& plan, const std::string* after,
                    bool ordered, ScanCounts& counts, const TakeRecord& take) {
  Result<> failed;
  const auto visit = [&](std::string_view key, const Record& record) {
    ++counts.documents;
    if (filter == nullptr) return take(key, record);
    auto matched = filter->check(record.document);
    if (!matched) failed = fail(std::move(matched).error());
    return matched && (!*matched || take(key, record));
  };
  if (!reads_index(plan)) {
    each_without_index(collection, filter, after, counts, visit);
    return failed;
  }
  const bool each_once =
      plan.kind == ScanPlan::Kind::kIndex && !plan.index->multikey() && plan.index->unindexable().empty();
  if (plan.in_id_order || (!ordered && each_once && after == nullptr)) {
    ScanPlan resumed = plan;
    if (after != nullptr) {
      for (KeyRange& range : resumed.ranges) range.first += *after;
    }
    each_entry(resumed, counts, [&](const IndexEntry& entry) {
      if (after != nullptr && entry.id_key() <= *after) return true;
      return visit(entry.id_key(), record_of(collection, entry.id_key()));
    });
    return failed;
  }
  for (const std::string_view id : gather(plan, after, counts)) {
    if (!visit(id, record_of(collection, id))) break;
  }
  return failed;
}

void scan_candidates(const Collection& collection, const Filter* filter, const ScanPlan& plan, ScanCounts& counts,
                     const TakeRecord& take) {
  const auto visit = [&](std::string_view key, const Record& record) {
    ++counts.documents;
    return take(key, record);
  };
  if (!reads_index(plan)) return each_without_index(collection, filter, nullptr, counts, visit);
  std::unordered_set<std::string_view> seen;
  for (const ScanPlan& branch : branches_of(plan)) {
    const bool may_repeat = plan.kind == ScanPlan::Kind::kUnion || branch.index->multikey();
    for (const std::string& id : branch.index->unindexable()) {
      if (may_repeat && !seen.insert(id).second) continue;
      if (!visit(id, record_of(collection, id))) return;
    }
    const bool complete = each_entry(branch, counts, [&](const IndexEntry& entry) {
      const std::string_view id = entry.id_key();
      if (may_repeat && !seen.insert(id).second) return true;
      return visit(id, record_of(collection, id));
    });
    if (!complete) return;
  }
}

}  // namespace distri::db
