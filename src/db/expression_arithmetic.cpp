#include <array>
#include <cmath>
#include <limits>

#include "distri/db/arithmetic.hpp"
#include "distri/db/decimal_math.hpp"
#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// The date `ms` plus a number, rounded.
Result<Value> shifted_date(const Call& call, std::int64_t ms, const Value& number, bool negative) {
  const auto overflow = [&] { return refuse(mongo::kOverflow, "{}: the date does not fit into 64 bits", call.name); };
  std::int64_t by = 0;
  if (const auto whole = number.to_int64()) {
    by = *whole;
  } else {
    const double rounded = std::round(to_nearest_double(number));
    if (!(rounded > -0x1.0p63 && rounded < 0x1.0p63)) return overflow();
    by = static_cast<std::int64_t>(rounded);
  }
  std::int64_t result = 0;
  const bool over = negative ? __builtin_sub_overflow(ms, by, &result) : __builtin_add_overflow(ms, by, &result);
  if (over) return overflow();
  return call.arena().date(result);
}

Result<Value> add(const Call& call) {
  NumberSum sum;
  const Value* date = nullptr;
  for (const Value& value : call.arguments) {
    if (is_nullish(value)) return call.null();
    if (value.is_number()) {
      sum.add(value);
    } else if (value.type() == Type::kDate) {
      if (date != nullptr) return refuse(16612, "$add: only one date is allowed");
      date = &value;
    } else {
      return refuse(mongo::kTypeMismatch, "$add only supports numeric or date types, not {}", kind_of(value));
    }
  }
  const Value total = sum.total(call.arena());
  return date == nullptr ? total : shifted_date(call, date->as_date_ms(), total, false);
}

Result<Value> multiply(const Call& call) {
  Value product = call.arena().int32(1);
  for (const Value& value : call.arguments) {
    if (is_nullish(value)) return call.null();
    if (!value.is_number()) {
      return refuse(mongo::kTypeMismatch, "$multiply only supports numeric types, not {}", kind_of(value));
    }
    product = multiply_numbers(product, value, call.arena());
  }
  return product;
}

Result<Value> subtract(const Call& call) {
  if (call.any_nullish()) return call.null();
  const Value& a = call[0];
  const Value& b = call[1];
  if (a.is_number() && b.is_number()) return subtract_numbers(a, b, call.arena());
  if (a.type() == Type::kDate && b.is_number()) return shifted_date(call, a.as_date_ms(), b, true);
  if (a.type() == Type::kDate && b.type() == Type::kDate) {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a.as_date_ms(), b.as_date_ms(), &difference)) {
      return refuse(mongo::kOverflow, "$subtract: the difference of the dates does not fit into 64 bits");
    }
    return call.arena().int64(difference);
  }
  return refuse(mongo::kTypeMismatch, "can't $subtract {} from {}", kind_of(b), kind_of(a));
}

Result<> check_two_numbers(const Call& call) {
  if (call[0].is_number() && call[1].is_number()) return {};
  return refuse(mongo::kTypeMismatch, "{} only supports numeric types, not {} and {}", call.name, kind_of(call[0]),
                kind_of(call[1]));
}

Result<Value> divide(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_two_numbers(call));
  if (call[1].to_int64() == 0) return refuse(mongo::kBadValue, "can't $divide by zero");
  if (wider(call[0].type(), call[1].type()) == Type::kDecimal128) {
    return call.arena().decimal(decimal_divide(to_decimal(call[0]), to_decimal(call[1])));
  }
  return call.arena().real(to_nearest_double(call[0]) / to_nearest_double(call[1]));
}

Result<Value> modulo(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_two_numbers(call));
  if (call[1].to_int64() == 0) return refuse(16610, "can't $mod by zero");
  const Type type = wider(call[0].type(), call[1].type());
  if (type == Type::kDecimal128) {
    return call.arena().decimal(decimal_remainder(to_decimal(call[0]), to_decimal(call[1])));
  }
  if (type == Type::kDouble) {
    return call.arena().real(std::fmod(to_nearest_double(call[0]), to_nearest_double(call[1])));
  }
  const std::int64_t divisor = *call[1].to_int64();
  const std::int64_t rest = divisor == -1 ? 0 : *call[0].to_int64() % divisor;
  return type == Type::kInt32 ? call.arena().integer(rest) : call.arena().int64(rest);
}

Result<> check_number(const Call& call, std::size_t i = 0) {
  if (call[i].is_number()) return {};
  return refuse(28765, "{} only supports numeric types, not {}", call.name, kind_of(call[i]));
}

Result<Value> absolute(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_number(call));
  const Value& value = call[0];
  switch (value.type()) {
    case Type::kInt32:
      return call.arena().integer(std::abs(std::int64_t{value.as_int32()}));
    case Type::kInt64:
      if (value.as_int64() == std::numeric_limits<std::int64_t>::min()) {
        return refuse(28680, "can't take $abs of the smallest long");
      }
      return call.arena().int64(std::abs(value.as_int64()));
    case Type::kDouble:
      return call.arena().real(std::fabs(value.as_double()));
    default: {
      bson::Decimal128 decimal = to_decimal(value);
      decimal.negative = false;
      return call.arena().decimal(decimal);
    }
  }
}

// The result of a function of doubles, as a decimal (of a double's precision) when an argument was one.
Value real_result(const Call& call, double result) {
  for (const Value& value : call.arguments) {
    if (value.type() == Type::kDecimal128) {
      return call.arena().decimal(to_decimal(call.arena().real(result)));
    }
  }
  return call.arena().real(result);
}

template <double (*kFunction)(double)>
Result<Value> real_function(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_number(call));
  return real_result(call, kFunction(to_nearest_double(call[0])));
}

Result<Value> square_root(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_number(call));
  const double v = to_nearest_double(call[0]);
  if (v < 0) return refuse(28714, "$sqrt's argument must be greater than or equal to 0");
  return real_result(call, std::sqrt(v));
}

template <double (*kFunction)(double), int kCode>
Result<Value> logarithm(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_number(call));
  const double v = to_nearest_double(call[0]);
  if (v <= 0)
    return refuse(kCode, "{}'s argument must be a positive number, but is {}", call.name, shown_value(call[0]));
  return real_result(call, kFunction(v));
}

Result<Value> logarithm_to_base(const Call& call) {
  if (call.any_nullish()) return call.null();
  if (!call[0].is_number()) return refuse(28756, "$log's argument must be numeric, not {}", kind_of(call[0]));
  if (!call[1].is_number()) return refuse(28757, "$log's base must be numeric, not {}", kind_of(call[1]));
  const double v = to_nearest_double(call[0]);
  const double base = to_nearest_double(call[1]);
  if (v <= 0) return refuse(28758, "$log's argument must be a positive number, but is {}", shown_value(call[0]));
  if (base <= 0 || base == 1) {
    return refuse(28759, "$log's base must be a positive number not equal to 1, but is {}", shown_value(call[1]));
  }
  return real_result(call, std::log(v) / std::log(base));
}

// Exactly, while it fits into 64 bits.
std::optional<std::int64_t> whole_power(std::int64_t base, std::int64_t exponent) {
  if (base == 1 || exponent == 0) return 1;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  if (exponent < 0) return std::nullopt;
  if (base == 0) return 0;
  std::int64_t result = 1;
  for (; exponent > 0; --exponent) {  // at most 63 times: |base| is at least 2
    if (__builtin_mul_overflow(result, base, &result)) return std::nullopt;
  }
  return result;
}

Result<Value> power(const Call& call) {
  if (call.any_nullish()) return call.null();
  if (!call[0].is_number()) return refuse(28762, "$pow's base must be numeric, not {}", kind_of(call[0]));
  if (!call[1].is_number()) return refuse(28763, "$pow's exponent must be numeric, not {}", kind_of(call[1]));
  const double exponent = to_nearest_double(call[1]);
  if (call[0].to_int64() == 0 && exponent < 0) {
    return refuse(28764, "$pow cannot take a base of 0 and a negative exponent");
  }
  const Type type = wider(call[0].type(), call[1].type());
  if (type == Type::kInt32 || type == Type::kInt64) {
    if (const auto whole = whole_power(*call[0].to_int64(), *call[1].to_int64())) {
      return type == Type::kInt32 ? call.arena().integer(*whole) : call.arena().int64(*whole);
    }
  }
  return real_result(call, std::pow(to_nearest_double(call[0]), exponent));
}

constexpr std::array kTable = {
    OperatorEntry{"$add", 0, -1, add},
    OperatorEntry{"$multiply", 0, -1, multiply},
    OperatorEntry{"$subtract", 2, 2, subtract},
    OperatorEntry{"$divide", 2, 2, divide},
    OperatorEntry{"$mod", 2, 2, modulo},
    OperatorEntry{"$abs", 1, 1, absolute},
    OperatorEntry{"$sqrt", 1, 1, square_root},
    OperatorEntry{"$exp", 1, 1, real_function<std::exp>},
    OperatorEntry{"$ln", 1, 1, logarithm<std::log, 28766>},
    OperatorEntry{"$log10", 1, 1, logarithm<std::log10, 28761>},
    OperatorEntry{"$log", 2, 2, logarithm_to_base},
    OperatorEntry{"$pow", 2, 2, power},
};

}  // namespace

std::span<const OperatorEntry> arithmetic_operators() {
  return kTable;
}

}  // namespace distri::db
