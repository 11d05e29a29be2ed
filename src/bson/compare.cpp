#include "distri/bson/compare.hpp"

#include <algorithm>
#include <cmath>

namespace distri::bson {
namespace {

template <class T>
int order(T a, T b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// Bytes first, then length: a prefix comes first.
int order_text(std::string_view a, std::string_view b) {
  const int common = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return common != 0 ? common : order(a.size(), b.size());
}

// Length first, then bytes.
int order_sized(BytesView a, BytesView b) {
  if (a.size() != b.size()) return order(a.size(), b.size());
  return std::memcmp(a.data(), b.data(), a.size());
}

int order_doubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return order(!std::isnan(a), !std::isnan(b));
  return order(a, b);
}

int order_int_double(std::int64_t a, double b) {
  if (std::isnan(b)) return 1;
  if (b >= 0x1.0p63) return -1;
  if (b < -0x1.0p63) return 1;
  // In range: the whole part is exact, and the fraction only matters when the whole parts are equal.
  const double whole = std::trunc(b);
  const int by_whole = order(a, static_cast<std::int64_t>(whole));
  return by_whole != 0 ? by_whole : order(whole, b);
}

int order_numbers(const Value& a, const Value& b) {
  if (a.type() == Type::kDecimal128 || b.type() == Type::kDecimal128) return order_text(order_key(a), order_key(b));
  const bool a_double = a.type() == Type::kDouble;
  const bool b_double = b.type() == Type::kDouble;
  if (a_double && b_double) return order_doubles(a.as_double(), b.as_double());
  if (a_double) return -order_int_double(*b.to_int64(), a.as_double());
  if (b_double) return order_int_double(*a.to_int64(), b.as_double());
  const std::int64_t x = a.type() == Type::kInt32 ? a.as_int32() : a.as_int64();
  const std::int64_t y = b.type() == Type::kInt32 ? b.as_int32() : b.as_int64();
  return order(x, y);
}

int order_objects(View a, View b, bool with_keys) {
  auto x = a.begin();
  auto y = b.begin();
  for (;; ++x, ++y) {
    if (x.at_end() || y.at_end()) return order(!x.at_end(), !y.at_end());
    const int by_type = order(type_bracket(x->value.type()), type_bracket(y->value.type()));
    if (by_type != 0) return by_type;
    if (with_keys) {
      if (const int by_key = order_text(x->key, y->key); by_key != 0) return by_key;
    }
    if (const int by_value = compare(x->value, y->value); by_value != 0) return by_value;
  }
}

int order_same_bracket(const Value& a, const Value& b) {
  switch (a.type()) {
    case Type::kDouble:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDecimal128:
      return order_numbers(a, b);
    case Type::kString:
    case Type::kSymbol:
    case Type::kCode:
      return order_text(a.as_string(), b.as_string());
    case Type::kObject:
      return order_objects(a.as_object(), b.as_object(), true);
    case Type::kArray:
      return order_objects(a.as_object(), b.as_object(), false);
    case Type::kBinary:
      if (a.raw().size() != b.raw().size()) return order(a.raw().size(), b.raw().size());
      return std::memcmp(a.raw().data() + 4, b.raw().data() + 4, a.raw().size() - 4);  // subtype, then bytes
    case Type::kObjectId:
      return order_sized(a.raw(), b.raw());
    case Type::kBool:
      return order(a.as_bool(), b.as_bool());
    case Type::kDate:
      return order(a.as_date_ms(), b.as_date_ms());
    case Type::kTimestamp: {
      const int by_seconds = order(a.timestamp_seconds(), b.timestamp_seconds());
      return by_seconds != 0 ? by_seconds : order(a.timestamp_increment(), b.timestamp_increment());
    }
    case Type::kRegex: {
      const int by_pattern = order_text(a.regex_pattern(), b.regex_pattern());
      return by_pattern != 0 ? by_pattern : order_text(a.regex_options(), b.regex_options());
    }
    case Type::kDbPointer: {
      const int by_collection = order_text(a.db_pointer_collection(), b.db_pointer_collection());
      return by_collection != 0 ? by_collection : order_sized(a.db_pointer_id(), b.db_pointer_id());
    }
    case Type::kCodeWithScope: {
      const int by_code = order_text(a.scoped_code(), b.scoped_code());
      return by_code != 0 ? by_code : order_objects(a.code_scope(), b.code_scope(), true);
    }
    case Type::kUndefined:
    case Type::kNull:
    case Type::kMaxKey:
    case Type::kMinKey:
      break;
  }
  return 0;
}

}  // namespace

int type_bracket(Type type) {
  switch (type) {
    case Type::kMinKey:
      return -1;
    case Type::kUndefined:
      return 0;
    case Type::kNull:
      return 5;
    case Type::kDouble:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDecimal128:
      return 10;
    case Type::kString:
    case Type::kSymbol:
      return 15;
    case Type::kObject:
      return 20;
    case Type::kArray:
      return 25;
    case Type::kBinary:
      return 30;
    case Type::kObjectId:
      return 35;
    case Type::kBool:
      return 40;
    case Type::kDate:
      return 45;
    case Type::kTimestamp:
      return 47;
    case Type::kRegex:
      return 50;
    case Type::kDbPointer:
      return 55;
    case Type::kCode:
      return 60;
    case Type::kCodeWithScope:
      return 65;
    case Type::kMaxKey:
      return 127;
  }
  return 127;
}

int compare(const Value& a, const Value& b) {
  const int by_type = order(type_bracket(a.type()), type_bracket(b.type()));
  return by_type != 0 ? by_type : order_same_bracket(a, b);
}

int compare(View a, View b) {
  return order_objects(a, b, true);
}

}  // namespace distri::bson
