#include "distri/db/plan.hpp"

#include <algorithm>
#include <cmath>

#include "distri/bson/compare.hpp"
#include "distri/db/filter_implies.hpp"
#include "distri/db/index_key.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

constexpr std::size_t kUnionBranchesMax = 100;

struct Candidate {
  ScanPlan plan;
  std::uint64_t entries = 0;  // in its ranges; of more than were counted: all
};

// Does the index hold everything that the filter can match?
bool holds_all(const Index& index, const FilterNode* filter) {
  if (const Filter* partial = index.partial()) return filter != nullptr && implies(*filter, partial->root());
  if (!index.definition().sparse) return true;
  const auto& fields = index.definition().fields;
  return filter != nullptr && std::any_of(fields.begin(), fields.end(),
                                          [&](const SortKey& field) { return implies_existence(*filter, field.path); });
}

// The $or that must hold: at the top and inside $and.
void find_alternatives(const FilterNode& node, std::vector<const FilterNode*>& found) {
  if (node.op == FilterOp::kOr) found.push_back(&node);
  if (node.op != FilterOp::kAnd) return;
  for (const FilterNode& child : node.children) find_alternatives(child, found);
}

// Entries in the ranges, counted up to `most`.
std::uint64_t count_entries(const ScanPlan& plan, std::uint64_t most) {
  const Index::Entries& entries = plan.index->entries();
  std::uint64_t count = plan.index->unindexable().size();
  for (const KeyRange& range : plan.ranges) {
    if (range.first.empty() && !range.end) return entries.size() + count;
    auto at = entries.lower_bound(std::string_view(range.first));
    for (; at != entries.end() && (!range.end || at->bytes < *range.end); ++at) {
      if (++count > most) return entries.size() + plan.index->unindexable().size();
    }
  }
  return count;
}

// Whether the index, read forward or backward, has the order of the sort.
bool find_sort_order(ScanPlan& plan, const std::vector<SortKey>& sort) {
  const auto& fields = plan.index->definition().fields;
  const auto is_point = [&](std::size_t i) { return i < plan.fields_used && plan.bounds[i].single_point(); };
  // Every document has the same value there.
  const auto is_constant = [&](const SortKey& key) {
    for (std::size_t i = 0; i < plan.fields_used; ++i) {
      if (fields[i].path == key.path) return is_point(i) && plan.index->multikey(i) == 0;
    }
    return false;
  };
  std::optional<bool> backward;
  std::size_t next = 0;
  std::size_t field = 0;
  for (;; ++field) {
    while (next < sort.size() && is_constant(sort[next])) ++next;
    if (next == sort.size() || field == fields.size()) break;
    if (fields[field].path == sort[next].path) {
      const bool against = fields[field].descending != sort[next].descending;
      if (plan.index->multikey(field) != 0 || (backward && *backward != against)) return false;
      backward = against;
      ++next;
    } else if (!is_point(field)) {
      return false;
    }
  }
  if (next < sort.size() || !backward) return false;
  plan.backward = *backward;
  plan.sort_fields = field;
  return true;
}

class Planner {
 public:
  Planner(const Collection& collection, const ReadShape& read)
      : collection_(collection), read_(read), sorted_(read.sort != nullptr && !read.sort->empty()) {
    if (read.filter == nullptr) return;
    root_ = &read.filter->root();
    conditions_ = path_conditions(*root_);
  }

  Result<ScanPlan> choose() {
    if (read_.hint == "$natural") return without_index();
    if (!read_.hint.empty()) return hinted();
    if (read_.filter != nullptr && read_.filter->id_keys()) return without_index();
    const std::uint64_t documents = collection_.size();
    const std::uint64_t third = documents / 3;
    std::optional<Candidate> best;
    std::optional<Candidate> ordered;
    for (const auto& index : collection_.indexes()) {
      std::optional<Candidate> candidate = candidate_of(*index);
      if (!candidate) continue;
      const std::uint64_t most = std::min(best ? best->entries : third, limit_of(*candidate));
      candidate->entries = count_entries(candidate->plan, most);
      if (candidate->plan.in_sort_order && (!ordered || candidate->entries < ordered->entries)) ordered = candidate;
      if (candidate->plan.bounds[0].bounded() && candidate->entries <= most &&
          (!best || candidate->entries < best->entries || candidate->plan.in_sort_order)) {
        best = std::move(candidate);
      }
    }
    if (auto branches = best_union(best ? best->entries : third)) best = std::move(branches);
    if (ordered && takes_order(*ordered, best, third)) {
      best = std::move(ordered);
      best->entries = std::min(best->entries, read_.wanted);
    }
    if (!best || shorter_by_id(best->entries)) return without_index();
    return std::move(best->plan);
  }

 private:
  ScanPlan without_index() const {
    ScanPlan plan;
    if (read_.filter == nullptr) return plan;
    if (read_.filter->id_keys()) {
      plan.kind = ScanPlan::Kind::kIds;
    } else if (read_.filter->id_bounds().bounded()) {
      plan.kind = ScanPlan::Kind::kIdRange;
    }
    return plan;
  }

  Result<ScanPlan> hinted() {
    const Index* index = collection_.index(read_.hint);
    if (index == nullptr || !index->ready()) {
      return refuse(mongo::kBadValue, "hint: there is no index '{}', or it is not built yet", shown(read_.hint));
    }
    if (!holds_all(*index, root_)) {
      return refuse(mongo::kBadValue, "hint: the index '{}' does not hold all documents that can match",
                    shown(read_.hint));
    }
    return plan_of(*index);
  }

  ScanPlan plan_of(const Index& index) const {
    ScanPlan plan = bounded_by(index, conditions_);
    const auto is_point = [](const FieldBounds& bounds) { return bounds.single_point(); };
    if (sorted_) {
      plan.in_sort_order = find_sort_order(plan, *read_.sort);
    } else {
      plan.in_id_order = plan.fields_used == plan.bounds.size() &&
                         std::all_of(plan.bounds.begin(), plan.bounds.end(), is_point) && index.unindexable().empty();
    }
    return plan;
  }

  static ScanPlan bounded_by(const Index& index, const std::vector<PathCondition>& conditions) {
    ScanPlan plan;
    plan.kind = ScanPlan::Kind::kIndex;
    plan.index = &index;
    plan.bounds = bounds_of(index, conditions);
    plan.ranges = ranges_of(index, plan.bounds, plan.fields_used);
    std::sort(plan.ranges.begin(), plan.ranges.end(),
              [](const KeyRange& a, const KeyRange& b) { return a.first < b.first; });
    return plan;
  }

  // Of the $or that must hold the one whose branches have the fewest entries together, if fewer than `most`.
  std::optional<Candidate> best_union(std::uint64_t most) const {
    std::optional<Candidate> best;
    std::vector<const FilterNode*> alternatives;
    if (root_ != nullptr) find_alternatives(*root_, alternatives);
    for (const FilterNode* each : alternatives) {
      auto candidate = union_of(*each, best ? best->entries : std::min(most, limit_of(Candidate())));
      if (candidate) best = std::move(candidate);
    }
    return best;
  }

  // nullopt: a branch has no bounds, or there are `most` entries or more.
  std::optional<Candidate> union_of(const FilterNode& either, std::uint64_t most) const {
    if (either.children.size() > kUnionBranchesMax) return std::nullopt;
    Candidate all;
    all.plan.kind = ScanPlan::Kind::kUnion;
    for (const FilterNode& branch : either.children) {
      std::optional<Candidate> best;
      const std::vector<PathCondition> conditions = conditions_in(branch);
      for (const auto& index : collection_.indexes()) {
        if (!index->ready() || !(holds_all(*index, &branch) || holds_all(*index, root_))) continue;
        Candidate candidate{bounded_by(*index, conditions)};
        if (!candidate.plan.bounds[0].bounded()) continue;
        candidate.entries = count_entries(candidate.plan, best ? best->entries : most);
        if (!best || candidate.entries < best->entries) best = std::move(candidate);
      }
      if (!best || (all.entries += best->entries) >= most) return std::nullopt;
      best->plan.conditions = conditions;
      all.plan.branches.push_back(std::move(best->plan));
    }
    return all;
  }

  // Those of a branch, and those that must hold in any case.
  std::vector<PathCondition> conditions_in(const FilterNode& branch) const {
    std::vector<PathCondition> all = conditions_;
    const std::size_t groups = all.empty() ? 0 : all.back().group + 1;
    for (PathCondition& condition : path_conditions(branch)) {
      condition.group += groups;
      all.push_back(std::move(condition));
    }
    return all;
  }

  std::optional<Candidate> candidate_of(const Index& index) const {
    if (!index.ready() || !holds_all(index, root_)) return std::nullopt;
    // The usual case that the index is of no use costs nothing more.
    const std::string& first = index.definition().fields[0].path;
    const bool named = std::any_of(conditions_.begin(), conditions_.end(),
                                   [&](const PathCondition& condition) { return condition.path == first; });
    if (!named && !(sorted_ && read_.sort->front().path == first)) return std::nullopt;
    Candidate candidate{plan_of(index)};
    if (!candidate.plan.bounds[0].bounded() && !candidate.plan.in_sort_order) return std::nullopt;
    return candidate;
  }

  // The most entries with which an index is worth its while.
  std::uint64_t limit_of(const Candidate& candidate) const {
    const std::uint64_t documents = collection_.size();
    if (sorted_ || !read_.ordered || candidate.plan.in_id_order || read_.wanted == ReadShape::kAll) return documents;
    return static_cast<std::uint64_t>(
        std::sqrt(static_cast<double>(read_.wanted) * static_cast<double>(documents) / 2));
  }

  bool takes_order(const Candidate& ordered, const std::optional<Candidate>& best, std::uint64_t third) const {
    if (!best) return read_.wanted <= third;
    if (ordered.plan.index == best->plan.index || ordered.entries <= best->entries) return true;
    const auto k = static_cast<double>(std::max<std::uint64_t>(best->entries, 1));
    return static_cast<double>(read_.wanted) * static_cast<double>(ordered.entries) / k < k / 2;
  }

  bool shorter_by_id(std::uint64_t entries) const {
    if (read_.filter == nullptr || !read_.filter->id_bounds().bounded()) return false;
    const IdBounds& bounds = read_.filter->id_bounds();
    const auto& records = collection_.records();
    std::uint64_t count = 0;
    for (auto at = records.lower_bound(bounds.first); at != records.end() && (!bounds.end || at->first < *bounds.end);
         ++at) {
      if (++count > entries) return false;
    }
    return true;
  }

  const Collection& collection_;
  const ReadShape& read_;
  bool sorted_;
  const FilterNode* root_ = nullptr;  // nullptr: no filter
  std::vector<PathCondition> conditions_;
};

}  // namespace

Result<ScanPlan> plan_scan(const Collection& collection, const ReadShape& read) {
  if (collection.indexes().empty() && read.hint.empty()) {
    ScanPlan plan;
    if (read.filter != nullptr && read.filter->id_keys()) {
      plan.kind = ScanPlan::Kind::kIds;
    } else if (read.filter != nullptr && read.filter->id_bounds().bounded()) {
      plan.kind = ScanPlan::Kind::kIdRange;
    }
    return plan;
  }
  return Planner(collection, read).choose();
}

void resume_after(ScanPlan& plan, const std::vector<SortKey>& sort, std::string_view after) {
  // The sort values, as the position has them.
  std::vector<std::string_view> values;
  for (const SortKey& key : sort) {
    const auto size = bson::order_key_size(after, key.descending);
    if (!size) return;
    values.push_back(after.substr(0, *size));
    after.remove_prefix(*size);
  }
  std::string seek;
  const auto& fields = plan.index->definition().fields;
  for (std::size_t i = 0; i < plan.sort_fields; ++i) {
    if (i < plan.fields_used && plan.bounds[i].single_point()) {
      seek += plan.bounds[i].points->front();
      continue;
    }
    const auto key = std::find_if(sort.begin(), sort.end(), [&](const SortKey& k) { return k.path == fields[i].path; });
    if (key == sort.end()) return;
    const std::size_t start = seek.size();
    seek += values[static_cast<std::size_t>(key - sort.begin())];
    if (key->descending != fields[i].descending) complement(seek, start);
  }
  const std::string end = plan.backward ? after_prefix(seek) : std::string();
  for (KeyRange& range : plan.ranges) {
    if (!plan.backward) {
      range.first = std::max(range.first, seek);
    } else if (!range.end || end < *range.end) {
      range.end = end;
    }
  }
}

}  // namespace distri::db
