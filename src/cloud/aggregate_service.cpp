// Aggregate: a page of the results of a pipeline, or, for $out and $merge, writing all of them.
#include <algorithm>

#include "distri/bson/json.hpp"
#include "distri/cloud/aggregate_cursor.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/db/aggregate.hpp"

namespace distri::cloud {
namespace {

constexpr std::size_t kPageDocumentsMax = 100'000;
constexpr std::size_t kPageBytesMax = bson::kDocumentBytesMax;
constexpr std::size_t kWrittenDocumentsMax = 100'000;
constexpr std::size_t kWrittenBytesMax = 64u << 20;
// The run holds the main thread up until it ends.
constexpr std::uint64_t kStepsMax = 100'000'000;

// {"pipeline": [...]}: the parameter, or the body, which may be larger.
Result<bson::Document> pipeline_of(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const auto param, array_param(params, "pipeline"));
  if (param && !call.body.empty())
    return fail(Code::kInvalidArgument, "the pipeline is given twice: as the parameter 'pipeline' and in the body");
  bson::Document body;
  if (!param) {
    DISTRI_TRY(body, parse_document(call.body, call.format, "body"));
    DISTRI_TRY_VOID(check_params(body, "the body of Aggregate", {"pipeline"}));
  }
  DISTRI_TRY(const auto given, array_param(param ? params : body.view(), "pipeline"));
  if (!given) {
    return fail(Code::kInvalidArgument,
                "Aggregate needs 'pipeline', a list of stages, as a parameter or in the body: {{\"pipeline\": [...]}}");
  }
  bson::Builder stages;
  stages.append_array("pipeline", *given);
  return std::move(stages).finish();
}

// The results in the caller's format, while they come.
class ResultPage {
 public:
  explicit ResultPage(wire::Format format) : json_(format == wire::Format::kJson) {
    json_ ? void(text_ = "{\"documents\":[") : void(builder_.begin_array("documents"));
  }

  void append(bson::View document) {
    if (json_) {
      if (count_ > 0) text_.push_back(',');
      bson::append_json(text_, document);
    } else {
      builder_.append_object(std::to_string(count_), document);
    }
    ++count_;
    bytes_ += document.bytes().size();
  }

  std::size_t count() const { return count_; }
  std::size_t bytes() const { return bytes_; }

  Bytes finish(const std::string& cursor) && {
    if (!json_) {
      builder_.end();
      if (!cursor.empty()) builder_.append_string("cursor", cursor);
      return std::move(builder_).finish().release();
    }
    text_.push_back(']');
    if (!cursor.empty()) text_ += ",\"cursor\":\"" + cursor + "\"";  // URL-safe text: needs no escapes
    return std::move(text_) + "}";
  }

 private:
  bool json_;
  std::string text_;
  bson::Builder builder_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

// The next result; false: there is none.
Result<bool> next_result(db::PipelineRun& run, const db::Database& database) {
  for (;;) {
    std::uint64_t budget = kStepsMax;
    DISTRI_TRY(const db::Pull pulled, run.next(database, budget));
    if (pulled != db::Pull::kPaused) return pulled == db::Pull::kDocument;
  }
}

// By name, which errs on the safe side.
bool names_stage(BytesView text, std::string_view stage) {
  for (std::size_t at = text.find(stage); at != BytesView::npos; at = text.find(stage, at + 1)) {
    const std::size_t end = at + stage.size();
    // As JSON and as BSON write it; not $mergeObjects.
    if (end < text.size() && (text[end] == '"' || text[end] == '\0')) return true;
  }
  return false;
}

}  // namespace

bool writes_results(const DocumentCall& call) {
  for (const BytesView text : {call.params, call.body}) {
    if (names_stage(text, "$out") || names_stage(text, "$merge")) return true;
    // In JSON an escape may spell any name.
    if (call.format == wire::Format::kJson && text.find("\\u") != BytesView::npos) return true;
  }
  return false;
}

std::uint64_t DocumentServices::read_hash(std::string_view collection, const std::vector<std::string>& others) const {
  Bytes digests;
  for (const auto& summary : replica_.summaries()) {
    const bool is_read = summary.name == collection || std::binary_search(others.begin(), others.end(), summary.name);
    if (is_read) digests.append(summary.name).append(1, '\0').append(summary.digest.hex());
  }
  return aggregate_hash(digests);
}

Result<Bytes> DocumentServices::aggregate(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const bson::Document source, pipeline_of(call, params));
  const bson::View stages = source.view().begin()->value.as_object();
  DISTRI_TRY(const std::size_t page_documents, number_param(params, "page_documents", kPageDocumentsMax));
  if (page_documents == 0 || page_documents > kPageDocumentsMax) {
    return fail(Code::kInvalidArgument, "parameter 'page_documents' must be 1 to {}", kPageDocumentsMax);
  }
  AggregateCursor at{aggregate_hash(source.bytes() + std::string(call.collection)), 0, random_.next(), clock_.wall_ms(),
                     0};
  const auto cursor = params.find("cursor");
  if (cursor) {
    if (cursor->type() != bson::Type::kString)
      return fail(Code::kInvalidArgument, "parameter 'cursor' must be a string");
    const std::uint64_t asked = at.pipeline_hash;
    DISTRI_TRY(at, decode_aggregate_cursor(cursor->as_string()));
    if (at.pipeline_hash != asked) {
      return fail(Code::kInvalidArgument, "cursor: it belongs to another pipeline or collection");
    }
  }
  DISTRI_TRY(const db::Pipeline pipeline, db::Pipeline::compile(stages, at.now_ms));
  if (cursor && at.documents_hash != read_hash(call.collection, pipeline.lookups())) {
    return fail(
        Code::kInvalidArgument,
        "CursorNotFound (43): cursor: the documents that the pipeline reads have changed since the page before; "
        "ask anew, or for larger pages");
  }
  if (!pipeline.lookups().empty()) commit_shown_ = replica_.undurable();
  Random random(at.seed);
  db::PipelineRun run(pipeline, call.collection, random, kStepsMax);
  if (pipeline.write()) return write_results(call, *pipeline.write(), run);
  if (params.find("w")) return fail(Code::kInvalidArgument, "parameter 'w' needs $out or $merge");

  ResultPage page(call.format);
  std::uint64_t left_out = 0;
  for (;;) {
    DISTRI_TRY(const bool there, next_result(run, replica_.database()));
    if (!there) return std::move(page).finish("");
    if (left_out < at.given) {
      ++left_out;
      continue;
    }
    const std::size_t size = run.document().bytes().size();
    if (page.count() == page_documents || (page.count() > 0 && page.bytes() + size > kPageBytesMax)) break;
    page.append(run.document());
  }
  at.given += page.count();
  at.documents_hash = read_hash(call.collection, pipeline.lookups());
  return std::move(page).finish(encode_aggregate_cursor(at));
}

Result<Bytes> DocumentServices::write_results(const DocumentCall& call, const db::PipelineWrite& write,
                                              db::PipelineRun& run) {
  if (!writes_results(call)) return fail(Code::kInternal, "Aggregate: a write was taken for a read");
  std::vector<bson::Document> results;
  std::size_t bytes = 0;
  for (;;) {
    DISTRI_TRY(const bool there, next_result(run, replica_.database()));
    if (!there) break;
    bytes += run.document().bytes().size();
    if (results.size() == kWrittenDocumentsMax || bytes > kWrittenBytesMax) {
      return fail(Code::kTooLarge, "Aggregate: $out and $merge write at most {} documents of {} MiB together",
                  kWrittenDocumentsMax, kWrittenBytesMax >> 20);
    }
    results.emplace_back(run.document());
  }
  DISTRI_TRY(const std::uint64_t written, writer().write_results(write, std::move(results)));
  return single_field_reply("written", written, call.format);
}

}  // namespace distri::cloud
