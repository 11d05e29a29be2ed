#include "distri/db/index_definition.hpp"

#include <algorithm>

#include "distri/db/filter_program.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"
#include "distri/db/path.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

Result<SortKey> parse_field(const Element& element) {
  const std::string_view path = element.key;
  if (path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != std::string_view::npos) {
    return refuse(mongo::kCannotCreateIndex, "index: the path '{}' has an empty part", shown(path));
  }
  const Path parts = split_path(path);
  if (parts.size() > kIndexPathPartsMax) {
    return refuse(mongo::kCannotCreateIndex, "index: the path '{}' has more than {} parts", shown(path),
                  kIndexPathPartsMax);
  }
  for (const PathPart& part : parts) {
    if (part.name.starts_with('$')) {
      return refuse(mongo::kCannotCreateIndex, "index: a part of the path '{}' begins with '$'", shown(path));
    }
  }
  if (auto checked = check_path("index", path); !checked) {
    return refuse(mongo::kCannotCreateIndex, "{}", checked.error().message);
  }
  const auto direction = element.value.is_number() ? truncate_to_int64(element.value) : std::nullopt;
  if (!direction || *direction == 0) {
    return refuse(mongo::kCannotCreateIndex,
                  "index: the value of '{}' must be 1 (ascending) or -1 (descending); text, hashed, geo and wildcard "
                  "indexes are not there",
                  shown(path));
  }
  return SortKey{std::string(path), *direction < 0};
}

Result<> parse_fields(IndexDefinition& index, const Value& key) {
  if (key.type() != Type::kObject) return refuse(mongo::kTypeMismatch, "index: 'key' must be an object");
  for (const Element& element : key.as_object()) {
    if (index.fields.size() == kIndexFieldsMax) {
      return refuse(mongo::kCannotCreateIndex, "index: more than {} fields", kIndexFieldsMax);
    }
    DISTRI_TRY(auto field, parse_field(element));
    const auto same = [&](const SortKey& other) { return other.path == field.path; };
    if (std::any_of(index.fields.begin(), index.fields.end(), same)) {
      return refuse(mongo::kCannotCreateIndex, "index: the path '{}' occurs twice", shown(field.path));
    }
    index.fields.push_back(std::move(field));
  }
  if (index.fields.empty()) return refuse(mongo::kCannotCreateIndex, "index: 'key' names no field");
  if (index.fields.size() == 1 && index.fields[0].path == "_id") {
    return refuse(mongo::kCannotCreateIndex,
                  "index: every collection is ordered by '_id' already, and documents cannot expire by it");
  }
  return {};
}

Result<> parse_name(IndexDefinition& index, const std::optional<Value>& name) {
  if (!name) {
    for (const SortKey& field : index.fields) {
      if (!index.name.empty()) index.name += '_';
      index.name += field.path + (field.descending ? "_-1" : "_1");
    }
  } else if (name->type() != Type::kString) {
    return refuse(mongo::kTypeMismatch, "index: 'name' must be a string, not {}", type_name(name->type()));
  } else {
    index.name = name->as_string();
  }
  if (index.name.empty() || index.name == "*" || index.name == "_id_") {
    return refuse(mongo::kBadValue, "index: the name '{}' is not allowed", index.name);
  }
  if (index.name.size() > kIndexNameBytesMax) {
    return refuse(mongo::kCannotCreateIndex, "index: the name '{}...' has {} bytes, at most {} are allowed; give one",
                  shown(index.name), index.name.size(), kIndexNameBytesMax);
  }
  if (index.name.find('\0') != std::string::npos) {
    return refuse(mongo::kCannotCreateIndex, "index: the name must not contain a zero byte");
  }
  return {};
}

// What the planner can reason about, and what can never fail on a document.
bool fits_partial(const FilterNode& node) {
  switch (node.op) {
    case FilterOp::kAnd:
    case FilterOp::kOr:
      return std::all_of(node.children.begin(), node.children.end(), fits_partial);
    case FilterOp::kEq:
    case FilterOp::kGt:
    case FilterOp::kGte:
    case FilterOp::kLt:
    case FilterOp::kLte:
    case FilterOp::kExists:
    case FilterOp::kType:
      return true;
    case FilterOp::kIn:
      return node.regexes.empty();
    default:
      return false;
  }
}

Result<> parse_partial(IndexDefinition& index, const Value& value) {
  if (value.type() != Type::kObject) {
    return refuse(mongo::kTypeMismatch, "index: 'partialFilterExpression' must be an object, not {}",
                  type_name(value.type()));
  }
  if (value.raw().size() > kIndexFilterBytesMax) {
    return refuse(mongo::kCannotCreateIndex, "index: 'partialFilterExpression' has more than {} bytes",
                  kIndexFilterBytesMax);
  }
  index.partial = bson::Document(value.as_object());
  auto root = compile_filter(*index.partial);
  if (!root) return fail(inside(std::move(root).error(), "index: 'partialFilterExpression'"));
  if (!fits_partial(*root)) {
    return refuse(mongo::kCannotCreateIndex,
                  "index: 'partialFilterExpression' takes only $eq, $gt, $gte, $lt, $lte, $in, $exists: true, $type, "
                  "$and and $or");
  }
  return {};
}

Result<bool> parse_flag(std::string_view name, const Value& value) {
  if (value.type() == Type::kBool) return value.as_bool();
  if (value.is_number()) return is_truthy(value);
  return refuse(mongo::kTypeMismatch, "index: '{}' must be true or false, not {}", name, type_name(value.type()));
}

}  // namespace

bool IndexDefinition::same_keys(const IndexDefinition& other) const {
  return std::equal(
      fields.begin(), fields.end(), other.fields.begin(), other.fields.end(),
      [](const SortKey& a, const SortKey& b) { return a.path == b.path && a.descending == b.descending; });
}

bool IndexDefinition::same_options(const IndexDefinition& other) const {
  return same_options_but_expiry(other) && expire_after_s == other.expire_after_s;
}

bool IndexDefinition::same_options_but_expiry(const IndexDefinition& other) const {
  return unique == other.unique && sparse == other.sparse && partial == other.partial;
}

Result<std::int64_t> parse_expire_after(const Value& value) {
  if (!value.is_number()) {
    return refuse(mongo::kTypeMismatch, "index: 'expireAfterSeconds' must be a number of seconds, not {}",
                  type_name(value.type()));
  }
  const auto seconds = truncate_to_int64(value);
  if (!seconds || *seconds < 0 || *seconds > kExpireAfterSecondsMax) {
    return refuse(mongo::kCannotCreateIndex, "index: 'expireAfterSeconds' must be from 0 to {}",
                  kExpireAfterSecondsMax);
  }
  return *seconds;
}

Result<IndexDefinition> parse_index(bson::View specification) {
  IndexDefinition index;
  const auto key = specification.find("key");
  if (!key) return refuse(mongo::kFailedToParse, "index: 'key' is missing");
  DISTRI_TRY_VOID(parse_fields(index, *key));
  DISTRI_TRY_VOID(parse_name(index, specification.find("name")));
  for (const Element& element : specification) {
    if (element.key == "unique") {
      DISTRI_TRY(index.unique, parse_flag(element.key, element.value));
    } else if (element.key == "sparse") {
      DISTRI_TRY(index.sparse, parse_flag(element.key, element.value));
    } else if (element.key == "partialFilterExpression") {
      DISTRI_TRY_VOID(parse_partial(index, element.value));
    } else if (element.key == "expireAfterSeconds") {
      DISTRI_TRY(index.expire_after_s, parse_expire_after(element.value));
    } else if (element.key != "key" && element.key != "name" && element.key != "v" && element.key != "background") {
      return refuse(mongo::kInvalidIndexSpecificationOption,
                    "index: unknown option '{}'; known are key, name, unique, sparse, partialFilterExpression, "
                    "expireAfterSeconds",
                    shown(element.key));
    }
  }
  if (index.sparse && index.partial) {
    return refuse(mongo::kCannotCreateIndex, "index: 'sparse' and 'partialFilterExpression' cannot be used together");
  }
  if (index.expire_after_s && index.fields.size() != 1) {
    return refuse(mongo::kCannotCreateIndex,
                  "index: 'expireAfterSeconds' goes with a single field that holds dates; this key has {} fields",
                  index.fields.size());
  }
  return index;
}

void append_index(bson::Builder& out, const IndexDefinition& index) {
  out.begin_object("key");
  for (const SortKey& field : index.fields) out.append_int32(field.path, field.descending ? -1 : 1);
  out.end();
  out.append_string("name", index.name);
  if (index.unique) out.append_bool("unique", true);
  if (index.sparse) out.append_bool("sparse", true);
  if (index.partial) out.append_object("partialFilterExpression", *index.partial);
  if (index.expire_after_s) out.append_int32("expireAfterSeconds", static_cast<std::int32_t>(*index.expire_after_s));
}

}  // namespace distri::db
