// filter_implies.hpp: does every document that one filter lets through also pass another? Private to the module.
//
// For partial and sparse indexes: only a "yes" that can be proved counts. All leaves are questions of the kind "is
// there a value at this path in this set", so a smaller set at the same path implies a larger one.
//
// Threads: any. Errors: none.
#pragma once

#include <string_view>

#include "distri/db/filter_program.hpp"

namespace distri::db {

// `node` is of a partialFilterExpression (index_definition.hpp).
bool implies(const FilterNode& query, const FilterNode& node);

// Whether what `query` matches has that path.
bool implies_existence(const FilterNode& query, std::string_view path);

std::string join_path(const Path& path);

}  // namespace distri::db
