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
// Computed fields ({a: {$add: ...}}, {a: "$b"}, {a: "text"}) are refused here; they will be one more kind of node in
// the tree (projection.cpp), made where computed() refuses them now (projection_compile.cpp) and appended by append_field().
//
// Threads: a compiled projection is constant; any. Errors: kInvalidArgument names the path; MongoDB's code where there
// is one.
#pragma once

#include <memory>
#include <optional>

#include "distri/bson/document.hpp"

namespace distri::db {

inline constexpr std::size_t kProjectionPathsMax = 1'000;
inline constexpr std::size_t kProjectionPathPartsMax = 100;

struct ProjectionContext {
  std::optional<std::size_t> matched_index = std::nullopt;  // what "a.$" stands for
};

struct ProjectionProgram;

class Projection {
 public:
  static Result<Projection> compile(bson::View projection);

  Projection(Projection&&) noexcept;
  Projection& operator=(Projection&&) noexcept;
  ~Projection();

  // Appends the fields of the projected document to what `out` has open. On error (only for "a.$" without a matched
  // index) `out` is left with a part of them.
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
