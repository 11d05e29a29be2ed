#include "distri/cloud/document_services.hpp"

#include <array>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_updates.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/db/find.hpp"

namespace distri::cloud {
namespace {

constexpr std::size_t kPageDocumentsMax = 10'000;
constexpr std::size_t kPageDocumentsDefault = 1'000;

struct Entry {
  std::string_view name;
  DocumentService service;
  bool write;
};
constexpr std::array<Entry, 9> kServices = {{
    {"CreateCollection", DocumentService::kCreateCollection, true},
    {"DropCollection", DocumentService::kDropCollection, true},
    {"ListCollections", DocumentService::kListCollections, false},
    {"AddDocument", DocumentService::kAddDocument, true},
    {"UpdateDocument", DocumentService::kUpdateDocument, true},
    {"DeleteDocument", DocumentService::kDeleteDocument, true},
    {"ReadCollection", DocumentService::kReadCollection, false},
    {"Count", DocumentService::kCount, false},
    {"Conflicts", DocumentService::kConflicts, true},
}};

// Refuses parameters that the service does not know, so that a typing error is not silently "everything matches".
Result<> check_params(bson::View params, std::string_view service, std::initializer_list<std::string_view> known) {
  for (const auto& element : params) {
    if (std::find(known.begin(), known.end(), element.key) != known.end()) continue;
    std::string list;
    for (const auto name : known) list += (list.empty() ? "" : ", ") + std::string(name);
    return fail(Code::kInvalidArgument, "{} has no parameter '{}'; it has {}", service, element.key.substr(0, 80),
                list.empty() ? "none" : list);
  }
  return {};
}

Result<std::optional<bson::View>> object_param(bson::View params, std::string_view name) {
  const auto value = params.find(name);
  if (!value || value->type() == bson::Type::kNull) return std::nullopt;
  if (value->type() != bson::Type::kObject) {
    return fail(Code::kInvalidArgument, "parameter '{}' must be an object, not {}", name,
                bson::type_name(value->type()));
  }
  return value->as_object();
}

Result<std::uint64_t> number_param(bson::View params, std::string_view name, std::uint64_t otherwise) {
  const auto value = params.find(name);
  if (!value) return otherwise;
  const auto number = value->to_int64();
  if (!number || *number < 0)
    return fail(Code::kInvalidArgument, "parameter '{}' must be a whole number, zero or more", name);
  return static_cast<std::uint64_t>(*number);
}

Result<std::optional<db::Filter>> filter_param(bson::View params) {
  DISTRI_TRY(const auto object, object_param(params, "filter"));
  if (!object || object->empty()) return std::nullopt;
  DISTRI_TRY(auto filter, db::Filter::compile(*object));
  return std::optional<db::Filter>(std::move(filter));
}

Bytes single_field_reply(std::string_view key, std::uint64_t value, wire::Format format) {
  bson::Builder reply;
  reply.append_int64(key, static_cast<std::int64_t>(value));
  return render_document(std::move(reply).finish(), format);
}

Bytes bool_reply(std::string_view key, bool value, wire::Format format) {
  bson::Builder reply;
  reply.append_bool(key, value);
  return render_document(std::move(reply).finish(), format);
}

// {"documents": [...], "cursor": "..."} straight from the stored bytes.
Bytes render_page(const db::FindPage& page, wire::Format format) {
  if (format == wire::Format::kJson) {
    std::string out = "{\"documents\":[";
    for (std::size_t i = 0; i < page.records.size(); ++i) {
      if (i > 0) out.push_back(',');
      bson::append_json(out, page.records[i]->document.view());
    }
    out.push_back(']');
    if (!page.cursor.empty()) out += ",\"cursor\":\"" + page.cursor + "\"";  // URL-safe text: needs no escapes
    out.push_back('}');
    return out;
  }
  std::size_t size = 64 + page.cursor.size();
  for (const auto* record : page.records) size += record->document.bytes().size() + 8;
  bson::Builder reply(size);
  reply.begin_array("documents");
  std::array<char, 24> key{};
  for (std::size_t i = 0; i < page.records.size(); ++i) {
    const auto end = std::to_chars(key.data(), key.data() + key.size(), i).ptr;
    reply.append_object({key.data(), static_cast<std::size_t>(end - key.data())}, page.records[i]->document);
  }
  reply.end();
  if (!page.cursor.empty()) reply.append_string("cursor", page.cursor);
  return std::move(reply).finish().bytes();
}

}  // namespace

std::optional<DocumentService> find_document_service(std::string_view name) {
  for (const auto& entry : kServices) {
    if (entry.name == name) return entry.service;
  }
  return std::nullopt;
}

bool is_write(DocumentService service) {
  return kServices[static_cast<std::size_t>(service)].write;
}

const std::vector<std::string_view>& document_service_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> result;
    for (const auto& entry : kServices) result.push_back(entry.name);
    return result;
  }();
  return names;
}

DocumentServices::DocumentServices(replication::Replica& replica, const Clock& clock, Random& random,
                                   std::size_t reply_page_bytes_max)
    : replica_(replica), clock_(clock), ids_(random), reply_page_bytes_max_(reply_page_bytes_max) {}

Result<Bytes> DocumentServices::execute(const DocumentCall& call) {
  const std::string_view name = kServices[static_cast<std::size_t>(call.service)].name;
  if (call.service == DocumentService::kListCollections) {
    if (!call.collection.empty())
      return fail(Code::kInvalidArgument, "ListCollections takes no collection; write ListCollections");
  } else if (call.service == DocumentService::kConflicts) {
    if (!call.collection.empty())
      return fail(Code::kInvalidArgument, "Conflicts takes its collection as a parameter; write Conflicts");
  } else if (call.collection.empty()) {
    return fail(Code::kInvalidArgument, "{0} needs a collection; write {0}<collection>", name);
  } else {
    DISTRI_TRY_VOID(db::check_collection_name(call.collection));
  }
  DISTRI_TRY(const bson::Document params, parse_document(call.params, call.format, "parameters"));

  switch (call.service) {
    case DocumentService::kCreateCollection: {
      DISTRI_TRY_VOID(check_params(params, name, {"w"}));
      DISTRI_TRY(const bool created, replica_.create_collection(call.collection, clock_.wall_ms()));
      return bool_reply("created", created, call.format);
    }
    case DocumentService::kDropCollection: {
      DISTRI_TRY_VOID(check_params(params, name, {"w"}));
      DISTRI_TRY(const bool dropped, replica_.drop_collection(call.collection, clock_.wall_ms()));
      return bool_reply("dropped", dropped, call.format);
    }
    case DocumentService::kListCollections:
      DISTRI_TRY_VOID(check_params(params, name, {}));
      return list(call);
    case DocumentService::kAddDocument:
      DISTRI_TRY_VOID(check_params(params, name, {"w"}));
      return add(call);
    case DocumentService::kUpdateDocument:
      DISTRI_TRY_VOID(check_params(params, name, {"w"}));
      return update(call);
    case DocumentService::kDeleteDocument:
      DISTRI_TRY_VOID(check_params(params, name, {"filter", "all", "w"}));
      return remove(call, params);
    case DocumentService::kReadCollection:
      DISTRI_TRY_VOID(check_params(params, name, {"filter", "sort", "skip", "limit", "page_documents", "cursor"}));
      return read(call, params);
    case DocumentService::kCount:
      DISTRI_TRY_VOID(check_params(params, name, {"filter"}));
      return count(call, params);
    case DocumentService::kConflicts:
      DISTRI_TRY_VOID(check_params(params, name, {"collection", "action", "id", "limit", "after", "w"}));
      return conflicts(call, params);
  }
  return fail(Code::kInternal, "document service {} is not wired", name);
}

Result<Bytes> DocumentServices::add(const DocumentCall& call) {
  if (call.body.empty()) return fail(Code::kInvalidArgument, "body: AddDocument needs a document");
  DISTRI_TRY(const bson::Document parsed, parse_document(call.body, call.format, "body"));
  const auto now_ms = clock_.wall_ms();
  const bson::Document document = bson::with_id_first(parsed, ids_.next(now_ms));
  auto inserted = replica_.insert(call.collection, document, now_ms);
  if (!inserted) {
    const bool own_earlier_try = [&] {
      if (inserted.error().code != Code::kAlreadyExists || call.attempt == 0) return false;
      const auto* collection = replica_.database().find(call.collection);
      const auto* record = collection ? collection->find(bson::order_key(*document.view().find("_id"))) : nullptr;
      return record != nullptr && record->document == document;
    }();
    if (!own_earlier_try) return fail(std::move(inserted).error());
  }
  bson::Builder reply;
  reply.append_value("_id", *document.view().find("_id"));
  return render_document(std::move(reply).finish(), call.format);
}

Result<Bytes> DocumentServices::update(const DocumentCall& call) {
  if (call.body.empty()) return fail(Code::kInvalidArgument, "body: UpdateDocument needs the fields to set, and _id");
  DISTRI_TRY(const bson::Document parsed, parse_document(call.body, call.format, "body"));
  if (!parsed.view().find("_id"))
    return fail(Code::kInvalidArgument, "body: UpdateDocument needs the _id of the document to update");
  if (has_operators(parsed)) return update_by_operators(call, parsed);
  const bson::Document fields = bson::with_id_first(parsed, {});
  DISTRI_TRY(const bool inserted, replica_.upsert_fields(call.collection, fields, clock_.wall_ms()));
  bson::Builder reply;
  reply.append_value("_id", *fields.view().find("_id"));
  reply.append_bool("inserted", inserted);
  return render_document(std::move(reply).finish(), call.format);
}

Result<Bytes> DocumentServices::repeat(const DocumentCall& call,
                                       const replication::Replica::AppliedRequest& applied) const {
  DISTRI_TRY(const bson::Document body, parse_document(call.body, call.format, "body"));
  const auto id = [&]() -> std::optional<bson::Document> {
    bson::Builder result;
    if (const auto given = body.view().find("_id")) {
      result.append_value("_id", *given);
      return std::move(result).finish();
    }
    const db::Collection* documents = replica_.database().find(call.collection);
    const db::Record* record = documents == nullptr ? nullptr : documents->find(applied.key);
    if (record == nullptr) return std::nullopt;
    result.append_element(*record->document.view().begin());
    return std::move(result).finish();
  }();
  switch (call.service) {
    case DocumentService::kAddDocument:
    case DocumentService::kUpdateDocument: {
      if (!id) break;
      bson::Builder reply;
      reply.append_element(*id->view().begin());
      if (call.service == DocumentService::kUpdateDocument) reply.append_bool("inserted", applied.inserted > 0);
      return render_document(std::move(reply).finish(), call.format);
    }
    case DocumentService::kDeleteDocument:
      return single_field_reply("deleted", applied.deleted, call.format);
    case DocumentService::kCreateCollection:
      return bool_reply("created", true, call.format);
    case DocumentService::kDropCollection:
      return bool_reply("dropped", true, call.format);
    case DocumentService::kConflicts:
      return bool_reply("repeated", true, call.format);
    default:
      break;
  }
  return fail(Code::kIndeterminate, "this request was executed before, by another node; its reply is not known here");
}

Result<Bytes> DocumentServices::remove(const DocumentCall& call, bson::View params) {
  bool all = false;
  if (const auto value = params.find("all")) {
    if (value->type() != bson::Type::kBool)
      return fail(Code::kInvalidArgument, "parameter 'all' must be true or false");
    all = value->as_bool();
  }
  DISTRI_TRY(const auto filter, filter_param(params));
  if (!filter && !all) {
    return fail(Code::kInvalidArgument,
                "an empty filter would delete every document; if that is meant, pass all: true");
  }
  if (filter && all) return fail(Code::kInvalidArgument, "pass either a filter or all: true, not both");
  std::vector<std::string> keys;
  if (const auto* collection = replica_.database().find(call.collection)) {
    if (filter && filter->id_key()) {
      const auto* record = collection->find(*filter->id_key());
      if (record != nullptr && filter->matches(record->document)) keys.push_back(*filter->id_key());
    } else {
      for (const auto& [key, record] : collection->records()) {
        if (!filter || filter->matches(record.document)) keys.push_back(key);
      }
    }
  }
  const auto now_ms = clock_.wall_ms();
  for (const auto& key : keys) DISTRI_TRY_VOID(replica_.remove(call.collection, key, now_ms));
  return single_field_reply("deleted", keys.size(), call.format);
}

Result<Bytes> DocumentServices::read(const DocumentCall& call, bson::View params) {
  db::FindQuery query;
  DISTRI_TRY(const auto filter, filter_param(params));
  if (filter) query.filter = &*filter;
  DISTRI_TRY(const auto sort, object_param(params, "sort"));
  if (sort) {
    DISTRI_TRY(query.sort, db::parse_sort(*sort));
  }
  DISTRI_TRY(query.skip, number_param(params, "skip", 0));
  DISTRI_TRY(query.limit, number_param(params, "limit", 0));
  DISTRI_TRY(query.page_documents_max, number_param(params, "page_documents", kPageDocumentsDefault));
  if (query.page_documents_max == 0 || query.page_documents_max > kPageDocumentsMax) {
    return fail(Code::kInvalidArgument, "parameter 'page_documents' must be 1 to {}", kPageDocumentsMax);
  }
  if (const auto cursor = params.find("cursor")) {
    if (cursor->type() != bson::Type::kString)
      return fail(Code::kInvalidArgument, "parameter 'cursor' must be a string");
    query.cursor = cursor->as_string();
  }
  query.page_bytes_max = reply_page_bytes_max_;
  const auto* collection = replica_.database().find(call.collection);
  if (collection == nullptr) return render_page({}, call.format);
  DISTRI_TRY(const auto page, db::find(*collection, query));
  return render_page(page, call.format);
}

Result<Bytes> DocumentServices::count(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const auto filter, filter_param(params));
  const auto* collection = replica_.database().find(call.collection);
  const std::uint64_t n = collection == nullptr ? 0 : db::count(*collection, filter ? &*filter : nullptr);
  return single_field_reply("count", n, call.format);
}

Result<Bytes> DocumentServices::list(const DocumentCall& call) {
  bson::Builder reply;
  reply.begin_array("collections");
  std::size_t i = 0;
  for (const auto& summary : replica_.summaries()) {
    const auto* collection = replica_.database().find(summary.name);
    reply.begin_object(std::to_string(i++));
    reply.append_string("name", summary.name);
    reply.append_int64("documents", static_cast<std::int64_t>(summary.documents));
    reply.append_int64("bytes", collection == nullptr ? 0 : static_cast<std::int64_t>(collection->bytes()));
    reply.append_string("digest", summary.digest.hex());
    reply.end();
  }
  reply.end();
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
