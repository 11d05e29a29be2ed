// request_text.hpp: the textual and document parts of a request: "Name<target>", and documents in the caller's format.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "distri/bson/document.hpp"
#include "distri/wire/messages.hpp"

namespace distri::cloud {

struct ServiceName {
  std::string_view name;
  std::string_view target;
};

// "AddDocument<photos>" -> {"AddDocument", "photos"}; "Stats" -> {"Stats", ""}. kInvalidArgument for anything else.
Result<ServiceName> parse_service_name(std::string_view text);

// 1 to 120 characters of [A-Za-z0-9_.-].
Result<> check_service_name(std::string_view name);

// A document as it came in a request. Empty bytes are the empty document. `what` ("parameters", "body") begins the
// error.
Result<bson::Document> parse_document(BytesView bytes, wire::Format format, std::string_view what);

// The same for application code.
Result<nlohmann::json> parse_params(BytesView bytes, wire::Format format);

// A document as it goes into a reply.
Bytes render_document(bson::Document document, wire::Format format);

}  // namespace distri::cloud
