// projection_program.hpp: the compiled form of a projection: the tree of its paths. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "distri/db/element_matcher.hpp"
#include "distri/db/projection.hpp"

namespace distri::db {

struct ProjectionNode {
  enum class Kind : std::uint8_t {
    kInner,  // part of a longer path
    kInclude,
    kExclude,
    kSlice,
    kElemMatch,
    kPositional,  // the element that the filter matched
  };
  std::string name;
  Kind kind = Kind::kInner;
  std::vector<ProjectionNode> children;   // kInner, sorted by name
  std::int64_t skip = 0;                  // kSlice: elements left out at the front; negative: as seen from the end
  std::int64_t count = 0;                 // kSlice: how many at most
  std::optional<ElementMatcher> matcher;  // kElemMatch
};

// Conditions of $elemMatch point into `source`, so a program never moves.
struct ProjectionProgram {
  bson::Document source;
  ProjectionNode root;
  bool including = false;  // what is not named is left out
  bool id = true;
  std::vector<std::string> elem_matches;  // in the order in which they were given
  std::string positional_path;
};

// Fills in everything but `source`, which is there.
Result<> compile_projection(ProjectionProgram& program);

}  // namespace distri::db
