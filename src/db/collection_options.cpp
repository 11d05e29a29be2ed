#include "distri/db/collection_options.hpp"

#include <array>
#include <utility>

#include "distri/db/collection.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"

namespace distri::db {
namespace {

using Level = CollectionOptions::Level;

constexpr std::array<std::pair<std::string_view, Level>, 3> kLevels = {
    {{"strict", Level::kStrict}, {"moderate", Level::kModerate}, {"off", Level::kOff}}};

Result<Level> read_level(const bson::Value& value) {
  for (const auto& [name, level] : kLevels) {
    if (value.type() == bson::Type::kString && value.as_string() == name) return level;
  }
  return refuse(mongo::kBadValue, "'validationLevel' must be \"strict\", \"moderate\" or \"off\"");
}

Result<std::int64_t> read_bound(std::string_view name, const bson::Value& value, std::int64_t min, std::int64_t max) {
  const auto number = value.is_number() ? truncate_to_int64(value) : std::nullopt;
  if (number && *number >= min && *number <= max) return *number;
  return refuse(value.is_number() ? mongo::kBadValue : mongo::kTypeMismatch, "'{}' must be a number from {} to {}",
                name, min, max);
}

Result<> change_cap(std::optional<Cap>& cap, bson::View given) {
  const auto capped = given.find("capped");
  const auto size = given.find("size");
  const auto max = given.find("max");
  if (capped && capped->type() != bson::Type::kBool)
    return refuse(mongo::kTypeMismatch, "'capped' must be true or false");
  if (capped && !capped->as_bool()) cap.reset();
  if (capped && capped->as_bool() && !cap) cap.emplace();
  if (!cap && (size || max))
    return refuse(mongo::kInvalidOptions, "'size' and 'max' belong to a capped collection; give 'capped': true, too");
  if (size) {
    DISTRI_TRY(cap->bytes, read_bound("size", *size, 1, kCappedBytesMax));
  }
  if (max) {
    DISTRI_TRY(cap->documents, read_bound("max", *max, 0, kCappedDocumentsMax));
  }
  if (cap && cap->bytes == 0)
    return refuse(mongo::kInvalidOptions, "a capped collection needs a 'size', in bytes of its documents");
  return {};
}

// The field's name; empty: none.
Result<std::string> read_owner_field(std::string_view name, const bson::Value& value) {
  if (value.type() != bson::Type::kString)
    return refuse(mongo::kTypeMismatch, "'{}' must be the name of a field, a string; \"\" stands for none", name);
  const std::string_view field = value.as_string();
  if (field.size() > kOwnerFieldBytesMax || field.starts_with('$') || field.find('.') != std::string_view::npos ||
      field.find('\0') != std::string_view::npos) {
    return refuse(mongo::kBadValue,
                  "'{}' must be the name of a field at the top of the documents, of at most {} bytes, without '.' and "
                  "without '$' in front",
                  name, kOwnerFieldBytesMax);
  }
  return std::string(field);
}

Result<> change_owners(std::optional<Owners>& owners, bson::View given) {
  const auto owner = given.find("ownerField");
  const auto taker = given.find("takerField");
  if (!owner && !taker) return {};
  Owners next = owners.value_or(Owners{});
  if (owner) {
    DISTRI_TRY(next.field, read_owner_field("ownerField", *owner));
  }
  if (taker) {
    DISTRI_TRY(next.taker, read_owner_field("takerField", *taker));
  }
  if (next.field.empty() && !next.taker.empty())
    return refuse(mongo::kInvalidOptions, "'takerField' needs an 'ownerField' beside it");
  if (next.field.empty()) {
    owners.reset();
  } else {
    owners = std::move(next);
  }
  return {};
}

Result<> check_action(const bson::Value& value) {
  if (value.type() == bson::Type::kString && value.as_string() == "error") return {};
  if (value.type() == bson::Type::kString && value.as_string() == "warn") {
    return refuse(mongo::kNotImplemented,
                  "'validationAction': \"warn\" is not supported, since any node may take the write and none's log is "
                  "the right one; with 'validationLevel': \"off\" nothing is refused");
  }
  return refuse(mongo::kBadValue, "'validationAction' must be \"error\"");
}

}  // namespace

bool CollectionOptions::operator==(const CollectionOptions& other) const {
  if ((validator == nullptr) != (other.validator == nullptr) || level != other.level || cap != other.cap ||
      owners != other.owners) {
    return false;
  }
  return validator == nullptr || validator->source().bytes() == other.validator->source().bytes();
}

Result<> change_options(CollectionOptions& options, bson::View given) {
  CollectionOptions next = options;
  if (const auto filter = given.find("validator")) {
    if (filter->type() != bson::Type::kObject)
      return refuse(mongo::kTypeMismatch, "'validator' must be a filter, an object; {{}} stands for none");
    if (filter->as_object().empty()) {
      next.validator.reset();
    } else {
      DISTRI_TRY(Validator validator, Validator::compile(filter->as_object()));
      next.validator = std::make_shared<const Validator>(std::move(validator));
    }
  }
  if (const auto level = given.find("validationLevel")) {
    DISTRI_TRY(next.level, read_level(*level));
  }
  if (const auto action = given.find("validationAction")) DISTRI_TRY_VOID(check_action(*action));
  DISTRI_TRY_VOID(change_cap(next.cap, given));
  DISTRI_TRY_VOID(change_owners(next.owners, given));
  options = std::move(next);
  return {};
}

void append_options(bson::Builder& out, const CollectionOptions& options) {
  if (options.validator != nullptr) out.append_object("validator", options.validator->source());
  for (const auto& [name, level] : kLevels) {
    if (level == options.level) out.append_string("validationLevel", name);
  }
  if (options.cap) {
    out.append_bool("capped", true).append_int64("size", options.cap->bytes);
    if (options.cap->documents > 0) out.append_int64("max", options.cap->documents);
  }
  if (options.owners) {
    out.append_string("ownerField", options.owners->field);
    if (!options.owners->taker.empty()) out.append_string("takerField", options.owners->taker);
  }
}

bson::Document options_document(std::string_view collection, const CollectionOptions& options) {
  bson::Builder out;
  out.append_string("_id", collection);
  append_options(out, options);
  return std::move(out).finish();
}

Result<OptionsEntry> read_options(bson::View document) {
  const auto id = document.find("_id");
  if (!id || id->type() != bson::Type::kString || !check_collection_name(id->as_string()))
    return fail(Code::kInvalidArgument, "the _id of a collection's options must be its name");
  OptionsEntry entry{std::string(id->as_string()), {}};
  DISTRI_TRY_VOID(change_options(entry.options, document));
  return entry;
}

Result<> check_write(const CollectionOptions& options, const bson::StoredDocument* before, bson::View after) {
  if (options.cap && before == nullptr && after.bytes().size() > static_cast<std::size_t>(options.cap->bytes)) {
    return fail(
        Code::kTooLarge,
        "{}: object to insert exceeds cappedMaxSize: the document has {} bytes, and the capped collection holds "
        "{}; make it larger (ModifyCollection, cappedSize)",
        mongo_code(mongo::kBadValue), after.bytes().size(), options.cap->bytes);
  }
  if (options.validator == nullptr || options.level == Level::kOff) return {};
  auto valid = options.validator->check(after);
  if (valid) return {};
  if (options.level == Level::kModerate && before != nullptr && !options.validator->check(*before)) return {};
  return valid;
}

}  // namespace distri::db
