// update_error.hpp: MongoDB's names and codes of what is wrong with an update or projection. Private to the module.
#pragma once

#include <string_view>

#include "distri/utils/result.hpp"

namespace distri::db {

struct MongoError {
  std::string_view name;
  int code;
};

inline constexpr MongoError kBadValue{"BadValue", 2};
inline constexpr MongoError kFailedToParse{"FailedToParse", 9};
inline constexpr MongoError kTypeMismatch{"TypeMismatch", 14};
inline constexpr MongoError kPathNotViable{"PathNotViable", 28};
inline constexpr MongoError kCannotBackfillArray{"CannotBackfillArray", 34};
inline constexpr MongoError kConflictingUpdateOperators{"ConflictingUpdateOperators", 40};
inline constexpr MongoError kDollarPrefixedFieldName{"DollarPrefixedFieldName", 52};
inline constexpr MongoError kNotSingleValueField{"NotSingleValueField", 54};
inline constexpr MongoError kEmptyFieldName{"EmptyFieldName", 56};
inline constexpr MongoError kImmutableField{"ImmutableField", 66};
inline constexpr MongoError kNotExactValueField{"NotExactValueField", 111};

// "TypeMismatch (14): ..." with kInvalidArgument.
template <class... Args>
std::unexpected<Error> refuse(const MongoError& error, fmt::format_string<Args...> format, Args&&... args) {
  return fail(Code::kInvalidArgument, "{} ({}): {}", error.name, error.code,
              fmt::format(format, std::forward<Args>(args)...));
}

// What an error shows of a name that somebody sent.
inline std::string_view shown(std::string_view text) {
  return text.substr(0, 100);
}

}  // namespace distri::db
