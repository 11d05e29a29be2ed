// document_updates.hpp: writes that begin with a filter: which documents, what becomes of them, and how replication is
// told.
//
// One document is atomic. An update of many goes through them in the order of `_id`; when one cannot be updated it
// stops there, and the error says how many before it were. The result of an update comes from db::Update; top-level
// fields and increments go to the replica as such, a replacement as a whole document.
//
// Threads: the main thread. Errors: of the filter, the update and the replica; kInvalidArgument and kTooLarge come with
// MongoDB's name and code where there is one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "distri/bson/object_id.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/db/aggregate.hpp"
#include "distri/db/find.hpp"
#include "distri/db/projection.hpp"
#include "distri/db/update.hpp"
#include "distri/replication/replica.hpp"

namespace distri::cloud {

// Views must outlive the call.
struct UpdateRequest {
  std::string_view collection;
  bson::View filter;
  bson::View update;
  bson::View array_filters;
  bool multi = false;
  bool upsert = false;
};

struct UpdateOutcome {
  std::uint64_t matched = 0;
  std::uint64_t modified = 0;
  std::optional<bson::Document> upserted;  // {_id: of the document that was inserted}
};

struct FindAndModifyRequest {
  UpdateRequest update;  // not multi
  bool remove = false;   // instead of updating
  bool after = false;    // give the document as it is afterwards
  std::vector<db::SortKey> sort;
  std::optional<db::Projection> projection = std::nullopt;
};

struct FindAndModifyOutcome {
  UpdateOutcome update;  // of a removal: matched
  std::optional<bson::Document> document;
};

class DocumentWriter {
 public:
  // `rights`: of whose writes they are; nullptr: everything.
  DocumentWriter(replication::Replica& replica, bson::ObjectIdGenerator& ids, std::int64_t now_ms, const Rights* rights)
      : replica_(replica), ids_(ids), now_ms_(now_ms), rights_(rights) {}
  std::int64_t now_ms() const { return now_ms_; }

  // {_id: ...}. `attempt` > 0: exactly the document that is there is this caller's own earlier try.
  Result<bson::Document> insert(std::string_view collection, bson::Document document, std::uint8_t attempt);
  Result<UpdateOutcome> update(const UpdateRequest& request);
  Result<FindAndModifyOutcome> find_and_modify(const FindAndModifyRequest& request);
  // How many. `filter` nullptr: all. `multi` false: the first in the order of `_id`.
  Result<std::uint64_t> remove(std::string_view collection, const db::Filter* filter, bool multi);
  // What $out or $merge says, with all results of a pipeline (aggregate_write.cpp). How many were written: one that
  // changes nothing is not. kInvalidArgument, kAlreadyExists, kNotFound as the stage demands, before anything is
  // written.
  Result<std::uint64_t> write_results(const db::PipelineWrite& write, std::vector<bson::Document> results);

 private:
  struct Compiled;

  Result<Compiled> compile(const UpdateRequest& request) const;
  // Keys of the documents that match, at most `limit` (0: all).
  Result<std::vector<Bytes>> select(std::string_view collection, const db::Filter* filter,
                                    const std::vector<db::SortKey>& sort, std::uint64_t limit) const;
  Result<std::vector<Bytes>> select(std::string_view collection, const Compiled& compiled,
                                    const std::vector<db::SortKey>& sort, std::uint64_t limit) const;
  // True: the document has changed.
  Result<bool> update_one(const UpdateRequest& request, const Compiled& compiled, const Bytes& key);
  Result<bson::Document> upsert(const UpdateRequest& request, const Compiled& compiled);
  const bson::StoredDocument* find(std::string_view collection, BytesView key) const;
  Result<> find_targets(const db::PipelineWrite& write, std::vector<bson::Document>& results);
  Result<> check_results(const db::PipelineWrite& write, const std::vector<bson::Document>& results,
                         const std::vector<Bytes>& keys) const;
  Result<> remove_one(std::string_view collection, const Bytes& key);
  Result<> remove_others(std::string_view collection, const std::vector<Bytes>& keys);
  Result<bool> write_result(const db::PipelineWrite& write, const bson::Document& result, const Bytes& key);

  replication::Replica& replica_;
  bson::ObjectIdGenerator& ids_;
  std::int64_t now_ms_;
  const Rights* rights_;
};

// {_id: ...} of a document.
bson::Document id_of(bson::View document);

}  // namespace distri::cloud
