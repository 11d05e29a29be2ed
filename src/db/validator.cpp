#include "distri/db/validator.hpp"

#include "distri/bson/json.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/schema.hpp"

namespace distri::db {
namespace {

std::string describe(const bson::Element& condition, bson::View document) {
  if (condition.key == "$jsonSchema") {
    const auto schema = Schema::compile(condition.value);
    if (schema) {
      return fmt::format("$jsonSchema: {}", schema->complaint(bson::Value(bson::Type::kObject, document.bytes())));
    }
  }
  bson::Builder alone;
  alone.append_element(condition);
  const std::string text = bson::to_json(std::move(alone).finish());
  return fmt::format("this condition does not hold: {}", shown(text));
}

bool names_now(bson::View filter, bool in_expression) {
  for (const bson::Element& element : filter) {
    const bson::Value& value = element.value;
    if (value.type() == bson::Type::kString && in_expression && value.as_string().starts_with("$$NOW")) return true;
    if ((value.type() == bson::Type::kObject || value.type() == bson::Type::kArray) &&
        names_now(value.as_object(), in_expression || element.key == "$expr")) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<Validator> Validator::compile(bson::View filter) {
  if (names_now(filter, false)) {
    return refuse(mongo::kBadValue,
                  "validator: $$NOW cannot be used: what is valid today would not be tomorrow, and nobody would look");
  }
  bson::Document source(filter);
  auto compiled = Filter::compile(source);
  if (!compiled) return fail(inside(std::move(compiled).error(), "validator"));
  return Validator(std::move(source), std::move(*compiled));
}

Result<> Validator::check(bson::View document) const {
  DISTRI_TRY(const bool holds, filter_.check(document));
  if (holds) return {};
  for (const bson::Element& condition : source_.view()) {
    bson::Builder alone;
    alone.append_element(condition);
    const bson::Document source = std::move(alone).finish();
    const auto filter = Filter::compile(source);
    if (filter && filter->matches(document)) continue;
    return refuse(mongo::kDocumentValidationFailure, "document failed validation: {}", describe(condition, document));
  }
  return refuse(mongo::kDocumentValidationFailure, "document failed validation");
}

}  // namespace distri::db
