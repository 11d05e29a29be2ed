// document_services.hpp: the built-in services that work on the database: CreateCollection ... Aggregate
// (docs/services.md).
//
// They run on the main thread, each to completion, on the replica. Threads: the main thread. Errors: the caller's
// mistakes name the parameter; nothing is changed on error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "distri/bson/object_id.hpp"
#include "distri/cloud/document_updates.hpp"
#include "distri/cloud/reading.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/replication/replica.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/random.hpp"
#include "distri/wire/messages.hpp"

namespace distri::cloud {

enum class DocumentService {
  kCreateCollection,
  kModifyCollection,
  kDropCollection,
  kCollectionStats,
  kDatabaseStats,
  kListCollections,
  kAddDocument,
  kUpdateDocument,
  kDeleteDocument,
  kReadCollection,
  kCount,
  kConflicts,
  kFindAndModify,
  kDistinct,
  kBulkWrite,
  kCreateIndex,
  kDropIndex,
  kListIndexes,
  kExplain,
  kAggregate,
};

std::optional<DocumentService> find_document_service(std::string_view name);
// Names of all, for UpdateInfo and error texts.
const std::vector<std::string_view>& document_service_names();

struct DocumentCall {
  DocumentService service;
  std::string_view collection;  // the target
  BytesView params;
  BytesView body;
  wire::Format format = wire::Format::kJson;
  std::uint8_t attempt =
      0;  // > 0: an add of exactly the document that is there succeeds (it is this caller's own earlier try)
  const Rights* rights = nullptr;  // of the caller; nullptr: everything
};

bool is_write(const DocumentCall& call);
// kPermissionDenied: its caller may not ask that, as far as service and collection tell. What else it names (a
// $lookup's collection, the collection of Conflicts) is checked where it is read.
Result<> check_rights(const DocumentCall& call);
// Of an Aggregate: by names alone, it has $out or $merge.
bool writes_results(const DocumentCall& call);

// The write does no harm when it is executed once more on a node that does not know of the first time: it sets what it
// sets by `_id`. Filters may find other documents then, and an operator such as $inc or $push adds up.
bool is_repeatable(const DocumentCall& call);

class DocumentServices {
 public:
  struct AggregateRequest;

  DocumentServices(replication::Replica& replica, const Clock& clock, Random& random, std::size_t reply_page_bytes_max);

  // Documents are to take at most `limit` bytes of memory, and take `used`: beyond, what would make them more is
  // refused. limit 0: none.
  void set_memory(std::size_t used, std::size_t limit) {
    memory_used_ = used;
    memory_limit_ = limit;
  }
  // The reply's body. The parameter "w" of writes is the dispatcher's (write_concern.hpp). `prepared`: what prepare()
  // gave for that call, when it is done; without it, that is done here.
  Result<Bytes> execute(const DocumentCall& call, Preparation* prepared = nullptr);
  // A write that must read first, perhaps for long; nullptr: it need not.
  Result<std::unique_ptr<Preparation>> prepare(const DocumentCall& call) const;
  // The call may be a long read, which need not be carried out at once: begin() it.
  static bool may_be_long(const DocumentCall& call);
  struct Begun {
    std::unique_ptr<Reading> reading;  // nullptr: it was short, and this is
    Bytes reply;
    Shown shown;
  };
  Result<Begun> begin(const DocumentCall& call);
  // Of the last execute() of a service that is not long: the commit that must be durable before its reply may be given;
  // 0: none.
  std::uint64_t commit_shown() const { return commit_shown_; }
  // The reply to a write that was executed before, perhaps by another node. kIndeterminate: it is not known any more.
  Result<Bytes> repeat(const DocumentCall& call, const replication::Replica::AppliedRequest& applied) const;
  // A conflict as Conflicts lists it.
  std::string conflict_json(const replication::Conflict& conflict) const;

 private:
  Result<> check_memory(const DocumentCall& call, bson::View params) const;
  // Its parameters, when it may be executed.
  Result<bson::Document> admit(const DocumentCall& call) const;
  // collection_services.cpp
  Result<Bytes> create_collection(const DocumentCall& call, bson::View params);
  Result<Bytes> modify_collection(const DocumentCall& call, bson::View params);
  Result<Bytes> drop_collection(const DocumentCall& call);
  Result<Bytes> list_collections(const DocumentCall& call);
  Result<Bytes> collection_stats(const DocumentCall& call);
  Result<Bytes> database_stats(const DocumentCall& call);
  Result<> write_options(std::string_view collection, const db::CollectionOptions& options);
  Result<> forget_options(std::string_view collection);
  // document_writes.cpp
  Result<Bytes> add(const DocumentCall& call);
  Result<Bytes> update(const DocumentCall& call, bson::View params);
  Result<Bytes> update_by_id(const DocumentCall& call);
  Result<Bytes> remove(const DocumentCall& call, bson::View params);
  Result<Bytes> find_and_modify(const DocumentCall& call, bson::View params);
  DocumentWriter writer(const DocumentCall& call);
  // bulk_write.cpp
  Result<Bytes> bulk_write(const DocumentCall& call, bson::View params);
  // document_reads.cpp
  Result<Begun> begin_read(const DocumentCall& call, bson::Document params) const;
  Begun read_one(const DocumentCall& call, const bson::Value& id) const;
  Result<std::unique_ptr<Reading>> begin_count(const DocumentCall& call, bson::View params) const;
  Result<std::unique_ptr<Reading>> begin_distinct(const DocumentCall& call, bson::View params) const;
  Result<std::unique_ptr<Reading>> begin_explain(const DocumentCall& call, bson::Document params) const;
  // index_services.cpp
  Result<std::unique_ptr<Preparation>> prepare_index(const DocumentCall& call, bson::View params) const;
  Result<Bytes> create_index(const DocumentCall& call, bson::View params);
  Result<Bytes> drop_index(const DocumentCall& call, bson::View params);
  Result<Bytes> list_indexes(const DocumentCall& call);
  // True: it was changed.
  Result<bool> modify_index(const db::Collection& collection, std::string_view name, bson::View change);
  Result<> forget_indexes(std::string_view collection);
  // aggregate_service.cpp
  Result<std::unique_ptr<AggregateRequest>> parse_aggregate(const DocumentCall& call, bson::View params) const;
  Result<std::unique_ptr<Reading>> begin_aggregate(const DocumentCall& call, bson::View params) const;
  Result<std::unique_ptr<Preparation>> prepare_aggregate(const DocumentCall& call, bson::View params) const;
  Result<Bytes> write_results(const DocumentCall& call, Preparation& prepared);
  std::uint64_t read_hash(std::string_view collection, const std::vector<std::string>& others) const;
  // conflict_service.cpp
  Result<Bytes> conflicts(const DocumentCall& call, bson::View params);
  Result<Bytes> list_conflicts(std::string_view collection, bson::View params, wire::Format format) const;

  replication::Replica& replica_;
  const Clock& clock_;
  Random& random_;
  bson::ObjectIdGenerator ids_;
  std::size_t reply_page_bytes_max_;
  std::size_t memory_used_ = 0;
  std::size_t memory_limit_ = 0;
  std::uint64_t commit_shown_ = 0;
};

}  // namespace distri::cloud
