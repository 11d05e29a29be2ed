#include "distri/db/index_bounds.hpp"

#include <algorithm>
#include <map>
#include <span>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/filter_implies.hpp"
#include "distri/db/index_key.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// ---- Conditions.

class Conditions {
 public:
  void see(const FilterNode& node, const std::string& prefix, bool in_element) {
    switch (node.op) {
      case FilterOp::kAnd:
        for (const FilterNode& child : node.children) see(child, prefix, in_element);
        return;
      case FilterOp::kElementObject:
      case FilterOp::kElementValue:
        return element(node, prefix, in_element);
      case FilterOp::kEq:
      case FilterOp::kGt:
      case FilterOp::kGte:
      case FilterOp::kLt:
      case FilterOp::kLte:
      case FilterOp::kIn:
        break;
      case FilterOp::kRegex:
        if (in_element || node.regexes.front().prefix().empty()) return;
        break;
      default:
        return;
    }
    if (in_element && !usable_in_element(node)) return;
    found.push_back({prefix + join_path(node.path), &node, next_group_++});
  }

  std::vector<PathCondition> found;

 private:
  // $elemMatch looks at arrays in the array, too, where a field is missing and a number names an element.
  static bool usable_in_element(const FilterNode& leaf) {
    if (leaf.path.front().numeric) return false;
    return leaf.op == FilterOp::kIn ? !leaf.has_null : leaf.operand.type() != Type::kNull && !is_end(leaf.operand);
  }
  static bool is_end(const Value& value) { return value.type() == Type::kMinKey || value.type() == Type::kMaxKey; }

  void element(const FilterNode& node, const std::string& prefix, bool in_element) {
    const auto numeric = [](const PathPart& part) { return part.numeric; };
    // Without a path: inside of another's values.
    if (node.path.empty() || std::any_of(node.path.begin(), node.path.end(), numeric)) return;
    const std::string path = prefix + join_path(node.path);
    const FilterNode& all = node.children.front();
    if (node.op == FilterOp::kElementObject) return see(all, path + ".", true);
    if (in_element && node.path.front().numeric) return;
    const std::size_t group = next_group_++;
    for (const FilterNode& leaf : all.children) {
      const bool compares = leaf.op == FilterOp::kEq || leaf.op == FilterOp::kGt || leaf.op == FilterOp::kGte ||
                            leaf.op == FilterOp::kLt || leaf.op == FilterOp::kLte || leaf.op == FilterOp::kIn;
      if (compares && leaf.path.empty()) found.push_back({path, &leaf, group});
    }
  }

  std::size_t next_group_ = 0;
};

// ---- The bounds of one field.

std::string text_of(const Value& value, bool wanted = true) {
  std::string text;
  if (!wanted) return text;
  bson::append_json(text, value);
  return std::string(shown(text));
}

// The lowest and the highest value of a type's bracket, as people are told.
std::string_view low_text(Type type) {
  if (bson::type_bracket(type) == bson::type_bracket(Type::kDouble)) return "[-inf";
  return bson::type_bracket(type) == bson::type_bracket(Type::kString) ? "[\"\"" : "[lowest of its type";
}
std::string_view high_text(Type type) {
  if (bson::type_bracket(type) == bson::type_bracket(Type::kDouble)) return "inf]";
  return bson::type_bracket(type) == bson::type_bracket(Type::kString) ? "{})" : "highest of its type]";
}

class Narrowing {
 public:
  explicit Narrowing(bool with_texts) : with_texts_(with_texts) {}

  void add(const FilterNode& leaf) {
    switch (leaf.op) {
      case FilterOp::kEq:
        return points_of({&leaf.operand, 1});
      case FilterOp::kIn:
        return leaf.regexes.empty() ? points_of(leaf.list) : void();
      case FilterOp::kRegex:
        return texts_with(leaf.regexes.front().prefix(), leaf.operand);
      default:
        return range(leaf.op, leaf.operand);
    }
  }

  // Fewer documents pass, as far as one can tell without looking.
  bool better_than(const Narrowing& other) const { return rank() > other.rank(); }

  FieldBounds finish() && {
    if (!with_texts_) return std::move(bounds_);
    if (bounds_.points) {
      bounds_.texts = std::move(point_texts_);
    } else {
      bounds_.texts = {fmt::format("{}, {}", low_.empty() ? "[MinKey" : low_, high_.empty() ? "MaxKey]" : high_)};
      if (!bounds_.also.empty()) bounds_.texts.emplace_back("[the regular expression itself]");
    }
    return std::move(bounds_);
  }

 private:
  std::size_t rank() const {
    if (bounds_.points) return 1000 + kFilterListMax - std::min(bounds_.points->size(), kFilterListMax);
    return (narrow_low_ ? 1 : 0) + (narrow_high_ ? 1 : 0) + (bounds_.bounded() ? 1 : 0);
  }

  void points_of(std::span<const Value> values) {
    constexpr std::size_t kTextsMax = 20;
    std::vector<std::string> keys;
    std::vector<std::string> texts;
    for (const Value& value : values) {
      if (value.type() == Type::kArray) return;  // whole arrays are not in the index
      if (value.type() == Type::kNull) keys.push_back(bson::order_key(Value(Type::kUndefined, {})));
      keys.push_back(bson::order_key(value));
      if (!with_texts_) continue;
      if (texts.size() < kTextsMax) {
        texts.push_back(fmt::format("[{0}, {0}]", text_of(value)));
      } else if (texts.size() == kTextsMax) {
        texts.emplace_back("...");
      }
    }
    if (bounds_.points && bounds_.points->size() <= keys.size()) return;
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    bounds_.points = std::move(keys);
    point_texts_ = std::move(texts);
  }

  void range(FilterOp op, const Value& operand) {
    const Type type = operand.type();
    if (type == Type::kMinKey || type == Type::kMaxKey) return;  // comparable with every type
    if (type == Type::kArray) return;
    if (type == Type::kNull) {
      raise(std::string(1, bson::order_key_kind(Type::kUndefined)), "[null");
      return lower(after_prefix(std::string(1, bson::order_key_kind(Type::kNull))), "null]");
    }
    const std::string kind(1, bson::order_key_kind(type));
    raise(kind, std::string(low_text(type)));
    lower(after_prefix(kind), std::string(high_text(type)));
    std::string key = bson::order_key(operand);
    switch (op) {
      case FilterOp::kGt:
        narrow_low_ = true;
        return raise(after_prefix(std::move(key)), "(" + text_of(operand, with_texts_));
      case FilterOp::kGte:
        narrow_low_ = true;
        return raise(std::move(key), "[" + text_of(operand, with_texts_));
      case FilterOp::kLt:
        narrow_high_ = true;
        return lower(std::move(key), text_of(operand, with_texts_) + ")");
      default:
        narrow_high_ = true;
        return lower(after_prefix(std::move(key)), text_of(operand, with_texts_) + "]");
    }
  }

  // Texts that begin so, and the regular expression itself where it stands as a value.
  void texts_with(const std::string& prefix, const Value& regex) {
    std::string first(1, bson::order_key_kind(Type::kString));
    first += prefix;
    narrow_low_ = narrow_high_ = true;
    lower(after_prefix(first), fmt::format("\"{}...\")", shown(prefix)));
    raise(std::move(first), fmt::format("[\"{}\"", shown(prefix)));
    if (regex.type() == Type::kRegex) bounds_.also.push_back(bson::order_key(regex));
  }

  void raise(std::string first, std::string text) {
    if (first <= bounds_.first) return;
    bounds_.first = std::move(first);
    low_ = std::move(text);
  }
  void lower(std::string end, std::string text) {
    if (bounds_.end && *bounds_.end <= end) return;
    bounds_.end = std::move(end);
    high_ = std::move(text);
  }

  bool with_texts_;
  FieldBounds bounds_;
  std::vector<std::string> point_texts_;
  std::string low_;
  std::string high_;
  bool narrow_low_ = false;
  bool narrow_high_ = false;
};

FieldBounds bounds_of_path(std::string_view path, const std::vector<PathCondition>& conditions, bool multikey,
                           bool with_texts) {
  std::map<std::size_t, Narrowing> groups;
  for (const PathCondition& condition : conditions) {
    if (condition.path == path)
      groups.try_emplace(multikey ? condition.group : 0, with_texts).first->second.add(*condition.leaf);
  }
  Narrowing best(with_texts);
  for (auto& [group, narrowing] : groups) {
    if (narrowing.better_than(best)) best = std::move(narrowing);
  }
  return std::move(best).finish();
}

// `key` complemented: what was from `first` up to `end` is from complement(end) on.
void turn_around(FieldBounds& bounds) {
  for (std::string& point : bounds.also) complement(point);
  if (bounds.points) {
    for (std::string& point : *bounds.points) complement(point);
    std::sort(bounds.points->begin(), bounds.points->end());
    return;
  }
  std::string first = std::move(bounds.first);
  std::optional<std::string> end = std::move(bounds.end);
  bounds.first.clear();
  bounds.end.reset();
  if (end) {
    complement(*end);
    bounds.first = after_prefix(*std::move(end));
  }
  if (!first.empty()) {
    complement(first);
    bounds.end = after_prefix(std::move(first));
  }
}

}  // namespace

std::vector<PathCondition> path_conditions(const FilterNode& root) {
  Conditions conditions;
  conditions.see(root, {}, false);
  return std::move(conditions.found);
}

std::vector<FieldBounds> bounds_of(const Index& index, const std::vector<PathCondition>& conditions, bool with_texts) {
  std::vector<FieldBounds> all;
  bool array_bounded = false;
  for (std::size_t i = 0; i < index.definition().fields.size(); ++i) {
    const SortKey& field = index.definition().fields[i];
    const bool multikey = index.multikey(i) != 0;
    static const std::vector<PathCondition> kNone;
    FieldBounds bounds =
        bounds_of_path(field.path, multikey && array_bounded ? kNone : conditions, multikey, with_texts);
    array_bounded |= multikey && bounds.bounded();
    if (field.descending) turn_around(bounds);
    all.push_back(std::move(bounds));
  }
  return all;
}

std::vector<KeyRange> ranges_of(const Index& index, const std::vector<FieldBounds>& bounds, std::size_t& fields_used) {
  std::vector<std::string> prefixes{""};
  fields_used = 0;
  const std::size_t fields = index.definition().fields.size();
  for (; fields_used < fields && bounds[fields_used].points; ++fields_used) {
    const auto& points = *bounds[fields_used].points;
    if (points.size() * prefixes.size() > std::max(kScanRangesMax, fields_used == 0 ? kFilterListMax + 1 : 0)) break;
    std::vector<std::string> longer;
    longer.reserve(points.size() * prefixes.size());
    for (const std::string& prefix : prefixes) {
      for (const std::string& point : points) longer.push_back(prefix + point);
    }
    prefixes = std::move(longer);
  }
  const FieldBounds* range = fields_used < fields && !bounds[fields_used].points ? &bounds[fields_used] : nullptr;
  if (range != nullptr && range->bounded()) ++fields_used;
  std::vector<KeyRange> ranges;
  ranges.reserve(prefixes.size());
  for (const std::string& prefix : prefixes) {
    KeyRange& out = ranges.emplace_back(KeyRange{prefix, std::nullopt});
    if (range != nullptr) out.first += range->first;
    if (range != nullptr && range->end) {
      out.end = prefix + *range->end;
    } else if (!prefix.empty()) {
      out.end = after_prefix(prefix);
    }
    if (range == nullptr) continue;
    for (const std::string& point : range->also) ranges.push_back({prefix + point, after_prefix(prefix + point)});
  }
  return ranges;
}

}  // namespace distri::db
