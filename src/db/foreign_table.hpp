// foreign_table.hpp: the documents of another collection by the values of one field: the hash table of a $lookup whose
// foreign field has no index. Private to the module.
//
// It names candidates by `_id`; whether they match is for the filter to say, as with an index. It is of the moment in
// which it was built: what is added to the collection while a run pauses may be missing, as from any read in pages.
//
// Threads: none. Errors: those of the context's steps.
#pragma once

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

  // Pays for looking at all documents. False: it would take more memory than the run has.
  Result<bool> build(const Collection& collection, PipelineContext& context);

  // {_id: {$in: [...]}} of the documents that may hold a value equal to `local`, or to one of its elements. nullopt:
  // there are more than a filter can name.
  std::optional<bson::Document> candidates(const bson::Value& local) const;

 private:
  void find(const bson::Value& value, std::vector<std::uint32_t>& found) const;

  Path path_;
  std::unordered_map<std::string, std::vector<std::uint32_t>> places_;  // by order keys
  std::vector<bson::Document> ids_;                                     // {_id}
  MemoryCharge charge_;
};

}  // namespace distri::db
