// update.hpp: what an update makes of a document, and what of that replication has to be told.
//
// An update is compiled once per request and then applied to any number of documents. It is either a replacement (no
// field begins with '$') or a set of operators: $set $unset $inc $mul $min $max $rename $currentDate $setOnInsert $push
// ($each $position $sort $slice) $pull $pullAll $pop $addToSet ($each) $bit, on dotted paths into objects and arrays,
// with the positional parts `$`, `$[]` and `$[identifier]`. Semantics and order are MongoDB's (5.0 and later): fields
// are visited in lexicographic order, names that are numbers in numeric order and first; a field that was there keeps
// its place and a new one comes last.
//
// What replication merges is top-level fields (DESIGN, section 5). So a result names, beside the new document, the
// top-level fields that changed, the ones that went, and the increments: a `$inc` of a top-level field that is missing
// or an int32, int64 or double is a delta, of which concurrent ones all count. Everything else that happens inside a
// top-level field sets it as a whole: of concurrent updates inside one field the newer wins and the other becomes a
// conflict. A delta is kept even where it is too small to show in a double; other updates that leave a field as it was
// are no change.
//
// Invariants of a result: (1) `document` is valid BSON of at most bson::kDocumentBytesMax bytes and kDepthMax levels,
// and passes check_document() unless it was made for an insert and has no `_id` yet. (2) `set`, `unset` and `deltas`
// name each field once, never `_id`; applied to the old document they give the new one, up to the order of fields.
//
// Threads: a compiled update is constant; any. Errors: kInvalidArgument or kTooLarge; the message begins with MongoDB's
// name and code of the error where there is one and names operator and path: "TypeMismatch (14): $inc at 'a.b': ...".
// On error nothing is changed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"

namespace distri::db {

inline constexpr std::size_t kUpdateActionsMax = 10'000;    // paths of one update
inline constexpr std::size_t kUpdatePathPartsMax = 100;     // parts of one path
inline constexpr std::size_t kArrayFiltersMax = 100;        // array filters of one update
inline constexpr std::size_t kArrayPaddingMax = 1'500'000;  // nulls that one write beyond an array's end may add

struct UpdateOptions {
  bson::View array_filters;  // the array, e.g. [{"grade.mean": {"$gte": 85}}]; only read during compile()
};

struct UpdateContext {
  std::int64_t now_ms = 0;  // for $currentDate; wall time
  std::optional<std::size_t> matched_index =
      std::nullopt;     // what `$` stands for: the array element that the filter matched
  bool insert = false;  // the document is being made (upsert): $setOnInsert counts
};

struct UpdateResult {
  bson::Document document;
  bool changed = false;  // `document` differs, or there are deltas
  // A replacement: the new document is to be written as a whole, and the three below are empty.
  bool whole = false;
  bson::Document set;              // top-level fields, with their new values
  std::vector<std::string> unset;  // top-level fields that are gone
  bson::Document deltas;           // {field: int32, int64 or double}
};

struct UpdateProgram;

class Update {
 public:
  static Result<Update> compile(bson::View update, const UpdateOptions& options = {});

  Update(Update&&) noexcept;
  Update& operator=(Update&&) noexcept;
  ~Update();

  Result<UpdateResult> apply(bson::View document, const UpdateContext& context) const;

  // No operators.
  bool is_replacement() const;
  // A path has the positional part `$`, so that matched_index is needed.
  bool is_positional() const;
  // The path before the first positional `$` ("grades" of "grades.$.mean"); empty when there is none. Valid as long as
  // the update lives.
  std::string_view positional_path() const;

 private:
  friend Result<bson::Document> upsert_document(bson::View filter, const Update& update, const UpdateContext& context);
  explicit Update(std::unique_ptr<const UpdateProgram> program);
  std::unique_ptr<const UpdateProgram> program_;
};

// Some field begins with '$'.
bool has_update_operators(bson::View update);

// The document that an upsert inserts when nothing matched `filter`: the filter's equality conditions ({field: value},
// {field: {$eq: value}}, inside $and too), then `update` with context.insert taken as true. `_id` is first when there
// is one; when there is none, the caller makes it. A replacement takes only `_id` from the filter. Errors as apply(),
// and NotSingleValueField (54), NotExactValueField (111).
Result<bson::Document> upsert_document(bson::View filter, const Update& update, const UpdateContext& context);

}  // namespace distri::db
