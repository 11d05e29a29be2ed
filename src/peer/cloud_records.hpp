// cloud_records.hpp: records in the cloud's collections: written where they count more than what is there, read with
// all their checks, and view keys taken so that only one gets each.
//
// In a cluster with keys the client shows the user's key, and the collections belong to the owners of their documents
// (ownerField), so that nodes let nobody write a record of somebody else; where nodes know nobody, signatures alone
// protect: what does not verify is as if it were not there.
//
// A record that lost to an older one in a partition is written again by its owner's next put(). Threads: one at a time.
// Errors: those of client::Client; of a write that is kIndeterminate nobody knows, and the same call again is safe.
#pragma once

#include <optional>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/peer/errand.hpp"
#include "distri/peer/records.hpp"

namespace distri::peer {

// What was read, and what was there that is no record of its collection: forged, edited, or of another program.
template <class R>
struct Found {
  std::vector<R> records;
  std::vector<Error> refused;
};

class CloudRecords {
 public:
  // `options`: of every call. Both outlive this object.
  CloudRecords(client::Client& client, client::CallOptions options) : client_(client), options_(std::move(options)) {
    options_.bson = true;
  }

  // Makes the collections, with their owner fields. kAlreadyExists: one is there with other options.
  Result<> prepare();

  // True: it is there now. False: what is there counts more, or as much.
  Result<bool> put(const User& user);
  Result<bool> put(const CatalogEntry& entry);
  Result<bool> put(const Request& request);
  Result<bool> put(const Grant& grant);
  // One that is withdrawn counts more.
  Result<bool> put(const Receipt& receipt);
  // Of a view key there is one version. True: it was not there before.
  Result<bool> place(const ViewKey& key);
  // Compare-and-delete: whether exactly this view key was there. The node that is asked gives it to one caller only.
  // `id`: of all tries of one caller, so that any node which has the deletion of one answers the next ones alike.
  Result<bool> take(const ViewKey& key, const RequestId& id);
  // The same for its owner, who need not know which box lies there.
  Result<bool> take_back(const PublicKey& owner, const TakeOut& key);

  Result<Found<User>> users() const;
  // Of one user, or of all; and with names that begin so.
  Result<Found<CatalogEntry>> catalog(const std::optional<PublicKey>& owner, std::string_view name_prefix = {}) const;
  Result<Found<Request>> requests_to(const PublicKey& user) const;
  Result<Found<Request>> requests_of(const PublicKey& user) const;
  Result<Found<Grant>> grants_to(const PublicKey& user) const;
  Result<Found<Grant>> grants_of(const PublicKey& user) const;
  // In escrow, the lowest serial first.
  Result<Found<ViewKey>> view_keys(const PublicKey& owner, const GrantId& grant) const;
  Result<Found<ViewKey>> view_keys_of(const PublicKey& owner) const;
  Result<Found<Receipt>> receipts_to(const PublicKey& user) const;

 private:
  Result<bson::Document> ask(std::string_view service, std::string_view collection, const bson::Document& params,
                             BytesView body, bool idempotent, const std::optional<RequestId>& id = std::nullopt) const;
  Result<bool> replace(std::string_view collection, const bson::Document& record, bson::View outdated);
  Result<bool> insert(std::string_view collection, const bson::Document& record);
  Result<bool> remove_key(bson::View filter, const RequestId& id);
  template <class R>
  Result<Found<R>> read(std::string_view collection, bson::View filter, Result<R> (*decode)(bson::View)) const;

  client::Client& client_;
  client::CallOptions options_;
};

}  // namespace distri::peer
