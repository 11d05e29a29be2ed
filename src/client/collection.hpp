// collection.hpp: the documents of one collection, by the names that MongoDB's drivers use.
//
//   auto photos = client.collection("photos");
//   auto best = photos.find({{"stars", {{"$gte", 4}}}}).sort({{"stars", -1}, {"name", 1}}).limit(10).all();
//   auto names = photos.find().project({{"name", 1}, {"_id", 0}}).all();
//   auto done = photos.update_many({{"stars", 5}}, {{"$push", {{"tags", "best"}}}});
//   auto tags = photos.aggregate({{{"$unwind", "$tags"}}, {{"$sortByCount", "$tags"}}});
//   auto next = photos.find_one_and_update({{"state", "new"}}, {{"$set", {{"state", "taken"}}}});
//
// Filters, updates, projections and pipelines are MongoDB's (docs/documents.md). Every call is one request, with all
// that client.hpp says of requests: deadline, retries with one request id, session, write concern. A retried write is
// executed at most once; where only another node knows what the first try did, its numbers are lost and the call ends
// with kIndeterminate.
//
// Filters, sort and array filters travel as parameters (64 KiB together), updates, bulk writes and pipelines as bodies.
// Threads: as the Client, which the handles refer to and must not outlive.
#pragma once

#include "distri/client/client.hpp"

namespace distri::client {

// {{"stars", -1}, {"name", 1}}: in this order; 1 ascending, -1 descending.
using SortFields = std::vector<std::pair<std::string, int>>;

// A query; nothing is asked before one of the last five.
class Find {
 public:
  Find& sort(const SortFields& fields);
  Find& skip(std::uint64_t documents);
  Find& limit(std::uint64_t documents);  // 0: none
  Find& project(nlohmann::json projection);
  // The name of the index to use; "$natural": none.
  Find& hint(std::string index);
  Find& options(CallOptions options);

  Result<std::vector<nlohmann::json>> all();
  // The first one; nullopt: there is none.
  Result<std::optional<nlohmann::json>> first();
  // One page: {"documents": [...], "cursor": "..."}; with the cursor of the one before, the next.
  Result<nlohmann::json> page(std::string_view cursor = {});
  // Of the filter alone.
  Result<std::uint64_t> count();
  // What the node that was asked does for the first page: stages, indexes, how much it looked at (docs/documents.md).
  Result<nlohmann::json> explain();

 private:
  friend class Collection;
  Find(Client& client, std::string collection, nlohmann::json filter);

  Client* client_;
  std::string collection_;
  nlohmann::json query_ = nlohmann::json::object();
  CallOptions options_;
};

struct UpdateOptions : WriteOptions {
  bool upsert = false;                     // insert when nothing matches
  nlohmann::json array_filters = nullptr;  // a list
};

struct FindAndModifyOptions : UpdateOptions {
  SortFields sort;  // of several that match, the first
  nlohmann::json projection = nullptr;
  bool after = false;  // give the document as it is afterwards
};

struct UpdateResult {
  std::uint64_t matched = 0;
  std::uint64_t modified = 0;
  std::optional<nlohmann::json> upserted_id;
};

struct IndexOptions : WriteOptions {
  std::string name;  // empty: made of fields and directions
  bool unique = false;
  bool sparse = false;
  nlohmann::json partial_filter = nullptr;     // partialFilterExpression
  std::optional<std::int64_t> expire_after_s;  // documents go so long after the date in the index's only field
};

// An operation of a bulk write.
nlohmann::json insert_one(nlohmann::json document);
nlohmann::json update_one(nlohmann::json filter, nlohmann::json update, bool upsert = false);
nlohmann::json update_many(nlohmann::json filter, nlohmann::json update, bool upsert = false);
nlohmann::json replace_one(nlohmann::json filter, nlohmann::json replacement, bool upsert = false);
nlohmann::json delete_one(nlohmann::json filter);
nlohmann::json delete_many(nlohmann::json filter);

struct BulkOptions : WriteOptions {
  bool ordered = true;  // stop at the first operation that fails
};

struct BulkResult {
  std::uint64_t inserted = 0;
  std::uint64_t matched = 0;
  std::uint64_t modified = 0;
  std::uint64_t deleted = 0;
  std::uint64_t upserted = 0;
  // Of each operation that was tried: {"index", ...}, with {"error": {"code", "message"}} when it failed.
  std::vector<nlohmann::json> results;
  std::optional<std::uint64_t> first_failed;
};

// A stage of a pipeline: {"$sort": ...}, with the fields in this order, which an object of nlohmann::json does not
// keep.
nlohmann::json sort_stage(const SortFields& fields);

class Collection {
 public:
  const std::string& name() const { return name_; }

  Find find(nlohmann::json filter = nullptr) const;
  Result<std::vector<nlohmann::json>> distinct(std::string_view field, const nlohmann::json& filter = nullptr,
                                               const CallOptions& options = {}) const;

  // All results of a list of stages. Fields that a stage makes come in the order of their names. Results beyond 16 MiB
  // or 100,000 documents come by several requests; kInvalidArgument with "CursorNotFound" when the documents that the
  // pipeline reads change between those, and for a pipeline that ends with $out or $merge.
  Result<std::vector<nlohmann::json>> aggregate(const nlohmann::json& pipeline, const CallOptions& options = {}) const;
  // A pipeline that ends with $out or $merge, else kInvalidArgument. How many documents were written.
  Result<std::uint64_t> aggregate_into(const nlohmann::json& pipeline, const WriteOptions& options = {}) const;

  // The _id.
  Result<nlohmann::json> insert_one(const nlohmann::json& document, const WriteOptions& options = {}) const;
  Result<UpdateResult> update_one(const nlohmann::json& filter, const nlohmann::json& update,
                                  const UpdateOptions& options = {}) const;
  Result<UpdateResult> update_many(const nlohmann::json& filter, const nlohmann::json& update,
                                   const UpdateOptions& options = {}) const;
  // kInvalidArgument: `replacement` has operators.
  Result<UpdateResult> replace_one(const nlohmann::json& filter, const nlohmann::json& replacement,
                                   const UpdateOptions& options = {}) const;
  // Number deleted: 0 or 1; or all that match. An empty filter is allowed for one only.
  Result<std::uint64_t> delete_one(const nlohmann::json& filter, const WriteOptions& options = {}) const;
  Result<std::uint64_t> delete_many(const nlohmann::json& filter, const WriteOptions& options = {}) const;

  // The document as it was, or with `after` as it is then; nullopt: nothing matched (and nothing was there before an
  // upsert). `update` may be a replacement.
  Result<std::optional<nlohmann::json>> find_one_and_update(const nlohmann::json& filter, const nlohmann::json& update,
                                                            const FindAndModifyOptions& options = {}) const;
  Result<std::optional<nlohmann::json>> find_one_and_delete(const nlohmann::json& filter,
                                                            const FindAndModifyOptions& options = {}) const;

  // Operations of the functions above; documents to insert get their _id here. An operation that fails is told in the
  // result, and is no error of the call.
  Result<BulkResult> bulk_write(std::vector<nlohmann::json> operations, const BulkOptions& options = {}) const;

  // What changes in this collection, from now on or from a token on (change_stream.hpp).
  Result<ChangeStream> watch(const WatchOptions& options = {}) const;

  // The index's name. Nothing happens when the same index is there. kInvalidArgument: another is in its way. Each node
  // builds it for itself, in the background; list_indexes() says whether the one that answers has ("ready").
  Result<std::string> create_index(const SortFields& fields, const IndexOptions& options = {}) const;
  // kNotFound. "*": all, how many there be.
  Result<> drop_index(std::string_view name, const WriteOptions& options = {}) const;
  Result<std::vector<nlohmann::json>> list_indexes(const CallOptions& options = {}) const;

 private:
  friend class Client;
  Collection(Client& client, std::string name) : client_(&client), name_(std::move(name)) {}
  Result<UpdateResult> update(const nlohmann::json& filter, const nlohmann::json& update, bool multi,
                              const UpdateOptions& options) const;
  Result<std::optional<nlohmann::json>> find_and_modify(nlohmann::json params, const nlohmann::json* update,
                                                        const FindAndModifyOptions& options) const;

  Client* client_;
  std::string name_;
};

}  // namespace distri::client
