// expression_state.hpp: where the values of an evaluation live, and what it may still spend. Private to the module.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "distri/bson/decimal128.hpp"
#include "distri/db/expression.hpp"

namespace distri::db {

// Bytes that stay where they are until clear(); the first chunk is kept, so that small evaluations allocate nothing.
class ValueArena {
 public:
  std::size_t bytes() const { return bytes_; }
  void clear();

  bson::Value copy(bson::Type type, BytesView raw);
  bson::Value keep(bson::Type type, Bytes raw);

  bson::Value int32(std::int32_t v) { return scalar(bson::Type::kInt32, v); }
  bson::Value int64(std::int64_t v) { return scalar(bson::Type::kInt64, v); }
  bson::Value real(double v) { return scalar(bson::Type::kDouble, v); }
  bson::Value date(std::int64_t ms) { return scalar(bson::Type::kDate, ms); }
  bson::Value boolean(bool v) { return scalar(bson::Type::kBool, static_cast<char>(v ? 1 : 0)); }
  // int32 if it fits.
  bson::Value integer(std::int64_t v);
  bson::Value decimal(const bson::Decimal128& v);
  bson::Value string(std::string_view text);

 private:
  template <class T>
  bson::Value scalar(bson::Type type, T v) {
    return copy(type, {reinterpret_cast<const char*>(&v), sizeof v});
  }
  char* allocate(std::size_t size);

  static constexpr std::size_t kChunkBytes = 4096;
  std::vector<std::unique_ptr<std::array<char, kChunkBytes>>> chunks_;
  std::size_t used_ = kChunkBytes;  // of the last chunk
  std::deque<Bytes> large_;
  std::size_t bytes_ = 0;
};

struct EvaluationState {
  ValueArena arena;
  std::optional<std::int64_t> now_ms;
  std::vector<bson::Value> variables;
  bson::View root;
  std::uint64_t steps_left = kExpressionStepsMax;
  std::uint64_t steps_spent = 0;  // of evaluations that have ended

  // Begins an evaluation: full budgets, that root, room for so many variables.
  void begin(bson::View document, std::uint32_t slots);
  // What all evaluations so far have cost.
  std::uint64_t steps() const;
  // ExceededMemoryLimit (146) or ExceededTimeLimit (50).
  Result<> spend(std::uint64_t steps) {
    if (steps > steps_left || arena.bytes() > kExpressionBytesMax) return spent();
    steps_left -= steps;
    return {};
  }
  Result<> spent() const;
};

// An array or object under construction; bounded in size and depth.
class ArrayResult {
 public:
  ArrayResult();
  void append(const bson::Value& value);  // missing: null
  bool full() const { return full_; }
  std::size_t size() const { return count_; }
  Result<bson::Value> finish(EvaluationState& state) &&;

 private:
  Bytes bytes_;
  std::uint32_t count_ = 0;
  bool full_ = false;
};

class ObjectWriter {
 public:
  ObjectWriter();
  void append(std::string_view name, const bson::Value& value);  // missing: nothing
  Result<bson::Value> finish(EvaluationState& state) &&;

 private:
  Bytes bytes_;
  bool full_ = false;
};

// BSONObjectTooLarge (10334) or Overflow (15). A value stands at least one level below its document.
Result<> check_value(bson::Type type, BytesView raw, int levels_max = bson::kDepthMax - 1);

}  // namespace distri::db
