// type_set.hpp: sets of BSON types as $type, $jsonSchema and $convert name them. Private to the module.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "distri/bson/value.hpp"

namespace distri::db {

class TypeSet {
 public:
  void add(bson::Type type) { bits_ |= bit(type); }
  void add_numbers();
  void add_all(TypeSet other) { bits_ |= other.bits_; }
  bool contains(bson::Type type) const { return (bits_ & bit(type)) != 0; }
  bool is_subset_of(TypeSet other) const { return (bits_ & ~other.bits_) == 0; }

 private:
  static std::uint32_t bit(bson::Type type) {
    if (type == bson::Type::kMinKey) return 1u << 30;
    if (type == bson::Type::kMaxKey) return 1u << 31;
    return 1u << static_cast<std::uint32_t>(type);
  }
  std::uint32_t bits_ = 0;
};

// "string", "int", ...: nullopt when no type is called so.
std::optional<bson::Type> type_named(std::string_view name);
// BSON's number of a type; -1 for MinKey.
std::optional<bson::Type> type_numbered(std::int64_t number);

// One entry of $type or bsonType: a name, a number, or "number". `where` begins the message.
Result<TypeSet> parse_type(std::string_view where, const bson::Value& value, bool numbers_allowed);

}  // namespace distri::db
