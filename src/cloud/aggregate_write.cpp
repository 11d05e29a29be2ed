// What $out and $merge do with the results of a pipeline. All of them are checked before the first is written.
#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_updates.hpp"
#include "distri/cloud/write_checks.hpp"
#include "distri/db/index.hpp"

namespace distri::cloud {
namespace {

using WhenMatched = db::PipelineWrite::WhenMatched;
using WhenNotMatched = db::PipelineWrite::WhenNotMatched;

// One that tells documents apart by exactly these fields, in any order.
const db::Index* unique_index(const db::Collection& documents, const std::vector<std::string>& on) {
  for (const auto& index : documents.indexes()) {
    const db::IndexDefinition& definition = index->definition();
    if (!definition.unique || definition.sparse || definition.partial || !index->ready()) continue;
    const bool same = definition.fields.size() == on.size() &&
                      std::all_of(definition.fields.begin(), definition.fields.end(), [&](const db::SortKey& field) {
                        return std::find(on.begin(), on.end(), field.path) != on.end();
                      });
    if (same) return index.get();
  }
  return nullptr;
}

// The value of a result at a path of objects, by which its document is found.
Result<bson::Value> join_value(bson::View result, std::string_view path) {
  const std::string_view whole = path;
  std::optional<bson::Value> value;
  for (bson::View object = result;;) {
    const std::size_t dot = path.find('.');
    value = object.find(path.substr(0, dot));
    if (dot == std::string_view::npos || !value) break;
    if (value->type() != bson::Type::kObject) {
      value.reset();
      break;
    }
    object = value->as_object();
    path.remove_prefix(dot + 1);
  }
  using bson::Type;
  if (value && value->type() != Type::kNull && value->type() != Type::kUndefined && value->type() != Type::kArray)
    return *value;
  return fail(Code::kInvalidArgument,
              "Location51132 (51132): $merge: a result has no value at '{}', which is a field of 'on'; it cannot be "
              "missing, null or an array",
              whole);
}

std::string id_text(bson::View document) {
  constexpr std::size_t kShownMax = 100;
  return bson::to_json(id_of(document)).substr(0, kShownMax);
}

}  // namespace

Result<std::uint64_t> DocumentWriter::write_results(const db::PipelineWrite& write,
                                                    std::vector<bson::Document> results) {
  if (write.on != std::vector<std::string>{"_id"}) DISTRI_TRY_VOID(find_targets(write, results));
  std::vector<Bytes> keys;
  keys.reserve(results.size());
  for (bson::Document& result : results) {
    result = bson::with_id_first(std::move(result), ids_.next(now_ms_));
    DISTRI_TRY_VOID(db::check_document(result));
    keys.push_back(bson::order_key(result.view().begin()->value));
  }
  DISTRI_TRY_VOID(check_results(write, results, keys));
  std::uint64_t written = 0;
  if (write.replace_collection) {
    DISTRI_TRY(const bool created, replica_.create_collection(write.collection, now_ms_));
    std::ignore = created;
    DISTRI_TRY_VOID(remove_others(write.collection, keys));
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto done = write_result(write, results[i], keys[i]);
    if (!done) {
      return fail(done.error().code, "{}; at the result {}: {} results before it were written", done.error().message,
                  id_text(results[i]), written);
    }
    if (*done) ++written;
  }
  return written;
}

// Gives each result the `_id` of the document that it belongs to by the fields of `on`, so that all else goes by `_id`.
Result<> DocumentWriter::find_targets(const db::PipelineWrite& write, std::vector<bson::Document>& results) {
  const db::Collection* documents = replica_.database().find(write.collection);
  const db::Index* index = documents == nullptr ? nullptr : unique_index(*documents, write.on);
  if (index == nullptr) {
    return fail(Code::kInvalidArgument,
                "Location51183 (51183): $merge: Cannot find index to verify that join fields will be unique; create a "
                "unique index of '{}' on exactly the fields of 'on', neither sparse nor partial",
                write.collection);
  }
  std::unordered_map<Bytes, bson::Document> made;  // by results before: their _id
  for (bson::Document& result : results) {
    bson::Builder conditions;
    Bytes values;
    for (const std::string& path : write.on) {
      DISTRI_TRY(const bson::Value value, join_value(result, path));
      conditions.begin_object(path).append_value("$eq", value).end();
      bson::append_order_key(values, value);
    }
    DISTRI_TRY(const auto filter, db::Filter::compile(std::move(conditions).finish()));
    db::FindQuery query;
    query.filter = &filter;
    query.limit = query.page_documents_max = 1;
    query.hint = index->definition().name;
    DISTRI_TRY(const db::FindPage page, db::find(*documents, query));
    const auto before = made.find(values);
    const auto own = result.view().find("_id");
    bson::Document target;
    if (!page.records.empty()) {
      target = id_of(page.records.front()->document);
    } else if (before != made.end()) {
      target = before->second;
    } else if (own && find(write.collection, bson::order_key(*own)) != nullptr) {
      return fail(Code::kAlreadyExists,
                  "DuplicateKey (11000): $merge: another document has the _id of the result {} already",
                  id_text(result));
    } else {
      result = bson::with_id_first(result, ids_.next(now_ms_));
      made.emplace(std::move(values), id_of(result));
      continue;
    }
    const bson::Value id = target.view().begin()->value;
    if (own && bson::compare(*own, id) != 0) {
      return fail(Code::kInvalidArgument,
                  "ImmutableField (66): $merge: the result {} belongs to the document {} by the fields of 'on', and "
                  "cannot change its _id; leave _id out of the result",
                  id_text(result), id_text(target));
    }
    bson::Builder named;
    named.append_value("_id", id);
    for (const bson::Element& element : result.view()) {
      if (element.key != "_id") named.append_element(element);
    }
    result = std::move(named).finish();
  }
  return {};
}

// DuplicateKey (11000), MergeStageNoMatchingDocument (13113), DocumentValidationFailure (121) of $out.
Result<> DocumentWriter::check_results(const db::PipelineWrite& write, const std::vector<bson::Document>& results,
                                       const std::vector<Bytes>& keys) const {
  std::unordered_set<BytesView> seen;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool first = seen.insert(keys[i]).second;
    if (write.replace_collection) {
      const auto valid = db::check_write(replica_.database().options(write.collection), nullptr, results[i]);
      if (!valid) {
        return fail(valid.error().code, "{}; at the result {}: nothing was written", valid.error().message,
                    id_text(results[i]));
      }
      if (first) continue;
      return fail(Code::kInvalidArgument, "DuplicateKey (11000): $out: two results have the _id {}",
                  id_text(results[i]));
    }
    const bool inserted_before = !first && write.when_not_matched == WhenNotMatched::kInsert;
    const bool there = inserted_before || find(write.collection, keys[i]) != nullptr;
    if (there && write.when_matched == WhenMatched::kFail) {
      return fail(Code::kAlreadyExists, "DuplicateKey (11000): $merge: there is a document with the _id {}",
                  id_text(results[i]));
    }
    if (!there && write.when_not_matched == WhenNotMatched::kFail) {
      return fail(Code::kNotFound, "MergeStageNoMatchingDocument (13113): $merge: there is no document with the _id {}",
                  id_text(results[i]));
    }
  }
  return {};
}

Result<> DocumentWriter::remove_others(std::string_view collection, const std::vector<Bytes>& keys) {
  std::unordered_set<BytesView> kept(keys.begin(), keys.end());
  DISTRI_TRY(const auto all, select(collection, nullptr, {}, 0));
  for (const Bytes& key : all) {
    if (kept.contains(key)) continue;
    DISTRI_TRY_VOID(remove_one(collection, key));
  }
  return {};
}

// True: something was written.
Result<bool> DocumentWriter::write_result(const db::PipelineWrite& write, const bson::Document& result,
                                          const Bytes& key) {
  const bson::StoredDocument* there = find(write.collection, key);
  if (!write.replace_collection) {
    if (there == nullptr && write.when_not_matched == WhenNotMatched::kDiscard) return false;
    if (there != nullptr && write.when_matched == WhenMatched::kKeepExisting) return false;
  }
  const bool merges = there != nullptr && !write.replace_collection && write.when_matched == WhenMatched::kMerge;
  const bson::Document next = merges ? bson::merge_fields(*there, result) : result;
  if (there != nullptr && *there == next) return false;
  DISTRI_TRY_VOID(check_write(replica_, rights_, write.collection, there, next));
  if (merges) {
    DISTRI_TRY(const bool inserted, replica_.upsert_fields(write.collection, result, now_ms_));
    std::ignore = inserted;
  } else {
    DISTRI_TRY_VOID(replica_.replace(write.collection, next, now_ms_));
  }
  return true;
}

}  // namespace distri::cloud
