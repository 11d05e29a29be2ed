// random_document.hpp: values of every type for property tests, from a seed.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "distri/bson/document.hpp"
#include "distri/utils/random.hpp"

namespace distri::bson::test {

inline std::string random_text(Random& random) {
  static constexpr std::array<std::string_view, 8> kPieces = {
      "a", "b", "\xc3\xa9", "z", "0", std::string_view("\0", 1), "\x01", "\x7f"};
  std::string text;
  for (auto n = random.below(5); n > 0; --n) text += kPieces[random.below(kPieces.size())];
  return text;
}

inline std::string random_key(Random& random) {
  static constexpr std::array<std::string_view, 6> kKeys = {"a", "b", "ab", "", "c", "\xc3\xa9"};
  return std::string(kKeys[random.below(kKeys.size())]);
}

inline double random_double(Random& random) {
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr std::array<double, 20> kSpecial = {0.0,
                                                      -0.0,
                                                      1.0,
                                                      -1.0,
                                                      0.5,
                                                      0.1,
                                                      1.5,
                                                      kInfinity,
                                                      -kInfinity,
                                                      std::numeric_limits<double>::quiet_NaN(),
                                                      std::numeric_limits<double>::max(),
                                                      -std::numeric_limits<double>::max(),
                                                      std::numeric_limits<double>::denorm_min(),
                                                      -std::numeric_limits<double>::denorm_min(),
                                                      0x1p53,
                                                      0x1p53 + 2,
                                                      0x1p63,
                                                      -0x1p63,
                                                      0x1.fffffffffffffp62,
                                                      1e300};
  if (random.chance(0.7)) return kSpecial[random.below(kSpecial.size())];
  return std::bit_cast<double>(random.next());
}

inline std::int64_t random_int64(Random& random) {
  constexpr std::int64_t k53 = std::int64_t{1} << 53;
  static constexpr std::array<std::int64_t, 12> kSpecial = {0,
                                                            1,
                                                            -1,
                                                            k53,
                                                            k53 + 1,
                                                            k53 + 2,
                                                            k53 + 3,
                                                            -k53 - 1,
                                                            std::numeric_limits<std::int64_t>::max(),
                                                            std::numeric_limits<std::int64_t>::max() - 1,
                                                            std::numeric_limits<std::int64_t>::min(),
                                                            std::numeric_limits<std::int64_t>::min() + 1};
  if (random.chance(0.7)) return kSpecial[random.below(kSpecial.size())];
  return static_cast<std::int64_t>(random.next() >> random.below(64));
}

// The texts of decimals near the other numbers above; json_test proves that they are read right.
inline std::string random_decimal(Random& random) {
  static constexpr std::array<std::string_view, 24> kTexts = {"0",
                                                              "-0",
                                                              "0E+10",
                                                              "1",
                                                              "1.0",
                                                              "-1",
                                                              "0.1",
                                                              "0.5",
                                                              "1.50",
                                                              "NaN",
                                                              "Infinity",
                                                              "-Infinity",
                                                              "9007199254740993",
                                                              "9007199254740993.5",
                                                              "9223372036854775807",
                                                              "9223372036854775808",
                                                              "-9223372036854775808.5",
                                                              "1E+6000",
                                                              "-1E+6000",
                                                              "1E-6000",
                                                              "-1E-6000",
                                                              "1.797693134862315708145274237317044E+308",
                                                              "1E+300",
                                                              "4.9E-324"};
  return std::string(kTexts[random.below(kTexts.size())]);
}

// Appends one value of any type but decimal128, which needs text.
inline void append_random(Builder& out, std::string_view key, Random& random, int depth) {
  const auto raw = [&](Type type, Bytes bytes) { out.append_value(key, Value(type, bytes)); };
  const auto text = [&] {
    const std::string content = random_text(random);
    const auto size = static_cast<std::uint32_t>(content.size() + 1);
    return std::string(reinterpret_cast<const char*>(&size), 4) + content + std::string(1, '\0');
  };
  switch (random.below(depth > 0 ? 22 : 18)) {
    case 0:
      out.append_double(key, random_double(random));
      return;
    case 1:
      out.append_double(key, random_double(random));
      return;
    case 2:
      out.append_int32(key, static_cast<std::int32_t>(random.below(5)) - 2);
      return;
    case 3:
      out.append_int64(key, random_int64(random));
      return;
    case 4:
      out.append_int64(key, random_int64(random));
      return;
    case 5:
      out.append_string(key, random_text(random));
      return;
    case 6:
      out.append_bool(key, random.chance(0.5));
      return;
    case 7:
      out.append_null(key);
      return;
    case 8:
      out.append_date(key, random_int64(random));
      return;
    case 9:
      out.append_object_id(key, "0123456789" + std::string(2, static_cast<char>('a' + random.below(3))));
      return;
    case 10:
      out.append_binary(key, random_text(random), static_cast<std::uint8_t>(random.below(3)));
      return;
    case 11:
      raw(Type::kUndefined, "");
      return;
    case 12:
      raw(random.chance(0.5) ? Type::kMinKey : Type::kMaxKey, "");
      return;
    case 13:
      raw(Type::kRegex, random.chance(0.5) ? Bytes("a\0i\0", 4) : Bytes("ab\0\0", 4));
      return;
    case 14:
      raw(Type::kTimestamp, Bytes(8, static_cast<char>(random.below(3))));
      return;
    case 15:
      raw(Type::kSymbol, text());
      return;
    case 16:
      raw(Type::kCode, text());
      return;
    case 17:
      raw(Type::kDbPointer, text() + "0123456789ab");
      return;
    case 18:
    case 19:
      out.begin_array(key);
      for (std::uint64_t i = 0, n = random.below(4); i < n; ++i)
        append_random(out, std::to_string(i), random, depth - 1);
      out.end();
      return;
    default:
      out.begin_object(key);
      for (std::uint64_t i = 0, n = random.below(4); i < n; ++i) {
        append_random(out, random_key(random) + std::to_string(i), random, depth - 1);
      }
      out.end();
      return;
  }
}

inline Document random_document(Random& random, std::uint64_t fields_max = 6) {
  Builder out;
  for (std::uint64_t i = 0, n = random.below(fields_max + 1); i < n; ++i) {
    append_random(out, random_key(random) + std::to_string(i), random, 3);
  }
  return std::move(out).finish();
}

}  // namespace distri::bson::test
