#include "distri/db/conversion.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "distri/db/calendar.hpp"
#include "distri/db/decimal_math.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

std::string hex_of(BytesView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string text_of_double(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), v).ptr};
}

std::unexpected<Error> unsupported(const Value& value, Type to) {
  return refuse(mongo::kConversionFailure, "unsupported conversion from {} to {}", type_name(value.type()),
                type_name(to));
}

std::unexpected<Error> unreadable(const Value& value, Type to) {
  return refuse(mongo::kConversionFailure, "failed to parse '{}' as {}", shown(value.as_string()), type_name(to));
}

template <class T>
std::optional<T> parsed(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T v{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return v;
}

Result<std::int64_t> to_whole(const Value& value, Type to) {
  switch (value.type()) {
    case Type::kBool:
      return value.as_bool() ? 1 : 0;
    case Type::kDate:
      if (to == Type::kInt32) return unsupported(value, to);
      return value.as_date_ms();
    case Type::kString:
      if (const auto v = parsed<std::int64_t>(value.as_string())) return *v;
      return unreadable(value, to);
    default:
      break;
  }
  if (!value.is_number()) return unsupported(value, to);
  if (is_nan(value)) return refuse(mongo::kConversionFailure, "attempt to convert NaN value to {}", type_name(to));
  const auto whole = truncate_to_int64(value);
  if (whole) return *whole;
  return refuse(mongo::kConversionFailure, "conversion of {} would overflow the target type {}",
                text_of(value).value_or(""), type_name(to));
}

Result<Value> to_int(const Value& value, ValueArena& arena) {
  DISTRI_TRY(const std::int64_t whole, to_whole(value, Type::kInt32));
  const auto narrow = static_cast<std::int32_t>(whole);
  if (narrow == whole) return arena.int32(narrow);
  return refuse(mongo::kConversionFailure, "conversion of {} would overflow the target type int", whole);
}

Result<Value> to_double(const Value& value, ValueArena& arena) {
  if (value.is_number()) {
    const double v = to_nearest_double(value);
    const bool overflow = std::isinf(v) && value.type() == Type::kDecimal128 &&
                          bson::Decimal128::decode(value.raw()).kind == bson::Decimal128::Kind::kFinite;
    if (!overflow) return arena.real(v);
    return refuse(mongo::kConversionFailure, "conversion of {} would overflow the target type double",
                  text_of(value).value_or(""));
  }
  if (value.type() == Type::kBool) return arena.real(value.as_bool() ? 1 : 0);
  if (value.type() == Type::kDate) return arena.real(static_cast<double>(value.as_date_ms()));
  if (value.type() != Type::kString) return unsupported(value, Type::kDouble);
  if (const auto v = parsed<double>(value.as_string())) return arena.real(*v);
  return unreadable(value, Type::kDouble);
}

Result<Value> to_decimal_value(const Value& value, ValueArena& arena) {
  if (value.is_number()) return arena.decimal(to_decimal(value));
  if (value.type() == Type::kBool) return arena.decimal(to_decimal(arena.int32(value.as_bool() ? 1 : 0)));
  if (value.type() == Type::kDate) return arena.decimal(to_decimal(arena.int64(value.as_date_ms())));
  if (value.type() != Type::kString) return unsupported(value, Type::kDecimal128);
  if (const auto v = bson::Decimal128::parse(value.as_string())) return arena.decimal(*v);
  return unreadable(value, Type::kDecimal128);
}

Result<Value> to_date(const Value& value, ValueArena& arena) {
  switch (value.type()) {
    case Type::kDate:
      return value;
    case Type::kInt64:
    case Type::kDouble:
    case Type::kDecimal128: {
      DISTRI_TRY(const std::int64_t ms, to_whole(value, Type::kDate));
      return arena.date(ms);
    }
    case Type::kObjectId: {
      std::int64_t seconds = 0;
      for (std::size_t i = 0; i < 4; ++i) seconds = seconds * 256 + static_cast<unsigned char>(value.raw()[i]);
      return arena.date(seconds * 1000);
    }
    case Type::kTimestamp:
      return arena.date(std::int64_t{value.timestamp_seconds()} * 1000);
    case Type::kString:
      if (const auto ms = parse_date_text(value.as_string())) return arena.date(*ms);
      return unreadable(value, Type::kDate);
    default:
      return unsupported(value, Type::kDate);
  }
}

Result<Value> to_object_id(const Value& value, ValueArena& arena) {
  if (value.type() == Type::kObjectId) return value;
  if (value.type() != Type::kString) return unsupported(value, Type::kObjectId);
  const std::string_view text = value.as_string();
  std::string bytes;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (std::size_t i = 0; i + 1 < text.size() && text.size() == 24; i += 2) {
    if (digit(text[i]) < 0 || digit(text[i + 1]) < 0) break;
    bytes.push_back(static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  if (bytes.size() == 12) return arena.copy(Type::kObjectId, bytes);
  return unreadable(value, Type::kObjectId);
}

}  // namespace

std::optional<std::string> text_of(const Value& value) {
  switch (value.type()) {
    case Type::kString:
    case Type::kSymbol:
    case Type::kCode:
      return std::string(value.as_string());
    case Type::kInt32:
      return std::to_string(value.as_int32());
    case Type::kInt64:
      return std::to_string(value.as_int64());
    case Type::kDouble:
      return text_of_double(value.as_double());
    case Type::kDecimal128:
      return bson::Decimal128::decode(value.raw()).to_string();
    case Type::kBool:
      return value.as_bool() ? "true" : "false";
    case Type::kObjectId:
      return hex_of(value.raw());
    case Type::kDate:
      return date_text(value.as_date_ms());
    case Type::kTimestamp:
      return date_text(std::int64_t{value.timestamp_seconds()} * 1000);
    default:
      return std::nullopt;
  }
}

Result<Value> convert(const Value& value, Type to, ValueArena& arena) {
  switch (to) {
    case Type::kInt32:
      return to_int(value, arena);
    case Type::kInt64: {
      DISTRI_TRY(const std::int64_t whole, to_whole(value, Type::kInt64));
      return arena.int64(whole);
    }
    case Type::kDouble:
      return to_double(value, arena);
    case Type::kDecimal128:
      return to_decimal_value(value, arena);
    case Type::kBool:
      return arena.boolean(is_truthy(value));
    case Type::kDate:
      return to_date(value, arena);
    case Type::kObjectId:
      return to_object_id(value, arena);
    case Type::kString: {
      const auto text = value.type() == Type::kTimestamp ? std::nullopt : text_of(value);
      if (!text) return unsupported(value, to);
      return arena.string(*text);
    }
    default:
      return unsupported(value, to);
  }
}

}  // namespace distri::db
