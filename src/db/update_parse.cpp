// What the arguments of update operators mean.
#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/db/update_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

bool less(const Value& a, const Value& b) {
  return bson::compare(a, b) < 0;
}

std::vector<Value> values_of(bson::View array) {
  std::vector<Value> values;
  for (const Element& element : array) values.push_back(element.value);
  return values;
}

// Each value once, in the order of their first occurrence.
std::vector<Value> distinct_values_of(bson::View array) {
  std::vector<Value> values = values_of(array);
  std::vector<std::size_t> order(values.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return less(values[a], values[b]); });
  std::vector<bool> repeated(values.size());
  for (std::size_t i = 1; i < order.size(); ++i)
    repeated[order[i]] = bson::compare(values[order[i - 1]], values[order[i]]) == 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!repeated[i]) values[kept++] = values[i];
  }
  values.resize(kept);
  return values;
}

// The integer that a clause holds; 3.0 counts.
Result<std::int64_t> integer_of(const UpdateAction& action, const Element& clause) {
  if (const auto number = clause.value.to_int64()) return *number;
  return refuse(mongo::kBadValue, "{} at '{}': {} must be an integer, not a value of type {}", action.name,
                shown(action.path), clause.key, bson::type_name(clause.value.type()));
}

Result<> parse_sort_clause(UpdateAction& action, const Value& value) {
  const auto wrong = [&](std::string_view what) {
    return refuse(mongo::kBadValue,
                  "{} at '{}': $sort {}; it is 1 or -1 to sort by the elements, or {{field: 1 or -1, ...}}",
                  action.name, shown(action.path), what);
  };
  if (value.is_number()) {
    const auto direction = value.to_int64();
    if (direction != 1 && direction != -1) return wrong("must be either 1 or -1");
    action.sort_elements = static_cast<int>(*direction);
    return {};
  }
  if (value.type() != Type::kObject || value.as_object().empty()) return wrong("has no sort order");
  for (const Element& key : value.as_object()) {
    const auto direction = key.value.to_int64();
    if (direction != 1 && direction != -1) return wrong("has a field whose value is neither 1 nor -1");
    if (key.key.empty() || key.key.front() == '.' || key.key.back() == '.' || key.key.find("..") != key.key.npos)
      return wrong("has a field with an empty name");
    if (key.key.starts_with('$')) return wrong("has a field that begins with '$'");
    if (action.sort_keys.size() == kSortKeysMax) return wrong(fmt::format("has more than {} fields", kSortKeysMax));
    action.sort_keys.push_back({std::string(key.key), *direction == -1});
  }
  return {};
}

Result<> parse_push(UpdateAction& action, const Value& argument) {
  if (argument.type() != Type::kObject || !argument.as_object().find("$each")) {
    action.list = {argument};
    return {};
  }
  for (const Element& clause : argument.as_object()) {
    if (clause.key == "$each") {
      if (clause.value.type() != Type::kArray) {
        return refuse(mongo::kBadValue, "$push at '{}': $each must be an array, not a value of type {}",
                      shown(action.path), bson::type_name(clause.value.type()));
      }
      action.list = values_of(clause.value.as_object());
    } else if (clause.key == "$slice") {
      DISTRI_TRY(action.slice, integer_of(action, clause));
    } else if (clause.key == "$position") {
      DISTRI_TRY(action.position, integer_of(action, clause));
    } else if (clause.key == "$sort") {
      DISTRI_TRY_VOID(parse_sort_clause(action, clause.value));
    } else {
      return refuse(mongo::kBadValue,
                    "$push at '{}': unrecognized clause '{}'; known are $each, $position, $sort and $slice",
                    shown(action.path), shown(clause.key));
    }
  }
  return {};
}

Result<> parse_add_to_set(UpdateAction& action, const Value& argument) {
  const bool each =
      argument.type() == Type::kObject && !argument.as_object().empty() && argument.as_object().begin()->key == "$each";
  if (!each) {
    action.list = {argument};
    return {};
  }
  const Value list = argument.as_object().begin()->value;
  if (list.type() != Type::kArray) {
    return refuse(mongo::kTypeMismatch, "$addToSet at '{}': $each must be an array, not a value of type {}",
                  shown(action.path), bson::type_name(list.type()));
  }
  if (argument.as_object().count() > 1)
    return refuse(mongo::kBadValue, "$addToSet at '{}': unexpected fields after $each", shown(action.path));
  action.list = distinct_values_of(list.as_object());
  return {};
}

Result<> parse_current_date(UpdateAction& action, const Value& argument) {
  if (argument.type() == Type::kBool) return {};
  if (argument.type() != Type::kObject) {
    return refuse(mongo::kBadValue,
                  "$currentDate at '{}': a value of type {} is not valid; give true, {{$type: 'date'}} or {{$type: "
                  "'timestamp'}}",
                  shown(action.path), bson::type_name(argument.type()));
  }
  bool typed = false;
  for (const Element& option : argument.as_object()) {
    if (option.key != "$type") {
      return refuse(mongo::kBadValue, "$currentDate at '{}': unrecognized option '{}'; the only one is $type",
                    shown(action.path), shown(option.key));
    }
    const bool text = option.value.type() == Type::kString;
    action.timestamp = text && option.value.as_string() == "timestamp";
    typed = action.timestamp || (text && option.value.as_string() == "date");
    if (!typed) break;
  }
  if (typed) return {};
  return refuse(mongo::kBadValue, "$currentDate at '{}': $type is required to be 'date' or 'timestamp'",
                shown(action.path));
}

Result<> parse_bits(UpdateAction& action, const Value& argument) {
  if (argument.type() != Type::kObject) {
    return refuse(mongo::kBadValue,
                  "$bit at '{}': the argument must be {{and, or, xor: integer}}, not a value of type {}",
                  shown(action.path), bson::type_name(argument.type()));
  }
  for (const Element& step : argument.as_object()) {
    BitStep::Kind kind;
    if (step.key == "and") {
      kind = BitStep::Kind::kAnd;
    } else if (step.key == "or") {
      kind = BitStep::Kind::kOr;
    } else if (step.key == "xor") {
      kind = BitStep::Kind::kXor;
    } else {
      return refuse(mongo::kBadValue, "$bit at '{}': there are only 'and', 'or' and 'xor', not '{}'",
                    shown(action.path), shown(step.key));
    }
    if (step.value.type() != Type::kInt32 && step.value.type() != Type::kInt64) {
      return refuse(mongo::kBadValue, "$bit at '{}': '{}' must be a 32-bit or 64-bit integer, not a value of type {}",
                    shown(action.path), step.key, bson::type_name(step.value.type()));
    }
    action.bits.push_back({kind, step.value});
  }
  if (!action.bits.empty()) return {};
  return refuse(mongo::kBadValue, "$bit at '{}': at least one of 'and', 'or' and 'xor' is needed", shown(action.path));
}

Result<> parse_pop(UpdateAction& action, const Value& argument) {
  const auto side = argument.to_int64();
  if (side != 1 && side != -1) {
    return refuse(mongo::kFailedToParse, "$pop at '{}': expects 1 (the last element) or -1 (the first)",
                  shown(action.path));
  }
  action.first = side == -1;
  return {};
}

struct OpName {
  std::string_view name;
  UpdateOp op;
};
constexpr std::array<OpName, 15> kOps = {{
    {"$set", UpdateOp::kSet},
    {"$unset", UpdateOp::kUnset},
    {"$inc", UpdateOp::kInc},
    {"$mul", UpdateOp::kMul},
    {"$min", UpdateOp::kMin},
    {"$max", UpdateOp::kMax},
    {"$rename", UpdateOp::kRenameTo},
    {"$currentDate", UpdateOp::kCurrentDate},
    {"$setOnInsert", UpdateOp::kSetOnInsert},
    {"$push", UpdateOp::kPush},
    {"$pull", UpdateOp::kPull},
    {"$pullAll", UpdateOp::kPullAll},
    {"$pop", UpdateOp::kPop},
    {"$addToSet", UpdateOp::kAddToSet},
    {"$bit", UpdateOp::kBit},
}};

}  // namespace

std::optional<UpdateOp> find_update_op(std::string_view name) {
  const auto at = std::find_if(kOps.begin(), kOps.end(), [&](const OpName& entry) { return entry.name == name; });
  return at == kOps.end() ? std::nullopt : std::optional(at->op);
}

Result<> parse_action(UpdateAction& action, const Value& argument) {
  switch (action.op) {
    case UpdateOp::kSet:
    case UpdateOp::kSetOnInsert:
    case UpdateOp::kMin:
    case UpdateOp::kMax:
      action.value = argument;
      return {};
    case UpdateOp::kInc:
    case UpdateOp::kMul:
      if (!argument.is_number()) {
        return refuse(mongo::kTypeMismatch, "{} at '{}': cannot {} with a non-numeric argument of type {}", action.name,
                      shown(action.path), action.op == UpdateOp::kInc ? "increment" : "multiply",
                      bson::type_name(argument.type()));
      }
      action.value = argument;
      return {};
    case UpdateOp::kUnset:
    case UpdateOp::kRenameFrom:
    case UpdateOp::kRenameTo:
      return {};
    case UpdateOp::kCurrentDate:
      return parse_current_date(action, argument);
    case UpdateOp::kPush:
      return parse_push(action, argument);
    case UpdateOp::kAddToSet:
      return parse_add_to_set(action, argument);
    case UpdateOp::kPop:
      return parse_pop(action, argument);
    case UpdateOp::kBit:
      return parse_bits(action, argument);
    case UpdateOp::kPull: {
      auto matcher = ElementMatcher::compile(argument);
      if (!matcher) {
        return fail(inside(matcher.error(), fmt::format("$pull at '{}'", shown(action.path))));
      }
      action.matcher = *std::move(matcher);
      return {};
    }
    case UpdateOp::kPullAll:
      if (argument.type() != Type::kArray) {
        return refuse(mongo::kBadValue, "$pullAll at '{}': requires an array, not a value of type {}",
                      shown(action.path), bson::type_name(argument.type()));
      }
      action.list = values_of(argument.as_object());
      std::sort(action.list.begin(), action.list.end(), less);
      return {};
  }
  return {};
}

}  // namespace distri::db
