// number.hpp: what several operators ask of BSON's numbers. Private to the module.
#pragma once

#include <cstdint>
#include <optional>

#include "distri/bson/decimal128.hpp"
#include "distri/bson/value.hpp"

namespace distri::db {

bool is_nan(const bson::Value& value);

// As a condition: false for missing, null, undefined, false and zero of any type.
bool is_truthy(const bson::Value& value);

// Towards zero; nullopt for NaN, infinities and what 64 bits do not hold. Precondition: a number.
std::optional<std::int64_t> truncate_to_int64(const bson::Value& value);

// Precondition: a number. A double becomes the shortest decimal that reads as the same double, rounded to 15 digits.
bson::Decimal128 to_decimal(const bson::Value& value);
// The nearest double. Precondition: a number.
double to_nearest_double(const bson::Value& value);
double to_nearest_double(const bson::Decimal128& value);

// Whether value = k * factor for a whole k, in decimal (0.3 is a multiple of 0.1). Preconditions: numbers, factor > 0.
bool is_multiple_of(const bson::Value& value, const bson::Value& factor);

}  // namespace distri::db
