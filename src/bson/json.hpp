// json.hpp: JSON text <-> documents, by Extended JSON v2 (MongoDB's specification) for types that JSON lacks.
//
// Reading uses simdjson and writes BSON directly. Both relaxed and canonical forms are understood, as are {"$date":
// "ISO-8601"} and
// {"$date": milliseconds}. A plain integer becomes int32 if it fits, else int64, else (beyond 64 bits) double; anything
// with a point or exponent a double. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "distri/bson/document.hpp"

namespace distri::bson {

enum class JsonMode { kRelaxed, kCanonical };

// Errors: kInvalidArgument with the position or the path of the field; kTooLarge beyond kDocumentBytesMax; depth beyond
// kDepthMax; duplicate keys in one object; "\u0000" in a key.
Result<Document> from_json(std::string_view text);

// Never fails: bytes that are not representable are written by the specification's wrappers.
std::string to_json(View document, JsonMode mode = JsonMode::kRelaxed);
void append_json(std::string& out, View document, JsonMode mode = JsonMode::kRelaxed);
void append_json(std::string& out, const Value& value, JsonMode mode = JsonMode::kRelaxed);

}  // namespace distri::bson
