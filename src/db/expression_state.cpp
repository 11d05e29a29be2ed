#include "distri/db/expression_state.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "distri/bson/compare.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

constexpr std::size_t kValueBytesMax = bson::kDocumentBytesMax;

void close_container(Bytes& bytes) {
  bytes.push_back('\0');
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &size, sizeof size);
}

bool deeper_than(bson::View view, int levels) {
  if (levels == 0) return true;
  for (auto at = view.begin(); !at.at_end(); ++at) {
    const Type type = at->value.type();
    if ((type == Type::kObject || type == Type::kArray) && deeper_than(at->value.as_object(), levels - 1)) return true;
  }
  return false;
}

}  // namespace

int compare_values(const Value& a, const Value& b) {
  const auto known = [](const Value& value) { return is_missing(value) ? Value(Type::kUndefined, {}) : value; };
  return bson::compare(known(a), known(b));
}

void ValueArena::clear() {
  if (chunks_.size() > 1) chunks_.resize(1);
  used_ = chunks_.empty() ? kChunkBytes : 0;
  large_.clear();
  bytes_ = 0;
}

char* ValueArena::allocate(std::size_t size) {
  if (used_ + size > kChunkBytes) {
    chunks_.push_back(std::make_unique<std::array<char, kChunkBytes>>());
    used_ = 0;
  }
  char* at = chunks_.back()->data() + used_;
  used_ += size;
  bytes_ += size;
  return at;
}

Value ValueArena::copy(Type type, BytesView raw) {
  if (raw.empty()) return Value(type, {});
  if (raw.size() > kChunkBytes / 4) return keep(type, Bytes(raw));
  char* at = allocate(raw.size());
  std::memcpy(at, raw.data(), raw.size());
  return Value(type, {at, raw.size()});
}

Value ValueArena::keep(Type type, Bytes raw) {
  if (raw.size() <= kChunkBytes / 4) return copy(type, raw);
  bytes_ += raw.size();
  large_.push_back(std::move(raw));
  return Value(type, large_.back());
}

Value ValueArena::integer(std::int64_t v) {
  const auto narrow = static_cast<std::int32_t>(v);
  return narrow == v ? int32(narrow) : int64(v);
}

Value ValueArena::decimal(const bson::Decimal128& v) {
  const auto raw = v.encode();
  return copy(Type::kDecimal128, {raw.data(), raw.size()});
}

Value ValueArena::string(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size() + 1);
  Bytes raw(reinterpret_cast<const char*>(&size), sizeof size);
  raw.append(text).push_back('\0');
  return keep(Type::kString, std::move(raw));
}

Result<> EvaluationState::spent() const {
  if (arena.bytes() > kExpressionBytesMax) {
    return refuse(mongo::kExceededMemoryLimit, "expression: its values take more than {} MiB",
                  kExpressionBytesMax >> 20);
  }
  return refuse(mongo::kExceededTimeLimit, "expression: it takes more than {} steps on one document",
                kExpressionStepsMax);
}

void EvaluationState::begin(bson::View document, std::uint32_t slots) {
  steps_spent = steps();
  if (variables.size() < slots) variables.resize(slots, missing_value());
  root = document;
  steps_left = kExpressionStepsMax;
}

std::uint64_t EvaluationState::steps() const {
  return steps_spent + (kExpressionStepsMax - steps_left);
}

Result<> check_value(Type type, BytesView raw, int levels_max) {
  if (raw.size() > kValueBytesMax) {
    return refuse(mongo::kObjectTooLarge, "expression: a value of {} bytes is larger than {}", raw.size(),
                  kValueBytesMax);
  }
  // Each level takes at least 8 bytes.
  const auto levels = static_cast<std::size_t>(std::max(levels_max, 0));
  const bool may_be_deep = raw.size() > 7 * levels && (type == Type::kObject || type == Type::kArray);
  if (may_be_deep && deeper_than(bson::View::trusted(raw), static_cast<int>(levels))) {
    return refuse(mongo::kOverflow, "expression: a value nests deeper than {}", levels);
  }
  return {};
}

ArrayResult::ArrayResult() : bytes_(4, '\0') {}

void ArrayResult::append(const Value& value) {
  if (full_) return;
  std::array<char, 12> key{};
  char* end = std::to_chars(key.data(), key.data() + key.size() - 1, count_++).ptr;
  bytes_.push_back(static_cast<char>(is_missing(value) ? Type::kNull : value.type()));
  bytes_.append(key.data(), end).push_back('\0');
  bytes_.append(value.raw());
  full_ = bytes_.size() > kValueBytesMax;
}

Result<Value> ArrayResult::finish(EvaluationState& state) && {
  close_container(bytes_);
  DISTRI_TRY_VOID(check_value(Type::kArray, bytes_));
  return state.arena.keep(Type::kArray, std::move(bytes_));
}

ObjectWriter::ObjectWriter() : bytes_(4, '\0') {}

void ObjectWriter::append(std::string_view name, const Value& value) {
  if (full_ || is_missing(value)) return;
  bytes_.push_back(static_cast<char>(value.type()));
  bytes_.append(name).push_back('\0');
  bytes_.append(value.raw());
  full_ = bytes_.size() > kValueBytesMax;
}

Result<Value> ObjectWriter::finish(EvaluationState& state) && {
  close_container(bytes_);
  DISTRI_TRY_VOID(check_value(Type::kObject, bytes_));
  return state.arena.keep(Type::kObject, std::move(bytes_));
}

}  // namespace distri::db
