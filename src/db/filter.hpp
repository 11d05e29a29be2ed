// filter.hpp: does a document match?
//
// A filter is compiled once per request and then applied to any number of documents without allocating. Language:
// MongoDB's, in this first form: implicit equality, $eq $ne $gt $gte $lt $lte $in $nin $exists, $and $or $nor $not,
// dotted paths (into arrays too), with MongoDB's semantics for arrays (an element matches, or the whole), null (matches
// missing) and type bracketing. Regular expressions are refused, also inside $in.
//
// Bounds on what a stranger sends: nesting, list lengths, number of conditions, and numeric parts of a path (each may
// be an array index or a field name, so every one doubles the work). Threads: a compiled filter is constant; any.
// Errors: compile() only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "distri/bson/document.hpp"

namespace distri::db {

inline constexpr int kFilterDepthMax = 100;             // $and, $or, $nor, $not inside each other
inline constexpr std::size_t kFilterListMax = 100'000;  // entries of one $in or $nin
inline constexpr std::size_t kFilterConditionsMax = 10'000;
inline constexpr std::size_t kPathNumericPartsMax = 8;

class Filter {
 public:
  // kInvalidArgument names the operator and the path, e.g. "filter: unknown operator '$foo' at 'age'; known are $eq,
  // ...".
  static Result<Filter> compile(bson::View filter);

  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  bool matches(bson::View document) const;
  // {}: matches everything.
  bool empty() const;
  // Set when only one `_id` can match ({_id: value} or {_id: {$eq: value}} at the top level): its order_key.
  const std::optional<std::string>& id_key() const;

 private:
  struct Program;
  explicit Filter(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace distri::db
