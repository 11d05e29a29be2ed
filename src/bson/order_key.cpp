// How a key is made: one byte for the bracket of the type, then the value so that bytes order as values do.
//
// Numbers of all types share one form: the largest double that is not above the number (8 bytes), then 0 if the number
// is that double, else 1 and the number's decimal digits. Only 64-bit integers beyond 2^53 and decimals ever need
// digits, and those have at most 34, so that part has a fixed size.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "distri/bson/compare.hpp"
#include "distri/bson/decimal128.hpp"

namespace distri::bson {
namespace {

void append_big_endian(Bytes& out, std::uint64_t v, int bytes = 8) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}

// Zero bytes are escaped as 00 FF, so that the terminator 00 01 is below any continuation.
void append_text(Bytes& out, std::string_view text) {
  for (;;) {
    const std::size_t zero = text.find('\0');
    out.append(text.substr(0, zero));
    if (zero == std::string_view::npos) break;
    out.append("\0\xff", 2);
    text.remove_prefix(zero + 1);
  }
  out.append("\0\1", 2);
}

void append_double(Bytes& out, double v) {
  if (std::isnan(v)) {
    append_big_endian(out, 0);
    return;
  }
  const auto bits = std::bit_cast<std::uint64_t>(v == 0 ? 0.0 : v);  // -0.0 is 0.0
  append_big_endian(out, (bits >> 63) != 0 ? ~bits : bits | (1ULL << 63));
}

// Sign, digits (without leading zeros) and the exponent of the last one.
struct Digits {
  bool negative = false;
  std::string digits;
  int exponent = 0;

  int adjusted() const { return exponent + static_cast<int>(digits.size()); }
};

Digits digits_of(double v) {  // exact; v finite
  std::array<char, 800> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), std::fabs(v), std::chars_format::scientific, 766).ptr;
  const std::string_view all(text.data(), static_cast<std::size_t>(end - text.data()));
  const std::size_t e = all.find('e');
  Digits result{std::signbit(v), std::string(all.substr(0, 1)).append(all.substr(2, e - 2)), 0};
  std::string_view exponent = all.substr(e + 1);
  if (exponent.front() == '+') exponent.remove_prefix(1);
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), result.exponent);
  result.exponent -= 766;
  result.digits.erase(0, std::min(result.digits.find_first_not_of('0'), result.digits.size()));
  return result;
}

// Both not zero or zero; by value.
int compare_digits(const Digits& a, const Digits& b) {
  const bool a_zero = a.digits.empty();
  const bool b_zero = b.digits.empty();
  const int a_sign = a_zero ? 0 : (a.negative ? -1 : 1);
  const int b_sign = b_zero ? 0 : (b.negative ? -1 : 1);
  if (a_sign != b_sign) return a_sign < b_sign ? -1 : 1;
  if (a_sign == 0) return 0;
  int magnitude = 0;
  if (a.adjusted() != b.adjusted()) {
    magnitude = a.adjusted() < b.adjusted() ? -1 : 1;
  } else {
    const std::size_t size = std::max(a.digits.size(), b.digits.size());
    std::string x = a.digits;
    std::string y = b.digits;
    x.resize(size, '0');
    y.resize(size, '0');
    magnitude = x.compare(y);
  }
  return a_sign * magnitude;
}

// The number's digits, below their double: exponent and 34 digits, complemented for negative numbers.
void append_digits(Bytes& out, const Digits& number) {
  std::string digits = number.digits;
  digits.resize(Decimal128::kDigitsMax, '0');
  const std::size_t start = out.size();
  append_big_endian(out, static_cast<std::uint64_t>(number.adjusted() + 0x4000), 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    out.push_back(static_cast<char>((digits[i] - '0') * 16 + (digits[i + 1] - '0')));
  }
  if (number.negative) {
    for (std::size_t i = start; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
  }
}

// The largest double that is not above the number, or minus infinity.
double floor_double(const Digits& number) {
  constexpr double kMax = std::numeric_limits<double>::max();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (number.digits.empty()) return 0;
  if (number.adjusted() > 310) return number.negative ? -kInfinity : kMax;
  if (number.adjusted() < -330) return number.negative ? -std::numeric_limits<double>::denorm_min() : 0;
  const std::string text = fmt::format("{}{}e{}", number.negative ? "-" : "", number.digits, number.exponent);
  double near = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), near);
  if (error == std::errc::result_out_of_range) {
    const bool tiny = number.adjusted() < 0;
    near = tiny ? 0 : kMax;
    if (number.negative) near = -near;
  }
  // `near` is one of the two neighbours.
  if (compare_digits(digits_of(near), number) > 0) near = std::nextafter(near, -kInfinity);
  return near;
}

void append_decimal(Bytes& out, const Decimal128& v) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (v.kind != Decimal128::Kind::kFinite) {
    append_double(out, v.kind == Decimal128::Kind::kNaN ? std::numeric_limits<double>::quiet_NaN()
                                                        : (v.negative ? -kInfinity : kInfinity));
    out.push_back('\0');
    return;
  }
  const Digits number{v.negative, v.digits, v.exponent};
  const double below = floor_double(number);
  append_double(out, below);
  const bool exact = std::isfinite(below) && compare_digits(digits_of(below), number) == 0;
  out.push_back(exact ? 0 : 1);
  if (!exact) append_digits(out, number);
}

void append_int64(Bytes& out, std::int64_t v) {
  auto below = static_cast<double>(v);
  // 2^63 is above every int64, and rounding may have gone up to it.
  if (below >= 0x1.0p63 || static_cast<std::int64_t>(below) > v) below = std::nextafter(below, -0x1.0p64);
  append_double(out, below);
  const bool exact = static_cast<std::int64_t>(below) == v;
  out.push_back(exact ? 0 : 1);
  if (exact) return;
  std::string digits = std::to_string(v);
  if (v < 0) digits.erase(0, 1);
  append_digits(out, Digits{v < 0, std::move(digits), 0});
}

char kind_byte(Type type) {
  // Never 0 (end of an object) and in the order of the brackets.
  return static_cast<char>(type_bracket(type) + 2);
}

void append_payload(Bytes& out, const Value& value);

void append_object(Bytes& out, View object, bool with_keys) {
  for (const Element& element : object) {
    out.push_back(kind_byte(element.value.type()));
    if (with_keys) out.append(element.key).push_back('\0');
    append_payload(out, element.value);
  }
  out.push_back('\0');
}

void append_payload(Bytes& out, const Value& value) {
  switch (value.type()) {
    case Type::kDouble:
      append_double(out, value.as_double());
      out.push_back('\0');
      return;
    case Type::kInt32:
      append_double(out, value.as_int32());
      out.push_back('\0');
      return;
    case Type::kInt64:
      return append_int64(out, value.as_int64());
    case Type::kDecimal128:
      return append_decimal(out, Decimal128::decode(value.raw()));
    case Type::kString:
    case Type::kSymbol:
    case Type::kCode:
      return append_text(out, value.as_string());
    case Type::kObject:
      return append_object(out, value.as_object(), true);
    case Type::kArray:
      return append_object(out, value.as_object(), false);
    case Type::kBinary:
      append_big_endian(out, value.raw().size() - 5, 4);
      out.append(value.raw().substr(4));
      return;
    case Type::kObjectId:
    case Type::kBool:
      out.append(value.raw());
      return;
    case Type::kDate:
      return append_big_endian(out, static_cast<std::uint64_t>(value.as_date_ms()) ^ (1ULL << 63));
    case Type::kTimestamp:
      append_big_endian(out, value.timestamp_seconds(), 4);
      append_big_endian(out, value.timestamp_increment(), 4);
      return;
    case Type::kRegex:
      out.append(value.regex_pattern()).push_back('\0');
      out.append(value.regex_options()).push_back('\0');
      return;
    case Type::kDbPointer:
      append_text(out, value.db_pointer_collection());
      out.append(value.db_pointer_id());
      return;
    case Type::kCodeWithScope:
      append_text(out, value.scoped_code());
      return append_object(out, value.code_scope(), true);
    case Type::kUndefined:
    case Type::kNull:
    case Type::kMaxKey:
    case Type::kMinKey:
      return;
  }
}

// Steps over a key without decoding it.
class KeyWalker {
 public:
  KeyWalker(BytesView bytes, bool complemented) : bytes_(bytes), mask_(complemented ? 0xff : 0) {}

  std::size_t at() const { return at_; }

  bool value(int depth) {
    const int kind = next();
    return kind >= 0 && payload(kind, depth);
  }

 private:
  int next() { return at_ < bytes_.size() ? (static_cast<unsigned char>(bytes_[at_++]) ^ mask_) : -1; }
  bool skip(std::size_t count) {
    if (count > bytes_.size() - at_) return false;
    at_ += count;
    return true;
  }
  bool until_zero() {
    for (;;) {
      const int byte = next();
      if (byte <= 0) return byte == 0;
    }
  }
  bool text() {
    while (until_zero()) {
      const int after = next();
      if (after == 1) return true;
      if (after != 0xff) return false;
    }
    return false;
  }
  bool number() {
    if (!skip(8)) return false;
    const int digits = next();
    return digits == 0 || (digits == 1 && skip(2 + Decimal128::kDigitsMax / 2));
  }
  bool elements(bool with_keys, int depth) {
    if (depth > kDepthMax) return false;
    for (;;) {
      const int kind = next();
      if (kind <= 0) return kind == 0;
      if (with_keys && !until_zero()) return false;
      if (!payload(kind, depth + 1)) return false;
    }
  }
  bool binary() {
    std::size_t size = 0;
    for (int i = 0; i < 4; ++i) {
      const int byte = next();
      if (byte < 0) return false;
      size = size << 8 | static_cast<std::size_t>(byte);
    }
    return skip(size + 1);
  }
  bool payload(int kind, int depth) {
    const auto is = [kind](Type type) { return kind == static_cast<unsigned char>(kind_byte(type)); };
    if (is(Type::kNull) || is(Type::kUndefined) || is(Type::kMinKey) || is(Type::kMaxKey)) return true;
    if (is(Type::kDouble)) return number();
    if (is(Type::kString) || is(Type::kCode)) return text();
    if (is(Type::kObject)) return elements(true, depth);
    if (is(Type::kArray)) return elements(false, depth);
    if (is(Type::kBinary)) return binary();
    if (is(Type::kObjectId)) return skip(12);
    if (is(Type::kBool)) return skip(1);
    if (is(Type::kDate) || is(Type::kTimestamp)) return skip(8);
    if (is(Type::kRegex)) return until_zero() && until_zero();
    if (is(Type::kDbPointer)) return text() && skip(12);
    if (is(Type::kCodeWithScope)) return text() && elements(true, depth);
    return false;
  }

  BytesView bytes_;
  int mask_;
  std::size_t at_ = 0;
};

}  // namespace

void append_order_key(Bytes& out, const Value& value) {
  out.push_back(kind_byte(value.type()));
  append_payload(out, value);
}

Bytes order_key(const Value& value) {
  Bytes key;
  append_order_key(key, value);
  return key;
}

std::optional<std::size_t> order_key_size(BytesView bytes, bool complemented) {
  KeyWalker walker(bytes, complemented);
  if (!walker.value(0)) return std::nullopt;
  return walker.at();
}

char order_key_kind(Type type) {
  return kind_byte(type);
}

}  // namespace distri::bson
