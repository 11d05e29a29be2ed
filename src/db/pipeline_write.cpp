// $out and $merge: what is to be done with the results.
#include <algorithm>

#include "distri/db/expression_node.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

using WhenMatched = PipelineWrite::WhenMatched;
using WhenNotMatched = PipelineWrite::WhenNotMatched;

Result<std::string> collection_name(const Value& value) {
  if (value.type() != Type::kString) {
    return refuse(mongo::kTypeMismatch, "the collection must be a string, not {}; a node has one database",
                  kind_of(value));
  }
  if (auto valid = check_collection_name(value.as_string()); !valid) return fail(std::move(valid).error());
  return std::string(value.as_string());
}

Result<std::vector<std::string>> read_on(const Value& value) {
  if (value.type() == Type::kString) return std::vector<std::string>{std::string(value.as_string())};
  if (value.type() != Type::kArray) {
    return refuse(51186, "'on' must be the name of a field, or a list of such, not {}", shown_value(value));
  }
  std::vector<std::string> on;
  for (const Element& element : value.as_object()) {
    if (element.value.type() != Type::kString) {
      return refuse(51134, "'on' must be a list of names of fields, not of {}", kind_of(element.value));
    }
    const std::string_view name = element.value.as_string();
    if (std::find(on.begin(), on.end(), name) != on.end())
      return refuse(31465, "'on' names the field '{}' twice", shown(name));
    on.emplace_back(name);
  }
  if (on.empty()) return refuse(51187, "'on' names no field");
  return on;
}

Result<WhenMatched> when_matched(const Value& value) {
  if (value.type() == Type::kArray) {
    return refuse(mongo::kNotImplemented, "a pipeline as 'whenMatched' is not supported");
  }
  const std::string_view text = value.type() == Type::kString ? value.as_string() : std::string_view();
  if (text == "replace") return WhenMatched::kReplace;
  if (text == "keepExisting") return WhenMatched::kKeepExisting;
  if (text == "merge") return WhenMatched::kMerge;
  if (text == "fail") return WhenMatched::kFail;
  return refuse(mongo::kBadValue, "'whenMatched' must be replace, keepExisting, merge or fail, not {}",
                shown_value(value));
}

Result<WhenNotMatched> when_not_matched(const Value& value) {
  const std::string_view text = value.type() == Type::kString ? value.as_string() : std::string_view();
  if (text == "insert") return WhenNotMatched::kInsert;
  if (text == "discard") return WhenNotMatched::kDiscard;
  if (text == "fail") return WhenNotMatched::kFail;
  return refuse(mongo::kBadValue, "'whenNotMatched' must be insert, discard or fail, not {}", shown_value(value));
}

}  // namespace

Result<PipelineWrite> parse_out(const Value& value) {
  PipelineWrite write;
  write.replace_collection = true;
  DISTRI_TRY(write.collection, collection_name(value));
  return write;
}

Result<PipelineWrite> parse_merge(const Value& value) {
  PipelineWrite write;
  if (value.type() != Type::kObject) {
    DISTRI_TRY(write.collection, collection_name(value));
    return write;
  }
  for (const Element& element : value.as_object()) {
    if (element.key == "into") {
      DISTRI_TRY(write.collection, collection_name(element.value));
    } else if (element.key == "on") {
      DISTRI_TRY(write.on, read_on(element.value));
    } else if (element.key == "whenMatched") {
      DISTRI_TRY(write.when_matched, when_matched(element.value));
    } else if (element.key == "whenNotMatched") {
      DISTRI_TRY(write.when_not_matched, when_not_matched(element.value));
    } else if (element.key == "let") {
      return refuse(mongo::kNotImplemented, "'let' belongs to a pipeline as 'whenMatched', which is not supported");
    } else {
      return refuse(40415, "there is no field '{}'", shown(element.key));
    }
  }
  if (write.collection.empty()) return refuse(40414, "the field 'into' is missing");
  return write;
}

}  // namespace distri::db
