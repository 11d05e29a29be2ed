// naive_filter.hpp: what a filter means, written for tests alone: it works on JSON values, gathers all values that a
// path reaches into a list, and then asks each one. Fields are in the order of their names.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace distri::test {

using Json = nlohmann::json;
using Reached = std::vector<std::optional<Json>>;  // nullopt: missing
using Parts = std::vector<std::string>;

inline Parts parts_of(const std::string& path) {
  Parts parts(1);
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// `whole`: an array at the end stands for itself only.
inline void reach_object(const Json& object, Parts rest, bool whole, Reached& out);

inline void reach_array(const Json& array, const Parts& rest, bool whole, Reached& out) {
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (array[i].is_object()) reach_object(array[i], rest, whole, out);
    if (rest[0] != std::to_string(i)) continue;
    const Parts after(rest.begin() + 1, rest.end());
    if (after.empty()) {
      out.emplace_back(array[i]);
    } else if (array[i].is_object()) {
      reach_object(array[i], after, whole, out);
    } else if (array[i].is_array()) {
      reach_array(array[i], after, whole, out);
    }
  }
}

inline void reach_object(const Json& object, Parts rest, bool whole, Reached& out) {
  if (!object.contains(rest[0])) {
    out.emplace_back(std::nullopt);
    return;
  }
  const Json& child = object[rest[0]];
  rest.erase(rest.begin());
  if (rest.empty()) {
    if (child.is_array() && !whole) out.insert(out.end(), child.begin(), child.end());
    out.emplace_back(child);
  } else if (child.is_object()) {
    reach_object(child, rest, whole, out);
  } else if (child.is_array()) {
    reach_array(child, rest, whole, out);
  } else {
    out.emplace_back(std::nullopt);
  }
}

inline int rank(const Json& v) {
  if (v.is_null()) return 0;
  if (v.is_number()) return 1;
  if (v.is_string()) return 2;
  if (v.is_object()) return 3;
  return v.is_array() ? 4 : 5;
}

inline int order(const Json& a, const Json& b) {
  if (rank(a) != rank(b)) return rank(a) - rank(b);
  if (!a.is_structured()) return a < b ? -1 : (b < a ? 1 : 0);
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (rank(*x) != rank(*y)) return rank(*x) - rank(*y);
    if (a.is_object() && x.key() != y.key()) return x.key() < y.key() ? -1 : 1;
    if (const int by_value = order(*x, *y); by_value != 0) return by_value;
  }
  return (x == a.end() ? 0 : 1) - (y == b.end() ? 0 : 1);
}

inline bool holds(const Json& filter, const Json& document);

inline bool is_type(const Json& value, const std::string& name) {
  if (name == "number") return value.is_number();
  if (name == "int") return value.is_number_integer();
  if (name == "double") return value.is_number_float();
  if (name == "bool") return value.is_boolean();
  return name == value.type_name();  // null, string, object, array
}

// All operators of `operators` on this one value (no looking into arrays).
inline bool element_holds(const Json& operators, const Json& element);

inline bool elem_match(const Json& operand, const Json& array) {
  if (!array.is_array()) return false;
  for (const Json& element : array) {
    const bool on_value = !operand.empty() && operand.begin().key()[0] == '$' && operand.begin().key() != "$or";
    if (on_value ? element_holds(operand, element)
                 : element.is_structured() &&
                       holds(
                           operand, element.is_object() ? element : [&] {
                             Json object = Json::object();  // an array is an object whose names are its indices
                             for (std::size_t i = 0; i < element.size(); ++i) object[std::to_string(i)] = element[i];
                             return object;
                           }())) {
      return true;
    }
  }
  return false;
}

inline bool one_holds(const std::string& op, const std::optional<Json>& value, const Json& operand) {
  if (op == "$exists") return value.has_value();
  if (op == "$in") {
    for (const Json& each : operand) {
      if (one_holds("$eq", value, each)) return true;
    }
    return false;
  }
  if (op == "$type") return value && is_type(*value, operand);
  if (op == "$regex") {
    return value && value->is_string() &&
           std::regex_search(value->get<std::string>(), std::regex(operand.get<std::string>()));
  }
  if (op == "$size") return value && value->is_array() && value->size() == operand;
  if (op == "$elemMatch") return value && elem_match(operand, *value);
  if (op == "$mod") {
    return value && value->is_number() &&
           std::fmod(std::trunc(value->get<double>()), operand[0].get<int>()) == operand[1];
  }
  const Json& actual = value ? *value : Json();
  if (rank(actual) != rank(operand)) return false;
  const int o = order(actual, operand);
  if (op == "$eq") return o == 0;
  if (op == "$gt") return o > 0;
  if (op == "$gte") return o >= 0;
  return op == "$lt" ? o < 0 : o <= 0;
}

// `ask(op, operand)`: whether some value fulfils a plain operator.
template <class Ask>
bool operator_holds(const std::string& op, const Json& operand, const Ask& ask) {
  if (op == "$ne") return !ask("$eq", operand);
  if (op == "$nin") return !ask("$in", operand);
  if (op == "$exists" && operand == false) return !ask(op, true);
  if (op == "$all") {
    for (const Json& each : operand) {
      const bool elements = each.is_object() && each.contains("$elemMatch");
      if (!(elements ? ask("$elemMatch", each["$elemMatch"]) : ask("$eq", each))) return false;
    }
    return !operand.empty();
  }
  if (op == "$not") {
    for (const auto& [inner, value] : operand.items()) {
      if (!operator_holds(inner, value, ask)) return true;
    }
    return false;
  }
  return ask(op, operand);
}

inline bool element_holds(const Json& operators, const Json& element) {
  const auto ask = [&](const std::string& op, const Json& operand) { return one_holds(op, element, operand); };
  for (const auto& [op, operand] : operators.items()) {
    if (!operator_holds(op, operand, ask)) return false;
  }
  return true;
}

inline bool operator_holds_at(const Json& document, const std::string& path, const std::string& op,
                              const Json& operand) {
  return operator_holds(op, operand, [&](const std::string& plain, const Json& value) {
    Reached values;
    reach_object(document, parts_of(path), plain == "$size" || plain == "$elemMatch", values);
    for (const auto& each : values) {
      if (one_holds(plain, each, value)) return true;
    }
    return false;
  });
}

inline bool holds(const Json& filter, const Json& document) {
  for (const auto& [key, value] : filter.items()) {
    bool ok = true;
    if (key[0] == '$') {
      std::size_t holding = 0;
      for (const Json& each : value) holding += holds(each, document) ? 1 : 0;
      ok = key == "$and" ? holding == value.size() : (key == "$or" ? holding > 0 : holding == 0);
    } else if (value.is_object() && !value.empty() && value.begin().key()[0] == '$') {
      for (const auto& [op, operand] : value.items()) ok = ok && operator_holds_at(document, key, op, operand);
    } else {
      ok = operator_holds_at(document, key, "$eq", value);
    }
    if (!ok) return false;
  }
  return true;
}

}  // namespace distri::test
