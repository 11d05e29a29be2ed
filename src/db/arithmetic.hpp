// arithmetic.hpp: the sums and products of numbers of several types, as $add, $sum and $avg need them. Private to the
// module.
//
// The result has the widest type that took part: int, long, double, decimal; ints that do not fit become long, longs
// that do not fit become double.
#pragma once

#include "distri/db/expression_state.hpp"

namespace distri::db {

// Adds up numbers.
class NumberSum {
 public:
  // Precondition: a number.
  void add(const bson::Value& value);
  bson::Value total(ValueArena& arena) const;
  // As a double or decimal; `count` > 0.
  bson::Value divided_by(std::int64_t count, ValueArena& arena) const;
  bson::Type type() const { return type_; }

 private:
  void add_double(double value);

  bson::Type type_ = bson::Type::kInt32;
  __extension__ using Wide = __int128;
  Wide whole_ = 0;   // of ints and longs
  double real_ = 0;  // of doubles, with what rounding lost (Neumaier 1974)
  double lost_ = 0;
  bson::Decimal128 decimal_;
};

// Preconditions: numbers.
bson::Value multiply_numbers(const bson::Value& a, const bson::Value& b, ValueArena& arena);
bson::Value subtract_numbers(const bson::Value& a, const bson::Value& b, ValueArena& arena);

// The wider of two types of numbers.
bson::Type wider(bson::Type a, bson::Type b);

}  // namespace distri::db
