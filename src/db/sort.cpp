#include "distri/db/sort.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;
using bson::View;

// The value that counts among all that a path reaches.
class Extreme {
 public:
  explicit Extreme(bool largest) : largest_(largest) {}

  void see(const Value& value) {
    if (seen_) {
      const int order = bson::compare(value, best_);
      if (largest_ ? order <= 0 : order >= 0) return;
    }
    best_ = value;
    seen_ = true;
  }
  const Value& value() const { return best_; }  // null when there was none

 private:
  bool largest_;
  bool seen_ = false;
  Value best_;
};

void see_leaf(const Value& value, Extreme& extreme) {
  if (value.type() != Type::kArray) return extreme.see(value);
  const View array = value.as_object();
  if (array.empty()) return extreme.see(Value(Type::kUndefined, {}));  // below null
  for (auto at = array.begin(); !at.at_end(); ++at) extreme.see(at->value);
}

void see_all(const Value& value, const PathPart* part, const PathPart* end, Extreme& extreme) {
  if (part == end) return see_leaf(value, extreme);
  if (value.type() == Type::kObject) {
    const auto child = value.as_object().find(part->name);
    return child ? see_all(*child, part + 1, end, extreme) : extreme.see(Value());
  }
  if (value.type() != Type::kArray || value.as_object().empty()) return extreme.see(Value());
  if (part->numeric) {
    const auto item = value.as_object().find(part->name);
    return item ? see_all(*item, part + 1, end, extreme) : extreme.see(Value());
  }
  for (const bson::Element& item : value.as_object()) {
    // Arrays directly inside arrays are not entered.
    item.value.type() == Type::kObject ? see_all(item.value, part, end, extreme) : extreme.see(Value());
  }
}

}  // namespace

Result<std::vector<SortKey>> parse_sort(View sort) {
  std::vector<SortKey> keys;
  for (const bson::Element& element : sort) {
    constexpr std::size_t kShownMax = 100;
    const std::string_view name = element.key.substr(0, kShownMax);
    if (keys.size() == kSortKeysMax) return fail(Code::kInvalidArgument, "sort: more than {} keys", kSortKeysMax);
    if (element.key == kNaturalOrder) {
      const auto direction = element.value.to_int64();
      if ((direction != 1 && direction != -1) || sort.count() != 1)
        return refuse(mongo::kBadValue, "sort: '$natural' must be 1 or -1, and stand alone");
      return std::vector<SortKey>{{std::string(kNaturalOrder), direction == -1}};
    }
    if (element.key.starts_with('$'))
      return fail(Code::kInvalidArgument, "sort: the path '{}' must not begin with '$'", name);
    DISTRI_TRY_VOID(check_path("sort", element.key));
    const auto direction = element.value.to_int64();
    if (direction != 1 && direction != -1) {
      return fail(Code::kInvalidArgument, "sort: the value of '{}' must be 1 (ascending) or -1 (descending)", name);
    }
    const auto same = [&](const SortKey& key) { return key.path == element.key; };
    if (std::any_of(keys.begin(), keys.end(), same))
      return fail(Code::kInvalidArgument, "sort: the path '{}' occurs twice", name);
    keys.push_back({std::string(element.key), direction == -1});
  }
  return keys;
}

SortOrder::SortOrder(const std::vector<SortKey>& keys) {
  for (const SortKey& key : keys) keys_.push_back({split_path(key.path), key.descending});
}

std::size_t SortOrder::append_position(Bytes& out, View document, std::string_view id_key) const {
  const std::size_t begin = out.size();
  for (const Key& key : keys_) {
    Extreme extreme(key.descending);
    const PathPart* end = key.path.data() + key.path.size();
    see_all(Value(Type::kObject, document.bytes()), key.path.data(), end, extreme);
    const std::size_t start = out.size();
    append_order_key(out, extreme.value());
    if (key.descending) {
      for (std::size_t i = start; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
    }
  }
  const std::size_t sort_size = out.size() - begin;
  out.append(id_key);
  return sort_size;
}

}  // namespace distri::db
