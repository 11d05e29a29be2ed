// Arrays as sets: order and repetition do not count. Results are sorted.
#include <algorithm>
#include <array>

#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using Set = std::vector<Value>;

bool less(const Value& a, const Value& b) {
  return compare_values(a, b) < 0;
}

Set set_of(const Value& array) {
  Set set;
  for (const Element& element : array.as_object()) set.push_back(element.value);
  std::stable_sort(set.begin(), set.end(), less);
  set.erase(
      std::unique(set.begin(), set.end(), [](const Value& a, const Value& b) { return compare_values(a, b) == 0; }),
      set.end());
  return set;
}

Result<Value> array_of(const Call& call, const Set& set) {
  ArrayResult result;
  for (const Value& value : set) result.append(value);
  return std::move(result).finish(call.state);
}

Result<> check_array(const Call& call, std::size_t i, int code) {
  if (call[i].type() == Type::kArray) return {};
  return refuse(code, "All operands of {} must be arrays. Operand {} is of type: {}", call.name, i + 1,
                kind_of(call[i]));
}

Result<Value> set_union(const Call& call) {
  Set all;
  for (std::size_t i = 0; i < call.size(); ++i) {
    if (is_nullish(call[i])) return call.null();
    DISTRI_TRY_VOID(check_array(call, i, 17043));
    const Set next = set_of(call[i]);
    Set merged;
    std::set_union(all.begin(), all.end(), next.begin(), next.end(), std::back_inserter(merged), less);
    all = std::move(merged);
  }
  return array_of(call, all);
}

Result<Value> set_intersection(const Call& call) {
  Set all;
  for (std::size_t i = 0; i < call.size(); ++i) {
    if (is_nullish(call[i])) return call.null();
    DISTRI_TRY_VOID(check_array(call, i, 17047));
    const Set next = set_of(call[i]);
    Set common;
    std::set_intersection(all.begin(), all.end(), next.begin(), next.end(), std::back_inserter(common), less);
    all = i == 0 ? next : std::move(common);
  }
  return array_of(call, all);
}

// Keeps the order of the first.
Result<Value> set_difference(const Call& call) {
  if (call.any_nullish()) return call.null();
  DISTRI_TRY_VOID(check_array(call, 0, 17048));
  DISTRI_TRY_VOID(check_array(call, 1, 17049));
  const Set first = set_of(call[0]);
  const Set second = set_of(call[1]);
  std::vector<bool> taken(first.size(), false);
  Set result;
  for (const Element& element : call[0].as_object()) {
    if (std::binary_search(second.begin(), second.end(), element.value, less)) continue;
    const auto at = std::lower_bound(first.begin(), first.end(), element.value, less) - first.begin();
    if (taken[static_cast<std::size_t>(at)]) continue;
    taken[static_cast<std::size_t>(at)] = true;
    result.push_back(element.value);
  }
  return array_of(call, result);
}

Result<Value> set_equals(const Call& call) {
  for (std::size_t i = 0; i < call.size(); ++i) DISTRI_TRY_VOID(check_array(call, i, 17044));
  const Set first = set_of(call[0]);
  for (std::size_t i = 1; i < call.size(); ++i) {
    const Set other = set_of(call[i]);
    const bool same = std::equal(first.begin(), first.end(), other.begin(), other.end(),
                                 [](const Value& a, const Value& b) { return compare_values(a, b) == 0; });
    if (!same) return call.arena().boolean(false);
  }
  return call.arena().boolean(true);
}

Result<Value> is_subset(const Call& call) {
  DISTRI_TRY_VOID(check_array(call, 0, 17046));
  DISTRI_TRY_VOID(check_array(call, 1, 17042));
  const Set first = set_of(call[0]);
  const Set second = set_of(call[1]);
  return call.arena().boolean(std::includes(second.begin(), second.end(), first.begin(), first.end(), less));
}

template <bool kAny>
Result<Value> elements_true(const Call& call) {
  if (call[0].type() != Type::kArray) {
    return refuse(kAny ? 17041 : 17040, "{}'s argument must be an array, but is {}", call.name, kind_of(call[0]));
  }
  for (const Element& element : call[0].as_object()) {
    if (is_truthy(element.value) == kAny) return call.arena().boolean(kAny);
  }
  return call.arena().boolean(!kAny);
}

constexpr std::array kTable = {
    OperatorEntry{"$setUnion", 0, -1, set_union},
    OperatorEntry{"$setIntersection", 0, -1, set_intersection},
    OperatorEntry{"$setDifference", 2, 2, set_difference},
    OperatorEntry{"$setEquals", 2, -1, set_equals},
    OperatorEntry{"$setIsSubset", 2, 2, is_subset},
    OperatorEntry{"$anyElementTrue", 1, 1, elements_true<true>},
    OperatorEntry{"$allElementsTrue", 1, 1, elements_true<false>},
};

}  // namespace

std::span<const OperatorEntry> set_operators() {
  return kTable;
}

}  // namespace distri::db
