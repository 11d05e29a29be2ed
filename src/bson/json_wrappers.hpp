// json_wrappers.hpp: the objects by which Extended JSON writes values that JSON lacks. Private to the module.
#pragma once

#include <cstdint>
#include <string_view>

namespace distri::bson {

enum class Wrapper : std::uint8_t {
  kNone,
  kObjectId,
  kSymbol,
  kInt32,
  kInt64,
  kDouble,
  kDecimal128,
  kBinary,
  kUuid,
  kCode,
  kScope,  // the second half of code with scope
  kTimestamp,
  kRegex,
  kDbPointer,
  kDate,
  kMinKey,
  kMaxKey,
  kUndefined,
};

// An object below the top level that has such a key is a value of that type, not an object.
inline Wrapper wrapper_of(std::string_view key) {
  if (key.size() < 4 || key[0] != '$') return Wrapper::kNone;
  if (key == "$oid") return Wrapper::kObjectId;
  if (key == "$date") return Wrapper::kDate;
  if (key == "$numberLong") return Wrapper::kInt64;
  if (key == "$numberInt") return Wrapper::kInt32;
  if (key == "$numberDouble") return Wrapper::kDouble;
  if (key == "$numberDecimal") return Wrapper::kDecimal128;
  if (key == "$binary") return Wrapper::kBinary;
  if (key == "$uuid") return Wrapper::kUuid;
  if (key == "$timestamp") return Wrapper::kTimestamp;
  if (key == "$regularExpression") return Wrapper::kRegex;
  if (key == "$symbol") return Wrapper::kSymbol;
  if (key == "$code") return Wrapper::kCode;
  if (key == "$scope") return Wrapper::kScope;
  if (key == "$dbPointer") return Wrapper::kDbPointer;
  if (key == "$minKey") return Wrapper::kMinKey;
  if (key == "$maxKey") return Wrapper::kMaxKey;
  if (key == "$undefined") return Wrapper::kUndefined;
  return Wrapper::kNone;
}

}  // namespace distri::bson
