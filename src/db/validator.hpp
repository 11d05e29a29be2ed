// validator.hpp: what the documents of a collection must be like: a filter that they match, mostly a $jsonSchema.
//
// Threads: a compiled validator is constant; any. Errors: compile(): those of the filter; $$NOW is one, since a
// document would be valid today and not tomorrow. check(): DocumentValidationFailure (121), which names the first
// condition that does not hold, and in a schema the field and the keyword; and what a filter may fail with (a limit, an
// expression).
#pragma once

#include "distri/bson/document.hpp"
#include "distri/db/filter.hpp"

namespace distri::db {

class Validator {
 public:
  static Result<Validator> compile(bson::View filter);

  Result<> check(bson::View document) const;
  bson::View source() const { return source_; }

 private:
  Validator(bson::Document source, Filter filter) : source_(std::move(source)), filter_(std::move(filter)) {}

  bson::Document source_;
  Filter filter_;
};

}  // namespace distri::db
