// update_apply.hpp: rebuilds a document along the tree of an update. Private to the module.
//
// One pass: what no path names is copied, what one names is rebuilt in its place, and what is new is appended.
#pragma once

#include <absl/container/inlined_vector.h>

#include "distri/db/update_program.hpp"

namespace distri::db {

// The nodes of the tree that stand for one place of the document. More than one only where `$` and an index, or
// several array filters, mean the same element.
using UpdateNodes = absl::InlinedVector<const UpdateNode*, 2>;

// A field (or index) below a place, and the nodes that stand for it.
struct UpdateSlot {
  FieldName field;
  UpdateNodes nodes;
  bool done = false;
};
using UpdateSlots = absl::InlinedVector<UpdateSlot, 4>;

class UpdateApplier {
 public:
  UpdateApplier(UpdateRun& run, bson::Builder& out) : run_(run), out_(out) {}

  // Appends what becomes of `old` (nullptr: missing) under `key`, or nothing. `element`: of an array.
  Result<> place(const UpdateNodes& nodes, const bson::Value* old, bool element, std::string_view key);

  // The fields below a place, in the order of comes_before(); `$` resolved.
  Result<UpdateSlots> slots_of(const UpdateNodes& nodes) const;
  // Appends the object's fields with the slots applied.
  Result<> fields(UpdateSlots& slots, bson::View object);
  static UpdateSlot* find(UpdateSlots& slots, std::string_view name);

 private:
  // Would anything below make a field where there is nothing?
  Result<bool> makes(const UpdateNode& node) const;
  Result<bool> makes(const UpdateNodes& nodes) const;
  // `holder` cannot have such a field; that is an error for whoever would make it.
  Result<> check_viable(const UpdateSlot& slot, const bson::Value& holder) const;

  Result<> missing(const UpdateNodes& nodes, std::string_view key);
  Result<> indexed_elements(const UpdateNodes& nodes, const bson::Value& old, std::string_view key);
  // An element beyond the end of the array.
  Result<> append_element(const UpdateSlot& slot, ArrayWriter& writer);
  // $[] and $[identifier]
  Result<> matching_elements(const UpdateNodes& nodes, const bson::Value* old, std::string_view key);
  bool array_filter_matches(const UpdateNode& node, const bson::Value& element);

  UpdateRun& run_;
  bson::Builder& out_;
};

}  // namespace distri::db
