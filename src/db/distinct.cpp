#include "distri/db/distinct.hpp"

#include <absl/container/btree_set.h>

#include <algorithm>
#include <span>

#include "distri/bson/compare.hpp"
#include "distri/db/find.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;
using Parts = std::span<const std::string_view>;

constexpr std::size_t kPathPartsMax = 100;

struct Less {
  bool operator()(const Value& a, const Value& b) const { return bson::compare(a, b) < 0; }
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

  std::vector<Value> values() const { return {values_.begin(), values_.end()}; }

 private:
  Result<> take(const Value& value) {
    if (value.type() != Type::kArray) return add(value);
    for (const Element& item : value.as_object()) DISTRI_TRY_VOID(add(item.value));
    return {};
  }

  Result<> add(const Value& value) {
    constexpr std::size_t kHeadBytes = 8;  // type and key in the reply's array
    if (!values_.insert(value).second) return {};
    bytes_ += value.raw().size() + kHeadBytes;
    if (bytes_ <= bytes_max_) return {};
    return fail(Code::kTooLarge,
                "distinct (17217): the values take more than {} bytes; narrow the filter, or read pages sorted by the "
                "field",
                bytes_max_);
  }

  absl::btree_set<Value, Less> values_;
  std::size_t bytes_ = 0;
  std::size_t bytes_max_;
};

Result<std::vector<std::string_view>> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::string_view rest = path;;) {
    const std::size_t dot = rest.find('.');
    parts.push_back(rest.substr(0, dot));
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

Result<std::vector<Value>> distinct(const Collection& collection, std::string_view path, const Filter* filter,
                                    std::size_t bytes_max) {
  DISTRI_TRY(const auto parts, parts_of(path));
  Gatherer gatherer(bytes_max);
  Result<> gathered;
  DISTRI_TRY_VOID(for_each_match(collection, filter, [&](std::string_view, const Record& record) {
    gathered = gatherer.gather(Value(Type::kObject, record.document.bytes()), parts);
    return gathered.has_value();
  }));
  DISTRI_TRY_VOID(gathered);
  return gatherer.values();
}

}  // namespace distri::db
