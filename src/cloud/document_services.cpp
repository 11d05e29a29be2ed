#include "distri/cloud/document_services.hpp"

#include <array>

#include "distri/cloud/reading.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/db/collection.hpp"
#include "distri/db/language_error.hpp"

namespace distri::cloud {
namespace {

constexpr std::size_t kParamsMax = 10;

struct Entry {
  std::string_view name;
  DocumentService service;
  bool write;
  std::array<std::string_view, kParamsMax> params;  // empty ones at the end
};
constexpr std::array<Entry, 20> kServices = {{
    {"CreateCollection",
     DocumentService::kCreateCollection,
     true,
     {"validator", "validationLevel", "validationAction", "capped", "size", "max", "ownerField", "takerField", "w"}},
    {"ModifyCollection",
     DocumentService::kModifyCollection,
     true,
     {"validator", "validationLevel", "validationAction", "index", "cappedSize", "cappedMax", "ownerField",
      "takerField", "w"}},
    {"DropCollection", DocumentService::kDropCollection, true, {"w"}},
    {"CollectionStats", DocumentService::kCollectionStats, false, {}},
    {"DatabaseStats", DocumentService::kDatabaseStats, false, {}},
    {"ListCollections", DocumentService::kListCollections, false, {}},
    {"AddDocument", DocumentService::kAddDocument, true, {"w"}},
    {"UpdateDocument",
     DocumentService::kUpdateDocument,
     true,
     {"filter", "update", "multi", "upsert", "arrayFilters", "w"}},
    {"DeleteDocument", DocumentService::kDeleteDocument, true, {"filter", "all", "w"}},
    {"ReadCollection",
     DocumentService::kReadCollection,
     false,
     {"filter", "sort", "skip", "limit", "page_documents", "cursor", "projection", "hint"}},
    {"Count", DocumentService::kCount, false, {"filter"}},
    {"Conflicts", DocumentService::kConflicts, true, {"collection", "action", "id", "limit", "after", "w"}},
    {"FindAndModify",
     DocumentService::kFindAndModify,
     true,
     {"filter", "update", "remove", "sort", "upsert", "return", "projection", "arrayFilters", "w"}},
    {"Distinct", DocumentService::kDistinct, false, {"field", "filter"}},
    {"BulkWrite", DocumentService::kBulkWrite, true, {"ordered", "w"}},
    {"CreateIndex",
     DocumentService::kCreateIndex,
     true,
     {"key", "name", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "w"}},
    {"DropIndex", DocumentService::kDropIndex, true, {"name", "w"}},
    {"ListIndexes", DocumentService::kListIndexes, false, {}},
    {"Explain",
     DocumentService::kExplain,
     false,
     {"filter", "sort", "skip", "limit", "page_documents", "cursor", "projection", "hint"}},
    {"Aggregate", DocumentService::kAggregate, true, {"pipeline", "page_documents", "cursor", "w"}},
}};

const Entry& entry_of(DocumentService service) {
  return kServices[static_cast<std::size_t>(service)];
}

// A collection where the service works on one, and none where it does not.
Result<> check_target(const DocumentCall& call, std::string_view name) {
  if (call.service == DocumentService::kListCollections || call.service == DocumentService::kDatabaseStats) {
    if (call.collection.empty()) return {};
    return fail(Code::kInvalidArgument, "{0} takes no collection; write {0}", name);
  }
  if (call.service == DocumentService::kConflicts) {
    if (call.collection.empty()) return {};
    return fail(Code::kInvalidArgument, "Conflicts takes its collection as a parameter; write Conflicts");
  }
  if (call.collection.empty())
    return fail(Code::kInvalidArgument, "{0} needs a collection; write {0}<collection>", name);
  return db::check_collection_name(call.collection);
}

}  // namespace

std::optional<DocumentService> find_document_service(std::string_view name) {
  for (const auto& entry : kServices) {
    if (entry.name == name) return entry.service;
  }
  return std::nullopt;
}

bool is_write(const DocumentCall& call) {
  return entry_of(call.service).write && (call.service != DocumentService::kAggregate || writes_results(call));
}

Result<> check_rights(const DocumentCall& call) {
  if (call.rights == nullptr) return {};
  switch (call.service) {
    case DocumentService::kListCollections:  // those that may be read
    case DocumentService::kConflicts:
      return {};
    case DocumentService::kDatabaseStats:
      return call.rights->require(Role::kRead, "*");
    case DocumentService::kModifyCollection:
    case DocumentService::kDropCollection:
    case DocumentService::kCreateIndex:
    case DocumentService::kDropIndex:
      return call.rights->require(Role::kAdmin, call.collection);
    case DocumentService::kCreateCollection:
    case DocumentService::kAddDocument:
    case DocumentService::kUpdateDocument:
    case DocumentService::kDeleteDocument:
    case DocumentService::kFindAndModify:
    case DocumentService::kBulkWrite:
      return call.rights->require(Role::kWrite, call.collection);
    case DocumentService::kCollectionStats:
    case DocumentService::kReadCollection:
    case DocumentService::kCount:
    case DocumentService::kDistinct:
    case DocumentService::kListIndexes:
    case DocumentService::kExplain:
    case DocumentService::kAggregate:
      break;
  }
  return call.rights->require(Role::kRead, call.collection);
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
    : replica_(replica), clock_(clock), random_(random), ids_(random), reply_page_bytes_max_(reply_page_bytes_max) {}

namespace {

// The call may make documents, or make them larger.
bool grows(const DocumentCall& call, bson::View params) {
  const auto is = [&](std::string_view name, std::string_view word) {
    const auto found = params.find(name);
    return found && found->type() == bson::Type::kString && found->as_string() == word;
  };
  switch (call.service) {
    case DocumentService::kAddDocument:
    case DocumentService::kUpdateDocument:
    case DocumentService::kBulkWrite:
    case DocumentService::kCreateIndex:
      return true;
    case DocumentService::kFindAndModify:
      return !params.find("remove");
    case DocumentService::kAggregate:
      return writes_results(call);
    case DocumentService::kConflicts:
      return is("action", "restore");
    default:
      return false;
  }
}

}  // namespace

Result<> DocumentServices::check_memory(const DocumentCall& call, bson::View params) const {
  if (memory_limit_ == 0 || memory_used_ <= memory_limit_ || !grows(call, params)) return {};
  return fail(Code::kMemoryFull,
              "{}: {}: the documents of this node take {} bytes of memory, and may take {} (memory_bytes_max); delete "
              "some, or drop collections or indexes; reads and deletes go on",
              db::mongo_code(db::mongo::kExceededMemoryLimit), entry_of(call.service).name, memory_used_,
              memory_limit_);
}

bool DocumentServices::may_be_long(const DocumentCall& call) {
  switch (call.service) {
    case DocumentService::kReadCollection:
    case DocumentService::kCount:
    case DocumentService::kDistinct:
    case DocumentService::kExplain:
      return true;
    case DocumentService::kAggregate:
      return !is_write(call);
    default:
      return false;
  }
}

Result<bson::Document> DocumentServices::admit(const DocumentCall& call) const {
  const Entry& entry = entry_of(call.service);
  DISTRI_TRY_VOID(check_target(call, entry.name));
  DISTRI_TRY(bson::Document params, parse_document(call.params, call.format, "parameters"));
  DISTRI_TRY_VOID(check_params(params, entry.name, entry.params));
  DISTRI_TRY_VOID(check_memory(call, params));
  return params;
}

Result<DocumentServices::Begun> DocumentServices::begin(const DocumentCall& call) {
  if (call.service == DocumentService::kReadCollection && call.format == wire::Format::kJson) {
    if (const auto id = only_id_in_json(call.params)) {
      DISTRI_TRY_VOID(check_target(call, entry_of(call.service).name));
      return read_one(call, id->view().begin()->value);
    }
  }
  DISTRI_TRY(bson::Document params, admit(call));
  Begun begun;
  switch (call.service) {
    case DocumentService::kReadCollection:
      return begin_read(call, std::move(params));
    case DocumentService::kCount: {
      DISTRI_TRY(begun.reading, begin_count(call, params));
      return begun;
    }
    case DocumentService::kDistinct: {
      DISTRI_TRY(begun.reading, begin_distinct(call, params));
      return begun;
    }
    case DocumentService::kExplain: {
      DISTRI_TRY(begun.reading, begin_explain(call, std::move(params)));
      return begun;
    }
    default: {
      DISTRI_TRY(begun.reading, begin_aggregate(call, params));
      return begun;
    }
  }
}

Result<std::unique_ptr<Preparation>> DocumentServices::prepare(const DocumentCall& call) const {
  const bool index = call.service == DocumentService::kCreateIndex;
  if (!index && call.service != DocumentService::kAggregate) return nullptr;
  DISTRI_TRY(const bson::Document params, admit(call));
  return index ? prepare_index(call, params) : prepare_aggregate(call, params);
}

Result<Bytes> DocumentServices::execute(const DocumentCall& call, Preparation* prepared) {
  if (may_be_long(call)) {
    DISTRI_TRY(Begun begun, begin(call));
    if (begun.reading) return to_the_end(*begun.reading);
    return std::move(begun.reply);
  }
  std::unique_ptr<Preparation> own;
  if (prepared == nullptr) {
    DISTRI_TRY(own, prepare(call));
    prepared = own.get();
    if (own) DISTRI_TRY_VOID(to_the_end(*own));
  }
  DISTRI_TRY(const bson::Document params, admit(call));
  commit_shown_ = replica_.undurable(call.collection);
  switch (call.service) {
    case DocumentService::kCreateCollection:
      return create_collection(call, params);
    case DocumentService::kModifyCollection:
      return modify_collection(call, params);
    case DocumentService::kDropCollection:
      return drop_collection(call);
    case DocumentService::kListCollections:
      return list_collections(call);
    case DocumentService::kCollectionStats:
      return collection_stats(call);
    case DocumentService::kDatabaseStats:
      return database_stats(call);
    case DocumentService::kAddDocument:
      return add(call);
    case DocumentService::kUpdateDocument:
      return update(call, params);
    case DocumentService::kDeleteDocument:
      return remove(call, params);
    case DocumentService::kConflicts:
      return conflicts(call, params);
    case DocumentService::kFindAndModify:
      return find_and_modify(call, params);
    case DocumentService::kBulkWrite:
      return bulk_write(call, params);
    case DocumentService::kCreateIndex:
      return create_index(call, params);
    case DocumentService::kDropIndex:
      return drop_index(call, params);
    case DocumentService::kListIndexes:
      return list_indexes(call);
    case DocumentService::kAggregate:
      return write_results(call, *prepared);
    default:
      break;
  }
  return fail(Code::kInternal, "document service {} is not wired", entry_of(call.service).name);
}

Result<Bytes> DocumentServices::repeat(const DocumentCall& call,
                                       const replication::Replica::AppliedRequest& applied) const {
  DISTRI_TRY(const bson::Document params, parse_document(call.params, call.format, "parameters"));
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
  };
  switch (call.service) {
    case DocumentService::kAddDocument:
    case DocumentService::kUpdateDocument: {
      if (params.view().find("filter")) break;  // the number of documents is not known
      const auto known = id();
      if (!known) break;
      bson::Builder reply;
      reply.append_element(*known->view().begin());
      if (call.service == DocumentService::kUpdateDocument) reply.append_bool("inserted", applied.inserted > 0);
      return render_document(std::move(reply).finish(), call.format);
    }
    case DocumentService::kDeleteDocument:
      return single_field_reply("deleted", applied.deleted, call.format);
    case DocumentService::kCreateCollection:
      return bool_reply("created", true, call.format);
    case DocumentService::kModifyCollection:
      return bool_reply("modified", true, call.format);
    case DocumentService::kDropCollection:
      return bool_reply("dropped", true, call.format);
    case DocumentService::kConflicts:
      return bool_reply("repeated", true, call.format);
    default:
      break;
  }
  return fail(
      Code::kIndeterminate,
      "this request was executed before, by another node, and is not executed again; its reply is not known here "
      "(it made {} inserts or replacements, {} updates and {} deletes)",
      applied.inserted, applied.updated, applied.deleted);
}

}  // namespace distri::cloud
