// element_matcher.hpp: does an element of an array match a condition ($pull, $elemMatch in projections, array filters)?
// Private to the module.
//
// A filter looks at documents, an element may be anything. An object whose first field is an operator on values ({$gte:
// 5}) is asked of the element itself; any other object is a filter on elements that are objects; anything else is a
// value to be equal to.
//
// Threads: constant after compile(); any. Errors: compile() only.
#pragma once

#include <optional>

#include "distri/db/filter.hpp"

namespace distri::db {

class ElementMatcher {
 public:
  // `condition` must outlive the matcher. kInvalidArgument, from the filter.
  static Result<ElementMatcher> compile(const bson::Value& condition);

  // Reuses the memory of `scratch`, whose content does not matter.
  bool matches(const bson::Value& element, Bytes& scratch) const;

 private:
  bson::Value equal_;  // without a filter
  std::optional<Filter> filter_;
  bool wrapped_ = false;  // the filter looks at {"": element}
};

// {name: element}, the form in which a filter sees an element. Reuses the memory of `scratch`, which the view needs.
bson::View wrap_element(std::string_view name, const bson::Value& element, Bytes& scratch);

}  // namespace distri::db
