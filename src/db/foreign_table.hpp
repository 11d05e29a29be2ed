// foreign_table.hpp: the documents of another collection by the values of one field: the hash table of a $lookup whose
// foreign field has no index. Private to the module.
//
// It names candidates by `_id`; whether they match is for the filter to say, as with an index. What is
// changed in the collection after it was looked at is not found by its new values, as in any read in slices.
//
// Threads: none. Errors: those of the context's steps.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "distri/db/collection.hpp"
#include "distri/db/path.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {

// An index that finds equal values of that field.
bool has_equality_index(const Collection& collection, std::string_view path);

class ForeignTable {
 public:
  // `path` must outlive it.
  ForeignTable(PipelineContext& context, std::string_view path) : path_(split_path(path)), charge_(context) {}

  enum class State : std::uint8_t { kBuilding, kComplete, kTooLarge };
  // Goes on until the turn is over, and pays for every document that it looks at. kTooLarge: it would take more memory
  // than the run has. Not to be called again after the end. nullptr: there is no collection any more.
  Result<State> build(const Collection* collection, PipelineContext& context);

  // {_id: {$in: [...]}} of the documents that may hold a value equal to `local`, or to one of its elements. nullopt:
  // there are more than a filter can name.
  std::optional<bson::Document> candidates(const bson::Value& local) const;

 private:
  void find(const bson::Value& value, std::vector<std::uint32_t>& found) const;

  Path path_;
  std::optional<Bytes> after_;  // `_id` key of the document that was looked at last
  std::unordered_map<std::string, std::vector<std::uint32_t>> places_;  // by order keys
  std::vector<bson::Document> ids_;                                     // {_id}
  MemoryCharge charge_;
};

}  // namespace distri::db
