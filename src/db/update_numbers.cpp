// $inc, $mul and $bit.
//
// int32 with int32 stays int32 where the result fits, else it is int64; with an int64 it is int64; with a double it is
// a double, with a decimal128 a decimal128. A result beyond 64 bits is an error. The results of $inc are those of
// replication's counters (replication/counter.hpp), bit for bit, but for decimals: those are no counters, since a sum
// that is rounded to 34 digits depends on the order of its terms.
#include <bit>
#include <cmath>
#include <limits>

#include "distri/db/decimal_math.hpp"
#include "distri/db/number.hpp"
#include "distri/db/update_program.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

bool fits_int32(std::int64_t number) {
  return number >= std::numeric_limits<std::int32_t>::min() && number <= std::numeric_limits<std::int32_t>::max();
}

void append_integer(bson::Builder& out, std::string_view key, std::int64_t number, bool narrow) {
  if (narrow && fits_int32(number)) {
    out.append_int32(key, static_cast<std::int32_t>(number));
  } else {
    out.append_int64(key, number);
  }
}

// The sign and payload of a NaN that arithmetic makes differ between processors.
double canonical(double number) {
  return std::isnan(number) ? std::bit_cast<double>(std::uint64_t{0x7ff8000000000000}) : number;
}

// What $mul makes of a missing field: zero, of the operand's type.
void append_zero(bson::Builder& out, std::string_view key, Type type) {
  // Decimal zero with exponent 0: its biased exponent, 6176, stands in bits 49 to 62 of the high half.
  constexpr char kDecimalZero[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x30};
  constexpr char kZero[8] = {};
  switch (type) {
    case Type::kDecimal128:
      out.append_value(key, Value(type, {kDecimalZero, sizeof kDecimalZero}));
      break;
    case Type::kInt32:
      out.append_int32(key, 0);
      break;
    default:
      out.append_value(key, Value(type, {kZero, sizeof kZero}));
  }
}

}  // namespace

Result<> run_arithmetic(const UpdateAction& action, const Value* old, std::string_view key, bson::Builder& out) {
  const bool adds = action.op == UpdateOp::kInc;
  const Value& operand = action.value;
  if (old == nullptr) {
    if (adds) {
      out.append_value(key, operand);
    } else {
      append_zero(out, key, operand.type());
    }
    return {};
  }
  if (!old->is_number()) {
    return refuse(mongo::kTypeMismatch, "{0} at '{1}': Cannot apply {0} to a value of non-numeric type {2}",
                  action.name, shown(action.path), bson::type_name(old->type()));
  }
  if (old->type() == Type::kDecimal128 || operand.type() == Type::kDecimal128) {
    const bson::Decimal128 a = to_decimal(*old);
    const bson::Decimal128 b = to_decimal(operand);
    const auto raw = (adds ? decimal_add(a, b) : decimal_multiply(a, b)).encode();
    out.append_value(key, Value(Type::kDecimal128, {raw.data(), raw.size()}));
    return {};
  }
  if (old->type() == Type::kDouble || operand.type() == Type::kDouble) {
    const double a = *old->to_double();
    const double b = *operand.to_double();
    if (adds && b == 0.0 && old->type() == Type::kDouble) {
      out.append_value(key, *old);  // -0.0 stays too
    } else {
      out.append_double(key, canonical(adds ? a + b : a * b));
    }
    return {};
  }
  const std::int64_t a = *old->to_int64();
  const std::int64_t b = *operand.to_int64();
  std::int64_t result = 0;
  if (adds ? __builtin_add_overflow(a, b, &result) : __builtin_mul_overflow(a, b, &result)) {
    return refuse(
        mongo::kBadValue,
        "{} at '{}': Failed to apply {} to the current value {}: the result exceeds 64 bits; make the field a "
        "double first",
        action.name, shown(action.path), b, a);
  }
  append_integer(out, key, result, old->type() == Type::kInt32 && operand.type() == Type::kInt32);
  return {};
}

Result<> run_bits(const UpdateAction& action, const Value* old, std::string_view key, bson::Builder& out) {
  if (old != nullptr && old->type() != Type::kInt32 && old->type() != Type::kInt64) {
    return refuse(mongo::kBadValue, "$bit at '{}': Cannot apply $bit to a value of non-integral type {}",
                  shown(action.path), bson::type_name(old->type()));
  }
  bool narrow = old == nullptr || old->type() == Type::kInt32;
  std::int64_t bits = old == nullptr ? 0 : *old->to_int64();
  for (const BitStep& step : action.bits) {
    const std::int64_t operand = *step.operand.to_int64();
    narrow = narrow && step.operand.type() == Type::kInt32;
    switch (step.kind) {
      case BitStep::Kind::kAnd:
        bits &= operand;
        break;
      case BitStep::Kind::kOr:
        bits |= operand;
        break;
      case BitStep::Kind::kXor:
        bits ^= operand;
        break;
    }
  }
  append_integer(out, key, bits, narrow);
  return {};
}

}  // namespace distri::db
