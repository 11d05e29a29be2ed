// Which `_id` a filter can match at all: found in the conditions that must hold, so at the top and inside $and.
#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/filter_program.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// No order key is a prefix of another, so this is above `key` and below every key that follows it.
std::string just_after(std::string key) {
  key.push_back('\0');
  return key;
}

class IdConditions {
 public:
  void see(const FilterNode& node) {
    if (node.op == FilterOp::kAnd) {
      for (const FilterNode& child : node.children) see(child);
    } else if (node.path.size() == 1 && node.path[0].name == "_id") {
      condition(node);
    }
  }

  std::optional<std::string> key;
  std::optional<std::vector<std::string>> keys;
  IdBounds bounds;

 private:
  void condition(const FilterNode& node) {
    switch (node.op) {
      case FilterOp::kEq:
        // An array could match an element of one, were _id allowed to be an array.
        if (node.operand.type() == Type::kArray || key) return;
        key = bson::order_key(node.operand);
        return narrow({*key});
      case FilterOp::kIn: {
        if (!node.regexes.empty()) return;
        std::vector<std::string> all;
        for (const Value& value : node.list) {
          if (value.type() != Type::kArray) all.push_back(bson::order_key(value));
        }
        all.erase(std::unique(all.begin(), all.end()), all.end());
        return narrow(std::move(all));
      }
      case FilterOp::kGt:
      case FilterOp::kGte:
      case FilterOp::kLt:
      case FilterOp::kLte:
        return range(node.op, node.operand);
      default:
        return;
    }
  }

  void narrow(std::vector<std::string> all) {
    if (!keys || all.size() < keys->size()) keys = std::move(all);
  }

  void range(FilterOp op, const Value& operand) {
    if (operand.type() == Type::kMinKey || operand.type() == Type::kMaxKey) return;  // comparable with every type
    std::string at = bson::order_key(operand);
    // Values of other types do not match: their keys begin with other bytes.
    raise(at.substr(0, 1));
    lower(std::string(1, static_cast<char>(at[0] + 1)));
    switch (op) {
      case FilterOp::kGt:
        return raise(just_after(std::move(at)));
      case FilterOp::kGte:
        return raise(std::move(at));
      case FilterOp::kLt:
        return lower(std::move(at));
      default:
        return lower(just_after(std::move(at)));
    }
  }

  void raise(std::string first) { bounds.first = std::max(bounds.first, std::move(first)); }
  void lower(std::string end) {
    if (!bounds.end || end < *bounds.end) bounds.end = std::move(end);
  }
};

}  // namespace

void find_id_bounds(const FilterNode& root, std::optional<std::string>& key,
                    std::optional<std::vector<std::string>>& keys, IdBounds& bounds) {
  IdConditions found;
  found.see(root);
  key = std::move(found.key);
  keys = std::move(found.keys);
  bounds = std::move(found.bounds);
}

}  // namespace distri::db
