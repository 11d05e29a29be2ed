#include "distri/cloud/service_params.hpp"

#include <algorithm>
#include <charconv>

#include "distri/cloud/request_text.hpp"

namespace distri::cloud {
namespace {

Result<std::optional<bson::View>> container_param(bson::View params, std::string_view name, bson::Type type) {
  const auto value = params.find(name);
  if (!value || value->type() == bson::Type::kNull) return std::nullopt;
  if (value->type() != type) {
    return fail(Code::kInvalidArgument, "parameter '{}' must be an {}, not {}", name, bson::type_name(type),
                bson::type_name(value->type()));
  }
  return value->as_object();
}

}  // namespace

Result<> check_params(bson::View params, std::string_view service, std::span<const std::string_view> known) {
  for (const auto& element : params) {
    if (std::find(known.begin(), known.end(), element.key) != known.end()) continue;
    std::string list;
    for (const auto name : known) {
      if (!name.empty()) list += (list.empty() ? "" : ", ") + std::string(name);
    }
    return fail(Code::kInvalidArgument, "{} has no parameter '{}'; it has {}", service, element.key.substr(0, 80),
                list.empty() ? "none" : list);
  }
  return {};
}

Result<std::optional<bson::View>> object_param(bson::View params, std::string_view name) {
  return container_param(params, name, bson::Type::kObject);
}

Result<std::optional<bson::View>> array_param(bson::View params, std::string_view name) {
  return container_param(params, name, bson::Type::kArray);
}

Result<std::uint64_t> number_param(bson::View params, std::string_view name, std::uint64_t otherwise) {
  const auto value = params.find(name);
  if (!value) return otherwise;
  const auto number = value->to_int64();
  if (!number || *number < 0)
    return fail(Code::kInvalidArgument, "parameter '{}' must be a whole number, zero or more", name);
  return static_cast<std::uint64_t>(*number);
}

Result<bool> bool_param(bson::View params, std::string_view name, bool otherwise) {
  const auto value = params.find(name);
  if (!value) return otherwise;
  if (value->type() != bson::Type::kBool)
    return fail(Code::kInvalidArgument, "parameter '{}' must be true or false", name);
  return value->as_bool();
}

Result<std::vector<db::SortKey>> sort_param(bson::View params) {
  const auto value = params.find("sort");
  if (!value || value->type() != bson::Type::kArray) {
    DISTRI_TRY(const auto object, object_param(params, "sort"));
    return db::parse_sort(object.value_or(bson::View()));
  }
  bson::Builder joined;
  for (const bson::Element& element : value->as_object()) {
    if (element.value.type() != bson::Type::kObject)
      return fail(Code::kInvalidArgument, "parameter 'sort': every entry of the list must be an object");
    for (const bson::Element& key : element.value.as_object()) joined.append_element(key);
  }
  return db::parse_sort(std::move(joined).finish());
}

Result<std::optional<db::Filter>> filter_param(bson::View params, std::int64_t now_ms) {
  DISTRI_TRY(const auto object, object_param(params, "filter"));
  if (!object || object->empty()) return std::nullopt;
  DISTRI_TRY(auto filter, db::Filter::compile(*object, now_ms));
  return std::optional<db::Filter>(std::move(filter));
}

std::optional<bson::Document> only_id_in_json(BytesView params) {
  constexpr std::string_view kBegin = R"({"filter":{"_id":)";
  constexpr std::string_view kEnd = "}}";
  if (params.size() <= kBegin.size() + kEnd.size() || !params.starts_with(kBegin) || !params.ends_with(kEnd))
    return std::nullopt;
  const BytesView id = params.substr(kBegin.size(), params.size() - kBegin.size() - kEnd.size());
  bson::Builder out;
  if (id.front() == '"') {
    if (id.size() < 2 || id.back() != '"') return std::nullopt;
    const BytesView text = id.substr(1, id.size() - 2);
    const bool plain =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c != 0x7f && c != '"' && c != '\\'; });
    if (!plain) return std::nullopt;
    return std::move(out.append_string("_id", text)).finish();
  }
  constexpr std::size_t kDigitsMax = 18;
  const BytesView digits = id.front() == '-' ? id.substr(1) : id;
  if (digits.empty() || digits.size() > kDigitsMax || digits.front() < '1' || digits.front() > '9' ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::int64_t number = 0;
  std::from_chars(id.data(), id.data() + id.size(), number);
  return std::move(out.append_int64("_id", number)).finish();
}

Bytes single_field_reply(std::string_view key, std::uint64_t value, wire::Format format) {
  bson::Builder reply;
  reply.append_int64(key, static_cast<std::int64_t>(value));
  return render_document(std::move(reply).finish(), format);
}

Bytes bool_reply(std::string_view key, bool value, wire::Format format) {
  bson::Builder reply;
  reply.append_bool(key, value);
  return render_document(std::move(reply).finish(), format);
}

}  // namespace distri::cloud
