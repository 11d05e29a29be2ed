// BulkWrite: many writes in one request, each for itself.
//
// Body: {"operations": [{"insertOne": {"document"}} | {"updateOne" | "updateMany": {"filter", "update", "upsert",
// "arrayFilters"}} | {"replaceOne": {"filter", "replacement", "upsert"}} | {"deleteOne" | "deleteMany": {"filter"}},
// ...]}. The reply has one result for each operation that was tried; an ordered one ends at the first that failed.
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"

namespace distri::cloud {
namespace {

constexpr std::size_t kOperationsMax = 100'000;

struct Totals {
  std::uint64_t inserted = 0;
  std::uint64_t matched = 0;
  std::uint64_t modified = 0;
  std::uint64_t deleted = 0;
  std::uint64_t upserted = 0;
};

void append_count(bson::Builder& out, std::string_view key, std::uint64_t count) {
  out.append_int64(key, static_cast<std::int64_t>(count));
}

// Tries one operation after the other and writes what became of each.
class Bulk {
 public:
  Bulk(DocumentWriter writer, const DocumentCall& call, bson::Builder& results)
      : writer_(writer), call_(call), results_(results) {}

  // Appends the result to the object that `results` has open.
  Result<> run(const bson::Value& operation) {
    if (operation.type() != bson::Type::kObject || operation.as_object().count() != 1) {
      return fail(
          Code::kInvalidArgument,
          "an operation is an object with one field: insertOne, updateOne, updateMany, replaceOne, deleteOne or "
          "deleteMany");
    }
    const bson::Element only = *operation.as_object().begin();
    if (only.value.type() != bson::Type::kObject) {
      return fail(Code::kInvalidArgument, "'{}' must be an object, not {}", only.key.substr(0, 80),
                  bson::type_name(only.value.type()));
    }
    const bson::View fields = only.value.as_object();
    if (only.key == "insertOne") return insert(fields);
    if (only.key == "updateOne" || only.key == "updateMany") return update(only.key, fields);
    if (only.key == "replaceOne") return replace(fields);
    if (only.key == "deleteOne" || only.key == "deleteMany") return remove(only.key, fields);
    return fail(Code::kInvalidArgument,
                "there is no operation '{}'; there are insertOne, updateOne, updateMany, replaceOne, deleteOne and "
                "deleteMany",
                only.key.substr(0, 80));
  }

  const Totals& totals() const { return totals_; }

 private:
  static Result<bson::View> needed(bson::View fields, std::string_view name, std::string_view operation) {
    DISTRI_TRY(const auto object, object_param(fields, name));
    if (!object) return fail(Code::kInvalidArgument, "{} needs '{}'", operation, name);
    return *object;
  }

  Result<> insert(bson::View fields) {
    DISTRI_TRY_VOID(check_params(fields, "insertOne", {"document"}));
    DISTRI_TRY(const bson::View document, needed(fields, "document", "insertOne"));
    DISTRI_TRY(const bson::Document id, writer_.insert(call_.collection, bson::Document(document), call_.attempt));
    ++totals_.inserted;
    results_.append_value("inserted_id", id.view().begin()->value);
    return {};
  }

  Result<> update(std::string_view name, bson::View fields) {
    DISTRI_TRY_VOID(check_params(fields, name, {"filter", "update", "upsert", "arrayFilters"}));
    DISTRI_TRY(const bson::View filter, needed(fields, "filter", name));
    DISTRI_TRY(const bson::View update, needed(fields, "update", name));
    if (!update.empty() && !db::has_update_operators(update)) {
      return fail(Code::kInvalidArgument, "{}: 'update' must hold operators such as $set; replaceOne replaces", name);
    }
    DISTRI_TRY(const auto array_filters, array_param(fields, "arrayFilters"));
    DISTRI_TRY(const bool upsert, bool_param(fields, "upsert", false));
    return write(
        {call_.collection, filter, update, array_filters.value_or(bson::View()), name == "updateMany", upsert});
  }

  Result<> replace(bson::View fields) {
    DISTRI_TRY_VOID(check_params(fields, "replaceOne", {"filter", "replacement", "upsert"}));
    DISTRI_TRY(const bson::View filter, needed(fields, "filter", "replaceOne"));
    DISTRI_TRY(const bson::View replacement, needed(fields, "replacement", "replaceOne"));
    if (db::has_update_operators(replacement)) {
      return fail(Code::kInvalidArgument, "replaceOne: 'replacement' must be a document without operators");
    }
    DISTRI_TRY(const bool upsert, bool_param(fields, "upsert", false));
    return write({call_.collection, filter, replacement, {}, false, upsert});
  }

  Result<> write(const UpdateRequest& request) {
    DISTRI_TRY(const UpdateOutcome outcome, writer_.update(request));
    totals_.matched += outcome.matched;
    totals_.modified += outcome.modified;
    append_count(results_, "matched", outcome.matched);
    append_count(results_, "modified", outcome.modified);
    if (outcome.upserted) {
      ++totals_.upserted;
      results_.append_value("upserted_id", outcome.upserted->view().begin()->value);
    }
    return {};
  }

  Result<> remove(std::string_view name, bson::View fields) {
    DISTRI_TRY_VOID(check_params(fields, name, {"filter"}));
    DISTRI_TRY(const bson::View source, needed(fields, "filter", name));
    DISTRI_TRY(const auto filter, db::Filter::compile(source, writer_.now_ms()));
    DISTRI_TRY(const std::uint64_t removed, writer_.remove(call_.collection, &filter, name == "deleteMany"));
    totals_.deleted += removed;
    append_count(results_, "deleted", removed);
    return {};
  }

  DocumentWriter writer_;
  const DocumentCall& call_;
  bson::Builder& results_;
  Totals totals_;
};

}  // namespace

Result<Bytes> DocumentServices::bulk_write(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const bool ordered, bool_param(params, "ordered", true));
  DISTRI_TRY(const bson::Document body, parse_document(call.body, call.format, "body"));
  DISTRI_TRY_VOID(check_params(body, "the body of BulkWrite", {"operations"}));
  DISTRI_TRY(const auto operations, array_param(body, "operations"));
  if (!operations) return fail(Code::kInvalidArgument, "body: BulkWrite needs 'operations', a list");
  if (operations->count() > kOperationsMax)
    return fail(Code::kTooLarge, "body: BulkWrite takes at most {} operations", kOperationsMax);

  bson::Builder reply;
  reply.begin_array("results");
  Bulk bulk(writer(call), call, reply);
  std::size_t index = 0;
  std::optional<std::size_t> failed;
  for (const bson::Element& operation : *operations) {
    reply.begin_object(std::to_string(index));
    append_count(reply, "index", index);
    if (const auto done = bulk.run(operation.value); !done) {
      reply.begin_object("error");
      reply.append_string("code", code_name(done.error().code)).append_string("message", done.error().message);
      reply.end();
      if (!failed) failed = index;
    }
    reply.end();
    if (failed && ordered) break;
    ++index;
  }
  reply.end();
  const Totals& totals = bulk.totals();
  append_count(reply, "inserted", totals.inserted);
  append_count(reply, "matched", totals.matched);
  append_count(reply, "modified", totals.modified);
  append_count(reply, "deleted", totals.deleted);
  append_count(reply, "upserted", totals.upserted);
  if (failed) append_count(reply, "first_failed", *failed);
  reply.append_bool("ok", !failed);
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
