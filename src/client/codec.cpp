#include "distri/client/codec.hpp"

#include "distri/bson/nlohmann.hpp"

namespace distri::client {

Result<Bytes> encode_object(const nlohmann::json& value, wire::Format format, std::string_view what) {
  if (!value.is_object()) return fail(Code::kInvalidArgument, "{} must be an object, not {}", what, value.type_name());
  if (format == wire::Format::kBson) {
    DISTRI_TRY(bson::Document document, bson::from_nlohmann(value));
    return std::move(document).release();
  }
  try {
    return value.dump();
  } catch (const nlohmann::json::exception& error) {
    return fail(Code::kInvalidArgument, "{} cannot be written as JSON: {}", what, error.what());
  }
}

Result<Bytes> encode_params(const nlohmann::json& params, wire::Format format) {
  if (params.is_null()) return Bytes();
  return encode_object(params, format, "params");
}

Result<nlohmann::json> decode_object(BytesView bytes, wire::Format format, std::string_view service) {
  if (format == wire::Format::kBson) {
    const auto document = bson::Document::parse(Bytes(bytes));
    if (!document)
      return fail(Code::kProtocolError, "the reply of {} is not BSON: {}", service, document.error().message);
    return bson::to_nlohmann(*document);
  }
  auto json = nlohmann::json::parse(bytes, nullptr, false);
  if (!json.is_object()) return fail(Code::kProtocolError, "the reply of {} is not a JSON object", service);
  return json;
}

}  // namespace distri::client
