// What operators make of one value.
#include <cstring>

#include "distri/bson/compare.hpp"
#include "distri/db/update_program.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

void append_date_or_timestamp(const UpdateAction& action, std::string_view key, const UpdateRun& run,
                              bson::Builder& out) {
  constexpr std::int64_t kMsPerSecond = 1000;
  if (!action.timestamp) {
    out.append_date(key, run.context.now_ms);
    return;
  }
  // Increment, then seconds.
  const std::uint32_t parts[2] = {1, static_cast<std::uint32_t>(run.context.now_ms / kMsPerSecond)};
  char raw[sizeof parts];
  std::memcpy(raw, parts, sizeof parts);
  out.append_value(key, Value(Type::kTimestamp, {raw, sizeof raw}));
}

}  // namespace

bool makes_missing(const UpdateAction& action, const UpdateRun& run) {
  switch (action.op) {
    case UpdateOp::kUnset:
    case UpdateOp::kRenameFrom:
    case UpdateOp::kPull:
    case UpdateOp::kPullAll:
    case UpdateOp::kPop:
      return false;
    case UpdateOp::kSetOnInsert:
      return run.context.insert;
    case UpdateOp::kRenameTo:
      return run.renamed[action.rename].has_value();
    default:
      return true;
  }
}

Result<> run_action(const UpdateAction& action, const Value* old, bool element, std::string_view key, UpdateRun& run,
                    bson::Builder& out) {
  const auto write = [&](const Value& value) -> Result<> {
    out.append_value(key, value);
    return {};
  };
  const auto keep = [&]() -> Result<> {
    if (old != nullptr) out.append_value(key, *old);
    return {};
  };
  switch (action.op) {
    case UpdateOp::kSet:
      return write(action.value);
    case UpdateOp::kSetOnInsert:
      return run.context.insert ? write(action.value) : keep();
    case UpdateOp::kUnset:
    case UpdateOp::kRenameFrom:
      if (element && old != nullptr) out.append_null(key);
      return {};
    case UpdateOp::kRenameTo:
      return run.renamed[action.rename] ? write(*run.renamed[action.rename]) : keep();
    case UpdateOp::kMin:
      return old != nullptr && bson::compare(*old, action.value) <= 0 ? keep() : write(action.value);
    case UpdateOp::kMax:
      return old != nullptr && bson::compare(*old, action.value) >= 0 ? keep() : write(action.value);
    case UpdateOp::kCurrentDate:
      append_date_or_timestamp(action, key, run, out);
      return {};
    case UpdateOp::kInc:
    case UpdateOp::kMul:
      return run_arithmetic(action, old, key, out);
    case UpdateOp::kBit:
      return run_bits(action, old, key, out);
    case UpdateOp::kPush:
    case UpdateOp::kAddToSet:
    case UpdateOp::kPull:
    case UpdateOp::kPullAll:
    case UpdateOp::kPop:
      return run_array_action(action, old, key, run, out);
  }
  return {};
}

Result<> check_size(const UpdateRun& run, const bson::Builder& out) {
  if (out.size_bytes() <= bson::kDocumentBytesMax + run.original.bytes().size()) return {};
  return fail(Code::kTooLarge, "the updated document would exceed {} bytes", bson::kDocumentBytesMax);
}

}  // namespace distri::db
