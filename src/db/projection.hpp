// projection.hpp: which parts of a document a reader gets.
//
// Compiled once per request, applied to any number of documents; the result goes straight into a builder, without
// documents in between. MongoDB's language (4.4 and later):
//   * {a: 1, "b.c": 1, d: {e: 1}} includes, {a: 0, "b.c": 0} excludes; not both, but for `_id`, which is included
//     unless it is excluded. Dotted paths lead into objects, and into the objects of arrays.
//   * {a: {$slice: n}} or {$slice: [skip, count]}: a part of an array (of each array that the path meets).
//   * {a: {$elemMatch: condition}}: the first element that matches, of a top-level field; it comes after the other
//     fields.
//   * {"a.$": 1}: the element that the request's filter matched.
// Included fields come in the order of the document. A projection of $slice alone excludes nothing; one of $elemMatch
// alone includes nothing else but `_id`.
//
//   * {a: {$add: ...}}, {a: "$b"}, {a: "text"}: computed by an expression (expression.hpp) from the whole document;
//     not together with exclusion. Computed fields come after the included ones, in the order in which they are given;
//     one whose value is missing is left out. Below a path they are put into each object on the way: objects that lack
//     are made, also where something else stands.
//
// The stages $project and $addFields are projections, too: there $slice is an expression, and $elemMatch and "a.$" do
// not exist; $addFields computes every field, and leaves the others as and where they are.
//
// Threads: a compiled projection is constant; any. Errors: kInvalidArgument names the path; MongoDB's code where there
// is one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/expression.hpp"

namespace distri::db {

inline constexpr std::size_t kProjectionPathsMax = 1'000;
inline constexpr std::size_t kProjectionPathPartsMax = 100;

enum class ProjectionKind : std::uint8_t { kRead, kProject, kAddFields };

struct ProjectionContext {
  std::optional<std::size_t> matched_index = std::nullopt;  // what "a.$" stands for
  // For computed fields: memory, variables and $$NOW. nullptr: none of these. What it held is forgotten.
  Evaluation* evaluation = nullptr;
};

struct ProjectionProgram;

class Projection {
 public:
  // `variables`: as of Expression::compile().
  static Result<Projection> compile(bson::View projection, ProjectionKind kind = ProjectionKind::kRead,
                                    const std::vector<std::string>& variables = {});

  Projection(Projection&&) noexcept;
  Projection& operator=(Projection&&) noexcept;
  ~Projection();

  // Appends the fields of the projected document to what `out` has open. On error ("a.$" without a matched index,
  // an expression that fails, computed fields that make the document too large or deep) `out` is left with a part of
  // them.
  Result<> append(bson::View document, bson::Builder& out, const ProjectionContext& context = {}) const;
  // The same as a document.
  Result<bson::Document> apply(bson::View document, const ProjectionContext& context = {}) const;

  // {}: everything.
  bool empty() const;
  // The path before ".$", for which matched_index is needed; empty: none. Valid as long as the projection lives.
  std::string_view positional_path() const;

 private:
  explicit Projection(std::unique_ptr<const ProjectionProgram> program);
  std::unique_ptr<const ProjectionProgram> program_;
};

}  // namespace distri::db
