#include "distri/db/number.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace distri::db {
namespace {

using bson::Decimal128;
using bson::Type;
using bson::Value;

__extension__ using Wide = unsigned __int128;

Wide significand_of(const Decimal128& value) {
  Wide result = 0;
  for (const char c : value.digits) result = result * 10 + static_cast<unsigned>(c - '0');
  return result;
}

}  // namespace

bool is_nan(const Value& value) {
  return value.type() == Type::kDouble ? std::isnan(value.as_double())
                                       : value.type() == Type::kDecimal128 && (value.raw()[15] & 0x7c) == 0x7c;
}

bool is_truthy(const Value& value) {
  switch (value.type()) {
    case Type::kNull:
    case Type::kUndefined:
      return false;
    case Type::kBool:
      return value.as_bool();
    default:
      return !value.is_number() || value.to_int64() != 0;
  }
}

std::optional<std::int64_t> truncate_to_int64(const Value& value) {
  if (value.type() == Type::kDouble) {
    const double v = std::trunc(value.as_double());
    if (!(v >= -0x1.0p63 && v < 0x1.0p63)) return std::nullopt;
    return static_cast<std::int64_t>(v);
  }
  if (value.type() != Type::kDecimal128) return value.to_int64();
  Decimal128 number = Decimal128::decode(value.raw());
  if (number.kind != Decimal128::Kind::kFinite) return std::nullopt;
  if (number.exponent < 0) {
    const auto dropped = static_cast<std::size_t>(-number.exponent);
    number.digits.resize(number.digits.size() > dropped ? number.digits.size() - dropped : 0);
    number.exponent = 0;
  }
  return bson::decimal_to_int64(number);
}

Decimal128 to_decimal(const Value& value) {
  if (value.type() == Type::kDecimal128) return Decimal128::decode(value.raw());
  std::array<char, 40> text{};
  char* end = nullptr;
  if (value.type() == Type::kDouble) {
    end = std::to_chars(text.data(), text.data() + text.size(), value.as_double(), std::chars_format::general, 15).ptr;
  } else {
    end = std::to_chars(text.data(), text.data() + text.size(), *value.to_int64()).ptr;
  }
  return *Decimal128::parse({text.data(), static_cast<std::size_t>(end - text.data())});
}

double to_nearest_double(const Decimal128& value) {
  if (value.kind == Decimal128::Kind::kNaN) return std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double sign = value.negative ? -1 : 1;
  if (value.kind == Decimal128::Kind::kInfinity) return sign * kInfinity;
  if (value.digits.empty()) return sign * 0.0;
  const std::string text = value.digits + "e" + std::to_string(value.exponent);
  double result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error == std::errc::result_out_of_range) {
    result = value.exponent + static_cast<int>(value.digits.size()) > 0 ? kInfinity : 0;
  }
  return sign * result;
}

double to_nearest_double(const Value& value) {
  if (value.type() == Type::kDecimal128) return to_nearest_double(Decimal128::decode(value.raw()));
  return *value.to_double();
}

bool is_multiple_of(const Value& value, const Value& factor) {
  const auto whole_value = value.to_int64();
  const auto whole_factor = factor.to_int64();
  if (whole_value && whole_factor) return *whole_value % *whole_factor == 0;
  const Decimal128 a = to_decimal(value);
  const Decimal128 b = to_decimal(factor);
  if (a.kind != Decimal128::Kind::kFinite || b.kind != Decimal128::Kind::kFinite) return false;
  if (a.digits.empty()) return true;
  const Wide divisor = significand_of(b);
  Wide rest = significand_of(a);
  int exponent = a.exponent - b.exponent;
  // rest * 10^exponent must be a multiple of the divisor; both have at most 34 digits, 113 bits, so times 10 fits.
  if (exponent >= 0) {
    for (rest %= divisor; exponent > 0 && rest != 0; --exponent) rest = rest * 10 % divisor;
    return rest == 0;
  }
  for (; exponent < 0; ++exponent) {
    if (rest % 10 != 0) break;
    rest /= 10;
  }
  // What is left of the negative exponent is a power of ten that does not divide `rest`: move it to the divisor.
  Wide scaled = divisor;
  for (; exponent < 0; ++exponent) {
    if (scaled > rest) return false;
    scaled *= 10;
  }
  return rest % scaled == 0;
}

}  // namespace distri::db
