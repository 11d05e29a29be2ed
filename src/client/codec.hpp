// codec.hpp: nlohmann::json <-> the bytes of parameters, documents and replies, in JSON or BSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"
#include "distri/wire/messages.hpp"

namespace distri::client {

// `what` begins the error's sentence. kInvalidArgument: not an object, or text that is not UTF-8.
Result<Bytes> encode_object(const nlohmann::json& value, wire::Format format, std::string_view what);
// As encode_object(); null gives no bytes.
Result<Bytes> encode_params(const nlohmann::json& params, wire::Format format);
// kProtocolError when the bytes are not an object in that format.
Result<nlohmann::json> decode_object(BytesView bytes, wire::Format format, std::string_view service);

}  // namespace distri::client
