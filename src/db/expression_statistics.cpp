// $sum, $avg, $min, $max as expressions: over their arguments, or over the elements of a single array.
#include <array>

#include "distri/db/arithmetic.hpp"
#include "distri/db/expression_node.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

template <class See>
void each_value(const Call& call, const See& see) {
  if (call.size() == 1 && call[0].type() == Type::kArray) {
    for (auto at = call[0].as_object().begin(); !at.at_end(); ++at) see(at->value);
  } else {
    for (const Value& value : call.arguments) see(value);
  }
}

Result<Value> sum(const Call& call) {
  NumberSum total;
  each_value(call, [&](const Value& value) {
    if (value.is_number()) total.add(value);
  });
  return total.total(call.arena());
}

Result<Value> average(const Call& call) {
  NumberSum total;
  std::int64_t count = 0;
  each_value(call, [&](const Value& value) {
    if (!value.is_number()) return;
    total.add(value);
    ++count;
  });
  return count == 0 ? Value() : total.divided_by(count, call.arena());
}

template <int kSign>
Result<Value> extreme(const Call& call) {
  Value best = missing_value();
  each_value(call, [&](const Value& value) {
    if (is_nullish(value)) return;
    if (is_missing(best) || compare_values(value, best) * kSign > 0) best = value;
  });
  return is_missing(best) ? Value() : best;
}

constexpr std::array kTable = {
    OperatorEntry{"$sum", 0, -1, sum},
    OperatorEntry{"$avg", 1, -1, average},
    OperatorEntry{"$min", 1, -1, extreme<-1>},
    OperatorEntry{"$max", 1, -1, extreme<1>},
};

}  // namespace

std::span<const OperatorEntry> statistics_operators() {
  return kTable;
}

}  // namespace distri::db
