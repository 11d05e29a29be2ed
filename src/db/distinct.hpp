// distinct.hpp: the different values at a path over the documents that match.
//
// Arrays at the end of the path count by their elements, arrays on the way by each of their objects; a part of the path
// that is a number is the index of an element. Missing fields give nothing, null is a value. Values that compare equal
// (1 and 1.0) are one: the one met first, in the order of `_id`.
#pragma once

#include <memory>
#include <vector>

#include "distri/db/collection.hpp"
#include "distri/db/filter.hpp"

namespace distri::db {

// In slices, between which the collection may change; what changes meanwhile counts as it is when the run comes to it.
class DistinctRun {
 public:
  // `filter` nullptr: all; it must outlive the run. kInvalidArgument: the path is empty or has an empty part, or begins
  // with '$'.
  static Result<DistinctRun> make(std::string_view path, const Filter* filter,
                                  std::size_t bytes_max = bson::kDocumentBytesMax);
  DistinctRun(DistinctRun&&) noexcept;
  DistinctRun& operator=(DistinctRun&&) noexcept;
  ~DistinctRun();

  // Goes on, and lessens `budget` as FindRun::step() does. True: complete. nullptr: there is no collection. kTooLarge:
  // the values together take more than `bytes_max`. Those of Filter::check().
  Result<bool> step(const Collection* collection, std::uint64_t& budget);
  // In the order of bson::compare; valid as long as the run is.
  std::vector<bson::Value> values() const;
  // What it holds, about.
  std::size_t bytes() const;

 private:
  class Impl;
  explicit DistinctRun(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::db
