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
    case mongo::kExceededTimeLimit:
      return "ExceededTimeLimit (50)";
    case mongo::kInvalidOptions:
      return "InvalidOptions (72)";
    case mongo::kExceededMemoryLimit:
      return "ExceededMemoryLimit (146)";
    case mongo::kInvalidPipelineOperator:
      return "InvalidPipelineOperator (168)";
    case mongo::kNotImplemented:
      return "NotImplemented (238)";
    case mongo::kConversionFailure:
      return "ConversionFailure (241)";
    case mongo::kObjectTooLarge:
      return "BSONObjectTooLarge (10334)";
    default:
      return fmt::format("Location{} ({})", code, code);
  }
}

}  // namespace distri::db
