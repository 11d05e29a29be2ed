#include "distri/db/element_matcher.hpp"

#include <cstring>

#include "distri/bson/compare.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// Operators that stand beside fields, not inside one.
bool is_top_level_operator(std::string_view name) {
  return name == "$and" || name == "$or" || name == "$nor" || name == "$expr" || name == "$comment" ||
         name == "$jsonSchema";
}

bool asks_values(const Value& condition) {
  if (condition.type() == Type::kRegex) return true;
  if (condition.type() != Type::kObject) return false;
  const auto first = condition.as_object().begin();
  return !first.at_end() && first->key.starts_with('$') && !is_top_level_operator(first->key);
}

}  // namespace

Result<ElementMatcher> ElementMatcher::compile(const Value& condition) {
  ElementMatcher matcher;
  if (asks_values(condition)) {
    bson::Builder wrapped;
    wrapped.append_value("", condition);
    const bson::Document filter = std::move(wrapped).finish();
    DISTRI_TRY(matcher.filter_, Filter::compile(filter));
    matcher.wrapped_ = true;
  } else if (condition.type() == Type::kObject) {
    DISTRI_TRY(matcher.filter_, Filter::compile(condition.as_object()));
  } else {
    matcher.equal_ = condition;
  }
  return matcher;
}

bool ElementMatcher::matches(const Value& element, Bytes& scratch) const {
  if (!filter_) return bson::compare(element, equal_) == 0;
  if (wrapped_) return filter_->matches(wrap_element("", element, scratch));
  return element.type() == Type::kObject && filter_->matches(element.as_object());
}

bson::View wrap_element(std::string_view name, const Value& element, Bytes& scratch) {
  scratch.assign(4, '\0');
  scratch.push_back(static_cast<char>(element.type()));
  scratch.append(name);
  scratch.push_back('\0');
  scratch.append(element.raw());
  scratch.push_back('\0');
  const auto size = static_cast<std::uint32_t>(scratch.size());
  std::memcpy(scratch.data(), &size, sizeof size);
  return bson::View::trusted(scratch);
}

}  // namespace distri::db
