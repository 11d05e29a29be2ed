#include "distri/bson/nlohmann.hpp"

#include <simdjson.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "distri/bson/json.hpp"
#include "distri/bson/json_wrappers.hpp"

namespace distri::bson {
namespace {

using Json = nlohmann::json;

Result<> append(Builder& out, std::string_view key, const Json& value, int depth);

Result<> check_text(std::string_view text) {
  if (!simdjson::validate_utf8(text)) return fail(Code::kInvalidArgument, "JSON: a text is not UTF-8");
  return {};
}

Result<> append_fields(Builder& out, const Json& object, int depth) {
  for (const auto& [key, value] : object.items()) {
    if (key.find('\0') != std::string::npos)
      return fail(Code::kInvalidArgument, "JSON: a field name contains a zero byte");
    DISTRI_TRY_VOID(check_text(key));
    DISTRI_TRY_VOID(append(out, key, value, depth));
  }
  return {};
}

bool is_wrapper(const Json& object) {
  for (const auto& [key, value] : object.items()) {
    if (wrapper_of(key) != Wrapper::kNone) return true;
  }
  return false;
}

// {"$oid": ...} and its like take the way through text: json.hpp knows them.
Result<> append_wrapped(Builder& out, std::string_view key, const Json& value) {
  const std::string text = "{\"v\":" + value.dump(-1, ' ', false, Json::error_handler_t::replace) + "}";
  auto parsed = from_json(text);
  if (!parsed) {
    return fail(parsed.error().code, "JSON: the value of '{}': {}", key, parsed.error().message);
  }
  out.append_value(key, *parsed->view().find("v"));
  return {};
}

Result<> append_number(Builder& out, std::string_view key, const Json& value) {
  if (value.is_number_float()) {
    out.append_double(key, value.get<double>());
  } else if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    out.append_double(key, static_cast<double>(value.get<std::uint64_t>()));
  } else {
    const auto number = value.get<std::int64_t>();
    const auto narrow = static_cast<std::int32_t>(number);
    narrow == number ? out.append_int32(key, narrow) : out.append_int64(key, number);
  }
  return {};
}

Result<> append(Builder& out, std::string_view key, const Json& value, int depth) {
  if (out.size_bytes() > kDocumentBytesMax) {
    return fail(Code::kTooLarge, "JSON: the document is larger than the limit of {} bytes", kDocumentBytesMax);
  }
  switch (value.type()) {
    case Json::value_t::object:
    case Json::value_t::array:
      if (depth >= kDepthMax)
        return fail(Code::kInvalidArgument, "JSON: objects and arrays nest deeper than {}", kDepthMax);
      break;
    case Json::value_t::null:
      out.append_null(key);
      return {};
    case Json::value_t::boolean:
      out.append_bool(key, value.get<bool>());
      return {};
    case Json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      DISTRI_TRY_VOID(check_text(text));
      out.append_string(key, text);
      return {};
    }
    case Json::value_t::binary: {
      const auto& bytes = value.get_binary();
      out.append_binary(key, {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                        bytes.has_subtype() ? static_cast<std::uint8_t>(bytes.subtype()) : std::uint8_t{0});
      return {};
    }
    case Json::value_t::discarded:
      return fail(Code::kInvalidArgument, "JSON: the value of '{}' was discarded by its parser", key);
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return append_number(out, key, value);
  }
  if (value.is_object()) {
    if (is_wrapper(value)) return append_wrapped(out, key, value);
    out.begin_object(key);
    DISTRI_TRY_VOID(append_fields(out, value, depth + 1));
  } else {
    out.begin_array(key);
    std::size_t index = 0;
    for (const Json& item : value) DISTRI_TRY_VOID(append(out, std::to_string(index++), item, depth + 1));
  }
  out.end();
  return {};
}

Json to_json_value(const Value& value);

Json to_json_object(View object) {
  Json result = Json::object();
  for (const Element& element : object) result[std::string(element.key)] = to_json_value(element.value);
  return result;
}

Json to_json_value(const Value& value) {
  switch (value.type()) {
    case Type::kDouble: {
      const double number = value.as_double();
      if (number - number == 0) return number;  // finite
      break;
    }
    case Type::kString:
      return std::string(value.as_string());
    case Type::kObject:
      return to_json_object(value.as_object());
    case Type::kArray: {
      Json result = Json::array();
      for (const Element& element : value.as_object()) result.push_back(to_json_value(element.value));
      return result;
    }
    case Type::kBool:
      return value.as_bool();
    case Type::kNull:
      return nullptr;
    case Type::kInt32:
      return value.as_int32();
    case Type::kInt64:
      return value.as_int64();
    default:
      break;
  }
  std::string text;
  append_json(text, value);
  return Json::parse(text, nullptr, false);
}

}  // namespace

Result<Document> from_nlohmann(const nlohmann::json& value) {
  if (!value.is_object())
    return fail(Code::kInvalidArgument, "JSON: a document must be an object, not {}", value.type_name());
  Builder builder;
  DISTRI_TRY_VOID(append_fields(builder, value, 1));
  if (builder.size_bytes() >= kDocumentBytesMax) {
    return fail(Code::kTooLarge, "JSON: the document is larger than the limit of {} bytes", kDocumentBytesMax);
  }
  return std::move(builder).finish();
}

nlohmann::json to_nlohmann(View document) {
  return to_json_object(document);
}

}  // namespace distri::bson
