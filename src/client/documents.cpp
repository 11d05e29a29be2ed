// The typed helpers of Client: documents in and out, over the services of docs/services.md.
#include <optional>

#include "distri/client/client.hpp"
#include "distri/client/client_impl.hpp"
#include "distri/client/codec.hpp"
#include "distri/client/document_calls.hpp"

namespace distri::client {
namespace {

constexpr std::string_view kConflicts = "Conflicts";

Result<> resolve(Client& client, std::string_view action, std::string_view collection, std::string_view id,
                 const WriteOptions& options) {
  auto params = writing(options, {{"collection", collection}, {"action", action}, {"id", id}});
  DISTRI_TRY_VOID(ask(client, kConflicts, params, nullptr, options));
  return {};
}

}  // namespace

Result<nlohmann::json> Client::add_document(std::string_view collection, const nlohmann::json& document,
                                            const WriteOptions& options) {
  const std::string service = on("AddDocument", collection);
  nlohmann::json complete = document;
  if (complete.is_object() && !complete.contains("_id")) complete["_id"] = impl_->make_id();
  DISTRI_TRY(Answer answer, ask(*this, service, writing(options), &complete, options));
  if (!answer.document.contains("_id")) return no_field(service, "_id", "a value");
  return std::move(answer.document["_id"]);
}

Result<nlohmann::json> Client::update_document(std::string_view collection, const nlohmann::json& update,
                                               const WriteOptions& options) {
  nlohmann::json complete = update;
  if (complete.is_object() && !complete.contains("_id")) complete["_id"] = impl_->make_id();
  DISTRI_TRY(Answer answer, ask(*this, on("UpdateDocument", collection), writing(options), &complete, options));
  return std::move(answer.document);
}

Result<nlohmann::json> Client::increment(std::string_view collection, const nlohmann::json& id,
                                         const nlohmann::json& amounts, const WriteOptions& options) {
  return update_document(collection, {{"_id", id}, {"$inc", amounts}}, options);
}

Result<std::uint64_t> Client::delete_documents(std::string_view collection, const nlohmann::json& filter, bool all,
                                               const WriteOptions& options) {
  nlohmann::json params = nlohmann::json::object();
  if (!filter.is_null()) params["filter"] = filter;
  if (all) params["all"] = true;
  const std::string service = on("DeleteDocument", collection);
  DISTRI_TRY(const Answer answer, ask(*this, service, writing(options, std::move(params)), nullptr, options));
  return number_of(answer.document, "deleted", service);
}

Result<std::vector<nlohmann::json>> Client::read_collection(std::string_view collection, const nlohmann::json& filter,
                                                            const nlohmann::json& sort, std::uint64_t limit,
                                                            const CallOptions& options) {
  nlohmann::json query = nlohmann::json::object();
  if (!filter.is_null()) query["filter"] = filter;
  if (!sort.is_null()) query["sort"] = sort;
  if (limit != 0) query["limit"] = limit;
  return read_all(collection, std::move(query), options);
}

Result<std::vector<nlohmann::json>> Client::read_all(std::string_view collection, nlohmann::json query,
                                                     const CallOptions& options) {
  const std::string service = on("ReadCollection", collection);
  const std::uint64_t limit = query.value("limit", std::uint64_t{0});

  const CallOptions call_options = reading(options);
  const auto deadline_ms = impl_->make_spec(service, nullptr, call_options).deadline_ms;  // of all pages together
  std::vector<nlohmann::json> documents;
  std::optional<Address> page_node;
  for (;;) {
    CallSpec spec = impl_->make_spec(service, query, call_options);
    spec.deadline_ms = deadline_ms;
    spec.preferred = page_node;  // where the position of the cursor is known to be reached
    const auto format = spec.format;
    DISTRI_TRY(Reply reply, impl_->wait(std::move(spec), {}));
    DISTRI_TRY(auto answer, decode_object(reply.body, format, service));
    DISTRI_TRY(auto page, list_of(answer, "documents", service));
    for (auto& document : page) {
      if (limit != 0 && documents.size() == limit) break;
      documents.push_back(std::move(document));
    }
    const auto cursor = answer.find("cursor");
    if (cursor == answer.end() || !cursor->is_string() || (limit != 0 && documents.size() == limit)) return documents;
    if (page.empty()) return fail(Code::kProtocolError, "{} sent an empty page and says that there are more", service);
    query["cursor"] = *cursor;
    page_node = std::move(reply.node);
  }
}

Result<nlohmann::json> Client::read_page(std::string_view collection, const nlohmann::json& query,
                                         const CallOptions& options) {
  DISTRI_TRY(Answer answer, ask(*this, on("ReadCollection", collection), query, nullptr, reading(options)));
  return std::move(answer.document);
}

Result<std::uint64_t> Client::count(std::string_view collection, const nlohmann::json& filter,
                                    const CallOptions& options) {
  nlohmann::json params = nullptr;
  if (!filter.is_null()) params["filter"] = filter;
  const std::string service = on("Count", collection);
  DISTRI_TRY(const Answer answer, ask(*this, service, params, nullptr, reading(options)));
  return number_of(answer.document, "count", service);
}

Result<bool> Client::create_collection(std::string_view name, const WriteOptions& options) {
  return create_collection(name, nullptr, options);
}

Result<bool> Client::create_collection(std::string_view name, const nlohmann::json& settings,
                                       const WriteOptions& options) {
  const std::string service = on("CreateCollection", name);
  DISTRI_TRY(const Answer answer, ask(*this, service, writing(options, settings), nullptr, options));
  return bool_of(answer.document, "created", service);
}

Result<bool> Client::modify_collection(std::string_view name, const nlohmann::json& settings,
                                       const WriteOptions& options) {
  const std::string service = on("ModifyCollection", name);
  DISTRI_TRY(const Answer answer, ask(*this, service, writing(options, settings), nullptr, options));
  return bool_of(answer.document, "modified", service);
}

Result<bool> Client::drop_collection(std::string_view name, const WriteOptions& options) {
  const std::string service = on("DropCollection", name);
  DISTRI_TRY(const Answer answer, ask(*this, service, writing(options), nullptr, options));
  return bool_of(answer.document, "dropped", service);
}

Result<std::vector<nlohmann::json>> Client::list_collections(const CallOptions& options) {
  DISTRI_TRY(Answer answer, ask(*this, "ListCollections", nullptr, nullptr, reading(options)));
  return list_of(answer.document, "collections", "ListCollections");
}

Result<nlohmann::json> Client::collection_stats(std::string_view name, const CallOptions& options) {
  DISTRI_TRY(Answer answer, ask(*this, on("CollectionStats", name), nullptr, nullptr, reading(options)));
  return std::move(answer.document);
}

Result<nlohmann::json> Client::database_stats(const CallOptions& options) {
  DISTRI_TRY(Answer answer, ask(*this, "DatabaseStats", nullptr, nullptr, reading(options)));
  return std::move(answer.document);
}

Result<ConflictPage> Client::list_conflicts(std::string_view collection, std::string_view after, std::uint64_t limit,
                                            const CallOptions& options) {
  nlohmann::json params = {{"collection", collection}, {"action", "list"}, {"limit", limit}};
  if (!after.empty()) params["after"] = after;
  DISTRI_TRY(Answer answer, ask(*this, kConflicts, params, nullptr, reading(options)));
  ConflictPage page;
  DISTRI_TRY(page.conflicts, list_of(answer.document, "conflicts", kConflicts));
  DISTRI_TRY(page.more, bool_of(answer.document, "more", kConflicts));
  return page;
}

Result<> Client::restore_conflict(std::string_view collection, std::string_view id, const WriteOptions& options) {
  return resolve(*this, "restore", collection, id, options);
}

Result<> Client::dismiss_conflict(std::string_view collection, std::string_view id, const WriteOptions& options) {
  return resolve(*this, "dismiss", collection, id, options);
}

}  // namespace distri::client
