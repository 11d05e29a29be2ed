// schema.hpp: $jsonSchema: MongoDB's subset of JSON Schema draft 4. Private to the module.
//
// A keyword restricts only values of the kind it speaks of (minimum: numbers, pattern: strings, ...), and a property
// that is absent is asked only by `required`. Patterns search, they are not anchored. Not supported, as in MongoDB:
// $ref, $schema, default, definitions, format, id. Threads: constant after compile(); any.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "distri/bson/value.hpp"

namespace distri::db {

inline constexpr int kSchemaDepthMax = 100;
inline constexpr std::size_t kSchemaKeywordsMax = 10'000;  // in one schema, with its sub-schemas and entries of enums

struct SchemaNode;

class Schema {
 public:
  // The bytes of `source` must outlive the schema. FailedToParse (9), TypeMismatch (14) or BadValue (2), with the
  // keyword and where it stands.
  static Result<Schema> compile(const bson::Value& source);

  Schema(Schema&&) noexcept;
  Schema& operator=(Schema&&) noexcept;
  ~Schema();

  // `error` is set when a pattern goes over the limits of regular expressions; then the answer means nothing.
  bool accepts(const bson::Value& value, std::optional<Error>& error) const;
  // What is wrong with a value that is not accepted: "'a.b' does not satisfy 'minimum'". Empty when nothing is.
  std::string complaint(const bson::Value& value) const;

 private:
  explicit Schema(std::unique_ptr<SchemaNode> root);
  std::unique_ptr<SchemaNode> root_;
};

}  // namespace distri::db
