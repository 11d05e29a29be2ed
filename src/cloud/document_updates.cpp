#include "distri/cloud/document_updates.hpp"
#include "distri/cloud/write_checks.hpp"

#include <limits>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/positional.hpp"

namespace distri::cloud {
namespace {

// A document as an error shows it: its `_id`, as JSON.
std::string shown_id(bson::View document) {
  constexpr std::size_t kShownMax = 100;
  return bson::to_json(id_of(document)).substr(0, kShownMax);
}

}  // namespace

struct DocumentWriter::Compiled {
  // One of the two: a filter that names one document and nothing else need not be compiled.
  std::optional<Bytes> key;
  std::optional<db::Filter> filter;
  db::Update update;
};

bson::Document id_of(bson::View document) {
  bson::Builder id;
  if (const auto element = document.find_element("_id")) id.append_element(*element);
  return std::move(id).finish();
}

Result<DocumentWriter::Compiled> DocumentWriter::compile(const UpdateRequest& request) const {
  const auto id = db::sole_id(request.filter);
  std::optional<db::Filter> filter;
  if (!id) {
    DISTRI_TRY(filter, db::Filter::compile(request.filter, now_ms_));
  }
  DISTRI_TRY(auto update, db::Update::compile(request.update, {request.array_filters}));
  if (request.multi && update.is_replacement()) {
    return fail(Code::kInvalidArgument,
                "FailedToParse (9): multi update is not supported for a replacement document; use operators");
  }
  return Compiled{id ? std::optional(bson::order_key(*id)) : std::nullopt, std::move(filter), std::move(update)};
}

Result<std::vector<Bytes>> DocumentWriter::select(std::string_view collection, const Compiled& compiled,
                                                  const std::vector<db::SortKey>& sort, std::uint64_t limit) const {
  if (!compiled.key) return select(collection, &*compiled.filter, sort, limit);
  return find(collection, *compiled.key) == nullptr ? std::vector<Bytes>() : std::vector<Bytes>{*compiled.key};
}

Result<std::vector<Bytes>> DocumentWriter::select(std::string_view collection, const db::Filter* filter,
                                                  const std::vector<db::SortKey>& sort, std::uint64_t limit) const {
  std::vector<Bytes> keys;
  const db::Collection* documents = replica_.database().find(collection);
  if (documents == nullptr) return keys;
  if (filter != nullptr && filter->id_key()) {
    const db::Record* record = documents->find(*filter->id_key());
    if (record == nullptr) return keys;
    DISTRI_TRY(const bool matches, filter->check(record->document));
    if (matches) keys.push_back(*filter->id_key());
    return keys;
  }
  db::FindQuery query;
  query.filter = filter;
  query.sort = sort;
  query.limit = limit;
  query.page_documents_max = limit == 0 ? std::numeric_limits<std::size_t>::max() : static_cast<std::size_t>(limit);
  query.page_bytes_max = std::numeric_limits<std::size_t>::max();
  DISTRI_TRY(const auto page, db::find(*documents, query));
  keys.reserve(page.records.size());
  for (const db::Record* record : page.records) keys.push_back(bson::order_key(record->document.view().begin()->value));
  return keys;
}

const bson::StoredDocument* DocumentWriter::find(std::string_view collection, BytesView key) const {
  const db::Collection* documents = replica_.database().find(collection);
  const db::Record* record = documents == nullptr ? nullptr : documents->find(key);
  return record == nullptr ? nullptr : &record->document;
}

Result<bson::Document> DocumentWriter::insert(std::string_view collection, bson::Document document,
                                              std::uint8_t attempt) {
  bson::Document complete = bson::with_id_first(std::move(document), ids_.next(now_ms_));
  bson::Document id = id_of(complete);
  const auto there = [&] { return find(collection, bson::order_key(id.view().begin()->value)); };
  // An _id that is taken is another error, and the one that a retry understands.
  if (has_checks(replica_, collection) && there() == nullptr) {
    DISTRI_TRY_VOID(check_write(replica_, rights_, collection, nullptr, complete));
  }
  const bson::Document wanted = attempt > 0 ? complete : bson::Document();
  if (auto inserted = replica_.insert(collection, std::move(complete), now_ms_); !inserted) {
    const bool may_be_ours = inserted.error().code == Code::kAlreadyExists && attempt > 0;
    if (!may_be_ours || *there() != wanted) return fail(std::move(inserted).error());
  }
  return id;
}

Result<bool> DocumentWriter::update_one(const UpdateRequest& request, const Compiled& compiled, const Bytes& key) {
  const bson::StoredDocument& document = *find(request.collection, key);
  db::UpdateContext context{.now_ms = now_ms_};
  // A filter on `_id` alone goes through no array.
  if (compiled.update.is_positional() && compiled.filter) {
    DISTRI_TRY(context.matched_index,
               db::positional_match(request.filter, *compiled.filter, document, compiled.update.positional_path()));
  }
  DISTRI_TRY(const db::UpdateResult result, compiled.update.apply(document, context));
  if (!result.changed) return false;
  DISTRI_TRY_VOID(check_write(replica_, rights_, request.collection, &document, result.document));
  if (result.whole) {
    DISTRI_TRY_VOID(replica_.replace(request.collection, result.document, now_ms_));
  } else {
    DISTRI_TRY_VOID(
        replica_.update_and_increment(request.collection, key, result.set, result.unset, result.deltas, now_ms_));
  }
  return true;
}

Result<bson::Document> DocumentWriter::upsert(const UpdateRequest& request, const Compiled& compiled) {
  DISTRI_TRY(const bson::Document document, db::upsert_document(request.filter, compiled.update, {.now_ms = now_ms_}));
  return insert(request.collection, document, 0);
}

Result<UpdateOutcome> DocumentWriter::update(const UpdateRequest& request) {
  DISTRI_TRY(const Compiled compiled, compile(request));
  DISTRI_TRY(const auto keys, select(request.collection, compiled, {}, request.multi ? 0 : 1));
  UpdateOutcome outcome;
  for (const Bytes& key : keys) {
    const auto changed = update_one(request, compiled, key);
    if (!changed && outcome.matched > 0) {
      return fail(changed.error().code,
                  "{}; at the document {}: the {} matching documents before it, in the order of _id, were updated, it "
                  "and those after it were not",
                  changed.error().message, shown_id(*find(request.collection, key)), outcome.matched);
    }
    if (!changed) return fail(changed.error());
    ++outcome.matched;
    if (*changed) ++outcome.modified;
  }
  if (keys.empty() && request.upsert) {
    DISTRI_TRY(outcome.upserted, upsert(request, compiled));
  }
  return outcome;
}

Result<FindAndModifyOutcome> DocumentWriter::find_and_modify(const FindAndModifyRequest& request) {
  const UpdateRequest& what = request.update;
  DISTRI_TRY(const Compiled compiled, compile(what));
  if (request.after && request.projection && !request.projection->positional_path().empty()) {
    return fail(Code::kInvalidArgument,
                "FailedToParse (9): a positional projection cannot be used when the new document is returned");
  }
  DISTRI_TRY(const auto keys, select(what.collection, compiled, request.sort, 1));
  // Of what was there before it is made first: nothing may go wrong after the write.
  const auto projected = [&](bson::View document) -> Result<bson::Document> {
    if (!request.projection) return bson::Document(document);
    db::Evaluation evaluation;
    evaluation.set_now(now_ms_);
    db::ProjectionContext context;
    context.evaluation = &evaluation;
    if (const auto path = request.projection->positional_path(); !path.empty() && compiled.filter) {
      DISTRI_TRY(context.matched_index, db::positional_match(what.filter, *compiled.filter, document, path));
    }
    return request.projection->apply(document, context);
  };
  FindAndModifyOutcome outcome;
  if (keys.empty()) {
    if (!what.upsert || request.remove) return outcome;
    DISTRI_TRY(outcome.update.upserted, upsert(what, compiled));
    if (!request.after) return outcome;
    const Bytes key = bson::order_key(outcome.update.upserted->view().begin()->value);
    DISTRI_TRY(outcome.document, projected(*find(what.collection, key)));
    return outcome;
  }
  outcome.update.matched = 1;
  const Bytes& key = keys.front();
  if (!request.after || request.remove) {
    DISTRI_TRY(outcome.document, projected(*find(what.collection, key)));
  }
  if (request.remove) {
    DISTRI_TRY_VOID(remove_one(what.collection, key));
    return outcome;
  }
  DISTRI_TRY(const bool changed, update_one(what, compiled, key));
  outcome.update.modified = changed ? 1 : 0;
  if (request.after) {
    DISTRI_TRY(outcome.document, projected(*find(what.collection, key)));
  }
  return outcome;
}

Result<> DocumentWriter::remove_one(std::string_view collection, const Bytes& key) {
  DISTRI_TRY_VOID(check_removal(replica_, rights_, collection, *find(collection, key)));
  DISTRI_TRY_VOID(replica_.remove(collection, key, now_ms_));
  return {};
}

Result<std::uint64_t> DocumentWriter::remove(std::string_view collection, const db::Filter* filter, bool multi) {
  DISTRI_TRY(const auto keys, select(collection, filter, {}, multi ? 0 : 1));
  std::uint64_t removed = 0;
  for (const Bytes& key : keys) {
    if (const auto done = remove_one(collection, key); !done) {
      if (removed == 0) return fail(done.error());
      return fail(done.error().code, "{}; the {} matching documents before it, in the order of _id, were deleted",
                  done.error().message, removed);
    }
    ++removed;
  }
  return removed;
}

}  // namespace distri::cloud
