// distinct.hpp: the different values at a path over the documents that match.
//
// Arrays at the end of the path count by their elements, arrays on the way by each of their objects; a part of the path
// that is a number is the index of an element. Missing fields give nothing, null is a value. Values that compare equal
// (1 and 1.0) are one: the one met first, in the order of `_id`.
#pragma once

#include <vector>

#include "distri/db/collection.hpp"
#include "distri/db/filter.hpp"

namespace distri::db {

// In the order of bson::compare; they point into the collection and are valid until it changes. `filter` nullptr: all.
// kInvalidArgument: the path is empty or has an empty part, or begins with '$'. kTooLarge: the values together take
// more than `bytes_max`. Those of Filter::check().
Result<std::vector<bson::Value>> distinct(const Collection& collection, std::string_view path, const Filter* filter,
                                          std::size_t bytes_max = bson::kDocumentBytesMax);

}  // namespace distri::db
