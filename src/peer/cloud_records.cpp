#include "distri/peer/cloud_records.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace distri::peer {

namespace {

constexpr std::int64_t kPageDocuments = 1'000;

bson::Document equal(std::string_view field, std::string_view value) {
  bson::Builder filter;
  filter.append_string(field, value);
  return std::move(filter).finish();
}

// {_id: ..., <conditions>}: what is there and counts less.
bson::Document outdated(std::string_view id, std::uint64_t version) {
  bson::Builder filter;
  filter.append_string("_id", id);
  filter.begin_object("version").append_int64("$lt", static_cast<std::int64_t>(version)).end();
  return std::move(filter).finish();
}

}  // namespace

Result<bson::Document> CloudRecords::ask(std::string_view service, std::string_view collection,
                                         const bson::Document& params, BytesView body, bool idempotent,
                                         const std::optional<RequestId>& id) const {
  client::CallOptions options = options_;
  options.idempotent = idempotent;
  options.request_id = id;
  const std::string name = fmt::format("{}<{}>", service, collection);
  DISTRI_TRY(const client::Reply reply, client_.call_encoded(body, name, Bytes(params.view().bytes()), options));
  auto document = bson::Document::parse(reply.body);
  if (!document) return fail(Code::kProtocolError, "{}: {}", name, document.error().message);
  return *std::move(document);
}

Result<> CloudRecords::prepare() {
  struct Collection {
    std::string_view name;
    std::string_view taker;
  };
  constexpr std::array<Collection, 6> kCollections = {{{kUsersCollection, ""},
                                                       {kCatalogCollection, ""},
                                                       {kRequestsCollection, ""},
                                                       {kGrantsCollection, ""},
                                                       {kViewKeysCollection, "to"},
                                                       {kReceiptsCollection, ""}}};
  for (const Collection& each : kCollections) {
    bson::Builder params;
    params.append_string("ownerField", "_id");
    if (!each.taker.empty()) params.append_string("takerField", each.taker);
    DISTRI_TRY_VOID(ask("CreateCollection", each.name, std::move(params).finish(), {}, false));
  }
  return {};
}

// ---- Writing

// An upsert whose filter does not match what is there tries to insert, and is told that the _id is taken.
Result<bool> CloudRecords::replace(std::string_view collection, const bson::Document& record, bson::View filter) {
  bson::Builder params;
  params.append_object("filter", filter).append_object("update", record).append_bool("upsert", true);
  const auto reply = ask("FindAndModify", collection, std::move(params).finish(), {}, false);
  if (reply) return true;
  if (reply.error().code == Code::kAlreadyExists) return false;
  return fail(reply.error());
}

Result<bool> CloudRecords::insert(std::string_view collection, const bson::Document& record) {
  const auto reply = ask("AddDocument", collection, bson::Document(), record.view().bytes(), false);
  if (reply) return true;
  if (reply.error().code == Code::kAlreadyExists) return false;
  return fail(reply.error());
}

Result<bool> CloudRecords::put(const User& user) {
  return replace(kUsersCollection, to_document(user), outdated(user.owner.hex(), user.version));
}

Result<bool> CloudRecords::put(const CatalogEntry& entry) {
  return replace(kCatalogCollection, to_document(entry), outdated(document_id(entry), entry.version));
}

Result<bool> CloudRecords::put(const Receipt& receipt) {
  if (!receipt.withdrawn) return insert(kReceiptsCollection, to_document(receipt));
  bson::Builder filter;
  filter.append_string("_id", document_id(receipt)).append_bool("withdrawn", false);
  return replace(kReceiptsCollection, to_document(receipt), std::move(filter).finish());
}

Result<bool> CloudRecords::put(const Grant& grant) {
  return replace(kGrantsCollection, to_document(grant), outdated(document_id(grant), grant.version));
}

// As supersedes(): withdrawing counts more than any version that does not.
Result<bool> CloudRecords::put(const Request& request) {
  bson::Builder filter;
  filter.append_string("_id", document_id(request));
  if (request.withdrawn) {
    filter.begin_array("$or");
    filter.begin_object("0").append_bool("withdrawn", false).end();
    filter.begin_object("1").begin_object("version").append_int64("$lt", static_cast<std::int64_t>(request.version));
    filter.end().end().end();
  } else {
    filter.append_bool("withdrawn", false);
    filter.begin_object("version").append_int64("$lt", static_cast<std::int64_t>(request.version)).end();
  }
  return replace(kRequestsCollection, to_document(request), std::move(filter).finish());
}

Result<bool> CloudRecords::place(const ViewKey& key) {
  return insert(kViewKeysCollection, to_document(key));
}

// ---- Taking view keys

// Not by FindAndModify: of a deletion that has come from another node a node knows the number, not the document.
Result<bool> CloudRecords::remove_key(bson::View filter, const RequestId& id) {
  bson::Builder params;
  params.append_object("filter", filter);
  DISTRI_TRY(const bson::Document reply,
             ask("DeleteDocument", kViewKeysCollection, std::move(params).finish(), {}, false, id));
  const auto deleted = reply.view().find("deleted");
  const auto count = deleted ? deleted->to_int64() : std::nullopt;
  if (count) return *count > 0;
  return fail(Code::kProtocolError, "DeleteDocument<{}>: the answer does not say how many there were",
              kViewKeysCollection);
}

Result<bool> CloudRecords::take(const ViewKey& key, const RequestId& id) {
  bson::Builder filter;
  filter.append_string("_id", document_id(key)).append_binary("sig", key.signature.view());
  return remove_key(std::move(filter).finish(), id);
}

Result<bool> CloudRecords::take_back(const PublicKey& owner, const TakeOut& key) {
  ViewKey place;
  place.owner = owner;
  std::tie(place.grant, place.serial) = key.place;
  return remove_key(equal("_id", document_id(place)), key.request);
}

// ---- Reading

template <class R>
Result<Found<R>> CloudRecords::read(std::string_view collection, bson::View filter,
                                    Result<R> (*decode)(bson::View)) const {
  Found<R> found;
  std::string cursor;
  do {
    bson::Builder params;
    params.append_object("filter", filter).append_int64("page_documents", kPageDocuments);
    if (!cursor.empty()) params.append_string("cursor", cursor);
    DISTRI_TRY(const bson::Document page, ask("ReadCollection", collection, std::move(params).finish(), {}, true));
    const auto documents = page.view().find("documents");
    if (!documents || documents->type() != bson::Type::kArray)
      return fail(Code::kProtocolError, "ReadCollection<{}>: the answer has no documents", collection);
    for (const bson::Element& element : documents->as_object()) {
      if (element.value.type() != bson::Type::kObject) continue;
      auto record = decode(element.value.as_object());
      if (record) {
        found.records.push_back(*std::move(record));
      } else {
        found.refused.push_back(std::move(record).error());
      }
    }
    const auto next = page.view().find("cursor");
    cursor = next && next->type() == bson::Type::kString ? std::string(next->as_string()) : std::string();
  } while (!cursor.empty());
  return found;
}

Result<Found<User>> CloudRecords::users() const {
  return read(kUsersCollection, bson::Document(), &read_user);
}

Result<Found<CatalogEntry>> CloudRecords::catalog(const std::optional<PublicKey>& owner,
                                                  std::string_view name_prefix) const {
  DISTRI_TRY(auto found,
             read(kCatalogCollection, owner ? equal("owner", owner->hex()) : bson::Document(), &read_catalog_entry));
  std::erase_if(found.records, [&](const CatalogEntry& each) { return !each.name.starts_with(name_prefix); });
  return found;
}

Result<Found<Request>> CloudRecords::requests_to(const PublicKey& user) const {
  return read(kRequestsCollection, equal("to", user.hex()), &read_request);
}

Result<Found<Request>> CloudRecords::requests_of(const PublicKey& user) const {
  return read(kRequestsCollection, equal("owner", user.hex()), &read_request);
}

Result<Found<Grant>> CloudRecords::grants_to(const PublicKey& user) const {
  return read(kGrantsCollection, equal("to", user.hex()), &read_grant);
}

Result<Found<Grant>> CloudRecords::grants_of(const PublicKey& user) const {
  return read(kGrantsCollection, equal("owner", user.hex()), &read_grant);
}

Result<Found<ViewKey>> CloudRecords::view_keys(const PublicKey& owner, const GrantId& grant) const {
  bson::Builder filter;
  filter.append_string("owner", owner.hex()).append_string("grant", grant.hex());
  DISTRI_TRY(auto found, read(kViewKeysCollection, std::move(filter).finish(), &read_view_key));
  std::ranges::sort(found.records, {}, &ViewKey::serial);
  return found;
}

Result<Found<ViewKey>> CloudRecords::view_keys_of(const PublicKey& owner) const {
  return read(kViewKeysCollection, equal("owner", owner.hex()), &read_view_key);
}

Result<Found<Receipt>> CloudRecords::receipts_to(const PublicKey& user) const {
  return read(kReceiptsCollection, equal("to", user.hex()), &read_receipt);
}

}  // namespace distri::peer
