#include "distri/db/arithmetic.hpp"

#include <cmath>
#include <limits>

#include "distri/db/decimal_math.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

int width(Type type) {
  switch (type) {
    case Type::kInt32:
      return 0;
    case Type::kInt64:
      return 1;
    case Type::kDouble:
      return 2;
    default:
      return 3;
  }
}

__extension__ using Wide = __int128;

bool fits64(Wide v) {
  return v >= std::numeric_limits<std::int64_t>::min() && v <= std::numeric_limits<std::int64_t>::max();
}

// A whole result of operands of type int or long.
Value whole_result(Wide v, Type type, ValueArena& arena) {
  if (!fits64(v)) return arena.real(static_cast<double>(v));
  const auto narrow = static_cast<std::int64_t>(v);
  return type == Type::kInt32 ? arena.integer(narrow) : arena.int64(narrow);
}

bson::Decimal128 decimal_of(Wide v) {
  std::string digits;
  const bool negative = v < 0;
  for (; v != 0; v /= 10) {
    const auto digit = static_cast<int>(v % 10);
    digits.insert(digits.begin(), static_cast<char>('0' + (digit < 0 ? -digit : digit)));
  }
  return *bson::Decimal128::parse((negative ? "-" : "") + (digits.empty() ? "0" : digits));
}

}  // namespace

Type wider(Type a, Type b) {
  return width(a) >= width(b) ? a : b;
}

void NumberSum::add_double(double value) {
  const double sum = real_ + value;
  if (std::isfinite(sum)) {
    lost_ += std::fabs(real_) >= std::fabs(value) ? (real_ - sum) + value : (value - sum) + real_;
  }
  real_ = sum;
}

void NumberSum::add(const Value& value) {
  type_ = wider(type_, value.type());
  switch (value.type()) {
    case Type::kDouble:
      return add_double(value.as_double());
    case Type::kDecimal128:
      decimal_ = decimal_add(decimal_, bson::Decimal128::decode(value.raw()));
      return;
    default:
      whole_ += *value.to_int64();
  }
}

Value NumberSum::total(ValueArena& arena) const {
  if (type_ == Type::kDecimal128) {
    bson::Decimal128 sum = decimal_add(decimal_, decimal_of(whole_));
    if (real_ != 0 || lost_ != 0) {
      const double real = real_ + lost_;
      sum = decimal_add(sum, to_decimal(Value(Type::kDouble, {reinterpret_cast<const char*>(&real), sizeof real})));
    }
    return arena.decimal(sum);
  }
  if (type_ == Type::kDouble) {
    NumberSum all = *this;
    // In two parts, each of which a double holds well.
    all.add_double(static_cast<double>(whole_));
    all.add_double(static_cast<double>(whole_ - static_cast<Wide>(static_cast<double>(whole_))));
    return arena.real(std::isfinite(all.real_) ? all.real_ + all.lost_ : all.real_);
  }
  return whole_result(whole_, type_, arena);
}

Value NumberSum::divided_by(std::int64_t count, ValueArena& arena) const {
  if (type_ == Type::kDecimal128) {
    return arena.decimal(decimal_divide(bson::Decimal128::decode(total(arena).raw()), decimal_of(count)));
  }
  return arena.real(to_nearest_double(total(arena)) / static_cast<double>(count));
}

Value multiply_numbers(const Value& a, const Value& b, ValueArena& arena) {
  const Type type = wider(a.type(), b.type());
  if (type == Type::kDecimal128) return arena.decimal(decimal_multiply(to_decimal(a), to_decimal(b)));
  if (type == Type::kDouble) return arena.real(to_nearest_double(a) * to_nearest_double(b));
  return whole_result(static_cast<Wide>(*a.to_int64()) * *b.to_int64(), type, arena);
}

Value subtract_numbers(const Value& a, const Value& b, ValueArena& arena) {
  const Type type = wider(a.type(), b.type());
  if (type == Type::kDecimal128) return arena.decimal(decimal_subtract(to_decimal(a), to_decimal(b)));
  if (type == Type::kDouble) return arena.real(to_nearest_double(a) - to_nearest_double(b));
  return whole_result(static_cast<Wide>(*a.to_int64()) - *b.to_int64(), type, arena);
}

}  // namespace distri::db
