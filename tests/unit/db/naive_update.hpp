// naive_update.hpp: what an update means, written for tests alone, on JSON values. Fields are in the order of their
// names, so it says nothing about where a new field goes.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "naive_filter.hpp"

namespace distri::test {

// An update that MongoDB refuses.
struct Refused {};

inline bool is_position(const std::string& part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The place that a path names, made if need be. Arrays grow by nulls.
inline Json& make_place(Json& at, const Parts& path, std::size_t part = 0) {
  if (part == path.size()) return at;
  if (at.is_object()) {
    const bool leaf = part + 1 == path.size();
    if (!at.contains(path[part])) at[path[part]] = leaf ? Json() : Json::object();
    return make_place(at[path[part]], path, part + 1);
  }
  if (!at.is_array() || !is_position(path[part])) throw Refused();
  const auto index = static_cast<std::size_t>(std::stoi(path[part]));
  const bool grows = index >= at.size();
  while (at.size() <= index) at.push_back(nullptr);
  if (grows && part + 1 < path.size()) at[index] = Json::object();
  return make_place(at[index], path, part + 1);
}

// nullptr: it is not there. `blocked`: because something in the way is no place for fields.
inline Json* find_place(Json& at, const Parts& path, bool& blocked, std::size_t part = 0) {
  if (part == path.size()) return &at;
  if (at.is_object()) return at.contains(path[part]) ? find_place(at[path[part]], path, blocked, part + 1) : nullptr;
  if (at.is_array() && is_position(path[part])) {
    const auto index = static_cast<std::size_t>(std::stoi(path[part]));
    return index < at.size() ? find_place(at[index], path, blocked, part + 1) : nullptr;
  }
  blocked = true;
  return nullptr;
}

inline bool same(const Json& a, const Json& b) {
  return rank(a) == rank(b) && order(a, b) == 0;
}

inline Json arithmetic(const std::string& op, const Json& a, const Json& b) {
  if (!a.is_number()) throw Refused();
  if (a.is_number_integer() && b.is_number_integer()) {
    const auto x = a.get<std::int64_t>();
    const auto y = b.get<std::int64_t>();
    return op == "$inc" ? x + y : x * y;
  }
  const auto x = a.get<double>();
  const auto y = b.get<double>();
  return op == "$inc" ? x + y : x * y;
}

inline void push(Json& array, const Json& operand) {
  const bool each = operand.is_object() && operand.contains("$each");
  Json items = each ? operand["$each"] : Json::array({operand});
  auto at = static_cast<std::int64_t>(array.size());
  if (each && operand.contains("$position")) {
    const auto wanted = operand["$position"].get<std::int64_t>();
    at = wanted < 0 ? std::max<std::int64_t>(at + wanted, 0) : std::min(at, wanted);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    array.insert(array.begin() + at + static_cast<std::int64_t>(i), items[i]);
  }
  if (!each) return;
  if (operand.contains("$sort")) {
    const int direction = operand["$sort"].get<int>();
    std::stable_sort(array.begin(), array.end(),
                     [direction](const Json& a, const Json& b) { return direction * order(a, b) < 0; });
  }
  if (operand.contains("$slice")) {
    const auto size = static_cast<std::int64_t>(array.size());
    const auto slice = operand["$slice"].get<std::int64_t>();
    const std::int64_t first = slice < 0 ? std::max<std::int64_t>(size + slice, 0) : 0;
    const std::int64_t end = slice < 0 ? size : std::min(size, slice);
    Json rest = Json::array();
    for (std::int64_t i = first; i < end; ++i) rest.push_back(array[static_cast<std::size_t>(i)]);
    array = rest;
  }
}

inline bool is_pulled(const Json& condition, const Json& element) {
  if (!condition.is_object()) return same(condition, element);
  // As if the element were a field: operators look into an array that lies in the array.
  if (!condition.empty() && condition.begin().key()[0] == '$') return holds({{"", condition}}, {{"", element}});
  return element.is_object() && holds(condition, element);
}

inline void remove_if(Json& array, const std::function<bool(const Json&)>& goes) {
  Json rest = Json::array();
  for (const Json& element : array) {
    if (!goes(element)) rest.push_back(element);
  }
  array = rest;
}

// The operators that make a field where there is none.
inline void change(Json& place, bool was_there, const std::string& op, const Json& operand) {
  if (op == "$set") {
    place = operand;
  } else if (op == "$inc") {
    place = was_there ? arithmetic(op, place, operand) : operand;
  } else if (op == "$mul") {
    place = was_there ? arithmetic(op, place, operand) : operand.is_number_integer() ? Json(0) : Json(0.0);
  } else if (op == "$min" || op == "$max") {
    const int o = was_there ? (rank(operand) != rank(place) ? rank(operand) - rank(place) : order(operand, place)) : 0;
    if (!was_there || (op == "$min" ? o < 0 : o > 0)) place = operand;
  } else if (op == "$bit") {
    if (!was_there) place = 0;
    if (!place.is_number_integer()) throw Refused();
    const std::string& name = operand.begin().key();
    const auto held = place.get<std::int64_t>();
    const auto bits = operand.begin().value().get<std::int64_t>();
    place = name == "and" ? held & bits : name == "or" ? held | bits : held ^ bits;
  } else {
    if (!was_there) place = Json::array();
    if (!place.is_array()) throw Refused();
    if (op == "$push") return push(place, operand);
    const Json items =
        operand.is_object() && operand.contains("$each") ? operand["$each"] : Json::array({operand});  // $addToSet
    for (const Json& item : items) {
      if (std::none_of(place.begin(), place.end(), [&](const Json& held) { return same(held, item); }))
        place.push_back(item);
    }
  }
}

// The operators that change only what is there.
inline void cut(Json& place, const std::string& op, const Json& operand) {
  if (!place.is_array()) throw Refused();
  if (op == "$pop") {
    if (!place.empty()) place.erase(operand == 1 ? place.size() - 1 : 0);
  } else if (op == "$pull") {
    remove_if(place, [&](const Json& element) { return is_pulled(operand, element); });
  } else {
    remove_if(place, [&](const Json& element) {
      return std::any_of(operand.begin(), operand.end(), [&](const Json& each) { return same(each, element); });
    });
  }
}

inline void unset(Json& document, Parts path) {
  const std::string last = path.back();
  path.pop_back();
  bool blocked = false;
  Json* holder = find_place(document, path, blocked);
  if (holder == nullptr) return;
  if (holder->is_object()) holder->erase(last);
  if (!holder->is_array() || !is_position(last)) return;
  const auto index = static_cast<std::size_t>(std::stoi(last));
  if (index < holder->size()) (*holder)[index] = nullptr;
}

inline void apply_operator(Json& document, const std::string& op, const std::string& text, const Json& operand) {
  const Parts path = parts_of(text);
  if (op == "$rename") {
    if (!document.contains(text)) return;
    document[operand.get<std::string>()] = document[text];
    document.erase(text);
    return;
  }
  if (const auto all = std::find(path.begin(), path.end(), "$[]"); all != path.end()) {
    bool blocked = false;
    Json* array = find_place(document, Parts(path.begin(), all), blocked);
    if (array == nullptr || !array->is_array()) throw Refused();
    const Parts rest(all + 1, path.end());
    for (Json& element : *array) {
      bool in_the_way = false;
      const bool there = find_place(element, rest, in_the_way) != nullptr;
      change(make_place(element, rest), there, op, operand);
    }
    return;
  }
  if (op == "$unset") return unset(document, path);
  bool blocked = false;
  Json* place = find_place(document, path, blocked);
  if (op == "$pop" || op == "$pull" || op == "$pullAll") {
    if (place != nullptr) cut(*place, op, operand);
    return;
  }
  change(make_place(document, path), place != nullptr, op, operand);
}

struct Action {
  std::string op;
  std::string path;
  Json operand;
};

inline bool before(const std::string& a, const std::string& b) {
  return is_position(a) && is_position(b) ? std::stoi(a) < std::stoi(b) : a < b;
}

inline bool begins_with(const Parts& path, const Parts& prefix) {
  return prefix.size() <= path.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

// nullopt: refused. What an update does it does in the order of paths.
inline std::optional<Json> updated(const Json& update, Json document) {
  std::vector<Action> actions;
  std::vector<Parts> paths;
  for (const auto& [op, fields] : update.items()) {
    for (const auto& [path, operand] : fields.items()) {
      actions.push_back({op, path, operand});
      paths.push_back(parts_of(path));
      if (op == "$rename") paths.push_back(parts_of(operand.get<std::string>()));
    }
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    for (std::size_t j = 0; j < paths.size(); ++j) {
      if (i != j && begins_with(paths[j], paths[i])) return std::nullopt;
    }
  }
  std::sort(actions.begin(), actions.end(), [](const Action& a, const Action& b) {
    const Parts x = parts_of(a.path);
    const Parts y = parts_of(b.path);
    return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end(), before);
  });
  try {
    for (const Action& action : actions) apply_operator(document, action.op, action.path, action.operand);
  } catch (const Refused&) {
    return std::nullopt;
  }
  return document;
}

}  // namespace distri::test
