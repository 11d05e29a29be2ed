// conversion.hpp: values as text and as other types, for $toString, $convert and the operators that take "anything with
// a text". Private to the module.
#pragma once

#include "distri/db/expression_state.hpp"

namespace distri::db {

// Numbers, dates, booleans, ids, strings; nullopt for types that have no text.
std::optional<std::string> text_of(const bson::Value& value);

// ConversionFailure (241) with the reason. Precondition: `value` is not nullish.
Result<bson::Value> convert(const bson::Value& value, bson::Type to, ValueArena& arena);

}  // namespace distri::db
