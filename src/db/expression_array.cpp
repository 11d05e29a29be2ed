#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/db/expression_node.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

std::optional<Value> element_at(const Value& array, std::int64_t index) {
  if (index < 0) {
    index += static_cast<std::int64_t>(array.as_object().count());
    if (index < 0) return std::nullopt;
  }
  for (auto at = array.as_object().begin(); !at.at_end(); ++at, --index) {
    if (index == 0) return at->value;
  }
  return std::nullopt;
}

// A whole number of 32 bits.
std::optional<std::int64_t> whole32(const Value& value) {
  const auto whole = value.is_number() ? value.to_int64() : std::nullopt;
  return whole && *whole == static_cast<std::int32_t>(*whole) ? whole : std::nullopt;
}

Result<Value> array_element(const Call& call) {
  if (call.any_nullish()) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(28689, "$arrayElemAt's first argument must be an array, but is {}", kind_of(call[0]));
  }
  if (!call[1].is_number()) {
    return refuse(28690, "$arrayElemAt's second argument must be a numeric value, but is {}", kind_of(call[1]));
  }
  const auto index = whole32(call[1]);
  if (!index) {
    return refuse(28691, "$arrayElemAt's second argument must be representable as a 32-bit integer: {}",
                  shown_value(call[1]));
  }
  return element_at(call[0], *index).value_or(missing_value());
}

template <int kIndex>
Result<Value> end_element(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(28689, "{}'s argument must be an array, but is {}", call.name, kind_of(call[0]));
  }
  return element_at(call[0], kIndex).value_or(missing_value());
}

Result<Value> concatenate(const Call& call) {
  ArrayResult result;
  for (const Value& value : call.arguments) {
    if (is_nullish(value)) return call.null();
    if (value.type() != Type::kArray)
      return refuse(28664, "$concatArrays only supports arrays, not {}", kind_of(value));
    for (auto at = value.as_object().begin(); !at.at_end(); ++at) result.append(at->value);
  }
  return std::move(result).finish(call.state);
}

Result<Value> contains(const Call& call) {
  if (call[1].type() != Type::kArray) {
    return refuse(40081, "$in requires an array as a second argument, found: {}", kind_of(call[1]));
  }
  for (auto at = call[1].as_object().begin(); !at.at_end(); ++at) {
    if (compare_values(at->value, call[0]) == 0) return call.arena().boolean(true);
  }
  return call.arena().boolean(false);
}

Result<Value> index_of(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(40090, "$indexOfArray requires an array as a first argument, found: {}", kind_of(call[0]));
  }
  std::array<std::int64_t, 2> bounds = {0, static_cast<std::int64_t>(call[0].as_object().count())};
  for (std::size_t i = 2; i < call.size(); ++i) {
    const auto bound = whole32(call[i]);
    if (!bound || *bound < 0) {
      return refuse(40096, "$indexOfArray requires a whole number from 0 on as {} index, found: {}",
                    i == 2 ? "starting" : "ending", shown_value(call[i]));
    }
    bounds[i - 2] = *bound;
  }
  std::int64_t index = 0;
  for (auto at = call[0].as_object().begin(); !at.at_end() && index < bounds[1]; ++at, ++index) {
    if (index >= bounds[0] && compare_values(at->value, call[1]) == 0) return call.arena().integer(index);
  }
  return call.arena().int32(-1);
}

Result<Value> is_array(const Call& call) {
  return call.arena().boolean(call[0].type() == Type::kArray);
}

Result<Value> range(const Call& call) {
  static constexpr std::array<std::string_view, 3> kNames = {"starting value", "ending value", "step value"};
  static constexpr std::array<int, 3> kCodes = {34443, 34445, 34447};
  std::array<std::int64_t, 3> numbers = {0, 0, 1};
  for (std::size_t i = 0; i < call.size(); ++i) {
    const auto number = whole32(call[i]);
    if (!number) {
      return refuse(kCodes[i], "$range requires a {} that is a 32-bit integer, found: {}", kNames[i],
                    shown_value(call[i]));
    }
    numbers[i] = *number;
  }
  const auto [start, end, step] = numbers;
  if (step == 0) return refuse(34449, "$range requires a non-zero step value");
  ArrayResult result;
  for (std::int64_t v = start; (step > 0 ? v < end : v > end) && !result.full(); v += step) {
    DISTRI_TRY_VOID(call.state.spend(1));
    const auto narrow = static_cast<std::int32_t>(v);
    result.append(Value(Type::kInt32, {reinterpret_cast<const char*>(&narrow), sizeof narrow}));
  }
  return std::move(result).finish(call.state);
}

std::vector<Value> elements_of(const Value& array) {
  std::vector<Value> all;
  for (const Element& element : array.as_object()) all.push_back(element.value);
  return all;
}

Result<Value> array_of(const Call& call, std::span<const Value> values) {
  ArrayResult result;
  for (const Value& value : values) result.append(value);
  return std::move(result).finish(call.state);
}

Result<Value> reverse(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(34435, "The argument to $reverseArray must be an array, but was of type: {}", kind_of(call[0]));
  }
  auto all = elements_of(call[0]);
  std::reverse(all.begin(), all.end());
  return array_of(call, all);
}

Result<Value> size(const Call& call) {
  if (call[0].type() != Type::kArray) {
    return refuse(17124, "The argument to $size must be an array, but was of type: {}", kind_of(call[0]));
  }
  return call.arena().integer(static_cast<std::int64_t>(call[0].as_object().count()));
}

// $slice: [array, n] or [array, position, n].
Result<Value> slice(const Call& call) {
  if (call.any_nullish()) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(28724, "First argument to $slice must be an array, but is of type: {}", kind_of(call[0]));
  }
  for (std::size_t i = 1; i < call.size(); ++i) {
    if (!whole32(call[i])) {
      return refuse(28726, "Argument {} to $slice must be a 32-bit integer, but is: {}", i + 1, shown_value(call[i]));
    }
  }
  const auto all = elements_of(call[0]);
  const auto count = static_cast<std::int64_t>(all.size());
  std::int64_t begin = 0;
  std::int64_t length = *whole32(call[1]);
  if (call.size() == 2) {
    if (length < 0) begin = std::max<std::int64_t>(count + length, 0);
    length = length < 0 ? -length : length;
  } else {
    begin = std::min(length < 0 ? std::max<std::int64_t>(count + length, 0) : length, count);
    length = *whole32(call[2]);
    if (length <= 0) {
      return refuse(28729, "Third argument to $slice must be positive: {}", length);
    }
  }
  const std::int64_t end = std::min(begin + length, count);
  return array_of(call, std::span(all).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

// Arguments: inputs, useLongestLength, defaults.
Result<Value> zip(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kArray || call[0].as_object().empty()) {
    return refuse(34461, "$zip needs 'inputs' to be a non-empty array of arrays, found: {}", kind_of(call[0]));
  }
  bool longest = false;
  if (call.given(1)) {
    if (call[1].type() != Type::kBool) return refuse(34463, "$zip needs 'useLongestLength' to be a bool");
    longest = call[1].as_bool();
  }
  std::vector<Value> defaults;
  if (call.given(2) && !is_nullish(call[2])) {
    if (call[2].type() != Type::kArray) return refuse(34462, "$zip needs 'defaults' to be an array");
    if (!longest) return refuse(34466, "$zip: 'defaults' needs useLongestLength to be true");
    defaults = elements_of(call[2]);
  }
  std::vector<std::vector<Value>> inputs;
  std::size_t rows = 0;
  for (const Value& input : elements_of(call[0])) {
    if (is_nullish(input)) return call.null();
    if (input.type() != Type::kArray) {
      return refuse(34468, "$zip found a non-array among its inputs, of type: {}", kind_of(input));
    }
    inputs.push_back(elements_of(input));
    const std::size_t length = inputs.back().size();
    rows = inputs.size() == 1 ? length : (longest ? std::max(rows, length) : std::min(rows, length));
  }
  if (!defaults.empty() && defaults.size() != inputs.size()) {
    return refuse(34467, "$zip: 'defaults' must be as long as 'inputs'");
  }
  ArrayResult result;
  for (std::size_t row = 0; row < rows && !result.full(); ++row) {
    DISTRI_TRY_VOID(call.state.spend(inputs.size()));
    ArrayResult tuple;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      tuple.append(row < inputs[i].size() ? inputs[i][row] : (i < defaults.size() ? defaults[i] : Value()));
    }
    DISTRI_TRY(const Value value, std::move(tuple).finish(call.state));
    result.append(value);
  }
  return std::move(result).finish(call.state);
}

struct SortPart {
  std::vector<std::string_view> path;  // empty: the whole element
  bool descending = false;
};

Result<std::vector<SortPart>> sort_parts(const Value& by) {
  const auto direction = [](const Value& value) { return value.is_number() ? value.to_int64() : std::nullopt; };
  std::vector<SortPart> parts;
  if (const auto whole = direction(by)) {
    if (*whole != 1 && *whole != -1) return refuse(2942505, "$sortArray: 'sortBy' must be 1, -1 or an object");
    parts.push_back({{}, *whole == -1});
    return parts;
  }
  if (by.type() != Type::kObject || by.as_object().empty()) {
    return refuse(2942505, "$sortArray: 'sortBy' must be 1, -1 or an object of paths");
  }
  for (const Element& element : by.as_object()) {
    const auto whole = direction(element.value);
    if (whole != 1 && whole != -1) {
      return refuse(mongo::kBadValue, "$sortArray: the direction of '{}' must be 1 or -1", shown(element.key));
    }
    DISTRI_TRY(auto path, split_field_path("$sortArray", element.key));
    parts.push_back({std::move(path), whole == -1});
  }
  return parts;
}

Result<Value> sort(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kArray) {
    return refuse(2942504, "The input argument to $sortArray must be an array, but was of type: {}", kind_of(call[0]));
  }
  DISTRI_TRY(const auto parts, sort_parts(call[1]));
  struct Item {
    Bytes key;
    Value value;
  };
  std::vector<Item> items;
  for (auto at = call[0].as_object().begin(); !at.at_end(); ++at) {
    Item item{{}, at->value};
    for (const SortPart& part : parts) {
      DISTRI_TRY(const Value value, value_at(at->value, part.path, call.state));
      const std::size_t start = item.key.size();
      bson::append_order_key(item.key, is_missing(value) ? Value() : value);
      for (std::size_t i = start; part.descending && i < item.key.size(); ++i) {
        item.key[i] = static_cast<char>(~item.key[i]);
      }
    }
    DISTRI_TRY_VOID(call.state.spend(8 + item.key.size() / 16));
    items.push_back(std::move(item));
  }
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.key < b.key; });
  ArrayResult result;
  for (const Item& item : items) result.append(item.value);
  return std::move(result).finish(call.state);
}

constexpr std::array kTable = {
    OperatorEntry{"$arrayElemAt", 2, 2, array_element},
    OperatorEntry{"$first", 1, 1, end_element<0>},
    OperatorEntry{"$last", 1, 1, end_element<-1>},
    OperatorEntry{"$concatArrays", 0, -1, concatenate},
    OperatorEntry{"$in", 2, 2, contains},
    OperatorEntry{"$indexOfArray", 2, 4, index_of},
    OperatorEntry{"$isArray", 1, 1, is_array},
    OperatorEntry{"$range", 2, 3, range},
    OperatorEntry{"$reverseArray", 1, 1, reverse},
    OperatorEntry{"$size", 1, 1, size},
    OperatorEntry{"$slice", 2, 3, slice},
    OperatorEntry{"$zip", 1, 1, zip, nullptr, "inputs! useLongestLength defaults"},
    OperatorEntry{"$sortArray", 1, 1, sort, nullptr, "input! sortBy!"},
};

}  // namespace

std::span<const OperatorEntry> array_operators() {
  return kTable;
}

}  // namespace distri::db
