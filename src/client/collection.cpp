#include "distri/client/collection.hpp"

#include <algorithm>
#include <iterator>

#include "distri/client/client_impl.hpp"
#include "distri/client/document_calls.hpp"

namespace distri::client {
namespace {

using nlohmann::json;

// Objects of nlohmann::json are sorted by name, so the order of the fields travels as a list.
json sort_list(const SortFields& fields) {
  json list = json::array();
  for (const auto& [field, direction] : fields) list.push_back({{field, direction}});
  return list;
}

json operation(const char* name, json fields, bool upsert) {
  if (upsert) fields["upsert"] = true;
  return {{name, std::move(fields)}};
}

json filter_or_all(const json& filter) {
  return filter.is_null() ? json::object() : filter;
}

bool has_operators(const json& update) {
  return update.is_object() && std::any_of(update.items().begin(), update.items().end(),
                                           [](const auto& item) { return item.key().starts_with('$'); });
}

bool writes_results(const json& pipeline) {
  if (!pipeline.is_array() || pipeline.empty()) return false;
  const json& last = pipeline.back();
  return last.is_object() && (last.contains("$out") || last.contains("$merge"));
}

void put_update_options(json& params, const UpdateOptions& options) {
  if (options.upsert) params["upsert"] = true;
  if (!options.array_filters.is_null()) params["arrayFilters"] = options.array_filters;
}

}  // namespace

Collection Client::collection(std::string_view name) {
  return {*this, std::string(name)};
}

Find::Find(Client& client, std::string collection, json filter) : client_(&client), collection_(std::move(collection)) {
  if (!filter.is_null()) query_["filter"] = std::move(filter);
}

Find& Find::sort(const SortFields& fields) {
  query_["sort"] = sort_list(fields);
  return *this;
}

Find& Find::skip(std::uint64_t documents) {
  query_["skip"] = documents;
  return *this;
}

Find& Find::limit(std::uint64_t documents) {
  query_["limit"] = documents;
  return *this;
}

Find& Find::project(json projection) {
  query_["projection"] = std::move(projection);
  return *this;
}

Find& Find::hint(std::string index) {
  query_["hint"] = std::move(index);
  return *this;
}

Find& Find::options(CallOptions options) {
  options_ = std::move(options);
  return *this;
}

Result<std::vector<json>> Find::all() {
  return client_->read_all(collection_, query_, options_);
}

Result<std::optional<json>> Find::first() {
  json query = query_;
  query["limit"] = 1;
  DISTRI_TRY(auto documents, client_->read_all(collection_, std::move(query), options_));
  if (documents.empty()) return std::nullopt;
  return std::optional<json>(std::move(documents.front()));
}

Result<json> Find::page(std::string_view cursor) {
  json query = query_;
  if (!cursor.empty()) query["cursor"] = cursor;
  return client_->read_page(collection_, query, options_);
}

Result<std::uint64_t> Find::count() {
  return client_->count(collection_, query_.value("filter", json()), options_);
}

Result<json> Find::explain() {
  DISTRI_TRY(Answer answer, ask(*client_, on("Explain", collection_), query_, nullptr, reading(options_)));
  return std::move(answer.document);
}

json insert_one(json document) {
  return operation("insertOne", {{"document", std::move(document)}}, false);
}

json update_one(json filter, json update, bool upsert) {
  return operation("updateOne", {{"filter", std::move(filter)}, {"update", std::move(update)}}, upsert);
}

json update_many(json filter, json update, bool upsert) {
  return operation("updateMany", {{"filter", std::move(filter)}, {"update", std::move(update)}}, upsert);
}

json replace_one(json filter, json replacement, bool upsert) {
  return operation("replaceOne", {{"filter", std::move(filter)}, {"replacement", std::move(replacement)}}, upsert);
}

json delete_one(json filter) {
  return operation("deleteOne", {{"filter", std::move(filter)}}, false);
}

json delete_many(json filter) {
  return operation("deleteMany", {{"filter", std::move(filter)}}, false);
}

Find Collection::find(json filter) const {
  return {*client_, name_, std::move(filter)};
}

Result<std::vector<json>> Collection::distinct(std::string_view field, const json& filter,
                                               const CallOptions& options) const {
  json params = {{"field", field}};
  if (!filter.is_null()) params["filter"] = filter;
  const std::string service = on("Distinct", name_);
  DISTRI_TRY(Answer answer, ask(*client_, service, params, nullptr, reading(options)));
  return list_of(answer.document, "values", service);
}

json sort_stage(const SortFields& fields) {
  return {{"$sort", sort_list(fields)}};
}

Result<std::vector<json>> Collection::aggregate(const json& pipeline, const CallOptions& options) const {
  if (writes_results(pipeline)) {
    return fail(Code::kInvalidArgument, "aggregate: the pipeline writes its results; aggregate_into runs such a one");
  }
  const json body = {{"pipeline", pipeline}};
  const std::string service = on("Aggregate", name_);
  std::vector<json> documents;
  json params = nullptr;
  for (;;) {
    DISTRI_TRY(Answer answer, ask(*client_, service, params, &body, reading(options)));
    DISTRI_TRY(auto page, list_of(answer.document, "documents", service));
    if (documents.empty()) {
      documents = std::move(page);
    } else {
      std::move(page.begin(), page.end(), std::back_inserter(documents));
    }
    const auto cursor = answer.document.find("cursor");
    if (cursor == answer.document.end() || !cursor->is_string()) return documents;
    params["cursor"] = *cursor;
  }
}

Result<std::uint64_t> Collection::aggregate_into(const json& pipeline, const WriteOptions& options) const {
  if (!writes_results(pipeline)) {
    return fail(Code::kInvalidArgument,
                "aggregate_into: the last stage must be $out or $merge; aggregate gives results");
  }
  const json body = {{"pipeline", pipeline}};
  const std::string service = on("Aggregate", name_);
  DISTRI_TRY(const Answer answer, ask(*client_, service, writing(options), &body, options));
  return number_of(answer.document, "written", service);
}

Result<json> Collection::insert_one(const json& document, const WriteOptions& options) const {
  return client_->add_document(name_, document, options);
}

Result<UpdateResult> Collection::update(const json& filter, const json& update, bool multi,
                                        const UpdateOptions& options) const {
  json params = {{"filter", filter_or_all(filter)}};
  if (multi) params["multi"] = true;
  put_update_options(params, options);
  const std::string service = on("UpdateDocument", name_);
  DISTRI_TRY(Answer answer, ask(*client_, service, writing(options, std::move(params)), &update, options));
  UpdateResult result;
  DISTRI_TRY(result.matched, number_of(answer.document, "matched", service));
  DISTRI_TRY(result.modified, number_of(answer.document, "modified", service));
  if (const auto id = answer.document.find("upserted_id"); id != answer.document.end())
    result.upserted_id = std::move(*id);
  return result;
}

Result<UpdateResult> Collection::update_one(const json& filter, const json& update_document,
                                            const UpdateOptions& options) const {
  return update(filter, update_document, false, options);
}

Result<UpdateResult> Collection::update_many(const json& filter, const json& update_document,
                                             const UpdateOptions& options) const {
  return update(filter, update_document, true, options);
}

Result<UpdateResult> Collection::replace_one(const json& filter, const json& replacement,
                                             const UpdateOptions& options) const {
  if (has_operators(replacement))
    return fail(Code::kInvalidArgument, "replace_one: the replacement has operators; update_one applies them");
  return update(filter, replacement, false, options);
}

Result<std::uint64_t> Collection::delete_one(const json& filter, const WriteOptions& options) const {
  FindAndModifyOptions id_only;
  static_cast<WriteOptions&>(id_only) = options;
  id_only.projection = {{"_id", 1}};
  DISTRI_TRY(const auto deleted, find_one_and_delete(filter, id_only));
  return deleted ? 1 : 0;
}

Result<std::uint64_t> Collection::delete_many(const json& filter, const WriteOptions& options) const {
  return client_->delete_documents(name_, filter, false, options);
}

Result<std::optional<json>> Collection::find_and_modify(json params, const json* update,
                                                        const FindAndModifyOptions& options) const {
  if (!options.sort.empty()) params["sort"] = sort_list(options.sort);
  if (!options.projection.is_null()) params["projection"] = options.projection;
  if (options.after) params["return"] = "after";
  put_update_options(params, options);
  const std::string service = on("FindAndModify", name_);
  DISTRI_TRY(Answer answer, ask(*client_, service, writing(options, std::move(params)), update, options));
  const auto document = answer.document.find("document");
  if (document == answer.document.end() || !(document->is_object() || document->is_null()))
    return no_field(service, "document", "a document or null");
  if (document->is_null()) return std::nullopt;
  return std::optional<json>(std::move(*document));
}

Result<std::optional<json>> Collection::find_one_and_update(const json& filter, const json& update_document,
                                                            const FindAndModifyOptions& options) const {
  return find_and_modify({{"filter", filter_or_all(filter)}}, &update_document, options);
}

Result<std::optional<json>> Collection::find_one_and_delete(const json& filter,
                                                            const FindAndModifyOptions& options) const {
  return find_and_modify({{"filter", filter_or_all(filter)}, {"remove", true}}, nullptr, options);
}

Result<BulkResult> Collection::bulk_write(std::vector<json> operations, const BulkOptions& options) const {
  for (json& each : operations) {
    if (!each.is_object() || !each.contains("insertOne") || !each["insertOne"].is_object()) continue;
    json& document = each["insertOne"]["document"];
    if (document.is_object() && !document.contains("_id")) document["_id"] = client_->impl_->make_id();
  }
  const json body = {{"operations", std::move(operations)}};
  json params = nullptr;
  if (!options.ordered) params["ordered"] = false;
  const std::string service = on("BulkWrite", name_);
  DISTRI_TRY(Answer answer, ask(*client_, service, writing(options, std::move(params)), &body, options));
  BulkResult result;
  DISTRI_TRY(result.inserted, number_of(answer.document, "inserted", service));
  DISTRI_TRY(result.matched, number_of(answer.document, "matched", service));
  DISTRI_TRY(result.modified, number_of(answer.document, "modified", service));
  DISTRI_TRY(result.deleted, number_of(answer.document, "deleted", service));
  DISTRI_TRY(result.upserted, number_of(answer.document, "upserted", service));
  DISTRI_TRY(result.results, list_of(answer.document, "results", service));
  if (answer.document.contains("first_failed")) {
    DISTRI_TRY(result.first_failed, number_of(answer.document, "first_failed", service));
  }
  return result;
}

Result<std::string> Collection::create_index(const SortFields& fields, const IndexOptions& options) const {
  json params = {{"key", sort_list(fields)}};
  if (!options.name.empty()) params["name"] = options.name;
  if (options.unique) params["unique"] = true;
  if (options.sparse) params["sparse"] = true;
  if (!options.partial_filter.is_null()) params["partialFilterExpression"] = options.partial_filter;
  if (options.expire_after_s) params["expireAfterSeconds"] = *options.expire_after_s;
  const std::string service = on("CreateIndex", name_);
  DISTRI_TRY(const Answer answer, ask(*client_, service, writing(options, std::move(params)), nullptr, options));
  const auto name = answer.document.find("name");
  if (name == answer.document.end() || !name->is_string()) return no_field(service, "name", "a string");
  return name->get<std::string>();
}

Result<> Collection::drop_index(std::string_view name, const WriteOptions& options) const {
  json params = {{"name", name}};
  DISTRI_TRY_VOID(ask(*client_, on("DropIndex", name_), writing(options, std::move(params)), nullptr, options));
  return {};
}

Result<std::vector<json>> Collection::list_indexes(const CallOptions& options) const {
  const std::string service = on("ListIndexes", name_);
  DISTRI_TRY(Answer answer, ask(*client_, service, nullptr, nullptr, reading(options)));
  return list_of(answer.document, "indexes", service);
}

Result<ChangeStream> Collection::watch(const WatchOptions& options) const {
  return client_->impl_->watch(on("Watch", name_), options);
}

}  // namespace distri::client
