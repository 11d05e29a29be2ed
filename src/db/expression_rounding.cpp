#include <array>
#include <cmath>

#include "distri/db/decimal_math.hpp"
#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

constexpr int kPlaceMin = -20;
constexpr int kPlaceMax = 100;

Result<Value> round_up_or_down(const Call& call, DecimalRounding rounding) {
  const Value& value = call[0];
  if (is_nullish(value)) return call.null();
  if (!value.is_number()) return refuse(28765, "{} only supports numeric types, not {}", call.name, kind_of(value));
  if (value.type() == Type::kDouble) {
    const double v = value.as_double();
    return call.arena().real(rounding == DecimalRounding::kFloor ? std::floor(v) : std::ceil(v));
  }
  if (value.type() == Type::kDecimal128) return call.arena().decimal(decimal_round(to_decimal(value), 0, rounding));
  return value;
}

Result<Value> floor(const Call& call) {
  return round_up_or_down(call, DecimalRounding::kFloor);
}

Result<Value> ceiling(const Call& call) {
  return round_up_or_down(call, DecimalRounding::kCeiling);
}

Result<int> place_of(const Call& call) {
  if (call.size() < 2) return 0;
  const auto place = call[1].is_number() ? call[1].to_int64() : std::nullopt;
  if (!place) return refuse(51082, "{}: the place must be a whole number, not {}", call.name, shown_value(call[1]));
  if (*place < kPlaceMin || *place > kPlaceMax) {
    return refuse(51083, "{}: cannot apply it with place {}, it must be from {} to {}", call.name, *place, kPlaceMin,
                  kPlaceMax);
  }
  return static_cast<int>(*place);
}

Result<Value> round_to_place(const Call& call, DecimalRounding rounding) {
  const Value& value = call[0];
  if (is_nullish(value) || (call.size() > 1 && is_nullish(call[1]))) return call.null();
  DISTRI_TRY(const int place, place_of(call));
  if (!value.is_number()) return refuse(51081, "{} only supports numeric types, not {}", call.name, kind_of(value));
  if (value.type() == Type::kDecimal128) {
    return call.arena().decimal(decimal_round(to_decimal(value), -place, rounding));
  }
  if (value.type() == Type::kDouble) {
    const double v = value.as_double();
    if (!std::isfinite(v)) return value;
    if (place == 0) return call.arena().real(rounding == DecimalRounding::kDown ? std::trunc(v) : std::nearbyint(v));
    const double result = to_nearest_double(decimal_round(decimal_from_double(v), -place, rounding));
    return call.arena().real(std::copysign(result, v));
  }
  if (place >= 0) return value;
  const auto whole = bson::decimal_to_int64(decimal_round(to_decimal(value), -place, rounding));
  if (!whole) return refuse(51080, "{}: the result does not fit into 64 bits", call.name);
  return value.type() == Type::kInt32 ? call.arena().integer(*whole) : call.arena().int64(*whole);
}

Result<Value> round(const Call& call) {
  return round_to_place(call, DecimalRounding::kHalfEven);
}

Result<Value> truncate(const Call& call) {
  return round_to_place(call, DecimalRounding::kDown);
}

constexpr std::array kTable = {
    OperatorEntry{"$floor", 1, 1, floor},
    OperatorEntry{"$ceil", 1, 1, ceiling},
    OperatorEntry{"$round", 1, 2, round},
    OperatorEntry{"$trunc", 1, 2, truncate},
};

}  // namespace

std::span<const OperatorEntry> rounding_operators() {
  return kTable;
}

}  // namespace distri::db
