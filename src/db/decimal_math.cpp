#include "distri/db/decimal_math.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace distri::db {
namespace {

using bson::Decimal128;
using Kind = Decimal128::Kind;

__extension__ using Wide = unsigned __int128;

Decimal128 nan() {
  Decimal128 value;
  value.kind = Kind::kNaN;
  return value;
}

Decimal128 infinity(bool negative) {
  Decimal128 value;
  value.kind = Kind::kInfinity;
  value.negative = negative;
  return value;
}

void strip_leading_zeros(std::string& digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
}

void increment(std::string& digits) {
  for (std::size_t i = digits.size(); i > 0; --i) {
    if (digits[i - 1] != '9') {
      ++digits[i - 1];
      return;
    }
    digits[i - 1] = '0';
  }
  digits.insert(0, 1, '1');
}

// Drops the last `count` digits.
void drop_digits(Decimal128& value, int count, DecimalRounding rounding) {
  const auto dropped = static_cast<std::size_t>(count);
  if (value.digits.size() < dropped) value.digits.insert(0, dropped - value.digits.size(), '0');
  const std::string tail = value.digits.substr(value.digits.size() - dropped);
  value.digits.resize(value.digits.size() - dropped);
  value.exponent += count;
  const bool exact = tail.find_first_not_of('0') == std::string::npos;
  bool up = false;
  if (rounding == DecimalRounding::kHalfEven) {
    const bool odd = !value.digits.empty() && (value.digits.back() - '0') % 2 == 1;
    const bool half = tail[0] == '5' && tail.find_first_not_of('0', 1) == std::string::npos;
    up = half ? odd : tail[0] >= '5';
  } else if (rounding != DecimalRounding::kDown) {
    up = !exact && value.negative == (rounding == DecimalRounding::kFloor);
  }
  if (up) increment(value.digits);
  strip_leading_zeros(value.digits);
}

// Any number of digits and any exponent -> what 34 digits hold.
Decimal128 rounded(Decimal128 value) {
  strip_leading_zeros(value.digits);
  // Twice: rounding 99...9 up makes one digit more.
  for (int i = 0; i < 2; ++i) {
    const int extra = static_cast<int>(value.digits.size()) - Decimal128::kDigitsMax;
    if (extra > 0) drop_digits(value, extra, DecimalRounding::kHalfEven);
  }
  if (value.exponent < Decimal128::kExponentMin) {
    const int missing = Decimal128::kExponentMin - value.exponent;
    if (missing > Decimal128::kDigitsMax + 1) {
      value.digits.clear();
      value.exponent = Decimal128::kExponentMin;
    } else {
      drop_digits(value, missing, DecimalRounding::kHalfEven);
    }
  }
  if (value.digits.empty()) {
    value.exponent = std::clamp(value.exponent, Decimal128::kExponentMin, Decimal128::kExponentMax);
    return value;
  }
  const int above = value.exponent - Decimal128::kExponentMax;
  if (above <= 0) return value;
  if (above + static_cast<int>(value.digits.size()) > Decimal128::kDigitsMax) return infinity(value.negative);
  value.digits.append(static_cast<std::size_t>(above), '0');
  value.exponent = Decimal128::kExponentMax;
  return value;
}

// Digits of the same length: a + b, and a - b where a >= b.
std::string add_digits(const std::string& a, const std::string& b) {
  std::string sum(a.size() + 1, '0');
  int carry = 0;
  for (std::size_t i = a.size(); i > 0; --i) {
    const int digit = (a[i - 1] - '0') + (b[i - 1] - '0') + carry;
    sum[i] = static_cast<char>('0' + digit % 10);
    carry = digit / 10;
  }
  sum[0] = static_cast<char>('0' + carry);
  return sum;
}

std::string subtract_digits(const std::string& a, const std::string& b) {
  std::string difference(a.size(), '0');
  int borrow = 0;
  for (std::size_t i = a.size(); i > 0; --i) {
    int digit = (a[i - 1] - '0') - (b[i - 1] - '0') - borrow;
    borrow = digit < 0 ? 1 : 0;
    difference[i - 1] = static_cast<char>('0' + digit + 10 * borrow);
  }
  return difference;
}

Wide significand_of(const Decimal128& value) {
  Wide result = 0;
  for (const char c : value.digits) result = result * 10 + static_cast<unsigned>(c - '0');
  return result;
}

std::string digits_of(Wide value) {
  std::string digits;
  for (; value != 0; value /= 10) digits.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace

Decimal128 decimal_add(const Decimal128& a, const Decimal128& b) {
  if (a.kind == Kind::kNaN || b.kind == Kind::kNaN) return nan();
  if (a.kind == Kind::kInfinity) return b.kind == Kind::kInfinity && a.negative != b.negative ? nan() : a;
  if (b.kind == Kind::kInfinity) return b;
  if (a.digits.empty() && b.digits.empty()) {
    Decimal128 zero;
    zero.negative = a.negative && b.negative;
    zero.exponent = std::min(a.exponent, b.exponent);
    return zero;
  }
  if (b.digits.empty() || a.digits.empty()) {
    const Decimal128& other = b.digits.empty() ? a : b;
    const int wanted = std::max(std::min(a.exponent, b.exponent),
                                other.exponent - (Decimal128::kDigitsMax - static_cast<int>(other.digits.size())));
    Decimal128 sum = other;
    if (wanted < sum.exponent) {
      sum.digits.append(static_cast<std::size_t>(sum.exponent - wanted), '0');
      sum.exponent = wanted;
    }
    return sum;
  }
  const Decimal128& high = a.exponent >= b.exponent ? a : b;
  const Decimal128& low = a.exponent >= b.exponent ? b : a;
  // Beyond this gap only the fact that `low` is not zero can matter.
  constexpr int kGapMax = 2 * Decimal128::kDigitsMax + 4;
  Decimal128 small = low;
  if (high.exponent - low.exponent > kGapMax) {
    small.digits = "1";
    small.exponent = high.exponent - kGapMax;
  }
  Decimal128 sum;
  sum.exponent = small.exponent;
  std::string x = high.digits + std::string(static_cast<std::size_t>(high.exponent - small.exponent), '0');
  std::string y = small.digits;
  const std::size_t size = std::max(x.size(), y.size());
  x.insert(0, size - x.size(), '0');
  y.insert(0, size - y.size(), '0');
  if (high.negative == small.negative) {
    sum.negative = high.negative;
    sum.digits = add_digits(x, y);
  } else {
    sum.negative = x >= y ? high.negative : small.negative;
    sum.digits = x >= y ? subtract_digits(x, y) : subtract_digits(y, x);
    if (x == y) sum.negative = false;
  }
  return rounded(std::move(sum));
}

Decimal128 decimal_subtract(const Decimal128& a, Decimal128 b) {
  b.negative = !b.negative;
  return decimal_add(a, b);
}

Decimal128 decimal_multiply(const Decimal128& a, const Decimal128& b) {
  if (a.kind == Kind::kNaN || b.kind == Kind::kNaN) return nan();
  const bool negative = a.negative != b.negative;
  const auto is_zero = [](const Decimal128& v) { return v.kind == Kind::kFinite && v.digits.empty(); };
  if (a.kind == Kind::kInfinity || b.kind == Kind::kInfinity) {
    return is_zero(a) || is_zero(b) ? nan() : infinity(negative);
  }
  std::vector<int> product(a.digits.size() + b.digits.size(), 0);
  for (std::size_t i = a.digits.size(); i > 0; --i) {
    for (std::size_t j = b.digits.size(); j > 0; --j) {
      product[i + j - 1] += (a.digits[i - 1] - '0') * (b.digits[j - 1] - '0');
    }
  }
  for (std::size_t i = product.size(); i > 1; --i) {
    product[i - 2] += product[i - 1] / 10;
    product[i - 1] %= 10;
  }
  Decimal128 result;
  result.negative = negative;
  result.exponent = a.exponent + b.exponent;
  for (const int digit : product) result.digits.push_back(static_cast<char>('0' + digit));
  if (is_zero(a) || is_zero(b)) result.digits.clear();
  return rounded(std::move(result));
}

Decimal128 decimal_divide(const Decimal128& a, const Decimal128& b) {
  if (a.kind == Kind::kNaN || b.kind == Kind::kNaN) return nan();
  const bool negative = a.negative != b.negative;
  if (a.kind == Kind::kInfinity) return b.kind == Kind::kInfinity ? nan() : infinity(negative);
  Decimal128 result;
  result.negative = negative;
  if (b.kind == Kind::kInfinity) {
    result.exponent = Decimal128::kExponentMin;
    return result;
  }
  if (b.digits.empty()) return a.digits.empty() ? nan() : infinity(negative);
  result.exponent = a.exponent - b.exponent;
  if (a.digits.empty()) return rounded(std::move(result));
  // Long division, until it comes out even or there are more digits than are kept.
  const Wide divisor = significand_of(b);
  Wide rest = 0;
  for (const char c : a.digits) {
    rest = rest * 10 + static_cast<unsigned>(c - '0');
    result.digits.push_back(static_cast<char>('0' + static_cast<int>(rest / divisor)));
    rest %= divisor;
  }
  strip_leading_zeros(result.digits);
  while (rest != 0 && result.digits.size() < Decimal128::kDigitsMax + 2) {
    rest *= 10;
    result.digits.push_back(static_cast<char>('0' + static_cast<int>(rest / divisor)));
    rest %= divisor;
    --result.exponent;
    strip_leading_zeros(result.digits);
  }
  if (rest != 0) {  // so that a tail that looks like a half is above it
    result.digits.push_back('1');
    --result.exponent;
  }
  return rounded(std::move(result));
}

Decimal128 decimal_remainder(const Decimal128& a, const Decimal128& b) {
  if (a.kind != Kind::kFinite || b.kind == Kind::kNaN || (b.kind == Kind::kFinite && b.digits.empty())) return nan();
  if (b.kind == Kind::kInfinity || a.digits.empty()) return a;
  Decimal128 result;
  result.negative = a.negative;
  Wide divisor = significand_of(b);
  Wide rest = significand_of(a);
  int gap = a.exponent - b.exponent;
  if (gap >= 0) {  // 34 digits are 113 bits: times ten fits
    for (rest %= divisor; gap > 0 && rest != 0; --gap) rest = rest * 10 % divisor;
    result.exponent = b.exponent;
  } else {
    for (; gap < 0 && divisor <= rest; ++gap) divisor *= 10;
    rest %= divisor;  // a divisor that became larger than `rest` leaves it as it is
    result.exponent = a.exponent;
  }
  result.digits = digits_of(rest);
  return result;
}

Decimal128 decimal_round(const Decimal128& value, int exponent, DecimalRounding rounding) {
  if (value.kind != Kind::kFinite || value.exponent >= exponent) return value;
  Decimal128 result = value;
  const int count = exponent - value.exponent;
  const int digits = static_cast<int>(value.digits.size());
  if (count > digits + 1 && digits > 0) {  // far below: one digit says as much
    result.digits = "1";
    result.exponent = exponent - 2;
  }
  drop_digits(result, exponent - result.exponent, rounding);
  return rounded(std::move(result));
}

Decimal128 decimal_from_double(double value) {
  if (std::isnan(value)) return nan();
  if (std::isinf(value)) return infinity(value < 0);
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific,
                                 Decimal128::kDigitsMax - 1)
                       .ptr;
  return *Decimal128::parse({text.data(), static_cast<std::size_t>(end - text.data())});
}

}  // namespace distri::db
