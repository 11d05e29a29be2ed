// collection_options.hpp: what a collection was told about its documents, as documents of `system.collections`:
// {_id: "<collection>", validator: {...}, validationLevel: "strict"}.
//
// Threads: a value; any. Errors: kInvalidArgument with the option's name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "distri/db/validator.hpp"

namespace distri::db {

inline constexpr std::string_view kOptionsCollection = "system.collections";

struct CollectionOptions {
  // Which writes are checked: all; all but updates of documents that are not valid as they are; none.
  enum class Level { kStrict, kModerate, kOff };

  std::shared_ptr<const Validator> validator;  // nullptr: every document is fine
  Level level = Level::kStrict;

  bool operator==(const CollectionOptions& other) const;
  // Nothing but what every collection has anyway.
  bool plain() const { return *this == CollectionOptions{}; }
};

// Takes over the options that `given` names, from {validator, validationLevel}; an empty validator stands for none.
// What else it names is not looked at, but for a validationAction, which can only be "error".
Result<> change_options(CollectionOptions& options, bson::View given);
// The options by their names, with defaults.
void append_options(bson::Builder& out, const CollectionOptions& options);

bson::Document options_document(std::string_view collection, const CollectionOptions& options);
struct OptionsEntry {
  std::string collection;
  CollectionOptions options;
};
Result<OptionsEntry> read_options(bson::View document);

// Whether a client's write may make `before` (nullptr: there is none) into `after`.
Result<> check_write(const CollectionOptions& options, const bson::Document* before, bson::View after);

}  // namespace distri::db
