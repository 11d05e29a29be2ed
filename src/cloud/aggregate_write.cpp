// What $out and $merge do with the results of a pipeline. All of them are checked before the first is written.
#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_updates.hpp"
#include "distri/cloud/write_checks.hpp"

namespace distri::cloud {
namespace {

using WhenMatched = db::PipelineWrite::WhenMatched;
using WhenNotMatched = db::PipelineWrite::WhenNotMatched;

std::string id_text(bson::View document) {
  constexpr std::size_t kShownMax = 100;
  return bson::to_json(id_of(document)).substr(0, kShownMax);
}

}  // namespace

Result<std::uint64_t> DocumentWriter::write_results(const db::PipelineWrite& write,
                                                    std::vector<bson::Document> results) {
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
    DISTRI_TRY(const bool removed, replica_.remove(collection, key, now_ms_));
    std::ignore = removed;
  }
  return {};
}

// True: something was written.
Result<bool> DocumentWriter::write_result(const db::PipelineWrite& write, const bson::Document& result,
                                          const Bytes& key) {
  const bson::Document* there = find(write.collection, key);
  if (!write.replace_collection) {
    if (there == nullptr && write.when_not_matched == WhenNotMatched::kDiscard) return false;
    if (there != nullptr && write.when_matched == WhenMatched::kKeepExisting) return false;
  }
  const bool merges = there != nullptr && !write.replace_collection && write.when_matched == WhenMatched::kMerge;
  const bson::Document next = merges ? bson::merge_fields(*there, result) : result;
  if (there != nullptr && next == *there) return false;
  DISTRI_TRY_VOID(check_write(replica_, write.collection, there, next));
  if (merges) {
    DISTRI_TRY(const bool inserted, replica_.upsert_fields(write.collection, result, now_ms_));
    std::ignore = inserted;
  } else {
    DISTRI_TRY_VOID(replica_.replace(write.collection, next, now_ms_));
  }
  return true;
}

}  // namespace distri::cloud
