// language_error.hpp: errors of the query language, which carry MongoDB's code and its name.
//
// A message reads "BadValue (2): filter: '$size' at 'a' ...". Codes without a name of their own are called
// "Location<number>", as MongoDB does.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "distri/utils/result.hpp"

namespace distri::db {

namespace mongo {
inline constexpr int kBadValue = 2;
inline constexpr int kFailedToParse = 9;
inline constexpr int kTypeMismatch = 14;
inline constexpr int kOverflow = 15;
inline constexpr int kNamespaceNotFound = 26;
inline constexpr int kIndexNotFound = 27;
inline constexpr int kPathNotViable = 28;
inline constexpr int kCannotBackfillArray = 34;
inline constexpr int kConflictingUpdateOperators = 40;
inline constexpr int kDollarPrefixedFieldName = 52;
inline constexpr int kNotSingleValueField = 54;
inline constexpr int kEmptyFieldName = 56;
inline constexpr int kImmutableField = 66;
inline constexpr int kCannotCreateIndex = 67;
inline constexpr int kIndexOptionsConflict = 85;
inline constexpr int kIndexKeySpecsConflict = 86;
inline constexpr int kNotExactValueField = 111;
inline constexpr int kDocumentValidationFailure = 121;
inline constexpr int kInvalidOptions = 72;
inline constexpr int kNamespaceExists = 48;
inline constexpr int kExceededTimeLimit = 50;
inline constexpr int kCappedPositionLost = 136;
inline constexpr int kExceededMemoryLimit = 146;
inline constexpr int kInvalidPipelineOperator = 168;
inline constexpr int kCannotIndexParallelArrays = 171;
inline constexpr int kInvalidIndexSpecificationOption = 197;
inline constexpr int kNotImplemented = 238;
inline constexpr int kConversionFailure = 241;
inline constexpr int kObjectTooLarge = 10334;
inline constexpr int kDuplicateKey = 11000;
}  // namespace mongo

// "BadValue (2)", "Location16554 (16554)".
std::string mongo_code(int code);

// kInvalidArgument with the code in front of the message.
template <class... Args>
std::unexpected<Error> refuse(int code, fmt::format_string<Args...> format, Args&&... args) {
  return fail(Code::kInvalidArgument, "{}: {}", mongo_code(code), fmt::format(format, std::forward<Args>(args)...));
}

// The same error of something that stands inside of `place`; the code stays in front.
Error inside(Error error, std::string_view place);

// What an error shows of a name or text that somebody sent.
inline std::string_view shown(std::string_view text) {
  constexpr std::size_t kShownBytesMax = 100;
  if (text.size() <= kShownBytesMax) return text;
  std::size_t size = kShownBytesMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;  // not inside a character
  return text.substr(0, size);
}

}  // namespace distri::db
