// path.hpp: dotted paths ("a.b.0.c") and which values of a document they reach. Private to the module.
//
// MongoDB's rules. On the way, a part that meets an array is looked up in each element that is an object, and, if it is
// a number, is also the index of an element. At the end, an array stands for each of its elements and for itself. An
// object that lacks the field yields "missing" (nullptr); an array none of whose elements leads on yields nothing at
// all. place_at() (the positional operator) follows the same rules.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/bson/field_name.hpp"

namespace distri::db {

struct PathPart {
  std::string_view name;
  bool numeric = false;
  bson::FieldName field;  // the same name
};

// The parts are views into the text that was given.
using Path = std::vector<PathPart>;

Path split_path(std::string_view text);

// kInvalidArgument when a path has too many numeric parts (each doubles the ways to read it).
Result<> check_path(std::string_view context, std::string_view text);

// Calls predicate(const Value*) for each value reached, nullptr for missing, until it says true; then returns true.
// Without kExpand an array at the end stands for itself only.
template <bool kExpand = true, class Predicate>
bool any_at(bson::View object, const PathPart* part, const PathPart* end, const Predicate& predicate);

namespace detail {

template <bool kExpand, class Predicate>
bool any_in_array(bson::View array, const PathPart* part, const PathPart* end, const Predicate& predicate) {
  for (auto at = array.begin(); !at.at_end(); ++at) {
    const bson::Value& item = at->value;
    if (item.type() == bson::Type::kObject && any_at<kExpand>(item.as_object(), part, end, predicate)) return true;
    // BSON's array keys are the indices, in decimal; comparing them needs no conversion.
    if (!part->numeric || at->key != part->name) continue;
    if (part + 1 == end) {
      if (predicate(&item)) return true;
    } else if (item.type() == bson::Type::kObject) {
      if (any_at<kExpand>(item.as_object(), part + 1, end, predicate)) return true;
    } else if (item.type() == bson::Type::kArray) {
      if (any_in_array<kExpand>(item.as_object(), part + 1, end, predicate)) return true;
    }
  }
  return false;
}

}  // namespace detail

template <bool kExpand, class Predicate>
bool any_at(bson::View object, const PathPart* part, const PathPart* end, const Predicate& predicate) {
  for (;; ++part) {
    const auto value = part->field.find_in(object);
    if (!value) return predicate(nullptr);
    const bool last = part + 1 == end;
    if (value->type() == bson::Type::kArray) {
      if (!last) return detail::any_in_array<kExpand>(value->as_object(), part + 1, end, predicate);
      if constexpr (kExpand) {
        for (auto at = value->as_object().begin(); !at.at_end(); ++at) {
          if (predicate(&at->value)) return true;
        }
      }
      return predicate(&*value);
    }
    if (last) return predicate(&*value);
    if (value->type() != bson::Type::kObject) return predicate(nullptr);
    object = value->as_object();
  }
}

// Like any_at, but answers with the place of the match: the index in the outermost array that the path went through,
// kNoArray when it went through none, nullopt when nothing matches. `predicate` says at which element of an array at
// the end it matches: it returns kNoMatch, kNoArray, or that index (for $elemMatch).
inline constexpr std::int64_t kNoArray = -1;
inline constexpr std::int64_t kNoMatch = -2;

template <class Predicate>
std::int64_t place_at(bson::View object, const PathPart* part, const PathPart* end, bool expand,
                      const Predicate& predicate);

namespace detail {

template <class Predicate>
std::int64_t place_in_array(bson::View array, const PathPart* part, const PathPart* end, bool expand,
                            const Predicate& predicate) {
  std::int64_t index = 0;
  for (auto at = array.begin(); !at.at_end(); ++at, ++index) {
    const bson::Value& item = at->value;
    if (item.type() == bson::Type::kObject && place_at(item.as_object(), part, end, expand, predicate) != kNoMatch) {
      return index;
    }
    if (!part->numeric || at->key != part->name) continue;
    std::int64_t inner = kNoMatch;
    if (part + 1 == end) {
      inner = predicate(&item);
    } else if (item.type() == bson::Type::kObject) {
      inner = place_at(item.as_object(), part + 1, end, expand, predicate);
    } else if (item.type() == bson::Type::kArray) {
      inner = place_in_array(item.as_object(), part + 1, end, expand, predicate);
    }
    if (inner != kNoMatch) return index;
  }
  return kNoMatch;
}

}  // namespace detail

template <class Predicate>
std::int64_t place_at(bson::View object, const PathPart* part, const PathPart* end, bool expand,
                      const Predicate& predicate) {
  for (;; ++part) {
    const auto value = part->field.find_in(object);
    if (!value) return predicate(nullptr);
    const bool last = part + 1 == end;
    if (value->type() == bson::Type::kArray) {
      if (!last) return detail::place_in_array(value->as_object(), part + 1, end, expand, predicate);
      std::int64_t index = 0;
      for (auto at = value->as_object().begin(); expand && !at.at_end(); ++at, ++index) {
        if (predicate(&at->value) != kNoMatch) return index;
      }
      return predicate(&*value);
    }
    if (last) return predicate(&*value);
    if (value->type() != bson::Type::kObject) return predicate(nullptr);
    object = value->as_object();
  }
}

}  // namespace distri::db
