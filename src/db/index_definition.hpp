// index_definition.hpp: what an index is to be, as MongoDB's createIndex describes it.
//
// {key: {a: 1, "b.c": -1}, name: "a_1_b.c_-1", unique: true, sparse: true, partialFilterExpression: {...}}, or, of one
// field with dates, {key: {at: 1}, expireAfterSeconds: 3600} (expiry.hpp). Without a name it is called by its fields
// and directions, as MongoDB does.
//
// Threads: values; any. Errors: parse_index() only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/find.hpp"

namespace distri::db {

inline constexpr std::size_t kIndexFieldsMax = 32;
inline constexpr std::size_t kIndexPathPartsMax = 100;
inline constexpr std::size_t kIndexNameBytesMax = 256;
inline constexpr std::size_t kIndexFilterBytesMax = 16u << 10;  // of a partialFilterExpression
inline constexpr std::int64_t kExpireAfterSecondsMax = 2'147'483'647;

struct IndexDefinition {
  std::string name;
  std::vector<SortKey> fields;  // 1 to kIndexFieldsMax, no path twice
  bool unique = false;
  bool sparse = false;
  std::optional<bson::Document> partial;       // partialFilterExpression
  std::optional<std::int64_t> expire_after_s;  // of a single field; 0 to kExpireAfterSecondsMax

  // The same index, whatever its name.
  bool same_keys(const IndexDefinition& other) const;
  bool same_options(const IndexDefinition& other) const;
  // The same but for when documents expire: with the same keys, the same entries.
  bool same_options_but_expiry(const IndexDefinition& other) const;
};

// Reads a specification. kInvalidArgument with MongoDB's codes: CannotCreateIndex for what cannot be indexed (other
// kinds than ascending and descending, too many fields, a partial filter with other operators than $eq $gt $gte $lt
// $lte $in $exists: true $type $and $or; expireAfterSeconds out of its bounds or with several fields),
// InvalidIndexSpecificationOption for unknown options, TypeMismatch.
Result<IndexDefinition> parse_index(bson::View specification);

// 0 to kExpireAfterSecondsMax, a fraction cut off. TypeMismatch, CannotCreateIndex.
Result<std::int64_t> parse_expire_after(const bson::Value& value);

// A specification that gives the definition again; options that are off are left out.
void append_index(bson::Builder& out, const IndexDefinition& index);

}  // namespace distri::db
