// CreateIndex, DropIndex and ListIndexes. An index is a document of `system.indexes`; writing that is creating it.
#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/db/index.hpp"
#include "distri/db/index_catalog.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/unique_check.hpp"

namespace distri::cloud {
namespace {

using db::Index;
using db::IndexDefinition;

// The parameters of CreateIndex as a specification: without "w", and with the key as one object (a list is for callers
// whose objects have no order).
Result<bson::Document> specification_of(bson::View params) {
  bson::Builder out;
  for (const bson::Element& element : params) {
    if (element.key == "w") continue;
    if (element.key != "key" || element.value.type() != bson::Type::kArray) {
      out.append_element(element);
      continue;
    }
    out.begin_object("key");
    for (const bson::Element& field : element.value.as_object()) {
      if (field.value.type() != bson::Type::kObject)
        return fail(Code::kInvalidArgument, "parameter 'key': every entry of the list must be an object");
      for (const bson::Element& each : field.value.as_object()) out.append_element(each);
    }
    out.end();
  }
  return std::move(out).finish();
}

// Whether the index is there already. An error when another is in its way.
Result<bool> is_there(const db::Collection& collection, const IndexDefinition& wanted) {
  for (const auto& index : collection.indexes()) {
    const IndexDefinition& other = index->definition();
    const bool same = other.same_keys(wanted) && other.same_options(wanted);
    if (same && other.name == wanted.name) return true;
    if (same) {
      return db::refuse(db::mongo::kIndexOptionsConflict, "index: it exists already with another name: '{}'",
                        db::shown(other.name));
    }
    if (other.name != wanted.name) continue;
    if (other.same_keys(wanted)) {
      return db::refuse(db::mongo::kIndexOptionsConflict, "index: '{}' exists already with other options{}",
                        db::shown(other.name),
                        other.same_options_but_expiry(wanted) ? "; ModifyCollection changes 'expireAfterSeconds'" : "");
    }
    return db::refuse(db::mongo::kIndexKeySpecsConflict, "index: '{}' exists already with another key",
                      db::shown(other.name));
  }
  if (collection.indexes().size() >= db::kIndexesMax) {
    return db::refuse(db::mongo::kCannotCreateIndex, "index: the collection has {} indexes, the most it can",
                      db::kIndexesMax);
  }
  return false;
}

// The index that {name: "at_1"} or {keyPattern: {at: 1}} means.
Result<const Index*> named_index(const db::Collection& collection, bson::View change) {
  const auto name = change.find("name");
  const auto pattern = change.find("keyPattern");
  if (name.has_value() == pattern.has_value() || (name && name->type() != bson::Type::kString))
    return fail(Code::kInvalidArgument, "parameter 'index' needs either 'name', a string, or 'keyPattern', an object");
  bson::Builder specification;
  if (pattern) specification.append_value("key", *pattern);
  std::optional<IndexDefinition> like;
  if (pattern) {
    DISTRI_TRY(like, db::parse_index(std::move(specification).finish()));
  }
  for (const auto& index : collection.indexes()) {
    const IndexDefinition& definition = index->definition();
    if (like ? definition.same_keys(*like) : definition.name == name->as_string()) return index.get();
  }
  return fail(Code::kNotFound, "{}: there is no such index", db::mongo_code(db::mongo::kIndexNotFound));
}

Bytes catalog_key(std::string_view collection, std::string_view index) {
  bson::Builder out;
  out.append_string("_id", db::catalog_id(collection, index));
  const bson::Document id = std::move(out).finish();
  return bson::order_key(id.view().begin()->value);
}

void append_status(bson::Builder& out, const Index& index) {
  const auto number = [&out](std::string_view name, std::uint64_t value) {
    out.append_int64(name, static_cast<std::int64_t>(value));
  };
  db::append_index(out, index.definition());
  out.append_bool("ready", index.ready());
  number("entries", index.entries().size());
  number("bytes", index.bytes());
  if (index.definition().unique) number("duplicates", index.duplicates());
  if (!index.unindexable().empty()) number("unindexable", index.unindexable().size());
}

class UniquePreparation final : public Preparation {
 public:
  UniquePreparation(const replication::Replica& replica, std::string_view collection, const IndexDefinition& index)
      : replica_(replica), collection_(collection), check_(index) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    DISTRI_TRY(const bool complete, check_.step(replica_.database().find(collection_), budget));
    return complete ? std::optional<Bytes>(Bytes()) : std::nullopt;
  }
  std::size_t bytes() const override { return check_.bytes(); }

 private:
  const replication::Replica& replica_;
  std::string collection_;
  db::UniqueCheck check_;
};

}  // namespace

Result<std::unique_ptr<Preparation>> DocumentServices::prepare_index(const DocumentCall& call,
                                                                     bson::View params) const {
  DISTRI_TRY(const bson::Document specification, specification_of(params));
  DISTRI_TRY(const IndexDefinition index, db::parse_index(specification));
  const db::Collection* collection = replica_.database().find(call.collection);
  if (!index.unique || collection == nullptr) return nullptr;
  DISTRI_TRY(const bool there, is_there(*collection, index));
  if (there) return nullptr;
  return std::make_unique<UniquePreparation>(replica_, call.collection, index);
}

Result<Bytes> DocumentServices::create_index(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const bson::Document specification, specification_of(params));
  DISTRI_TRY(const IndexDefinition index, db::parse_index(specification));
  const db::Collection* collection = replica_.database().find(call.collection);
  bool there = false;
  if (collection == nullptr) {
    DISTRI_TRY_VOID(replica_.create_collection(call.collection, clock_.wall_ms()));
  } else {
    DISTRI_TRY(there, is_there(*collection, index));
  }
  if (!there) {
    // Replaces a document there that defines no index.
    const bson::Document document = db::catalog_document(call.collection, index);
    DISTRI_TRY_VOID(replica_.replace(db::kIndexCollection, document, clock_.wall_ms()));
  }
  bson::Builder reply;
  reply.append_string("name", index.name).append_bool("created", !there);
  return render_document(std::move(reply).finish(), call.format);
}

Result<Bytes> DocumentServices::drop_index(const DocumentCall& call, bson::View params) {
  const auto name = params.find("name");
  if (!name || name->type() != bson::Type::kString)
    return fail(Code::kInvalidArgument, "parameter 'name' must be the name of an index, or \"*\" for all");
  if (name->as_string() == "_id_")
    return db::refuse(db::mongo::kInvalidOptions, "index: the index on '_id' cannot be dropped");
  std::vector<std::string> names;
  if (const db::Collection* collection = replica_.database().find(call.collection)) {
    for (const auto& index : collection->indexes()) {
      const std::string& each = index->definition().name;
      if (name->as_string() == "*" || name->as_string() == each) names.push_back(each);
    }
  }
  if (names.empty() && name->as_string() != "*") {
    return fail(Code::kNotFound, "{}: index not found with name [{}]", db::mongo_code(db::mongo::kIndexNotFound),
                db::shown(name->as_string()));
  }
  for (const std::string& each : names) {
    DISTRI_TRY_VOID(replica_.remove(db::kIndexCollection, catalog_key(call.collection, each), clock_.wall_ms()));
  }
  return single_field_reply("dropped", names.size(), call.format);
}

// `change`: {name or keyPattern, expireAfterSeconds}.
Result<bool> DocumentServices::modify_index(const db::Collection& collection, std::string_view name,
                                            bson::View change) {
  for (const bson::Element& element : change) {
    if (element.key != "name" && element.key != "keyPattern" && element.key != "expireAfterSeconds") {
      return db::refuse(db::mongo::kInvalidOptions,
                        "parameter 'index': unknown field '{}'; it has name or keyPattern, and expireAfterSeconds",
                        db::shown(element.key));
    }
  }
  const auto seconds = change.find("expireAfterSeconds");
  if (!seconds) return db::refuse(db::mongo::kInvalidOptions, "parameter 'index': 'expireAfterSeconds' is missing");
  DISTRI_TRY(const Index* index, named_index(collection, change));
  IndexDefinition wanted = index->definition();
  DISTRI_TRY(wanted.expire_after_s, db::parse_expire_after(*seconds));
  if (wanted.fields.size() != 1) {
    return db::refuse(db::mongo::kInvalidOptions,
                      "index '{}': 'expireAfterSeconds' goes with a single field; this key has {} fields",
                      db::shown(wanted.name), wanted.fields.size());
  }
  if (wanted.same_options(index->definition())) return false;
  DISTRI_TRY_VOID(replica_.replace(db::kIndexCollection, db::catalog_document(name, wanted), clock_.wall_ms()));
  return true;
}

// The definitions go with the collection, those too that make no index here.
Result<> DocumentServices::forget_indexes(std::string_view collection) {
  const db::Collection* catalog = replica_.database().find(db::kIndexCollection);
  if (catalog == nullptr) return {};
  std::vector<Bytes> keys;
  auto at = catalog->records().lower_bound(db::catalog_key_begin(collection));
  for (; at != catalog->records().end() && db::is_catalog_entry_of(collection, at->second.document); ++at) {
    keys.emplace_back(at->first);
  }
  for (const Bytes& key : keys) DISTRI_TRY_VOID(replica_.remove(db::kIndexCollection, key, clock_.wall_ms()));
  return {};
}

Result<Bytes> DocumentServices::list_indexes(const DocumentCall& call) {
  bson::Builder reply;
  reply.begin_array("indexes");
  if (const db::Collection* collection = replica_.database().find(call.collection)) {
    reply.begin_object("0");
    reply.begin_object("key").append_int32("_id", 1).end();
    reply.append_string("name", "_id_").append_bool("ready", true);
    reply.append_int64("entries", static_cast<std::int64_t>(collection->size()));
    reply.end();
    std::size_t i = 1;
    for (const auto& index : collection->indexes()) {
      reply.begin_object(std::to_string(i++));
      append_status(reply, *index);
      reply.end();
    }
  }
  reply.end();
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
