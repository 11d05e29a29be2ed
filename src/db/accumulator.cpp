#include "distri/db/accumulator.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "distri/bson/compare.hpp"
#include "distri/bson/document.hpp"
#include "distri/db/expression_node.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;
using Kind = AccumulatorKind;

constexpr std::size_t kNodeBytes = 64;  // about what an entry of a hash table takes beside its key

struct Entry {
  std::string_view name;
  Kind kind;
};
constexpr std::array kKinds = {
    Entry{"$sum", Kind::kSum},     Entry{"$avg", Kind::kAverage},
    Entry{"$min", Kind::kMin},     Entry{"$max", Kind::kMax},
    Entry{"$first", Kind::kFirst}, Entry{"$last", Kind::kLast},
    Entry{"$push", Kind::kPush},   Entry{"$addToSet", Kind::kAddToSet},
    Entry{"$count", Kind::kCount}, Entry{"$mergeObjects", Kind::kMergeObjects},
};

}  // namespace

std::optional<AccumulatorKind> find_accumulator(std::string_view name) {
  for (const Entry& entry : kKinds) {
    if (entry.name == name) return entry.kind;
  }
  return std::nullopt;
}

Accumulator::Accumulator(AccumulatorKind kind) : kind_(kind) {
  if (kind == Kind::kSum || kind == Kind::kAverage) sum_ = std::make_unique<NumberSum>();
  if (kind == Kind::kAddToSet) seen_ = std::make_unique<std::unordered_set<Bytes>>();
}
Accumulator::Accumulator(Accumulator&&) noexcept = default;
Accumulator& Accumulator::operator=(Accumulator&&) noexcept = default;
Accumulator::~Accumulator() = default;

void Accumulator::take(const Value& value) {
  type_ = is_missing(value) ? Type::kNull : value.type();
  value_.assign(value.raw());
}

Result<> Accumulator::add(const Value& value) {
  switch (kind_) {
    case Kind::kSum:
    case Kind::kAverage:
      if (!value.is_number()) return {};
      ++count_;
      sum_->add(value);
      return {};
    case Kind::kMin:
    case Kind::kMax: {
      if (is_nullish(value)) return {};
      const int order = type_ == kMissingType ? 0 : compare_values(value, Value(type_, value_));
      if (type_ == kMissingType || (kind_ == Kind::kMin ? order < 0 : order > 0)) take(value);
      return {};
    }
    case Kind::kFirst:
      if (type_ == kMissingType) take(value);
      return {};
    case Kind::kLast:
      take(value);
      return {};
    case Kind::kPush:
      return is_missing(value) ? Result<>() : append(value);
    case Kind::kAddToSet: {
      if (is_missing(value)) return {};
      const auto [at, added] = seen_->insert(bson::order_key(value));
      if (!added) return {};
      seen_bytes_ += at->size() + kNodeBytes;
      return append(value);
    }
    case Kind::kCount:
      ++count_;
      return {};
    case Kind::kMergeObjects:
      return merge(value);
  }
  return {};
}

Result<> Accumulator::append(const Value& value) {
  std::array<char, 12> key{};
  char* end = std::to_chars(key.data(), key.data() + key.size() - 1, elements_++).ptr;
  value_.push_back(static_cast<char>(value.type()));
  value_.append(key.data(), end).push_back('\0');
  value_.append(value.raw());
  if (value_.size() <= bson::kDocumentBytesMax) return {};
  return refuse(mongo::kObjectTooLarge, "the array of a group takes more than {} bytes", bson::kDocumentBytesMax);
}

Result<> Accumulator::merge(const Value& value) {
  if (is_nullish(value)) return {};
  if (value.type() != Type::kObject) {
    return refuse(40400, "$mergeObjects requires object inputs, but an input is of type {}", kind_of(value));
  }
  value_ = value_.empty() ? Bytes(value.raw())
                          : bson::merge_fields(bson::View::trusted(value_), value.as_object()).release();
  if (value_.size() <= bson::kDocumentBytesMax) return {};
  return refuse(mongo::kObjectTooLarge, "the merged object of a group takes more than {} bytes",
                bson::kDocumentBytesMax);
}

Value Accumulator::result(ValueArena& arena) const {
  switch (kind_) {
    case Kind::kSum:
      return sum_->total(arena);
    case Kind::kAverage:
      return count_ == 0 ? Value() : sum_->divided_by(count_, arena);
    case Kind::kCount:
      return arena.integer(count_);
    case Kind::kMin:
    case Kind::kMax:
    case Kind::kFirst:
    case Kind::kLast:
      return type_ == kMissingType ? Value() : Value(type_, value_);
    case Kind::kMergeObjects:
      return Value(Type::kObject, value_.empty() ? bson::View().bytes() : BytesView(value_));
    case Kind::kPush:
    case Kind::kAddToSet:
      break;
  }
  Bytes list(4, '\0');
  list.append(value_).push_back('\0');
  const auto size = static_cast<std::uint32_t>(list.size());
  std::memcpy(list.data(), &size, sizeof size);
  return arena.keep(Type::kArray, std::move(list));
}

std::size_t Accumulator::bytes() const {
  return (sum_ ? sizeof *sum_ : 0) + value_.capacity() + seen_bytes_;
}

}  // namespace distri::db
