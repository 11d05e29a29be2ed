// conflict_service.cpp: Conflicts: what lost to a concurrent write, to be listed, restored or dismissed.

#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/ownership.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/replication/conflict_document.hpp"

namespace distri::cloud {
namespace {

using replication::Conflict;
using replication::ConflictName;

constexpr std::uint64_t kPageConflictsMax = 1'000;
constexpr std::uint64_t kPageConflictsDefault = 100;

Result<std::string_view> text_param(bson::View params, std::string_view name) {
  const auto value = params.find(name);
  if (!value) return std::string_view();
  if (value->type() != bson::Type::kString) {
    return fail(Code::kInvalidArgument, "parameter '{}' must be a string, not {}", name,
                bson::type_name(value->type()));
  }
  return value->as_string();
}

Result<ConflictName> id_param(bson::View params, std::string_view param, std::string_view collection) {
  DISTRI_TRY(const std::string_view text, text_param(params, param));
  auto name = replication::parse_conflict_id(collection, text);
  if (!name)
    return fail(Code::kInvalidArgument, "parameter '{}' must be the id of a conflict, as a list shows it", param);
  return *std::move(name);
}

}  // namespace

std::string DocumentServices::conflict_json(const Conflict& conflict) const {
  bson::Builder out;
  replication::append_conflict(out, conflict, replica_.database());
  return bson::to_json(std::move(out).finish());
}

Result<Bytes> DocumentServices::list_conflicts(std::string_view collection, bson::View params,
                                               wire::Format format) const {
  replication::Conflicts::Query query;
  query.collection = collection;
  query.limit = kPageConflictsDefault;
  if (const auto limit = params.find("limit")) {
    const auto number = limit->to_int64();
    if (!number || *number < 1 || static_cast<std::uint64_t>(*number) > kPageConflictsMax) {
      return fail(Code::kInvalidArgument, "parameter 'limit' must be 1 to {}", kPageConflictsMax);
    }
    query.limit = static_cast<std::size_t>(*number);
  }
  if (params.find("after")) {
    DISTRI_TRY(query.after, id_param(params, "after", collection));
  }
  const std::size_t limit = query.limit++;
  const auto found = replica_.conflicts().list(query);
  bson::Builder reply;
  std::size_t shown = 0;
  std::size_t bytes = 0;
  reply.begin_array("conflicts");
  while (shown < std::min(found.size(), limit) && (shown == 0 || bytes < reply_page_bytes_max_)) {
    reply.begin_object(std::to_string(shown));
    replication::append_conflict(reply, *found[shown], replica_.database());
    reply.end();
    bytes += found[shown]->bytes();
    ++shown;
  }
  reply.end();
  reply.append_bool("more", shown < found.size());
  return render_document(std::move(reply).finish(), format);
}

Result<Bytes> DocumentServices::conflicts(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const std::string_view collection, text_param(params, "collection"));
  if (collection.empty()) return fail(Code::kInvalidArgument, "parameter 'collection': Conflicts needs a collection");
  DISTRI_TRY_VOID(db::check_collection_name(collection));
  DISTRI_TRY(const std::string_view action, text_param(params, "action"));
  const bool lists = action.empty() || action == "list";
  if (call.rights != nullptr) DISTRI_TRY_VOID(call.rights->require(lists ? Role::kRead : Role::kWrite, collection));
  if (lists) return list_conflicts(collection, params, call.format);
  if (action != "restore" && action != "dismiss") {
    return fail(Code::kInvalidArgument, "parameter 'action': '{}' is not list, restore or dismiss",
                action.substr(0, 80));
  }
  if (bound_by_owners(call.rights, replica_.database().options(collection), collection)) {
    return fail(Code::kPermissionDenied,
                "{} may not {} conflicts of '{}', whose documents have owners; an administrator may",
                call.rights->who(), action, collection);
  }
  DISTRI_TRY(const ConflictName name, id_param(params, "id", collection));
  const auto now_ms = clock_.wall_ms();
  if (action == "restore") {
    DISTRI_TRY_VOID(replica_.restore_conflict(collection, name.key, name.loser, now_ms));
  } else {
    DISTRI_TRY_VOID(replica_.dismiss_conflict(collection, name.key, name.loser, now_ms));
  }
  bson::Builder reply;
  reply.append_bool(action == "restore" ? "restored" : "dismissed", true);
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
