// The document that an upsert inserts.
#include <algorithm>

#include "distri/bson/object_id.hpp"
#include "distri/db/collection.hpp"
#include "distri/db/update_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;

struct Equality {
  std::string_view path;
  Value value;
};
using Equalities = std::vector<Equality>;

bool holds_operators(const Value& value) {
  if (value.type() != Type::kObject || value.as_object().empty()) return false;
  const std::string_view first = value.as_object().begin()->key;
  return first.starts_with('$') && first != "$ref" && first != "$id" && first != "$db";
}

// Conditions that give a field one value. The filter has been compiled, so it is well formed.
void collect_equalities(bson::View filter, Equalities& found) {
  for (const Element& element : filter) {
    if (element.key == "$and" || element.key == "$or") {
      if (element.value.type() != Type::kArray) continue;
      const bson::View branches = element.value.as_object();
      if (element.key == "$or" && branches.count() != 1) continue;  // one of several may hold
      for (const Element& branch : branches) {
        if (branch.value.type() == Type::kObject) collect_equalities(branch.value.as_object(), found);
      }
    } else if (element.key.starts_with('$') || element.value.type() == Type::kRegex) {
      continue;
    } else if (!holds_operators(element.value)) {
      found.push_back({element.key, element.value});
    } else if (const auto equal = element.value.as_object().find("$eq")) {
      found.push_back({element.key, *equal});
    }
  }
}

// {path: value, ...} as a document. Two conditions on one path, or on one inside the other, leave the value open.
Result<bson::Document> document_of(const Equalities& equalities) {
  UpdateProgram program;
  for (const Equality& equality : equalities) {
    if (equality.path.starts_with("_id.")) {
      return refuse(mongo::kNotExactValueField,
                    "upsert: field at '_id' must be exactly specified, field at sub-path '{}' found",
                    shown(equality.path));
    }
    auto action = std::make_unique<UpdateAction>();
    action->name = "upsert";
    action->path = equality.path;
    action->value = equality.value;
    if (auto added = add_action(program, std::move(action)); !added) {
      if (!added.error().message.starts_with(mongo_code(mongo::kConflictingUpdateOperators)))
        return fail(std::move(added).error());
      return refuse(mongo::kNotSingleValueField, "upsert: cannot infer query fields to set, path '{}' is matched twice",
                    shown(equality.path));
    }
  }
  const UpdateContext context;
  UpdateRun run{program, context, {}, {}, {}, {}};
  bson::Builder out;
  DISTRI_TRY_VOID(rebuild_fields(run, out));
  return std::move(out).finish();
}

}  // namespace

Result<bson::Document> upsert_document(bson::View filter, const Update& update, const UpdateContext& context) {
  Equalities equalities;
  collect_equalities(filter, equalities);
  if (update.is_replacement()) {
    std::erase_if(equalities, [](const Equality& e) { return e.path != "_id" && !e.path.starts_with("_id."); });
  }
  DISTRI_TRY(const bson::Document base, document_of(equalities));
  UpdateContext inserting = context;
  inserting.insert = true;
  DISTRI_TRY(UpdateResult result, update.apply(base, inserting));
  if (!result.document.view().find("_id")) return std::move(result.document);
  bson::Document document = bson::with_id_first(result.document, {});
  DISTRI_TRY_VOID(check_document(document));
  return document;
}

}  // namespace distri::db
