// explain.hpp: what find() does for a query, in MongoDB's terms.
//
// {queryPlanner: {winningPlan: {stage, inputStage, ...}, rejectedPlans: []}, executionStats: {nReturned,
// totalKeysExamined, totalDocsExamined}}. Stages: COLLSCAN, CLUSTERED_IXSCAN (a stretch of `_id`s), IDHACK (`_id`s
// looked up), FETCH over IXSCAN (an index), SORT above them. The query is carried out, one page of it.
//
// Threads: none. Errors: those of find().
#pragma once

#include "distri/db/find.hpp"

namespace distri::db {

// In slices, as FindRun.
class ExplainRun {
 public:
  // The query's filter must outlive the run.
  explicit ExplainRun(FindQuery query);

  Result<bool> step(const Collection* collection, std::uint64_t& budget);
  // Precondition: step() has just said that it is complete, and the collection has not changed since.
  bson::Document result() const;
  std::size_t bytes() const { return run_.bytes(); }

 private:
  FindRun run_;
  std::uint64_t returned_ = 0;
};

// At once.
Result<bson::Document> explain(const Collection& collection, const FindQuery& query);

}  // namespace distri::db
