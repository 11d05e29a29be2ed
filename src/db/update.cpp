// Applying a compiled update, and what of it replication is told.
#include "distri/db/update.hpp"

#include <absl/container/inlined_vector.h>

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"
#include "distri/db/update_apply.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

// The value at a path of plain fields; nullopt: missing. An array on the way is an error.
Result<std::optional<Value>> at_plain_path(View document, std::string_view path, std::string_view role) {
  View object = document;
  for (std::string_view rest = path;;) {
    const std::size_t dot = rest.find('.');
    const auto value = object.find(rest.substr(0, dot));
    if (!value || dot == std::string_view::npos) return value;
    if (value->type() == Type::kArray) {
      return refuse(mongo::kBadValue,
                    "$rename at '{}': The {} field cannot be an array element, and there is an array on its path",
                    shown(path), role);
    }
    if (value->type() != Type::kObject) return std::nullopt;
    object = value->as_object();
    rest.remove_prefix(dot + 1);
  }
}

Result<> find_renamed(UpdateRun& run) {
  for (const Rename& rename : run.program.renames) {
    DISTRI_TRY(auto value, at_plain_path(run.original, rename.from, "source"));
    if (value) DISTRI_TRY_VOID(at_plain_path(run.original, rename.to, "destination"));
    run.renamed.push_back(std::move(value));
  }
  return {};
}

// What happened to a top-level field: its old element, and where its new one is (nowhere: it is gone).
struct Touched {
  std::string_view name;
  const UpdateAction* action = nullptr;  // when the path is the field itself
  std::optional<Element> before = std::nullopt;
  std::size_t begin = 0;
  std::size_t end = 0;
};
using TouchedFields = absl::InlinedVector<Touched, 4>;

// Rebuilds the top level.
class Rebuilder {
 public:
  Rebuilder(UpdateRun& run, bson::Builder& out) : run_(run), out_(out), applier_(run, out) {}

  Result<TouchedFields> rebuild() {
    DISTRI_TRY(UpdateSlots slots, applier_.slots_of({&run_.program.root}));
    for (const Element& old : run_.original) {
      UpdateSlot* slot = UpdateApplier::find(slots, old.key);
      if (slot == nullptr || slot->done) {
        out_.append_element(old);
        continue;
      }
      slot->done = true;
      DISTRI_TRY_VOID(old.key == "_id" ? keep_id(*slot, old) : touch(*slot, old));
    }
    for (const UpdateSlot& slot : slots) {
      if (slot.done) continue;
      if (slot.field.name == "_id" && !run_.context.insert) return changes_id(slot);
      DISTRI_TRY_VOID(touch(slot, std::nullopt));
    }
    return std::move(touched_);
  }

 private:
  static std::unexpected<Error> changes_id(const UpdateSlot& slot) {
    const UpdateNode* at = slot.nodes.front();
    while (!at->action) at = at->fields.empty() ? at->elements.front().get() : at->fields.front().get();
    return refuse(mongo::kImmutableField,
                  "{}: Performing an update on the path '{}' would modify the immutable field '_id'", at->action->name,
                  shown(at->action->path));
  }

  Result<> touch(const UpdateSlot& slot, const std::optional<Element>& old) {
    Touched field{slot.field.name, slot.nodes.front()->action.get(), old, out_.size_bytes()};
    DISTRI_TRY_VOID(applier_.place(slot.nodes, old ? &old->value : nullptr, false, slot.field.name));
    field.end = out_.size_bytes();
    touched_.push_back(field);
    return {};
  }

  // An update may name `_id` if that leaves it as it was.
  Result<> keep_id(const UpdateSlot& slot, const Element& old) {
    bson::Builder rebuilt;
    DISTRI_TRY_VOID(UpdateApplier(run_, rebuilt).place(slot.nodes, &old.value, false, "_id"));
    const bson::Document result = std::move(rebuilt).finish();
    const auto value = result.view().find("_id");
    if (!value || bson::compare(*value, old.value) != 0) return changes_id(slot);
    out_.append_element(old);
    return {};
  }

  UpdateRun& run_;
  bson::Builder& out_;
  UpdateApplier applier_;
  TouchedFields touched_;
};

bool is_counter_number(const Value& value) {
  return value.is_number() && value.type() != Type::kDecimal128;
}

// The increment, when this is a pure $inc of a field that can be a counter.
const Value* delta_of(const Touched& field) {
  if (field.action == nullptr || field.action->op != UpdateOp::kInc || !is_counter_number(field.action->value))
    return nullptr;
  if (field.before && !is_counter_number(field.before->value)) return nullptr;
  return &field.action->value;
}

void tell_changes(UpdateResult& result, const TouchedFields& touched) {
  bson::Builder set;
  bson::Builder deltas;
  for (const Touched& field : touched) {
    if (field.begin == field.end) {
      if (field.before) result.unset.emplace_back(field.name);
      continue;
    }
    const Element after = *View::Iterator(result.document.bytes().data() + field.begin);
    const bool same = field.before && field.before->raw == after.raw;
    if (const Value* delta = delta_of(field)) {
      if (!same || delta->to_double() != 0.0) deltas.append_value(field.name, *delta);
    } else if (!same) {
      set.append_element(after);
    }
  }
  result.set = std::move(set).finish();
  result.deltas = std::move(deltas).finish();
  result.changed = !result.set.view().empty() || !result.unset.empty() || !result.deltas.view().empty();
}

Result<UpdateResult> replace(View replacement, View document) {
  UpdateResult result;
  result.whole = true;
  const auto old_id = document.find("_id");
  const auto new_id = replacement.find("_id");
  if (old_id && new_id && bson::compare(*old_id, *new_id) != 0) {
    return refuse(mongo::kImmutableField,
                  "the replacement's '_id' differs from the document's; '_id' cannot be changed");
  }
  const auto& id = old_id ? old_id : new_id;
  bson::Builder out(replacement.bytes().size() + (id ? id->raw().size() + 8 : 0));
  if (id) out.append_value("_id", *id);
  for (const Element& element : replacement) {
    if (element.key != "_id") out.append_element(element);
  }
  result.document = std::move(out).finish();
  result.changed = result.document.view() != document;
  return result;
}

Result<> check_result(View document, const UpdateRun& run) {
  if (run.program.may_be_too_deep) {
    if (const auto valid = bson::validate(document.bytes()); !valid)
      return fail(valid.error().code, "the updated document: {}", valid.error().message);
  }
  if (run.context.insert && !document.find("_id")) {
    if (document.bytes().size() <= bson::kDocumentBytesMax) return {};
    return fail(Code::kTooLarge, "the updated document exceeds {} bytes", bson::kDocumentBytesMax);
  }
  if (run.context.insert) return {};  // upsert_document() checks, once `_id` is first
  return check_document(document);
}

}  // namespace

Result<UpdateResult> Update::apply(View document, const UpdateContext& context) const {
  UpdateRun run{*program_, context, document, {}, {}, {}};
  if (context.matched_index) run.positional = std::to_string(*context.matched_index);
  UpdateResult result;
  if (program_->replacement) {
    DISTRI_TRY(result, replace(program_->source, document));
  } else {
    DISTRI_TRY_VOID(find_renamed(run));
    bson::Builder out(document.bytes().size() + program_->source.bytes().size());
    DISTRI_TRY(const TouchedFields touched, Rebuilder(run, out).rebuild());
    DISTRI_TRY_VOID(check_size(run, out));
    result.document = std::move(out).finish();
    tell_changes(result, touched);
  }
  if (result.changed) DISTRI_TRY_VOID(check_result(result.document, run));
  return result;
}

}  // namespace distri::db
