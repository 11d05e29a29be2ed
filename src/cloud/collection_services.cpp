// CreateCollection, ModifyCollection, DropCollection, ListCollections, CollectionStats and DatabaseStats.
#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/db/collection_options.hpp"
#include "distri/db/index.hpp"
#include "distri/db/language_error.hpp"

namespace distri::cloud {
namespace {

using db::CollectionOptions;

bool names_options(bson::View params) {
  constexpr std::array<std::string_view, 10> kNames = {
      "validator", "validationLevel", "validationAction", "capped",     "size",
      "max",       "cappedSize",      "cappedMax",        "ownerField", "takerField"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view name) { return params.find(name).has_value(); });
}

// ModifyCollection calls them by other names than CreateCollection, as MongoDB does.
Result<> change_cap(CollectionOptions& options, bson::View params) {
  const auto size = params.find("cappedSize");
  const auto max = params.find("cappedMax");
  if (!size && !max) return {};
  if (!options.cap)
    return db::refuse(db::mongo::kInvalidOptions, "'cappedSize' and 'cappedMax': the collection is not capped");
  bson::Builder given;
  if (size) given.append_value("size", *size);
  if (max) given.append_value("max", *max);
  return db::change_options(options, std::move(given).finish());
}

Bytes options_key(std::string_view collection) {
  const bson::Document id = db::options_document(collection, {});
  return bson::order_key(id.view().begin()->value);
}

void append_count(bson::Builder& out, std::string_view name, std::uint64_t value) {
  out.append_int64(name, static_cast<std::int64_t>(value));
}

struct Sizes {
  std::uint64_t documents = 0;
  std::uint64_t bytes = 0;
  std::uint64_t indexes = 0;
  std::uint64_t index_bytes = 0;

  void add(const db::Collection& collection) {
    documents += collection.size();
    bytes += collection.bytes();
    indexes += 1 + collection.indexes().size();  // the one on _id
    for (const auto& index : collection.indexes()) index_bytes += index->bytes();
  }
  std::uint64_t average() const { return documents == 0 ? 0 : bytes / documents; }
};

}  // namespace

Result<> DocumentServices::write_options(std::string_view collection, const CollectionOptions& options) {
  if (replica_.database().options(collection) == options) return {};
  if (options.plain()) return forget_options(collection);
  return replica_.replace(db::kOptionsCollection, db::options_document(collection, options), clock_.wall_ms());
}

Result<> DocumentServices::forget_options(std::string_view collection) {
  const db::Collection* catalog = replica_.database().find(db::kOptionsCollection);
  const Bytes key = options_key(collection);
  if (catalog == nullptr || catalog->find(key) == nullptr) return {};
  DISTRI_TRY_VOID(replica_.remove(db::kOptionsCollection, key, clock_.wall_ms()));
  return {};
}

Result<Bytes> DocumentServices::create_collection(const DocumentCall& call, bson::View params) {
  CollectionOptions wanted;
  DISTRI_TRY_VOID(db::change_options(wanted, params));
  if (names_options(params) && replica_.database().find(call.collection) != nullptr &&
      !(replica_.database().options(call.collection) == wanted)) {
    return fail(Code::kAlreadyExists,
                "{}: collection '{}' exists already with other options; ModifyCollection changes "
                "them",
                db::mongo_code(db::mongo::kNamespaceExists), call.collection);
  }
  DISTRI_TRY(const bool created, replica_.create_collection(call.collection, clock_.wall_ms()));
  // Options may have outlived an earlier collection of this name (a drop that did not know of them).
  if (created) DISTRI_TRY_VOID(write_options(call.collection, wanted));
  return bool_reply("created", created, call.format);
}

Result<Bytes> DocumentServices::modify_collection(const DocumentCall& call, bson::View params) {
  const auto index = params.find("index");
  if (!names_options(params) && !index) {
    return fail(
        Code::kInvalidArgument,
        "ModifyCollection needs what to change: 'validator', 'validationLevel', 'validationAction', 'cappedSize', "
        "'cappedMax', 'ownerField', 'takerField' or 'index'");
  }
  const db::Collection* collection = replica_.database().find(call.collection);
  if (collection == nullptr)
    return fail(Code::kNotFound, "{}: there is no collection '{}'", db::mongo_code(db::mongo::kNamespaceNotFound),
                call.collection);
  if (index && index->type() != bson::Type::kObject)
    return fail(Code::kInvalidArgument,
                "parameter 'index' must be an object: name or keyPattern, and what is to change");
  CollectionOptions options = replica_.database().options(call.collection);
  const CollectionOptions before = options;
  DISTRI_TRY_VOID(db::change_options(options, params));
  DISTRI_TRY_VOID(change_cap(options, params));
  // What can be refused comes first.
  bool modified = !(options == before);
  if (index) {
    DISTRI_TRY(const bool index_modified, modify_index(*collection, call.collection, index->as_object()));
    modified |= index_modified;
  }
  DISTRI_TRY_VOID(write_options(call.collection, options));
  return bool_reply("modified", modified, call.format);
}

Result<Bytes> DocumentServices::drop_collection(const DocumentCall& call) {
  DISTRI_TRY(const bool dropped, replica_.drop_collection(call.collection, clock_.wall_ms()));
  DISTRI_TRY_VOID(forget_indexes(call.collection));
  DISTRI_TRY_VOID(forget_options(call.collection));
  return bool_reply("dropped", dropped, call.format);
}

Result<Bytes> DocumentServices::list_collections(const DocumentCall& call) {
  bson::Builder reply;
  reply.begin_array("collections");
  std::size_t i = 0;
  for (const auto& summary : replica_.summaries()) {
    if (!db::check_collection_name(summary.name)) continue;  // distri's own
    if (call.rights != nullptr && !call.rights->may(Role::kRead, summary.name)) continue;
    const auto* collection = replica_.database().find(summary.name);
    reply.begin_object(std::to_string(i++));
    reply.append_string("name", summary.name);
    append_count(reply, "documents", summary.documents);
    append_count(reply, "bytes", collection == nullptr ? 0 : collection->bytes());
    reply.append_string("digest", summary.digest.hex());
    if (const auto& options = replica_.database().options(summary.name); !options.plain()) {
      reply.begin_object("options");
      db::append_options(reply, options);
      reply.end();
    }
    reply.end();
  }
  reply.end();
  return render_document(std::move(reply).finish(), call.format);
}

Result<Bytes> DocumentServices::collection_stats(const DocumentCall& call) {
  const db::Collection* collection = replica_.database().find(call.collection);
  if (collection == nullptr)
    return fail(Code::kNotFound, "{}: there is no collection '{}'", db::mongo_code(db::mongo::kNamespaceNotFound),
                call.collection);
  Sizes sizes;
  sizes.add(*collection);
  bson::Builder reply;
  reply.append_string("ns", call.collection);
  append_count(reply, "count", sizes.documents);
  append_count(reply, "size", sizes.bytes);
  append_count(reply, "avgObjSize", sizes.average());
  append_count(reply, "nindexes", sizes.indexes);
  append_count(reply, "totalIndexSize", sizes.index_bytes);
  reply.begin_object("indexSizes");
  for (const auto& index : collection->indexes()) append_count(reply, index->definition().name, index->bytes());
  reply.end();
  append_count(reply, "totalSize", sizes.bytes + sizes.index_bytes);
  const auto& cap = replica_.database().options(call.collection).cap;
  reply.append_bool("capped", cap.has_value());
  if (cap) append_count(reply, "maxSize", static_cast<std::uint64_t>(cap->bytes));
  if (cap && cap->documents > 0) append_count(reply, "max", static_cast<std::uint64_t>(cap->documents));
  return render_document(std::move(reply).finish(), call.format);
}

Result<Bytes> DocumentServices::database_stats(const DocumentCall& call) {
  Sizes sizes;
  std::uint64_t collections = 0;
  for (const auto& [name, collection] : replica_.database().collections()) {
    if (!db::check_collection_name(name)) continue;
    ++collections;
    sizes.add(collection);
  }
  bson::Builder reply;
  append_count(reply, "collections", collections);
  append_count(reply, "objects", sizes.documents);
  append_count(reply, "avgObjSize", sizes.average());
  append_count(reply, "dataSize", sizes.bytes);
  append_count(reply, "indexes", sizes.indexes);
  append_count(reply, "indexSize", sizes.index_bytes);
  append_count(reply, "totalSize", sizes.bytes + sizes.index_bytes);
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
