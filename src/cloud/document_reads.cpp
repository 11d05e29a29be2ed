// The document services that only read.
#include <algorithm>
#include <array>
#include <charconv>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"
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

// {"documents": [...], "cursor": "..."} straight from the stored bytes.
Result<Bytes> render_json_page(const db::FindPage& page, Wanted& wanted) {
  std::string out = "{\"documents\":[";
  for (std::size_t i = 0; i < page.records.size(); ++i) {
    if (i > 0) out.push_back(',');
    const bson::View document = page.records[i]->document.view();
    if (!wanted.projection) {
      bson::append_json(out, document);
      continue;
    }
    DISTRI_TRY(const auto context, projection_context(wanted, document));
    DISTRI_TRY(const bson::Document projected, wanted.projection->apply(document, context));
    bson::append_json(out, projected.view());
  }
  out.push_back(']');
  if (!page.cursor.empty()) out += ",\"cursor\":\"" + page.cursor + "\"";  // URL-safe text: needs no escapes
  out.push_back('}');
  return out;
}

Result<Bytes> render_bson_page(const db::FindPage& page, Wanted& wanted) {
  std::size_t size = 64 + page.cursor.size();
  for (const auto* record : page.records) size += record->document.bytes().size() + 8;
  bson::Builder reply(size);
  reply.begin_array("documents");
  std::array<char, 24> digits{};
  for (std::size_t i = 0; i < page.records.size(); ++i) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), i).ptr;
    const std::string_view key(digits.data(), static_cast<std::size_t>(end - digits.data()));
    const bson::View document = page.records[i]->document.view();
    if (!wanted.projection) {
      reply.append_object(key, document);
      continue;
    }
    DISTRI_TRY(const auto context, projection_context(wanted, document));
    reply.begin_object(key);
    DISTRI_TRY_VOID(wanted.projection->append(document, reply, context));
    reply.end();
  }
  reply.end();
  if (!page.cursor.empty()) reply.append_string("cursor", page.cursor);
  return std::move(reply).finish().bytes();
}

Result<Bytes> render_page(const db::FindPage& page, Wanted& wanted, wire::Format format) {
  return format == wire::Format::kJson ? render_json_page(page, wanted) : render_bson_page(page, wanted);
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

Result<Bytes> DocumentServices::read(const DocumentCall& call, bson::View params) {
  if (const auto id = only_id(params)) return read_one(call, *id);
  db::FindQuery query;
  Wanted wanted;
  DISTRI_TRY_VOID(parse_query(params, clock_.wall_ms(), query, wanted));
  query.page_bytes_max = reply_page_bytes_max_;
  const auto* collection = replica_.database().find(call.collection);
  if (collection == nullptr) return render_page({}, wanted, call.format);
  DISTRI_TRY(const auto page, db::find(*collection, query));
  if (wanted.filter) show_ids(call.collection, *wanted.filter);
  return render_page(page, wanted, call.format);
}

// What read() gives for that filter, without compiling it.
Result<Bytes> DocumentServices::read_one(const DocumentCall& call, const bson::Value& id) {
  const Bytes key = bson::order_key(id);
  shown_by_id_ = true;
  commit_shown_ = replica_.undurable(call.collection, key);
  db::FindPage page;
  const auto* collection = replica_.database().find(call.collection);
  const db::Record* record = collection == nullptr ? nullptr : collection->find(key);
  if (record != nullptr) page.records.push_back(record);
  Wanted wanted;
  return render_page(page, wanted, call.format);
}

// A reader of single documents waits for those only, be they there or not.
void DocumentServices::show_ids(std::string_view collection, const db::Filter& filter) {
  const auto& keys = filter.id_keys();
  if (!keys) return;
  shown_by_id_ = true;
  commit_shown_ = 0;
  for (const std::string& key : *keys) commit_shown_ = std::max(commit_shown_, replica_.undurable(collection, key));
}

Result<Bytes> DocumentServices::explain(const DocumentCall& call, bson::View params) {
  db::FindQuery query;
  Wanted wanted;
  DISTRI_TRY_VOID(parse_query(params, clock_.wall_ms(), query, wanted));
  query.page_bytes_max = reply_page_bytes_max_;
  static const db::Collection kNone;
  const auto* collection = replica_.database().find(call.collection);
  DISTRI_TRY(bson::Document explained, db::explain(collection == nullptr ? kNone : *collection, query));
  return render_document(std::move(explained), call.format);
}

Result<Bytes> DocumentServices::count(const DocumentCall& call, bson::View params) {
  DISTRI_TRY(const auto filter, filter_param(params, clock_.wall_ms()));
  const auto* collection = replica_.database().find(call.collection);
  std::uint64_t n = 0;
  if (collection != nullptr) {
    DISTRI_TRY(n, db::count_matching(*collection, filter ? &*filter : nullptr));
  }
  return single_field_reply("count", n, call.format);
}

Result<Bytes> DocumentServices::distinct(const DocumentCall& call, bson::View params) {
  const auto field = params.find("field");
  if (!field || field->type() != bson::Type::kString)
    return fail(Code::kInvalidArgument, "parameter 'field' must be the path of a field, as a string");
  DISTRI_TRY(const auto filter, filter_param(params, clock_.wall_ms()));
  static const db::Collection kNone;
  const auto* collection = replica_.database().find(call.collection);
  DISTRI_TRY(const auto values, db::distinct(collection == nullptr ? kNone : *collection, field->as_string(),
                                             filter ? &*filter : nullptr));
  bson::Builder reply;
  reply.begin_array("values");
  for (std::size_t i = 0; i < values.size(); ++i) reply.append_value(std::to_string(i), values[i]);
  reply.end();
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
