// decimal128.hpp: BSON's 128-bit decimal numbers (IEEE 754-2008, binary integer significand) as sign, digits and
// exponent.
//
// Text conversion, comparison and order keys need the number as decimal digits, and arithmetic (db) is rare enough to
// live with them. Threads: values. Errors: parse() only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "distri/utils/bytes.hpp"

namespace distri::bson {

struct Decimal128 {
  static constexpr int kDigitsMax = 34;
  static constexpr int kExponentMin = -6176;
  static constexpr int kExponentMax = 6111;
  enum class Kind : std::uint8_t { kFinite, kInfinity, kNaN };

  Kind kind = Kind::kFinite;
  bool negative = false;
  int exponent = 0;    // of the last digit
  std::string digits;  // without leading zeros; empty: zero

  // Precondition: 16 bytes. Significands beyond 34 digits mean zero, as the standard says.
  static Decimal128 decode(BytesView raw);
  std::array<char, 16> encode() const;

  // nullopt when the text is not a number, or one that 34 digits and the exponent range cannot hold exactly.
  static std::optional<Decimal128> parse(std::string_view text);
  std::string to_string() const;
};

// When the number is an integer in range.
std::optional<std::int64_t> decimal_to_int64(const Decimal128& value);

}  // namespace distri::bson
