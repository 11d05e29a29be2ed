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

Result<bson::Document> explain(const Collection& collection, const FindQuery& query);

}  // namespace distri::db
