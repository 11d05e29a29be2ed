// collection_options.hpp: what a collection was told about its documents, as documents of `system.collections`:
// {_id: "<collection>", validator: {...}, validationLevel: "strict", capped: true, size: 1048576, max: 1000,
// ownerField: "_id", takerField: "to"}.
//
// Threads: a value; any. Errors: kInvalidArgument with the option's name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "distri/db/validator.hpp"

namespace distri::db {

inline constexpr std::string_view kOptionsCollection = "system.collections";

inline constexpr std::int64_t kCappedBytesMax = std::int64_t{1} << 50;
inline constexpr std::int64_t kCappedDocumentsMax = 2'147'483'647;

// Of a capped collection, of which the oldest documents go when it is over one of these.
struct Cap {
  std::int64_t bytes = 0;      // of its documents; 1 to kCappedBytesMax
  std::int64_t documents = 0;  // 0: any number
  bool operator==(const Cap&) const = default;
};

inline constexpr std::size_t kOwnerFieldBytesMax = 120;

// Whose documents are whose (cloud/ownership.hpp): fields at the top of a document that name users.
struct Owners {
  std::string field;  // the only one who may write it
  std::string taker;  // who may delete it as well; empty: nobody
  bool operator==(const Owners&) const = default;
};

struct CollectionOptions {
  // Which writes are checked: all; all but updates of documents that are not valid as they are; none.
  enum class Level { kStrict, kModerate, kOff };

  std::shared_ptr<const Validator> validator;  // nullptr: every document is fine
  Level level = Level::kStrict;
  std::optional<Cap> cap;        // nullopt: not capped
  std::optional<Owners> owners;  // nullopt: whoever may write may write all of them

  bool operator==(const CollectionOptions& other) const;
  // Nothing but what every collection has anyway.
  bool plain() const { return *this == CollectionOptions{}; }
};

// Takes over the options that `given` names, from {validator, validationLevel, capped, size, max, ownerField,
// takerField}; an empty validator or field stands for none; `size` and `max` belong to capped collections, and a capped
// one needs a `size`; a takerField needs an ownerField.
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
Result<> check_write(const CollectionOptions& options, const bson::StoredDocument* before, bson::View after);

}  // namespace distri::db
