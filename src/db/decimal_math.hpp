// decimal_math.hpp: arithmetic of BSON's decimal numbers, rounded to 34 digits, half to even. Private to the module.
//
// As IEEE 754-2008 has it: an infinity minus itself, zero times infinity and zero by zero are NaN; too large is
// infinity, too small zero.
#pragma once

#include "distri/bson/decimal128.hpp"

namespace distri::db {

bson::Decimal128 decimal_add(const bson::Decimal128& a, const bson::Decimal128& b);
bson::Decimal128 decimal_subtract(const bson::Decimal128& a, bson::Decimal128 b);
bson::Decimal128 decimal_multiply(const bson::Decimal128& a, const bson::Decimal128& b);
bson::Decimal128 decimal_divide(const bson::Decimal128& a, const bson::Decimal128& b);
// The remainder of the division cut towards zero; its sign is that of `a`.
bson::Decimal128 decimal_remainder(const bson::Decimal128& a, const bson::Decimal128& b);

enum class DecimalRounding : std::uint8_t { kHalfEven, kDown, kFloor, kCeiling };
// To a multiple of 10^exponent.
bson::Decimal128 decimal_round(const bson::Decimal128& value, int exponent, DecimalRounding rounding);

// All digits of a double, rounded to 34.
bson::Decimal128 decimal_from_double(double value);

}  // namespace distri::db
