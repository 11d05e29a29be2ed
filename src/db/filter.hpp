// filter.hpp: does a document match?
//
// A filter is compiled once per request and then applied to any number of documents. Language: MongoDB's (the table is
// in docs/documents.md), with MongoDB's semantics for arrays (an element matches, or the whole), null (matches missing)
// and type bracketing. Matching allocates nothing, but for $expr, $jsonSchema with uniqueItems, and the first search of
// a regular expression.
//
// Bounds on what a stranger sends: nesting, list lengths, number of conditions, numeric parts of a path (each may be an
// array index or a field name, so every one doubles the work), regular expressions (regex.hpp) and the work of
// expressions (expression.hpp). Threads: a compiled filter is constant; any. Errors: compile(), and check() when a
// regular expression or an expression fails on a document.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"

namespace distri::db {

inline constexpr int kFilterDepthMax = 100;             // $and, $or, $nor, $not, $elemMatch inside each other
inline constexpr std::size_t kFilterListMax = 100'000;  // entries of one $in or $nin
inline constexpr std::size_t kFilterConditionsMax = 10'000;
inline constexpr std::size_t kFilterRegexesMax = 1'000;
inline constexpr std::size_t kPathNumericPartsMax = 8;

// The stretch of order keys of `_id` outside which nothing can match.
struct IdBounds {
  std::string first;               // the first key that may match; empty: from the beginning
  std::optional<std::string> end;  // the first key that cannot any more; nullopt: to the end

  bool bounded() const { return !first.empty() || end.has_value(); }
};

// The value, if `filter` is {_id: value} or {_id: {$eq: value}} and nothing else, of a type that equals its like only:
// the one document that can match is found by its key, and matches. nullopt says nothing.
std::optional<bson::Value> sole_id(bson::View filter);

struct FilterNode;  // filter_program.hpp

class Filter {
 public:
  // kInvalidArgument names MongoDB's code, the operator and the path, e.g. "BadValue (2): filter: unknown operator
  // '$foo' at 'age'; known are $eq, ...".
  // `now_ms`: what $$NOW is in $expr; without it, $$NOW is an error.
  static Result<Filter> compile(bson::View filter, std::optional<std::int64_t> now_ms = std::nullopt);

  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  // Whether the document matches; an error when a regular expression went over its limits or an expression failed
  // (division by zero and the like), which in MongoDB fails the whole query.
  Result<bool> check(bson::View document) const;
  // The same, where a document on which a condition fails counts as not matching.
  bool matches(bson::View document) const;
  // {}: matches everything.
  bool empty() const;

  // Precondition: the document matches. For the positional `$` of updates and projections: the index of the first
  // element that made the first condition match whose path goes through an array (of nested arrays: the outermost).
  // nullopt when no condition went through an array, or only under $not and $nor.
  std::optional<std::uint32_t> matched_array_index(bson::View document) const;

  // Set when only one `_id` can match ({_id: value} or {_id: {$eq: value}}, at the top level or in $and): its
  // order_key.
  const std::optional<std::string>& id_key() const;
  // Set when only these can match ($eq or $in): their order_keys, sorted, each once.
  const std::optional<std::vector<std::string>>& id_keys() const;
  // From $gt, $gte, $lt, $lte on `_id`.
  const IdBounds& id_bounds() const;

  // What it was compiled to, for the planner.
  const FilterNode& root() const;

 private:
  struct Program;
  explicit Filter(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace distri::db
