// The document services that only read.
#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/result_page.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/db/distinct.hpp"
#include "distri/db/explain.hpp"
#include "distri/db/find.hpp"
#include "distri/db/positional.hpp"
#include "distri/db/projection.hpp"

namespace distri::cloud {
namespace {

constexpr std::size_t kPageDocumentsMax = 10'000;
constexpr std::size_t kPageDocumentsDefault = 1'000;

// What a reader asked for, beside the query itself.
struct Wanted {
  std::optional<db::Filter> filter;
  bson::View filter_source;
  std::optional<db::Projection> projection;  // none: whole documents
  db::Evaluation evaluation;                 // of computed fields
};

Result<db::ProjectionContext> projection_context(Wanted& wanted, bson::View document) {
  db::ProjectionContext context;
  context.evaluation = &wanted.evaluation;
  const std::string_view path = wanted.projection->positional_path();
  if (path.empty() || !wanted.filter) return context;
  DISTRI_TRY(context.matched_index, db::positional_match(wanted.filter_source, *wanted.filter, document, path));
  return context;
}

// `query` refers to `wanted` and `params`.
Result<> parse_query(bson::View params, std::int64_t now_ms, db::FindQuery& query, Wanted& wanted) {
  DISTRI_TRY(wanted.filter, filter_param(params, now_ms));
  if (wanted.filter) {
    query.filter = &*wanted.filter;
    wanted.filter_source = params.find("filter")->as_object();
  }
  DISTRI_TRY(const auto projection, object_param(params, "projection"));
  if (projection && !projection->empty()) {
    DISTRI_TRY(wanted.projection, db::Projection::compile(*projection));
    wanted.evaluation.set_now(now_ms);
  }
  DISTRI_TRY(query.sort, sort_param(params));
  DISTRI_TRY(query.skip, number_param(params, "skip", 0));
  DISTRI_TRY(query.limit, number_param(params, "limit", 0));
  DISTRI_TRY(query.page_documents_max, number_param(params, "page_documents", kPageDocumentsDefault));
  if (query.page_documents_max == 0 || query.page_documents_max > kPageDocumentsMax) {
    return fail(Code::kInvalidArgument, "parameter 'page_documents' must be 1 to {}", kPageDocumentsMax);
  }
  if (const auto cursor = params.find("cursor")) {
    if (cursor->type() != bson::Type::kString)
      return fail(Code::kInvalidArgument, "parameter 'cursor' must be a string");
    query.cursor = cursor->as_string();
  }
  if (const auto hint = params.find("hint")) {
    if (hint->type() != bson::Type::kString)
      return fail(Code::kInvalidArgument, "parameter 'hint' must be the name of an index, or \"$natural\"");
    query.hint = hint->as_string();
  }
  return {};
}

class FindReading final : public Reading {
 public:
  static Result<std::unique_ptr<Reading>> make(const replication::Replica& replica, const DocumentCall& call,
                                               bson::Document params, std::int64_t now_ms, std::size_t page_bytes_max) {
    auto reading = std::make_unique<FindReading>(replica, call, std::move(params));
    db::FindQuery query;
    DISTRI_TRY_VOID(parse_query(reading->params_, now_ms, query, reading->wanted_));
    query.page_bytes_max = page_bytes_max;
    reading->run_.emplace(std::move(query));
    return reading;
  }

  FindReading(const replication::Replica& replica, const DocumentCall& call, bson::Document params)
      : replica_(replica), collection_(call.collection), params_(std::move(params)), page_(call.format) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    DISTRI_TRY(const bool complete, run_->step(replica_.database().find(collection_), budget,
                                               [this](const db::Record& record) { return show(record); }));
    if (!complete) return std::nullopt;
    return std::move(page_).finish(run_->cursor());
  }

  // A reader of single documents waits for those only, be they there or not.
  Shown shown() const override {
    const auto* keys = wanted_.filter && wanted_.filter->id_keys() ? &*wanted_.filter->id_keys() : nullptr;
    if (keys == nullptr) return {replica_.undurable(collection_)};
    Shown shown{0, true};
    for (const std::string& key : *keys) shown.commit = std::max(shown.commit, replica_.undurable(collection_, key));
    return shown;
  }

  std::size_t bytes() const override { return page_.bytes() + run_->bytes(); }

 private:
  Result<> show(const db::Record& record) {
    if (!wanted_.projection) {
      page_.append(record.document);
      return {};
    }
    DISTRI_TRY(const auto context, projection_context(wanted_, record.document));
    DISTRI_TRY(const bson::Document projected, wanted_.projection->apply(record.document, context));
    page_.append(projected);
    return {};
  }

  const replication::Replica& replica_;
  std::string collection_;
  bson::Document params_;
  Wanted wanted_;
  std::optional<db::FindRun> run_;
  ResultPage page_;
};

class ExplainReading final : public Reading {
 public:
  static Result<std::unique_ptr<Reading>> make(const replication::Replica& replica, const DocumentCall& call,
                                               bson::Document params, std::int64_t now_ms, std::size_t page_bytes_max) {
    auto reading = std::make_unique<ExplainReading>(replica, call, std::move(params));
    db::FindQuery query;
    DISTRI_TRY_VOID(parse_query(reading->params_, now_ms, query, reading->wanted_));
    query.page_bytes_max = page_bytes_max;
    reading->run_.emplace(std::move(query));
    return reading;
  }

  ExplainReading(const replication::Replica& replica, const DocumentCall& call, bson::Document params)
      : replica_(replica), collection_(call.collection), format_(call.format), params_(std::move(params)) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    DISTRI_TRY(const bool complete, run_->step(replica_.database().find(collection_), budget));
    if (!complete) return std::nullopt;
    return render_document(run_->result(), format_);
  }
  Shown shown() const override { return {replica_.undurable(collection_)}; }
  std::size_t bytes() const override { return run_->bytes(); }

 private:
  const replication::Replica& replica_;
  std::string collection_;
  wire::Format format_;
  bson::Document params_;
  Wanted wanted_;
  std::optional<db::ExplainRun> run_;
};

class CountReading final : public Reading {
 public:
  CountReading(const replication::Replica& replica, const DocumentCall& call, std::optional<db::Filter> filter)
      : replica_(replica),
        collection_(call.collection),
        format_(call.format),
        filter_(std::move(filter)),
        run_(filter_ ? &*filter_ : nullptr) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    DISTRI_TRY(const bool complete, run_.step(replica_.database().find(collection_), budget));
    if (!complete) return std::nullopt;
    return single_field_reply("count", run_.count(), format_);
  }
  Shown shown() const override { return {replica_.undurable(collection_)}; }
  std::size_t bytes() const override { return sizeof *this; }

 private:
  const replication::Replica& replica_;
  std::string collection_;
  wire::Format format_;
  std::optional<db::Filter> filter_;
  db::CountRun run_;
};

class DistinctReading final : public Reading {
 public:
  static Result<std::unique_ptr<Reading>> make(const replication::Replica& replica, const DocumentCall& call,
                                               std::string_view field, std::optional<db::Filter> filter) {
    auto reading = std::make_unique<DistinctReading>(replica, call, std::move(filter));
    DISTRI_TRY(reading->run_, db::DistinctRun::make(field, reading->filter_ ? &*reading->filter_ : nullptr));
    return reading;
  }

  DistinctReading(const replication::Replica& replica, const DocumentCall& call, std::optional<db::Filter> filter)
      : replica_(replica), collection_(call.collection), format_(call.format), filter_(std::move(filter)) {}

  Result<std::optional<Bytes>> step(std::uint64_t& budget) override {
    DISTRI_TRY(const bool complete, run_->step(replica_.database().find(collection_), budget));
    if (!complete) return std::nullopt;
    bson::Builder reply;
    reply.begin_array("values");
    std::size_t i = 0;
    for (const bson::Value& value : run_->values()) reply.append_value(std::to_string(i++), value);
    reply.end();
    return render_document(std::move(reply).finish(), format_);
  }
  Shown shown() const override { return {replica_.undurable(collection_)}; }
  std::size_t bytes() const override { return run_->bytes(); }

 private:
  const replication::Replica& replica_;
  std::string collection_;
  wire::Format format_;
  std::optional<db::Filter> filter_;
  std::optional<db::DistinctRun> run_;
};

// The id in {"filter": {"_id": id}}, which is what most reads ask for, if it is of a type that only equals itself.
std::optional<bson::Value> only_id(bson::View params) {
  auto param = params.begin();
  if (param.at_end() || param->key != "filter" || param->value.type() != bson::Type::kObject) return std::nullopt;
  const bson::View filter = param->value.as_object();
  if (!(++param).at_end()) return std::nullopt;
  auto condition = filter.begin();
  if (condition.at_end() || condition->key != "_id") return std::nullopt;
  const bson::Value id = condition->value;
  if (!(++condition).at_end()) return std::nullopt;
  const bson::Type type = id.type();
  const bool plain = type == bson::Type::kString || type == bson::Type::kObjectId || type == bson::Type::kInt32 ||
                     type == bson::Type::kInt64;
  return plain ? std::optional(id) : std::nullopt;
}

}  // namespace

Result<DocumentServices::Begun> DocumentServices::begin_read(const DocumentCall& call, bson::Document params) const {
  if (const auto id = only_id(params)) return read_one(call, *id);
  Begun begun;
  DISTRI_TRY(begun.reading,
             FindReading::make(replica_, call, std::move(params), clock_.wall_ms(), reply_page_bytes_max_));
  return begun;
}

// What a FindReading gives for that filter, without compiling it.
DocumentServices::Begun DocumentServices::read_one(const DocumentCall& call, const bson::Value& id) const {
  const Bytes key = bson::order_key(id);
  const auto* collection = replica_.database().find(call.collection);
  const db::Record* record = collection == nullptr ? nullptr : collection->find(key);
  ResultPage page(call.format);
  if (record != nullptr) {
    page.expect(record->document.bytes().size());
    page.append(record->document);
  }
  return {nullptr, std::move(page).finish({}), {replica_.undurable(call.collection, key), true}};
}

Result<std::unique_ptr<Reading>> DocumentServices::begin_explain(const DocumentCall& call,
                                                                 bson::Document params) const {
  return ExplainReading::make(replica_, call, std::move(params), clock_.wall_ms(), reply_page_bytes_max_);
}

Result<std::unique_ptr<Reading>> DocumentServices::begin_count(const DocumentCall& call, bson::View params) const {
  DISTRI_TRY(auto filter, filter_param(params, clock_.wall_ms()));
  return std::make_unique<CountReading>(replica_, call, std::move(filter));
}

Result<std::unique_ptr<Reading>> DocumentServices::begin_distinct(const DocumentCall& call, bson::View params) const {
  const auto field = params.find("field");
  if (!field || field->type() != bson::Type::kString)
    return fail(Code::kInvalidArgument, "parameter 'field' must be the path of a field, as a string");
  DISTRI_TRY(auto filter, filter_param(params, clock_.wall_ms()));
  return DistinctReading::make(replica_, call, field->as_string(), std::move(filter));
}

}  // namespace distri::cloud
