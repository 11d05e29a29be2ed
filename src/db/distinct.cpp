#include "distri/db/distinct.hpp"

#include <absl/container/btree_set.h>

#include <algorithm>
#include <span>

#include "distri/bson/compare.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/scan.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;
using Parts = std::span<const std::string>;

constexpr std::size_t kPathPartsMax = 100;

// A value of its own: documents may go before the run ends.
struct Kept {
  explicit Kept(const Value& value) : type(value.type()), raw(value.raw()) {}
  Value value() const { return {type, raw}; }

  Type type;
  Bytes raw;
};

struct Less {
  using is_transparent = void;
  static Value value(const Kept& kept) { return kept.value(); }
  static Value value(const Value& value) { return value; }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return bson::compare(value(a), value(b)) < 0;
  }
};

// The index that a part of a path means, as the keys of arrays are written.
bool is_number(std::string_view part) {
  return std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class Gatherer {
 public:
  explicit Gatherer(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  Result<> gather(const Value& value, Parts path) {
    if (path.empty()) return take(value);
    if (value.type() == Type::kObject) {
      const auto child = value.as_object().find(path.front());
      return child ? gather(*child, path.subspan(1)) : Result<>();
    }
    if (value.type() != Type::kArray) return {};
    if (is_number(path.front())) {
      const auto item = value.as_object().find(path.front());
      return item ? gather(*item, path.subspan(1)) : Result<>();
    }
    for (const Element& item : value.as_object()) {
      if (item.value.type() == Type::kObject) DISTRI_TRY_VOID(gather(item.value, path));
    }
    return {};
  }

  std::vector<Value> values() const {
    std::vector<Value> all;
    all.reserve(values_.size());
    for (const Kept& kept : values_) all.push_back(kept.value());
    return all;
  }
  std::size_t bytes() const { return bytes_ + values_.size() * sizeof(Kept); }

 private:
  Result<> take(const Value& value) {
    if (value.type() != Type::kArray) return add(value);
    for (const Element& item : value.as_object()) DISTRI_TRY_VOID(add(item.value));
    return {};
  }

  Result<> add(const Value& value) {
    constexpr std::size_t kHeadBytes = 8;  // type and key in the reply's array
    if (values_.contains(value)) return {};
    values_.emplace(value);
    bytes_ += value.raw().size() + kHeadBytes;
    if (bytes_ <= bytes_max_) return {};
    return fail(Code::kTooLarge,
                "distinct (17217): the values take more than {} bytes; narrow the filter, or read pages sorted by the "
                "field",
                bytes_max_);
  }

  absl::btree_set<Kept, Less> values_;
  std::size_t bytes_ = 0;
  std::size_t bytes_max_;
};

Result<std::vector<std::string>> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string_view rest = path;;) {
    const std::size_t dot = rest.find('.');
    parts.emplace_back(rest.substr(0, dot));
    if (parts.back().empty()) return refuse(mongo::kBadValue, "distinct: the path '{}' has an empty part", shown(path));
    if (parts.size() > kPathPartsMax)
      return refuse(mongo::kBadValue, "distinct: the path '{}' has more than {} parts", shown(path), kPathPartsMax);
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (path.starts_with('$')) return refuse(mongo::kBadValue, "distinct: the path '{}' begins with '$'", shown(path));
  return parts;
}

}  // namespace

class DistinctRun::Impl {
 public:
  Impl(std::vector<std::string> parts, const Filter* filter, std::size_t bytes_max)
      : parts_(std::move(parts)), scan_({filter, nullptr, ReadShape::kAll, true, {}}), gatherer_(bytes_max) {}

  Result<bool> step(const Collection* collection, std::uint64_t& budget) {
    if (collection == nullptr) return true;
    Result<> gathered;
    DISTRI_TRY(const auto end, scan_.run(*collection, budget, [&](std::string_view, const Record& record) {
      gathered = gatherer_.gather(Value(Type::kObject, record.document.bytes()), parts_);
      return gathered.has_value();
    }));
    DISTRI_TRY_VOID(gathered);
    return end != Scan::End::kPaused;
  }
  std::vector<Value> values() const { return gatherer_.values(); }
  std::size_t bytes() const { return gatherer_.bytes() + scan_.bytes(); }

 private:
  std::vector<std::string> parts_;
  MatchScan scan_;
  Gatherer gatherer_;
};

DistinctRun::DistinctRun(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DistinctRun::DistinctRun(DistinctRun&&) noexcept = default;
DistinctRun& DistinctRun::operator=(DistinctRun&&) noexcept = default;
DistinctRun::~DistinctRun() = default;

Result<DistinctRun> DistinctRun::make(std::string_view path, const Filter* filter, std::size_t bytes_max) {
  DISTRI_TRY(auto parts, parts_of(path));
  return DistinctRun(std::make_unique<Impl>(std::move(parts), filter, bytes_max));
}

Result<bool> DistinctRun::step(const Collection* collection, std::uint64_t& budget) {
  return impl_->step(collection, budget);
}
std::vector<Value> DistinctRun::values() const {
  return impl_->values();
}
std::size_t DistinctRun::bytes() const {
  return impl_->bytes();
}

}  // namespace distri::db
