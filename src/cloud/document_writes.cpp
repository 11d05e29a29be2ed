// The document services that write single documents, or those that a filter finds.
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/cloud/write_checks.hpp"

namespace distri::cloud {
namespace {

// The same document without `_id`: the operators that stood beside it.
bson::Document without_id(bson::View body) {
  bson::Builder rest(body.bytes().size());
  for (const bson::Element& element : body) {
    if (element.key != "_id") rest.append_element(element);
  }
  return std::move(rest).finish();
}

// The update of a request: the parameter, or the body, which may be larger.
Result<bson::Document> update_of(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const auto param, object_param(params, "update"));
  if (param && !call.body.empty())
    return fail(Code::kInvalidArgument, "the update is given twice: as the parameter 'update' and as the body");
  if (param) return bson::Document(*param);
  if (call.body.empty())
    return fail(Code::kInvalidArgument, "the parameter 'update', or a body, must say what to do with the documents");
  return parse_document(call.body, call.format, "body");
}

void append_outcome(bson::Builder& reply, const UpdateOutcome& outcome) {
  reply.append_int64("matched", static_cast<std::int64_t>(outcome.matched));
  reply.append_int64("modified", static_cast<std::int64_t>(outcome.modified));
  if (outcome.upserted) reply.append_value("upserted_id", outcome.upserted->view().begin()->value);
}

}  // namespace

// By names alone, which errs on the safe side.
bool is_repeatable(const DocumentCall& call) {
  constexpr std::array<std::string_view, 5> kAddingUp = {"$inc", "$mul", "$push", "$pop", "xor"};
  constexpr std::string_view kEscape = "\\u";  // in JSON it may spell any name
  const auto holds = [](BytesView text, std::string_view word) { return text.find(word) != BytesView::npos; };
  switch (call.service) {
    case DocumentService::kFindAndModify:
    case DocumentService::kAggregate:
      return false;
    case DocumentService::kUpdateDocument:
    case DocumentService::kBulkWrite:
      for (const BytesView text : {BytesView(call.params), BytesView(call.body)}) {
        if (holds(text, "filter") || holds(text, kEscape)) return false;
      }
      for (const std::string_view word : kAddingUp) {
        if (holds(call.body, word)) return false;
      }
      return true;
    default:
      return true;
  }
}

DocumentWriter DocumentServices::writer(const DocumentCall& call) {
  return {replica_, ids_, clock_.wall_ms(), call.rights};
}

Result<Bytes> DocumentServices::add(const DocumentCall& call) {
  if (call.body.empty()) return fail(Code::kInvalidArgument, "body: AddDocument needs a document");
  DISTRI_TRY(bson::Document document, parse_document(call.body, call.format, "body"));
  DISTRI_TRY(bson::Document id, writer(call).insert(call.collection, std::move(document), call.attempt));
  return render_document(std::move(id), call.format);
}

Result<Bytes> DocumentServices::update(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const auto filter, object_param(params, "filter"));
  if (!filter) {
    for (const std::string_view name : {"update", "multi", "upsert", "arrayFilters"}) {
      if (params.find(name))
        return fail(Code::kInvalidArgument, "parameter '{}' needs the parameter 'filter' beside it", name);
    }
    return update_by_id(call);
  }
  UpdateRequest request{call.collection, *filter, {}, {}};
  DISTRI_TRY(const bson::Document update, update_of(call, params));
  request.update = update;
  DISTRI_TRY(const auto array_filters, array_param(params, "arrayFilters"));
  if (array_filters) request.array_filters = *array_filters;
  DISTRI_TRY(request.multi, bool_param(params, "multi", false));
  DISTRI_TRY(request.upsert, bool_param(params, "upsert", false));
  DISTRI_TRY(const UpdateOutcome outcome, writer(call).update(request));
  bson::Builder reply;
  append_outcome(reply, outcome);
  return render_document(std::move(reply).finish(), call.format);
}

// {"_id": ..., fields} or {"_id": ..., operators}: inserts when there is no such document.
Result<Bytes> DocumentServices::update_by_id(const DocumentCall& call) {
  if (call.body.empty()) return fail(Code::kInvalidArgument, "body: UpdateDocument needs the fields to set, and _id");
  DISTRI_TRY(const bson::Document parsed, parse_document(call.body, call.format, "body"));
  const auto id = parsed.view().find("_id");
  if (!id) return fail(Code::kInvalidArgument, "body: UpdateDocument needs the _id of the document to update");
  bool inserted = false;
  if (db::has_update_operators(parsed)) {
    bson::Builder filter;
    filter.begin_object("_id").append_value("$eq", *id).end();
    const bson::Document filter_source = std::move(filter).finish();
    const bson::Document operators = without_id(parsed);
    DISTRI_TRY(const UpdateOutcome outcome,
               writer(call).update({call.collection, filter_source, operators, {}, false, true}));
    inserted = outcome.upserted.has_value();
  } else {
    const bson::Document fields = bson::with_id_first(parsed, {});
    if (has_checks(replica_, call.collection)) {
      const db::Collection* documents = replica_.database().find(call.collection);
      const db::Record* record = documents == nullptr ? nullptr : documents->find(bson::order_key(*id));
      const bson::Document next = record == nullptr ? fields : bson::merge_fields(record->document, fields);
      DISTRI_TRY_VOID(
          check_write(replica_, call.rights, call.collection, record == nullptr ? nullptr : &record->document, next));
    }
    DISTRI_TRY(inserted, replica_.upsert_fields(call.collection, fields, clock_.wall_ms()));
  }
  bson::Builder reply;
  reply.append_value("_id", *id);
  reply.append_bool("inserted", inserted);
  return render_document(std::move(reply).finish(), call.format);
}

Result<Bytes> DocumentServices::remove(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const bool all, bool_param(params, "all", false));
  DISTRI_TRY(const auto filter, filter_param(params, clock_.wall_ms()));
  if (!filter && !all) {
    return fail(Code::kInvalidArgument,
                "an empty filter would delete every document; if that is meant, pass all: true");
  }
  if (filter && all) return fail(Code::kInvalidArgument, "pass either a filter or all: true, not both");
  DISTRI_TRY(const std::uint64_t removed, writer(call).remove(call.collection, filter ? &*filter : nullptr, true));
  return single_field_reply("deleted", removed, call.format);
}

Result<Bytes> DocumentServices::find_and_modify(const DocumentCall& call, bson::View params) {
  FindAndModifyRequest request;
  request.update.collection = call.collection;
  DISTRI_TRY(const auto filter, object_param(params, "filter"));
  if (!filter)
    return fail(Code::kInvalidArgument, "FindAndModify needs the parameter 'filter'; {{}} means any document");
  request.update.filter = *filter;
  DISTRI_TRY(request.remove, bool_param(params, "remove", false));
  DISTRI_TRY(request.update.upsert, bool_param(params, "upsert", false));
  bson::Document update;
  if (!request.remove) {
    DISTRI_TRY(update, update_of(call, params));
    request.update.update = update;
  } else if (params.find("update") || !call.body.empty() || request.update.upsert) {
    return fail(Code::kInvalidArgument, "FindAndModify: 'remove' goes with neither an update nor 'upsert'");
  }
  DISTRI_TRY(const auto array_filters, array_param(params, "arrayFilters"));
  if (array_filters) request.update.array_filters = *array_filters;
  if (const auto which = params.find("return")) {
    const bool text = which->type() == bson::Type::kString;
    request.after = text && which->as_string() == "after";
    if (!request.after && !(text && which->as_string() == "before"))
      return fail(Code::kInvalidArgument, "parameter 'return' must be \"before\" or \"after\"");
    if (request.after && request.remove)
      return fail(Code::kInvalidArgument,
                  "FindAndModify: after 'remove' there is no document; return it as it was before");
  }
  DISTRI_TRY(request.sort, sort_param(params));
  DISTRI_TRY(const auto projection, object_param(params, "projection"));
  if (projection) {
    DISTRI_TRY(request.projection, db::Projection::compile(*projection));
  }
  DISTRI_TRY(const FindAndModifyOutcome outcome, writer(call).find_and_modify(request));
  bson::Builder reply;
  if (outcome.document) {
    reply.append_object("document", *outcome.document);
  } else {
    reply.append_null("document");
  }
  append_outcome(reply, outcome.update);
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
