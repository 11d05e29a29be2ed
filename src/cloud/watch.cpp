#include "distri/cloud/watch.hpp"

#include "distri/bson/json.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/replication/resume_token.hpp"

namespace distri::cloud {
namespace {

constexpr std::uint64_t kPageEventsMax = 10'000;
constexpr std::uint64_t kPageEventsDefault = 1'000;

Result<std::string_view> text_param(bson::View params, std::string_view name) {
  const auto value = params.find(name);
  if (!value || value->type() == bson::Type::kNull) return std::string_view();
  if (value->type() != bson::Type::kString) {
    return fail(Code::kInvalidArgument, "parameter '{}' must be a string, not {}", name,
                bson::type_name(value->type()));
  }
  return value->as_string();
}

// MongoDB has two names; they differ only after an "invalidate" event, which there is none of.
Result<std::optional<replication::VersionVector>> token_param(bson::View params) {
  DISTRI_TRY(const std::string_view resume, text_param(params, "resumeAfter"));
  DISTRI_TRY(const std::string_view start, text_param(params, "startAfter"));
  if (!resume.empty() && !start.empty())
    return fail(Code::kInvalidArgument, "parameters 'resumeAfter' and 'startAfter' mean the same; give one of them");
  const std::string_view text = resume.empty() ? start : resume;
  if (text.empty()) return std::nullopt;
  DISTRI_TRY(auto token, replication::decode_resume_token(text));
  return std::optional(std::move(token));
}

}  // namespace

Result<Watch> parse_watch(std::string_view target, BytesView bytes, wire::Format format, std::int64_t now_ms) {
  if (!target.empty()) DISTRI_TRY_VOID(db::check_stored_collection_name(target));
  DISTRI_TRY(const bson::Document params, parse_document(bytes, format, "parameters"));
  DISTRI_TRY_VOID(
      check_params(params, "Watch", {"filter", "fullDocument", "resumeAfter", "startAfter", "page_events"}));
  Watch watch;
  watch.query.collection = target;
  DISTRI_TRY(watch.query.filter, filter_param(params, now_ms));
  DISTRI_TRY(const std::string_view full, text_param(params, "fullDocument"));
  if (!full.empty() && full != "default" && full != "updateLookup") {
    return fail(Code::kInvalidArgument, "parameter 'fullDocument': '{}' is not default or updateLookup",
                full.substr(0, 80));
  }
  watch.query.lookup = full == "updateLookup";
  DISTRI_TRY(const std::uint64_t events, number_param(params, "page_events", kPageEventsDefault));
  if (events == 0 || events > kPageEventsMax)
    return fail(Code::kInvalidArgument, "parameter 'page_events' must be 1 to {}", kPageEventsMax);
  watch.query.events_max = events;
  DISTRI_TRY(watch.after, token_param(params));
  return watch;
}

Bytes render_watch_page(const std::vector<bson::Document>& events, std::string_view token, std::string_view end,
                        wire::Format format) {
  if (format == wire::Format::kJson) {
    Bytes out = "{\"events\":[";
    for (const bson::Document& event : events) {
      if (&event != &events.front()) out.push_back(',');
      bson::append_json(out, event.view());
    }
    // Neither the token nor the reason needs escapes.
    out.append("],\"token\":\"").append(token).append("\"");
    if (!end.empty()) out.append(",\"end\":\"").append(end).append("\"");
    out.append("}\n");
    return out;
  }
  bson::Builder out;
  out.begin_array("events");
  for (std::size_t i = 0; i < events.size(); ++i) out.append_object(std::to_string(i), events[i]);
  out.end();
  out.append_string("token", token);
  if (!end.empty()) out.append_string("end", end);
  return std::move(out).finish().release();
}

}  // namespace distri::cloud
