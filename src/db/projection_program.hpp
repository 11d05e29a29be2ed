// projection_program.hpp: the compiled form of a projection: the tree of its paths. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "distri/db/element_matcher.hpp"
#include "distri/db/expression_node.hpp"
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
    kComputed,
  };
  std::string name;
  Kind kind = Kind::kInner;
  std::vector<ProjectionNode> children;   // kInner, sorted by name
  std::int64_t skip = 0;                  // kSlice: elements left out at the front; negative: as seen from the end
  std::int64_t count = 0;                 // kSlice: how many at most
  std::optional<ElementMatcher> matcher;  // kElemMatch
  ExpressionNode expression;              // kComputed
  std::size_t order = 0;                  // its place among all paths, as they were given
  // Those of the children that are computed or have computed ones below them, in order.
  std::vector<const ProjectionNode*> computed;
};

// Conditions of $elemMatch and expressions point into `source`, so a program never moves.
struct ProjectionProgram {
  bson::Document source;
  ProjectionKind kind = ProjectionKind::kRead;
  std::vector<std::string> variables;
  ProjectionNode root;
  std::uint32_t slots = 0;  // variables of the expressions
  bool including = false;   // what is not named is left out
  bool id = true;
  std::vector<std::string> elem_matches;  // in the order in which they were given
  std::string positional_path;
};

// Fills in everything but the first three, which are there.
Result<> compile_projection(ProjectionProgram& program);

}  // namespace distri::db
