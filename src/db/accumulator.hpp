// accumulator.hpp: what $group makes of the values of a group. Private to the module.
//
// Semantics are MongoDB's: $sum and $avg look at numbers only, $min and $max leave out null and missing, $first and
// $last take missing as null, $push and $addToSet leave out missing values. Values that compare equal are one to
// $addToSet: the first of them, in the order of arrival. Threads: none.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "distri/db/arithmetic.hpp"
#include "distri/db/expression_state.hpp"

namespace distri::db {

enum class AccumulatorKind : std::uint8_t {
  kSum,
  kAverage,
  kMin,
  kMax,
  kFirst,
  kLast,
  kPush,
  kAddToSet,
  kCount,
  kMergeObjects,
};

// nullopt: there is none of that name ("$sum").
std::optional<AccumulatorKind> find_accumulator(std::string_view name);

class Accumulator {
 public:
  explicit Accumulator(AccumulatorKind kind);
  Accumulator(Accumulator&&) noexcept;
  Accumulator& operator=(Accumulator&&) noexcept;
  ~Accumulator();

  // Location40400 of $mergeObjects; BSONObjectTooLarge (10334) when the result would be no value.
  Result<> add(const bson::Value& value);
  // The bytes of the result are in `arena` or in the accumulator.
  bson::Value result(ValueArena& arena) const;
  // Memory beside the object itself.
  std::size_t bytes() const;
  // What adding one more value costs, in bytes looked at.
  std::size_t effort() const { return kind_ == AccumulatorKind::kMergeObjects ? value_.size() : 0; }

 private:
  void take(const bson::Value& value);
  Result<> append(const bson::Value& value);
  Result<> merge(const bson::Value& value);

  AccumulatorKind kind_;
  bson::Type type_ = kMissingType;  // of value_
  Bytes value_;                     // the value so far; of lists the elements; of $mergeObjects the object
  std::uint32_t elements_ = 0;
  std::int64_t count_ = 0;
  std::unique_ptr<NumberSum> sum_;
  std::unique_ptr<std::unordered_set<Bytes>> seen_;  // order keys
  std::size_t seen_bytes_ = 0;
};

}  // namespace distri::db
