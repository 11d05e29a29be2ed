#include "distri/cloud/write_checks.hpp"

#include "distri/bson/compare.hpp"
#include "distri/cloud/ownership.hpp"
#include "distri/db/index.hpp"
#include "distri/db/language_error.hpp"

namespace distri::cloud {
namespace {

Result<> check_indexes(const db::Collection& documents, std::string_view collection, bson::View after) {
  if (documents.indexes().empty()) return {};
  const auto id = after.find("_id");
  const Bytes key = id ? bson::order_key(*id) : Bytes();
  for (const auto& index : documents.indexes()) {
    DISTRI_TRY_VOID(index->check_document(after));
    if (!index->conflict(key, after)) continue;
    return fail(Code::kAlreadyExists, "{}: E11000 duplicate key error collection: {} index: {}",
                db::mongo_code(db::mongo::kDuplicateKey), collection, db::shown(index->definition().name));
  }
  return {};
}

}  // namespace

bool has_checks(const replication::Replica& replica, std::string_view collection) {
  const db::CollectionOptions& options = replica.database().options(collection);
  if (options.validator != nullptr || options.cap || options.owners) return true;
  const db::Collection* documents = replica.database().find(collection);
  return documents != nullptr && !documents->indexes().empty();
}

Result<> check_write(const replication::Replica& replica, const Rights* rights, std::string_view collection,
                     const bson::StoredDocument* before, bson::View after) {
  const db::CollectionOptions& options = replica.database().options(collection);
  DISTRI_TRY_VOID(check_owner(rights, options, collection, before, &after));
  DISTRI_TRY_VOID(db::check_write(options, before, after));
  const db::Collection* documents = replica.database().find(collection);
  return documents == nullptr ? Result<>() : check_indexes(*documents, collection, after);
}

Result<> check_removal(const replication::Replica& replica, const Rights* rights, std::string_view collection,
                       const bson::StoredDocument& before) {
  return check_owner(rights, replica.database().options(collection), collection, &before, nullptr);
}

}  // namespace distri::cloud
