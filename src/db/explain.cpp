#include "distri/db/explain.hpp"

#include <limits>

#include "distri/db/scan.hpp"

namespace distri::db {
namespace {

void append_index_scan(bson::Builder& out, const std::vector<PathCondition>& conditions, const ScanPlan& plan) {
  const Index& index = *plan.index;
  const IndexDefinition& definition = index.definition();
  out.append_string("stage", "IXSCAN");
  out.begin_object("keyPattern");
  for (const SortKey& field : definition.fields) out.append_int32(field.path, field.descending ? -1 : 1);
  out.end();
  out.append_string("indexName", definition.name);
  out.append_bool("isMultiKey", index.multikey());
  out.append_bool("isUnique", definition.unique);
  out.append_bool("isSparse", definition.sparse);
  out.append_bool("isPartial", index.partial() != nullptr);
  out.append_string("direction", plan.backward ? "backward" : "forward");
  const auto bounds = bounds_of(index, conditions, true);
  out.begin_object("indexBounds");
  for (std::size_t i = 0; i < definition.fields.size(); ++i) {
    out.begin_array(definition.fields[i].path);
    if (i >= plan.fields_used) out.append_string("0", "[MinKey, MaxKey]");
    for (std::size_t k = 0; i < plan.fields_used && k < bounds[i].texts.size(); ++k) {
      out.append_string(std::to_string(k), bounds[i].texts[k]);
    }
    out.end();
  }
  out.end();
  if (!index.unindexable().empty()) {
    out.append_int64("unindexableDocuments", static_cast<std::int64_t>(index.unindexable().size()));
  }
}

// Documents have to be put in order.
bool must_sort(const FindQuery& query, const ScanPlan& plan) {
  const bool walked =
      plan.kind == ScanPlan::Kind::kCollection && !query.sort.empty() && query.sort.front().path == kNaturalOrder;
  if (!query.sort.empty()) return !plan.in_sort_order && !walked;
  return (plan.kind == ScanPlan::Kind::kIndex && !plan.in_id_order) || plan.kind == ScanPlan::Kind::kUnion;
}

bool backward(const FindQuery& query) {
  return !query.sort.empty() && query.sort.front().descending;
}

void append_access(bson::Builder& out, const FindQuery& query, const ScanPlan& plan, const ScanCounts& counts) {
  const auto documents = static_cast<std::int64_t>(counts.documents);
  switch (plan.kind) {
    case ScanPlan::Kind::kIndex:
      out.append_string("stage", "FETCH").append_int64("docsExamined", documents);
      out.begin_object("inputStage");
      append_index_scan(
          out, query.filter == nullptr ? std::vector<PathCondition>() : path_conditions(query.filter->root()), plan);
      out.append_int64("keysExamined", static_cast<std::int64_t>(counts.keys));
      out.end();
      return;
    case ScanPlan::Kind::kUnion: {
      out.append_string("stage", "FETCH").append_int64("docsExamined", documents);
      out.begin_object("inputStage").append_string("stage", "OR");
      out.append_int64("keysExamined", static_cast<std::int64_t>(counts.keys)).begin_array("inputStages");
      std::size_t i = 0;
      for (const ScanPlan& branch : plan.branches) {
        out.begin_object(std::to_string(i++));
        append_index_scan(out, branch.conditions, branch);
        out.end();
      }
      out.end().end();
      return;
    }
    case ScanPlan::Kind::kIds:
      out.append_string("stage", "IDHACK").append_int64("keysExamined", static_cast<std::int64_t>(counts.keys));
      break;
    case ScanPlan::Kind::kIdRange:
      out.append_string("stage", "CLUSTERED_IXSCAN").append_string("direction", "forward");
      break;
    case ScanPlan::Kind::kCollection:
      out.append_string("stage", "COLLSCAN");
      out.append_string("direction", !must_sort(query, plan) && backward(query) ? "backward" : "forward");
      break;
  }
  out.append_int64("docsExamined", documents);
}

}  // namespace

ExplainRun::ExplainRun(FindQuery query) : run_(std::move(query)) {}

Result<bool> ExplainRun::step(const Collection* collection, std::uint64_t& budget) {
  return run_.step(collection, budget, [this](const Record&) -> Result<> {
    ++returned_;
    return {};
  });
}

bson::Document ExplainRun::result() const {
  const FindQuery& query = run_.query();
  const ScanPlan& plan = run_.plan();
  const ScanCounts& counts = run_.counts();
  bson::Builder out;
  out.begin_object("queryPlanner").begin_object("winningPlan");
  if (must_sort(query, plan)) {
    out.append_string("stage", "SORT").begin_object("sortPattern");
    for (const SortKey& key : query.sort) out.append_int32(key.path, key.descending ? -1 : 1);
    if (query.sort.empty()) out.append_int32("_id", 1);
    out.end().begin_object("inputStage");
    append_access(out, query, plan, counts);
    out.end();
  } else {
    append_access(out, query, plan, counts);
  }
  out.end().begin_array("rejectedPlans").end().end();
  out.begin_object("executionStats");
  out.append_bool("executionSuccess", true);
  out.append_int64("nReturned", static_cast<std::int64_t>(returned_));
  out.append_int64("totalKeysExamined", static_cast<std::int64_t>(counts.keys));
  out.append_int64("totalDocsExamined", static_cast<std::int64_t>(counts.documents));
  out.end();
  return std::move(out).finish();
}

Result<bson::Document> explain(const Collection& collection, const FindQuery& query) {
  ExplainRun run(query);
  auto budget = std::numeric_limits<std::uint64_t>::max();
  DISTRI_TRY_VOID(run.step(&collection, budget));
  return run.result();
}

}  // namespace distri::db
