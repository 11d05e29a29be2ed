// language_model.hpp: random filters, updates and sorted reads, with and without indexes, beside interpreters written
// for tests alone. What is tried is drawn from a source of choices: random numbers (language_model_test.cpp) or a
// fuzzer's bytes.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/bson/nlohmann.hpp"
#include "distri/bson/object_id.hpp"
#include "distri/db/collection.hpp"
#include "distri/db/find.hpp"
#include "distri/db/index.hpp"
#include "distri/db/update.hpp"
#include "naive_update.hpp"

namespace distri::test {

// The values that a sort looks at; nullopt: an empty array, which is below null.
inline void sort_values(const Json& value, const Parts& path, std::size_t part, Reached& out) {
  if (part == path.size()) {
    if (!value.is_array()) return out.push_back(value);
    if (value.empty()) return out.push_back(std::nullopt);
    out.insert(out.end(), value.begin(), value.end());
  } else if (value.is_object() && value.contains(path[part])) {
    sort_values(value[path[part]], path, part + 1, out);
  } else if (value.is_array() && !value.empty() && !is_position(path[part])) {
    for (const Json& item : value) {
      if (item.is_object()) {
        sort_values(item, path, part, out);
      } else {
        out.emplace_back(Json());
      }
    }
  } else if (value.is_array() && is_position(path[part]) &&
             static_cast<std::size_t>(std::stoi(path[part])) < value.size()) {
    sort_values(value[static_cast<std::size_t>(std::stoi(path[part]))], path, part + 1, out);
  } else {
    out.emplace_back(Json());
  }
}

inline int sort_order(const std::optional<Json>& a, const std::optional<Json>& b) {
  if (!a || !b) return (a ? 1 : 0) - (b ? 1 : 0);
  return order(*a, *b);
}

inline std::optional<Json> sort_value(const Json& document, const std::string& path, bool descending) {
  Reached values;
  sort_values(document, parts_of(path), 0, values);
  return *std::max_element(values.begin(), values.end(), [descending](const auto& a, const auto& b) {
    return descending ? sort_order(a, b) < 0 : sort_order(b, a) < 0;
  });
}

// Source: std::uint64_t below(std::uint64_t bound).
template <class Source>
class LanguageModel {
 public:
  explicit LanguageModel(Source& source) : source_(source) {}

  // What differs, or empty.
  std::string try_filter() {
    const Json source = filter(2);
    const auto compiled = db::Filter::compile(*bson::from_nlohmann(source));
    if (!compiled) return source.dump() + ": " + compiled.error().message;
    for (int i = 0; i < 5; ++i) {
      const Json target = document();
      const bool expected = holds(source, target);
      count(expected, filters_);
      if (compiled->matches(*bson::from_nlohmann(target)) != expected)
        return source.dump() + " on " + target.dump() + " should be " + (expected ? "true" : "false");
    }
    return {};
  }

  std::string try_update() {
    const Json source = update();
    const auto compiled = db::Update::compile(*bson::from_nlohmann(source), {});
    for (int i = 0; i < 5; ++i) {
      Json target = document();
      target["_id"] = 1;
      const auto expected = updated(source, target);
      count(expected.has_value(), updates_);
      std::optional<Json> made;
      if (compiled) {
        // `_id` comes first.
        const bson::Document stored = bson::with_id_first(*bson::from_nlohmann(target), {});
        if (const auto result = compiled->apply(stored, {})) made = bson::to_nlohmann(result->document);
      }
      // As text: 1 and 1.0 are not the same here.
      const std::string is = made ? made->dump() : "refused";
      const std::string should = expected ? expected->dump() : "refused";
      if (is != should) return source.dump() + " on " + target.dump() + " makes " + is + ", should be " + should;
    }
    return {};
  }

  // Documents, up to two indexes on them, and a read.
  std::string try_read() {
    db::Collection collection;
    std::vector<Json> documents(1 + below(12));
    for (std::uint64_t indexes = below(3); indexes > 0; --indexes) create_index(collection);
    for (std::size_t i = 0; i < documents.size(); ++i) {
      documents[i] = document();
      documents[i]["_id"] = i;
      const bson::Document stored = bson::with_id_first(*bson::from_nlohmann(documents[i]), {});
      collection.put(bson::order_key(stored.view().begin()->value), {stored, {}});
    }
    const Json source = filter(1);
    const auto compiled = db::Filter::compile(*bson::from_nlohmann(source));
    if (!compiled) return source.dump() + ": " + compiled.error().message;
    db::FindQuery query;
    query.filter = &*compiled;
    for (std::uint64_t keys = below(3); keys > 0; --keys) {
      const std::string by = path();
      const bool twice =
          std::any_of(query.sort.begin(), query.sort.end(), [&](const auto& key) { return key.path == by; });
      if (!twice) query.sort.push_back({by, below(2) == 0});
    }
    query.skip = below(4) == 0 ? below(3) : 0;
    query.limit = below(4) == 0 ? 1 + below(4) : 0;
    query.page_documents_max = 100;
    const auto page = db::find(collection, query);
    if (!page) return source.dump() + ": " + page.error().message;
    std::string is;
    for (const auto* record : page->records) is += " " + bson::to_nlohmann(record->document)["_id"].dump();
    std::string should;
    for (const Json& each : read(documents, source, query)) should += " " + each["_id"].dump();
    count(!should.empty(), reads_);
    if (is == should) return {};
    std::string text = source.dump() + " gives" + is + ", should give" + should + "; sort";
    for (const auto& key : query.sort) text += " " + key.path + (key.descending ? " descending" : "");
    for (const auto& index : collection.indexes()) text += "; index " + index->definition().name;
    for (const Json& each : documents) text += "\n" + each.dump();
    return text;
  }

  // How often it was true, applied, found something; and how often not.
  using Counts = std::pair<std::uint64_t, std::uint64_t>;
  const Counts& filters() const { return filters_; }
  const Counts& updates() const { return updates_; }
  const Counts& reads() const { return reads_; }

 private:
  static void count(bool yes, Counts& counts) { ++(yes ? counts.first : counts.second); }

  std::uint64_t below(std::uint64_t bound) { return source_.below(bound); }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  int small(std::uint64_t bound) { return static_cast<int>(below(bound)); }
  template <std::size_t kCount>
  std::string one_of(const char* const (&texts)[kCount]) {
    return texts[below(kCount)];
  }

  // All of it: filtered, in order, and the part that is asked for.
  static std::vector<Json> read(const std::vector<Json>& documents, const Json& source, const db::FindQuery& query) {
    std::vector<Json> found;
    for (const Json& each : documents) {
      if (holds(source, each)) found.push_back(each);
    }
    std::stable_sort(found.begin(), found.end(), [&query](const Json& a, const Json& b) {
      for (const auto& key : query.sort) {
        const int o = sort_order(sort_value(a, key.path, key.descending), sort_value(b, key.path, key.descending));
        if (o != 0) return key.descending ? o > 0 : o < 0;
      }
      return false;
    });
    const auto first = found.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(query.skip, found.size()));
    std::vector<Json> rest(first, found.end());
    if (query.limit > 0 && rest.size() > query.limit) rest.resize(query.limit);
    return rest;
  }

  void create_index(db::Collection& collection) {
    db::IndexDefinition definition;
    definition.name = "";
    for (std::uint64_t fields = 1 + below(2); fields > 0; --fields) {
      const std::string by = path();
      if (definition.name.find(by + "_") != std::string::npos) continue;
      definition.fields.push_back({by, below(2) == 0});
      definition.name += by + (definition.fields.back().descending ? "_-1" : "_1");
    }
    definition.sparse = below(6) == 0;
    if (!definition.fields.empty() && collection.index(definition.name) == nullptr)
      collection.create_index(std::move(definition));
  }

  // ---- Few names and few values, so that conditions meet documents.

  Json value(int depth) {
    static constexpr const char* kNames[] = {"a", "b", "0", "1", "c"};
    switch (below(depth > 0 ? 11 : 6)) {
      case 0:
        return nullptr;
      case 1:
        return chance(50);
      case 2:
        return std::string(1 + below(2), static_cast<char>('x' + below(3))) + (chance(30) ? "z" : "");
      case 3:
        return static_cast<double>(below(6)) / 2;
      case 4:
      case 5:
        return small(4);
      case 6:
      case 7:
      case 8: {
        Json array = Json::array();
        for (auto n = below(4); n > 0; --n) array.push_back(value(depth - 1));
        return array;
      }
      default: {
        Json object = Json::object();
        for (auto n = below(4); n > 0; --n) object[one_of(kNames)] = value(depth - 1);
        return object;
      }
    }
  }

  Json document() {
    Json made = Json::object();
    for (const auto* name : {"a", "b", "c"}) {
      if (chance(80)) made[name] = value(3);
    }
    return made;
  }

  std::string path() {
    static constexpr const char* kPaths[] = {"a",     "b",     "a.b",   "a.0",   "a.a",     "b.1",
                                             "a.b.0", "a.0.b", "a.0.0", "c.a.b", "a.1.0.b", "c"};
    return one_of(kPaths);
  }

  Json operand(const std::string& op, int depth) {
    static constexpr const char* kTypes[] = {"number", "int", "double", "string", "array", "object", "null"};
    static constexpr const char* kPatterns[] = {"^x", "z$", "x|y", "[xy]z", "yy?"};
    if (op == "$exists") return chance(50);
    if (op == "$type") return one_of(kTypes);
    if (op == "$regex") return one_of(kPatterns);
    if (op == "$size") return small(4);
    if (op == "$mod") return Json::array({1 + small(3), small(2)});
    if (op == "$not") return depth > 0 ? operators(depth - 1) : Json{{"$gt", 1}};
    if (op == "$elemMatch") {
      if (depth <= 0) return Json{{"$gt", 1}};
      return chance(50) ? operators(depth - 1) : filter(0);
    }
    if (op != "$in" && op != "$nin" && op != "$all") return value(1);
    Json list = Json::array();
    const bool elements = op == "$all" && chance(30);
    for (auto n = below(4); n > 0; --n)
      list.push_back(elements ? Json{{"$elemMatch", operand("$elemMatch", depth)}} : value(1));
    return list;
  }

  Json operators(int depth) {
    static constexpr const char* kOps[] = {"$eq",  "$ne",     "$gt",  "$gte",  "$lt",    "$lte",  "$in",  "$nin",
                                           "$all", "$exists", "$not", "$type", "$regex", "$size", "$mod", "$elemMatch"};
    Json made = Json::object();
    for (auto n = 1 + below(2); n > 0; --n) {
      const std::string op = one_of(kOps);
      made[op] = operand(op, depth);
    }
    return made;
  }

  Json filter(int depth) {
    static constexpr const char* kLogic[] = {"$and", "$or", "$nor"};
    Json made = Json::object();
    for (auto n = 1 + below(2); n > 0; --n) {
      if (depth > 0 && chance(30)) {
        Json list = Json::array();
        for (auto k = 1 + below(3); k > 0; --k) list.push_back(filter(depth - 1));
        made[one_of(kLogic)] = list;
      } else {
        made[path()] = chance(30) ? value(2) : operators(2);
      }
    }
    return made;
  }

  Json number() { return chance(70) ? Json(small(5) - 2) : Json(static_cast<double>(below(6)) / 2 - 1); }

  // An object stands for itself, and none looks like operators.
  Json update_operand(const std::string& op) {
    static constexpr const char* kBits[] = {"and", "or", "xor"};
    static constexpr const char* kNew[] = {"d", "e"};
    if (op == "$inc" || op == "$mul") return number();
    if (op == "$unset") return "";
    if (op == "$rename") return one_of(kNew);
    if (op == "$bit") return Json{{one_of(kBits), small(8)}};
    if (op == "$pop") return chance(50) ? 1 : -1;
    if (op == "$pull") return chance(40) ? value(1) : chance(50) ? operators(1) : filter(0);
    if (op == "$pullAll" || (op == "$addToSet" && chance(40)) || (op == "$push" && chance(60))) {
      Json list = Json::array();
      for (auto n = below(4); n > 0; --n) list.push_back(value(1));
      if (op == "$pullAll") return list;
      Json made{{"$each", list}};
      if (op == "$push" && chance(40)) made["$position"] = small(6) - 3;
      if (op == "$push" && chance(40)) made["$sort"] = chance(50) ? 1 : -1;
      if (op == "$push" && chance(40)) made["$slice"] = small(7) - 3;
      return made;
    }
    return value(2);
  }

  Json update() {
    static constexpr const char* kOps[] = {"$set",  "$set",      "$unset", "$inc", "$mul",     "$min", "$max",
                                           "$push", "$addToSet", "$pull",  "$pop", "$pullAll", "$bit", "$rename"};
    static constexpr const char* kPaths[] = {"a",   "b",   "c",     "a.b",   "a.0", "b.1",
                                             "c.0", "b.a", "a.0.b", "a.b.0", "d",   "c.2.a"};
    static constexpr const char* kAll[] = {"a.$[]", "b.$[]", "a.$[].b", "b.$[].a"};
    static constexpr const char* kChanging[] = {"$set", "$inc", "$mul", "$min", "$max", "$push"};
    static constexpr const char* kTop[] = {"a", "b", "c"};
    Json made = Json::object();
    if (chance(15)) {
      const std::string op = one_of(kChanging);
      made[op][one_of(kAll)] = update_operand(op);
      return made;
    }
    for (auto n = 1 + below(3); n > 0; --n) {
      const std::string op = one_of(kOps);
      made[op][op == "$rename" ? one_of(kTop) : one_of(kPaths)] = update_operand(op);
    }
    return made;
  }

  Source& source_;
  Counts filters_;
  Counts updates_;
  Counts reads_;
};

}  // namespace distri::test
