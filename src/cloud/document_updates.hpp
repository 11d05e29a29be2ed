// document_updates.hpp: the body of UpdateDocument: plain fields to set, or operators.
//
//   {"_id": 7, "a": 1, "b": 2}                                              sets a and b
//   {"_id": 7, "$set": {"a": 1}, "$unset": {"b": ""}, "$inc": {"n": 2}}     operators, top-level fields only
//
// Threads: values. Errors: kInvalidArgument names the operator or field.
#pragma once

#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

// Some field starts with '$'.
bool has_operators(bson::View body);

struct UpdateOperators {
  bson::Document set;
  std::vector<std::string> unset;
  bson::Document increments;
};
Result<UpdateOperators> parse_update_operators(bson::View body);

}  // namespace distri::cloud
