// $push, $addToSet, $pull, $pullAll and $pop.
#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/update_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using Values = std::vector<Value>;

bool less(const Value& a, const Value& b) {
  return bson::compare(a, b) < 0;
}

bool equal(const Value& a, const Value& b) {
  return bson::compare(a, b) == 0;
}

Values values_of(const Value* array) {
  Values values;
  if (array == nullptr) return values;
  for (const Element& element : array->as_object()) values.push_back(element.value);
  return values;
}

// The value of a field of an element by which $sort goes; null when there is none.
Value sort_value(const Value& element, std::string_view path) {
  Value at = element;
  for (;;) {
    if (at.type() != Type::kObject) return {};
    const std::size_t dot = path.find('.');
    const auto child = at.as_object().find(path.substr(0, dot));
    if (!child) return {};
    if (dot == std::string_view::npos) return *child;
    at = *child;
    path.remove_prefix(dot + 1);
  }
}

void sort_values(Values& values, const UpdateAction& action) {
  if (action.sort_elements != 0) {
    std::stable_sort(values.begin(), values.end(), [&](const Value& a, const Value& b) {
      return action.sort_elements > 0 ? less(a, b) : less(b, a);
    });
  }
  if (action.sort_keys.empty()) return;
  std::stable_sort(values.begin(), values.end(), [&](const Value& a, const Value& b) {
    for (const SortKey& key : action.sort_keys) {
      const int order = bson::compare(sort_value(a, key.path), sort_value(b, key.path));
      if (order != 0) return key.descending ? order > 0 : order < 0;
    }
    return false;
  });
}

// As an offset from the front, of a position that may count from the end.
std::size_t offset_of(std::int64_t position, std::size_t size) {
  const auto whole = static_cast<std::int64_t>(size);
  return static_cast<std::size_t>(position >= 0 ? std::min(position, whole)
                                                : std::max(position + whole, std::int64_t{0}));
}

Values pushed(const UpdateAction& action, const Value* old) {
  Values values = values_of(old);
  const std::size_t at = action.position ? offset_of(*action.position, values.size()) : values.size();
  values.insert(values.begin() + static_cast<std::ptrdiff_t>(at), action.list.begin(), action.list.end());
  sort_values(values, action);
  if (action.slice) {
    const std::size_t cut = offset_of(*action.slice, values.size());
    if (*action.slice >= 0) {
      values.resize(cut);
    } else {
      values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(cut));
    }
  }
  return values;
}

Values united(const UpdateAction& action, const Value* old) {
  constexpr std::size_t kWalkedMax = 4;  // more new values are looked up in a sorted copy
  Values values = values_of(old);
  Values sorted;
  if (action.list.size() > kWalkedMax) {
    sorted = values;
    std::sort(sorted.begin(), sorted.end(), less);
  }
  const std::size_t old_size = values.size();
  for (const Value& value : action.list) {  // which holds each once
    const auto end = values.begin() + static_cast<std::ptrdiff_t>(old_size);
    const bool there = sorted.empty()
                           ? std::any_of(values.begin(), end, [&](const Value& v) { return equal(v, value); })
                           : std::binary_search(sorted.begin(), sorted.end(), value, less);
    if (!there) values.push_back(value);
  }
  return values;
}

Values reduced(const UpdateAction& action, const Value* old, UpdateRun& run) {
  Values values = values_of(old);
  if (action.op == UpdateOp::kPop) {
    if (!values.empty()) values.erase(action.first ? values.begin() : values.end() - 1);
    return values;
  }
  std::erase_if(values, [&](const Value& value) {
    return action.op == UpdateOp::kPull ? action.matcher->matches(value, run.scratch)
                                        : std::binary_search(action.list.begin(), action.list.end(), value, less);
  });
  return values;
}

}  // namespace

Result<> run_array_action(const UpdateAction& action, const Value* old, std::string_view key, UpdateRun& run,
                          bson::Builder& out) {
  const bool adds = action.op == UpdateOp::kPush || action.op == UpdateOp::kAddToSet;
  if (old == nullptr && !adds) return {};
  if (old != nullptr && old->type() != Type::kArray) {
    return refuse(action.op == UpdateOp::kPop ? mongo::kTypeMismatch : mongo::kBadValue,
                  "{0} at '{1}': Cannot apply {0} to a non-array value; the field is of type {2}", action.name,
                  shown(action.path), bson::type_name(old->type()));
  }
  const Values values = action.op == UpdateOp::kPush       ? pushed(action, old)
                        : action.op == UpdateOp::kAddToSet ? united(action, old)
                                                           : reduced(action, old, run);
  out.begin_array(key);
  ArrayWriter writer(out);
  for (const Value& value : values) writer.append(value);
  out.end();
  return {};
}

}  // namespace distri::db
