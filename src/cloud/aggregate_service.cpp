// Aggregate: a page of the results of a pipeline, or, for $out and $merge, writing all of them.
#include <algorithm>

#include "distri/cloud/aggregate_cursor.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/reading.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/result_page.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/db/aggregate.hpp"

namespace distri::cloud {

// It does not move: the pipeline refers to its source.
struct DocumentServices::AggregateRequest {
  std::string collection;
  wire::Format format = wire::Format::kJson;
  bson::Document source;  // {"pipeline": [stages]}
  std::size_t page_documents = 0;
  AggregateCursor at;
  std::optional<db::Pipeline> pipeline;
};

namespace {

constexpr std::size_t kPageDocumentsMax = 100'000;
constexpr std::size_t kPageBytesMax = bson::kDocumentBytesMax;
constexpr std::size_t kWrittenDocumentsMax = 100'000;
constexpr std::size_t kWrittenBytesMax = 64u << 20;

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

// The collections that a pipeline names, beside its source.
Result<> check_names(const Rights& rights, const db::Pipeline& pipeline) {
  for (const std::string& collection : pipeline.lookups()) {
    DISTRI_TRY_VOID(rights.require(Role::kRead, collection));
  }
  const auto& write = pipeline.write();
  if (!write) return {};
  // $out takes the place of what is there.
  return rights.require(write->replace_collection ? Role::kAdmin : Role::kWrite, write->collection);
}

class AggregateReading final : public Reading {
 public:
  AggregateReading(const replication::Replica& replica, std::unique_ptr<const DocumentServices::AggregateRequest> asked,
                   std::uint64_t documents_hash)
      : replica_(replica),
        asked_(std::move(asked)),
        documents_hash_(documents_hash),
        random_(asked_->at.seed),
        run_(*asked_->pipeline, asked_->collection, random_),
        page_(asked_->format) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    for (;;) {
      DISTRI_TRY(const db::Pull pulled, run_.next(replica_.database(), budget));
      if (pulled == db::Pull::kPaused) return std::nullopt;
      if (pulled == db::Pull::kEnd) return std::move(page_).finish("");
      if (left_out_ < asked_->at.given) {
        ++left_out_;
        continue;
      }
      const std::size_t size = run_.document().bytes().size();
      if (page_.count() == asked_->page_documents || (page_.count() > 0 && page_.bytes() + size > kPageBytesMax)) break;
      page_.append(run_.document());
    }
    AggregateCursor next = asked_->at;
    next.given += page_.count();
    // Of the time when it began: should a document have changed since, then the next page notices.
    next.documents_hash = documents_hash_;
    return std::move(page_).finish(encode_aggregate_cursor(next));
  }

  Shown shown() const override {
    return {asked_->pipeline->lookups().empty() ? replica_.undurable(asked_->collection) : replica_.undurable()};
  }
  std::size_t bytes() const override { return page_.bytes() + run_.memory_bytes(); }

 private:
  const replication::Replica& replica_;
  std::unique_ptr<const DocumentServices::AggregateRequest> asked_;
  std::uint64_t documents_hash_;
  std::uint64_t left_out_ = 0;
  Random random_;
  db::PipelineRun run_;
  ResultPage page_;
};

// The results, before the first is written. Or, of a pipeline that only looked as if it wrote, its reply.
class ResultsPreparation final : public Preparation {
 public:
  ResultsPreparation(const replication::Replica& replica,
                     std::unique_ptr<const DocumentServices::AggregateRequest> asked,
                     std::unique_ptr<Reading> only_read)
      : replica_(replica),
        asked_(std::move(asked)),
        only_read_(std::move(only_read)),
        random_(asked_->at.seed),
        run_(*asked_->pipeline, asked_->collection, random_) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    if (only_read_) {
      DISTRI_TRY(auto reply, only_read_->step(budget));
      if (!reply) return std::nullopt;
      reply_ = *std::move(reply);
      return Bytes();
    }
    for (;;) {
      DISTRI_TRY(const db::Pull pulled, run_.next(replica_.database(), budget));
      if (pulled == db::Pull::kPaused) return std::nullopt;
      if (pulled == db::Pull::kEnd) return Bytes();
      bytes_ += run_.document().bytes().size();
      if (results_.size() == kWrittenDocumentsMax || bytes_ > kWrittenBytesMax) {
        return fail(Code::kTooLarge, "Aggregate: $out and $merge write at most {} documents of {} MiB together",
                    kWrittenDocumentsMax, kWrittenBytesMax >> 20);
      }
      results_.emplace_back(run_.document());
    }
  }
  std::size_t bytes() const override {
    return only_read_ ? only_read_->bytes() : bytes_ + results_.size() * sizeof(bson::Document) + run_.memory_bytes();
  }

  const DocumentServices::AggregateRequest& asked() const { return *asked_; }
  // nullopt: it writes.
  std::optional<Bytes>& reply() { return reply_; }
  std::vector<bson::Document>& results() { return results_; }

 private:
  const replication::Replica& replica_;
  std::unique_ptr<const DocumentServices::AggregateRequest> asked_;
  std::unique_ptr<Reading> only_read_;
  std::optional<Bytes> reply_;
  Random random_;
  db::PipelineRun run_;
  std::vector<bson::Document> results_;
  std::size_t bytes_ = 0;
};

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

Result<std::unique_ptr<DocumentServices::AggregateRequest>> DocumentServices::parse_aggregate(const DocumentCall& call,
                                                                                              bson::View params) const {
  auto asked = std::make_unique<AggregateRequest>();
  asked->collection = call.collection;
  asked->format = call.format;
  DISTRI_TRY(asked->source, pipeline_of(call, params));
  DISTRI_TRY(asked->page_documents, number_param(params, "page_documents", kPageDocumentsMax));
  if (asked->page_documents == 0 || asked->page_documents > kPageDocumentsMax) {
    return fail(Code::kInvalidArgument, "parameter 'page_documents' must be 1 to {}", kPageDocumentsMax);
  }
  const std::uint64_t hash = aggregate_hash(asked->source.bytes() + asked->collection);
  asked->at = {hash, 0, random_.next(), clock_.wall_ms(), 0};
  const auto cursor = params.find("cursor");
  if (cursor) {
    if (cursor->type() != bson::Type::kString)
      return fail(Code::kInvalidArgument, "parameter 'cursor' must be a string");
    DISTRI_TRY(asked->at, decode_aggregate_cursor(cursor->as_string()));
    if (asked->at.pipeline_hash != hash)
      return fail(Code::kInvalidArgument, "cursor: it belongs to another pipeline or collection");
  }
  const bson::View stages = asked->source.view().begin()->value.as_object();
  DISTRI_TRY(asked->pipeline, db::Pipeline::compile(stages, asked->at.now_ms));
  if (call.rights != nullptr) DISTRI_TRY_VOID(check_names(*call.rights, *asked->pipeline));
  if (cursor && asked->at.documents_hash != read_hash(asked->collection, asked->pipeline->lookups())) {
    return fail(
        Code::kInvalidArgument,
        "CursorNotFound (43): cursor: the documents that the pipeline reads have changed since the page before; "
        "ask anew, or for larger pages");
  }
  if (!asked->pipeline->write() && params.find("w"))
    return fail(Code::kInvalidArgument, "parameter 'w' needs $out or $merge");
  return asked;
}

Result<std::unique_ptr<Reading>> DocumentServices::begin_aggregate(const DocumentCall& call, bson::View params) const {
  DISTRI_TRY(std::unique_ptr<AggregateRequest> asked, parse_aggregate(call, params));
  if (asked->pipeline->write()) return fail(Code::kInternal, "Aggregate: a write was taken for a read");
  const std::uint64_t hash = read_hash(asked->collection, asked->pipeline->lookups());
  return std::make_unique<AggregateReading>(replica_, std::move(asked), hash);
}

Result<std::unique_ptr<Preparation>> DocumentServices::prepare_aggregate(const DocumentCall& call,
                                                                         bson::View params) const {
  DISTRI_TRY(std::unique_ptr<AggregateRequest> asked, parse_aggregate(call, params));
  std::unique_ptr<Reading> only_read;
  if (!asked->pipeline->write()) {
    DISTRI_TRY(only_read, begin_aggregate(call, params));
  }
  return std::make_unique<ResultsPreparation>(replica_, std::move(asked), std::move(only_read));
}

Result<Bytes> DocumentServices::write_results(const DocumentCall& call, Preparation& prepared) {
  auto& made = static_cast<ResultsPreparation&>(prepared);
  if (made.reply()) return *std::move(made.reply());
  const AggregateRequest& asked = made.asked();
  if (!asked.pipeline->lookups().empty()) commit_shown_ = replica_.undurable();
  DISTRI_TRY(const std::uint64_t written,
             writer(call).write_results(*asked.pipeline->write(), std::move(made.results())));
  return single_field_reply("written", written, asked.format);
}

}  // namespace distri::cloud
