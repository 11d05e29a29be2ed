#include "distri/db/type_set.hpp"

#include <array>

#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

using bson::Type;

constexpr std::array kTypes = {
    Type::kDouble,     Type::kString, Type::kObject,        Type::kArray, Type::kBinary,    Type::kUndefined,
    Type::kObjectId,   Type::kBool,   Type::kDate,          Type::kNull,  Type::kRegex,     Type::kDbPointer,
    Type::kCode,       Type::kSymbol, Type::kCodeWithScope, Type::kInt32, Type::kTimestamp, Type::kInt64,
    Type::kDecimal128, Type::kMaxKey, Type::kMinKey,
};

}  // namespace

void TypeSet::add_numbers() {
  for (const Type type : {Type::kDouble, Type::kInt32, Type::kInt64, Type::kDecimal128}) add(type);
}

std::optional<Type> type_named(std::string_view name) {
  for (const Type type : kTypes) {
    if (bson::type_name(type) == name) return type;
  }
  return std::nullopt;
}

std::optional<Type> type_numbered(std::int64_t number) {
  if (number == -1) return Type::kMinKey;
  for (const Type type : kTypes) {
    if (type != Type::kMinKey && static_cast<std::int64_t>(type) == number) return type;
  }
  return std::nullopt;
}

Result<TypeSet> parse_type(std::string_view where, const bson::Value& value, bool numbers_allowed) {
  TypeSet set;
  if (value.type() == Type::kString) {
    if (value.as_string() == "number") {
      set.add_numbers();
      return set;
    }
    const auto type = type_named(value.as_string());
    if (!type) return refuse(mongo::kBadValue, "{}: unknown type name '{}'", where, shown(value.as_string()));
    set.add(*type);
    return set;
  }
  if (!numbers_allowed || !value.is_number()) {
    return refuse(mongo::kTypeMismatch, "{} takes a type's name{}, or an array of them, not {}", where,
                  numbers_allowed ? " or number" : "", type_name(value.type()));
  }
  const auto number = value.to_int64();
  const auto type = number ? type_numbered(*number) : std::nullopt;
  if (!type) {
    return refuse(mongo::kBadValue, "{}: invalid numerical type code {}", where,
                  number ? std::to_string(*number) : "that is not a whole number");
  }
  set.add(*type);
  return set;
}

}  // namespace distri::db
