// nlohmann.hpp: documents <-> nlohmann::json, the type application code works with. Same mapping as json.hpp (relaxed).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "distri/bson/document.hpp"

namespace distri::bson {

// Errors as from_json(); kInvalidArgument when `value` is not an object.
Result<Document> from_nlohmann(const nlohmann::json& value);
nlohmann::json to_nlohmann(View document);

}  // namespace distri::bson
