#include "distri/bson/decimal128.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace distri::bson {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr int kBias = 6176;

std::string digits_of(Wide value) {
  std::string digits;
  for (; value != 0; value /= 10) digits.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
  std::reverse(digits.begin(), digits.end());
  return digits;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

// Moves the exponent into its range where zeros at the end of the digits allow it.
bool clamp(Decimal128& value) {
  if (value.digits.empty()) {
    value.exponent = std::clamp(value.exponent, Decimal128::kExponentMin, Decimal128::kExponentMax);
    return true;
  }
  while (value.digits.size() > Decimal128::kDigitsMax || value.exponent < Decimal128::kExponentMin) {
    if (value.digits.back() != '0' || value.digits.size() == 1) return false;
    value.digits.pop_back();
    ++value.exponent;
  }
  while (value.exponent > Decimal128::kExponentMax) {
    if (value.digits.size() >= Decimal128::kDigitsMax) return false;
    value.digits.push_back('0');
    --value.exponent;
  }
  return true;
}

}  // namespace

Decimal128 Decimal128::decode(BytesView raw) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, raw.data(), 8);
  std::memcpy(&high, raw.data() + 8, 8);
  Decimal128 value;
  value.negative = (high >> 63) != 0;
  const auto combination = static_cast<unsigned>((high >> 58) & 31);
  if (combination == 31) {
    value.kind = Kind::kNaN;
    value.negative = false;
    return value;
  }
  if (combination == 30) {
    value.kind = Kind::kInfinity;
    return value;
  }
  if (combination >= 24) {  // a significand of more than 34 digits: zero
    value.exponent = static_cast<int>((high >> 47) & 0x3fff) - kBias;
    return value;
  }
  value.exponent = static_cast<int>((high >> 49) & 0x3fff) - kBias;
  const Wide significand = (static_cast<Wide>(high & 0x1ffffffffffffULL) << 64) | low;
  value.digits = digits_of(significand);
  if (value.digits.size() > kDigitsMax) value.digits.clear();
  return value;
}

std::array<char, 16> Decimal128::encode() const {
  std::uint64_t low = 0;
  std::uint64_t high = negative ? 1ULL << 63 : 0;
  if (kind == Kind::kNaN) {
    high = 0x7c00000000000000ULL;
  } else if (kind == Kind::kInfinity) {
    high |= 0x7800000000000000ULL;
  } else {
    Wide significand = 0;
    for (const char c : digits) significand = significand * 10 + static_cast<unsigned>(c - '0');
    low = static_cast<std::uint64_t>(significand);
    high |= static_cast<std::uint64_t>(significand >> 64) | (static_cast<std::uint64_t>(exponent + kBias) << 49);
  }
  std::array<char, 16> raw{};
  std::memcpy(raw.data(), &low, 8);
  std::memcpy(raw.data() + 8, &high, 8);
  return raw;
}

std::optional<Decimal128> Decimal128::parse(std::string_view text) {
  Decimal128 value;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    value.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (equals_ignoring_case(text, "nan")) {
    value.kind = Kind::kNaN;
    value.negative = false;
    return value;
  }
  if (equals_ignoring_case(text, "inf") || equals_ignoring_case(text, "infinity")) {
    value.kind = Kind::kInfinity;
    return value;
  }
  std::size_t i = 0;
  bool point = false;
  bool any_digit = false;
  std::int64_t scale = 0;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !point)); ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    any_digit = true;
    if (point) --scale;
    if (text[i] != '0' || !value.digits.empty()) value.digits.push_back(text[i]);
  }
  if (!any_digit) return std::nullopt;
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return std::nullopt;
    text.remove_prefix(i + 1);
    if (!text.empty() && text.front() == '+') {
      text.remove_prefix(1);
      if (!text.empty() && text.front() == '-') return std::nullopt;
    }
    std::int64_t exponent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (exponent > 100'000'000 || exponent < -100'000'000) return std::nullopt;
    scale += exponent;
  }
  value.exponent = static_cast<int>(std::clamp<std::int64_t>(scale, -200'000'000, 200'000'000));
  if (!clamp(value)) return std::nullopt;
  return value;
}

std::string Decimal128::to_string() const {
  if (kind == Kind::kNaN) return "NaN";
  std::string text = negative ? "-" : "";
  if (kind == Kind::kInfinity) return text + "Infinity";
  const std::string shown = digits.empty() ? "0" : digits;
  const int size = static_cast<int>(shown.size());
  const int adjusted = exponent + size - 1;
  if (exponent > 0 || adjusted < -6) {
    text += shown[0];
    if (size > 1) text.append(".").append(shown, 1);
    return text.append("E")
        .append(adjusted < 0 ? "-" : "+")
        .append(std::to_string(adjusted < 0 ? -adjusted : adjusted));
  }
  if (exponent == 0) return text + shown;
  const int before_point = size + exponent;
  if (before_point > 0) {
    return text.append(shown, 0, static_cast<std::size_t>(before_point))
        .append(".")
        .append(shown, static_cast<std::size_t>(before_point));
  }
  return text.append("0.").append(static_cast<std::size_t>(-before_point), '0').append(shown);
}

std::optional<std::int64_t> decimal_to_int64(const Decimal128& value) {
  if (value.kind != Decimal128::Kind::kFinite) return std::nullopt;
  if (value.digits.empty()) return 0;
  std::string text = value.negative ? "-" + value.digits : value.digits;
  if (value.exponent > 19) return std::nullopt;
  for (int i = 0; i < value.exponent; ++i) text.push_back('0');
  for (int i = value.exponent; i < 0; ++i) {
    if (text.back() != '0') return std::nullopt;
    text.pop_back();
  }
  std::int64_t result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return result;
}

}  // namespace distri::bson
