// index_bounds.hpp: which stretch of an index a filter can match. Private to the module.
//
// Only conditions that must hold count: at the top, inside $and, and inside $elemMatch. Where documents have arrays at
// a path, two conditions on it may be met by different elements, so only one of them (or one $elemMatch) bounds the
// path. For the same reason only the first of several such paths of an index is bounded: its keys take all of them from
// the same element.
//
// Threads: any. Errors: none. A bound may let too much through, never too little: the filter is asked in any case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "distri/db/filter_program.hpp"
#include "distri/db/index.hpp"

namespace distri::db {

inline constexpr std::size_t kScanRangesMax = 10'000;

// A condition on the values at a path.
struct PathCondition {
  std::string path;
  const FilterNode* leaf = nullptr;
  std::size_t group = 0;  // of the same group: all on the same value
};

std::vector<PathCondition> path_conditions(const FilterNode& root);

// The order keys that the values of one field can have.
struct FieldBounds {
  std::optional<std::vector<std::string>> points;  // exactly these, sorted, each once
  std::string first;                               // else from here on; empty: from the beginning
  std::optional<std::string> end;                  // up to here (excluded); nullopt: to the end
  std::vector<std::string> also;                   // and these points beside that stretch
  std::vector<std::string> texts;                  // "[1, 5)", where they are asked for

  bool bounded() const { return points || !first.empty() || end; }
  bool single_point() const { return points && points->size() == 1; }
};

// For every field of the index. `with_texts`: for people, too.
std::vector<FieldBounds> bounds_of(const Index& index, const std::vector<PathCondition>& conditions,
                                   bool with_texts = false);

// A stretch of an index: entries from `first` up to `end` (excluded).
struct KeyRange {
  std::string first;
  std::optional<std::string> end;
};

// Sorted and disjoint. They use the fields up to the first that is not points. `fields_used`: how many.
std::vector<KeyRange> ranges_of(const Index& index, const std::vector<FieldBounds>& bounds, std::size_t& fields_used);

}  // namespace distri::db
