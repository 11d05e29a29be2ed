// conflict_service.cpp: Conflicts: what lost to a concurrent write, to be listed, restored or dismissed.

#include <charconv>

#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/replication/conflicts.hpp"

namespace distri::cloud {
namespace {

using replication::Conflict;
using replication::ConflictName;

constexpr std::uint64_t kPageConflictsMax = 1'000;
constexpr std::uint64_t kPageConflictsDefault = 100;

// Opaque to callers: actor, counter and key, in hex.
std::string id_of(const ConflictName& name) {
  return fmt::format("{}-{:x}-{}", name.loser.actor.hex(), name.loser.counter, to_hex(name.key));
}

std::optional<ConflictName> name_of(std::string_view collection, std::string_view id) {
  const auto first = id.find('-');
  const auto second = first == std::string_view::npos ? first : id.find('-', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto actor = from_hex(id.substr(0, first));
  const auto key = from_hex(id.substr(second + 1));
  const std::string_view digits = id.substr(first + 1, second - first - 1);
  std::uint64_t counter = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), counter, 16);
  if (!actor || actor->size() != ActorId::kSize || !key || key->empty() || parsed.ec != std::errc() ||
      parsed.ptr != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return ConflictName{std::string(collection), *key, {ActorId::from_view(*actor), counter}};
}

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
  auto name = name_of(collection, text);
  if (!name)
    return fail(Code::kInvalidArgument, "parameter '{}' must be the id of a conflict, as a list shows it", param);
  return *std::move(name);
}

// The document that the loser was about, if it is still there or was kept.
std::optional<bson::Value> document_id(const Conflict& conflict, const db::Collection* documents) {
  if (const auto id = conflict.loser.content.view().find("_id")) return id;
  const db::Record* record = documents == nullptr ? nullptr : documents->find(conflict.name.key);
  if (record == nullptr) return std::nullopt;
  return record->document.view().find("_id");
}

void append_fields(bson::Builder& out, const Conflict& conflict, const db::Collection* documents) {
  const replication::Loser& loser = conflict.loser;
  out.append_string("id", id_of(conflict.name));
  out.append_string("collection", conflict.name.collection);
  if (const auto id = document_id(conflict, documents)) out.append_value("_id", *id);
  out.append_string("kind", replication::conflict_kind_name(loser.kind));
  const bool increment = loser.kind == replication::ConflictKind::kIncrement;
  out.append_object("content", increment ? loser.increments : loser.content);
  if (!loser.unset.empty()) {
    out.begin_array("unset");
    for (std::size_t i = 0; i < loser.unset.size(); ++i) out.append_string(std::to_string(i), loser.unset[i]);
    out.end();
  }
  if (!increment && !loser.increments.view().empty()) out.append_object("increments", loser.increments);
  out.append_int64("time_ms", static_cast<std::int64_t>(loser.stamp.hlc >> 16));
  out.append_string("winner", loser.winner.counter == 0
                                  ? std::string()
                                  : fmt::format("{}-{:x}", loser.winner.actor.hex(), loser.winner.counter));
}

}  // namespace

std::string DocumentServices::conflict_json(const Conflict& conflict) const {
  bson::Builder out;
  append_fields(out, conflict, replica_.database().find(conflict.name.collection));
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
  const db::Collection* documents = replica_.database().find(collection);
  bson::Builder reply;
  std::size_t shown = 0;
  std::size_t bytes = 0;
  reply.begin_array("conflicts");
  while (shown < std::min(found.size(), limit) && (shown == 0 || bytes < reply_page_bytes_max_)) {
    reply.begin_object(std::to_string(shown));
    append_fields(reply, *found[shown], documents);
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
  if (action.empty() || action == "list") return list_conflicts(collection, params, call.format);
  if (action != "restore" && action != "dismiss") {
    return fail(Code::kInvalidArgument, "parameter 'action': '{}' is not list, restore or dismiss",
                action.substr(0, 80));
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
