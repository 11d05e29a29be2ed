#include "distri/db/positional.hpp"

#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

// Does a condition stand on the array at `path`, or inside it?
bool names(View filter, std::string_view path) {
  for (const Element& element : filter) {
    if (element.key.starts_with('$')) {
      if (element.value.type() != Type::kArray) continue;
      for (const Element& branch : element.value.as_object()) {
        if (branch.value.type() == Type::kObject && names(branch.value.as_object(), path)) return true;
      }
    } else if (element.key == path || (element.key.starts_with(path) && element.key[path.size()] == '.')) {
      return true;
    }
  }
  return false;
}

std::optional<View> array_at(View document, std::string_view path) {
  const std::size_t dot = path.find('.');
  const auto value = document.find(path.substr(0, dot));
  if (!value) return std::nullopt;
  if (dot != std::string_view::npos)
    return value->type() == Type::kObject ? array_at(value->as_object(), path.substr(dot + 1)) : std::nullopt;
  return value->type() == Type::kArray ? std::optional(value->as_object()) : std::nullopt;
}

// The fields of `object`, the array at `path` holding only `only`.
void append_cut(View object, std::string_view path, const Value& only, bson::Builder& out) {
  const std::size_t dot = path.find('.');
  const std::string_view name = path.substr(0, dot);
  bool done = false;
  for (const Element& element : object) {
    if (done || element.key != name) {
      out.append_element(element);
    } else if (dot == std::string_view::npos) {
      out.begin_array(name).append_value("0", only).end();
      done = true;
    } else {
      out.begin_object(name);
      append_cut(element.value.as_object(), path.substr(dot + 1), only, out);
      out.end();
      done = true;
    }
  }
}

}  // namespace

Result<std::optional<std::size_t>> positional_match(View source, const Filter& filter, View document,
                                                    std::string_view path) {
  const auto array = array_at(document, path);
  if (!array || !names(source, path)) return std::nullopt;
  const std::size_t others = document.bytes().size() - array->bytes().size();
  std::size_t built = 0;
  std::size_t index = 0;
  for (const Element& element : *array) {
    bson::Builder cut(others + element.raw.size() + 16);
    append_cut(document, path, element.value, cut);
    built += cut.size_bytes();
    if (filter.matches(std::move(cut).finish())) return index;
    if (built > kPositionalBytesMax) {
      return fail(Code::kTooLarge,
                  "'$' at '{}': the array is too long to look for the element that the filter matched; use "
                  "$[identifier] with array filters",
                  shown(path));
    }
    ++index;
  }
  return std::nullopt;
}

}  // namespace distri::db
