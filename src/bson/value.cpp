#include "distri/bson/value.hpp"

#include <cmath>

#include "distri/bson/decimal128.hpp"

namespace distri::bson {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kDouble:
      return "double";
    case Type::kString:
      return "string";
    case Type::kObject:
      return "object";
    case Type::kArray:
      return "array";
    case Type::kBinary:
      return "binData";
    case Type::kUndefined:
      return "undefined";
    case Type::kObjectId:
      return "objectId";
    case Type::kBool:
      return "bool";
    case Type::kDate:
      return "date";
    case Type::kNull:
      return "null";
    case Type::kRegex:
      return "regex";
    case Type::kDbPointer:
      return "dbPointer";
    case Type::kCode:
      return "javascript";
    case Type::kSymbol:
      return "symbol";
    case Type::kCodeWithScope:
      return "javascriptWithScope";
    case Type::kInt32:
      return "int";
    case Type::kTimestamp:
      return "timestamp";
    case Type::kInt64:
      return "long";
    case Type::kDecimal128:
      return "decimal";
    case Type::kMaxKey:
      return "maxKey";
    case Type::kMinKey:
      return "minKey";
  }
  return "unknown";
}

View Value::code_scope() const {
  return View::trusted(raw_.substr(8 + detail::load_u32(raw_.data() + 4)));
}

std::optional<std::int64_t> Value::to_int64() const {
  switch (type_) {
    case Type::kInt32:
      return as_int32();
    case Type::kInt64:
      return as_int64();
    case Type::kDouble: {
      const double v = as_double();
      if (!(v >= -0x1.0p63 && v < 0x1.0p63) || v != std::trunc(v)) return std::nullopt;
      return static_cast<std::int64_t>(v);
    }
    case Type::kDecimal128:
      return decimal_to_int64(Decimal128::decode(raw_));
    default:
      return std::nullopt;
  }
}

std::optional<double> Value::to_double() const {
  switch (type_) {
    case Type::kInt32:
      return as_int32();
    case Type::kInt64:
      return static_cast<double>(as_int64());
    case Type::kDouble:
      return as_double();
    default:
      return std::nullopt;
  }
}

std::size_t View::count() const {
  std::size_t n = 0;
  for (auto at = begin(); !at.at_end(); ++at) ++n;
  return n;
}

// View::find() is in field_name.cpp.

std::optional<Element> View::find_element(std::string_view key) const {
  for (const Element& element : *this) {
    if (element.key == key) return element;
  }
  return std::nullopt;
}

}  // namespace distri::bson
