// service_params.hpp: reading the parameters of the document services, and short replies.
//
// Threads: pure functions. Errors: kInvalidArgument names the parameter.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/filter.hpp"
#include "distri/db/find.hpp"
#include "distri/wire/messages.hpp"

namespace distri::cloud {

// Refuses parameters that the service does not know, so that a typing error is not silently "everything matches".
// Empty names among the known ones do not count.
Result<> check_params(bson::View params, std::string_view service, std::span<const std::string_view> known);
inline Result<> check_params(bson::View params, std::string_view service,
                             std::initializer_list<std::string_view> known) {
  return check_params(params, service, std::span(known.begin(), known.size()));
}

// Null counts as missing.
Result<std::optional<bson::View>> object_param(bson::View params, std::string_view name);
Result<std::optional<bson::View>> array_param(bson::View params, std::string_view name);
Result<std::uint64_t> number_param(bson::View params, std::string_view name, std::uint64_t otherwise);
Result<bool> bool_param(bson::View params, std::string_view name, bool otherwise);
// {"a": 1, "b": -1}, or [{"a": 1}, {"b": -1}] for callers whose objects have no order. Missing: no keys.
Result<std::vector<db::SortKey>> sort_param(bson::View params);
// nullopt: missing or {}. `now_ms`: what $$NOW is.
Result<std::optional<db::Filter>> filter_param(bson::View params, std::int64_t now_ms);

// {_id: id} of parameters that say {"filter":{"_id":id}} and nothing else, without blanks, id being a string in ASCII
// without escapes or an integer: what most reads ask for, read without a parser. nullopt: they say something else, or
// it in another way.
std::optional<bson::Document> only_id_in_json(BytesView params);

Bytes single_field_reply(std::string_view key, std::uint64_t value, wire::Format format);
Bytes bool_reply(std::string_view key, bool value, wire::Format format);

}  // namespace distri::cloud
