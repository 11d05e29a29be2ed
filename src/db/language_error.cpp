#include "distri/db/language_error.hpp"

namespace distri::db {

std::string mongo_code(int code) {
  switch (code) {
    case mongo::kBadValue:
      return "BadValue (2)";
    case mongo::kFailedToParse:
      return "FailedToParse (9)";
    case mongo::kTypeMismatch:
      return "TypeMismatch (14)";
    case mongo::kOverflow:
      return "Overflow (15)";
    case mongo::kNamespaceNotFound:
      return "NamespaceNotFound (26)";
    case mongo::kIndexNotFound:
      return "IndexNotFound (27)";
    case mongo::kPathNotViable:
      return "PathNotViable (28)";
    case mongo::kCannotBackfillArray:
      return "CannotBackfillArray (34)";
    case mongo::kConflictingUpdateOperators:
      return "ConflictingUpdateOperators (40)";
    case mongo::kDollarPrefixedFieldName:
      return "DollarPrefixedFieldName (52)";
    case mongo::kNotSingleValueField:
      return "NotSingleValueField (54)";
    case mongo::kEmptyFieldName:
      return "EmptyFieldName (56)";
    case mongo::kImmutableField:
      return "ImmutableField (66)";
    case mongo::kCannotCreateIndex:
      return "CannotCreateIndex (67)";
    case mongo::kIndexOptionsConflict:
      return "IndexOptionsConflict (85)";
    case mongo::kIndexKeySpecsConflict:
      return "IndexKeySpecsConflict (86)";
    case mongo::kNotExactValueField:
      return "NotExactValueField (111)";
    case mongo::kDocumentValidationFailure:
      return "DocumentValidationFailure (121)";
    case mongo::kNamespaceExists:
      return "NamespaceExists (48)";
    case mongo::kExceededTimeLimit:
      return "ExceededTimeLimit (50)";
    case mongo::kInvalidOptions:
      return "InvalidOptions (72)";
    case mongo::kCappedPositionLost:
      return "CappedPositionLost (136)";
    case mongo::kExceededMemoryLimit:
      return "ExceededMemoryLimit (146)";
    case mongo::kInvalidPipelineOperator:
      return "InvalidPipelineOperator (168)";
    case mongo::kCannotIndexParallelArrays:
      return "CannotIndexParallelArrays (171)";
    case mongo::kInvalidIndexSpecificationOption:
      return "InvalidIndexSpecificationOption (197)";
    case mongo::kNotImplemented:
      return "NotImplemented (238)";
    case mongo::kConversionFailure:
      return "ConversionFailure (241)";
    case mongo::kObjectTooLarge:
      return "BSONObjectTooLarge (10334)";
    case mongo::kDuplicateKey:
      return "DuplicateKey (11000)";
    default:
      return fmt::format("Location{} ({})", code, code);
  }
}

Error inside(Error error, std::string_view place) {
  // "Name (2): " in front is the code.
  const std::size_t end = error.message.find("): ");
  const std::size_t open = error.message.find(" (");
  const bool has_code = end != std::string::npos && open < end &&
                        error.message.find_first_not_of("0123456789", open + 2) == end &&
                        error.message.find(' ') == open;
  error.message.insert(has_code ? end + 3 : 0, fmt::format("{}: ", place));
  return error;
}

}  // namespace distri::db
