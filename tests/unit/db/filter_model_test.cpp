// Random filters on random documents, against an interpreter written for this test alone: it works on JSON values,
// gathers all values that a path reaches into a list, and then asks each one.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <optional>
#include <vector>

#include "distri/bson/nlohmann.hpp"
#include "distri/db/filter.hpp"
#include "distri/utils/random.hpp"

using namespace distri;
using Json = nlohmann::json;

namespace {

using Reached = std::vector<std::optional<Json>>;  // nullopt: missing
using Parts = std::vector<std::string>;

Parts parts_of(const std::string& path) {
  Parts parts(1);
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

void reach_object(const Json& object, Parts rest, Reached& out);

void reach_array(const Json& array, const Parts& rest, Reached& out) {
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (array[i].is_object()) reach_object(array[i], rest, out);
    if (rest[0] != std::to_string(i)) continue;
    const Parts after(rest.begin() + 1, rest.end());
    if (after.empty()) {
      out.emplace_back(array[i]);
    } else if (array[i].is_object()) {
      reach_object(array[i], after, out);
    } else if (array[i].is_array()) {
      reach_array(array[i], after, out);
    }
  }
}

void reach_object(const Json& object, Parts rest, Reached& out) {
  if (!object.contains(rest[0])) {
    out.emplace_back(std::nullopt);
    return;
  }
  const Json& child = object[rest[0]];
  rest.erase(rest.begin());
  if (rest.empty()) {
    if (child.is_array()) out.insert(out.end(), child.begin(), child.end());
    out.emplace_back(child);
  } else if (child.is_object()) {
    reach_object(child, rest, out);
  } else if (child.is_array()) {
    reach_array(child, rest, out);
  } else {
    out.emplace_back(std::nullopt);
  }
}

int rank(const Json& v) {
  if (v.is_null()) return 0;
  if (v.is_number()) return 1;
  if (v.is_string()) return 2;
  if (v.is_object()) return 3;
  return v.is_array() ? 4 : 5;
}

int order(const Json& a, const Json& b) {
  if (rank(a) != rank(b)) return rank(a) - rank(b);
  if (!a.is_structured()) return a < b ? -1 : (b < a ? 1 : 0);
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (rank(*x) != rank(*y)) return rank(*x) - rank(*y);
    if (a.is_object() && x.key() != y.key()) return x.key() < y.key() ? -1 : 1;
    if (const int by_value = order(*x, *y); by_value != 0) return by_value;
  }
  return (x == a.end() ? 0 : 1) - (y == b.end() ? 0 : 1);
}

bool one_holds(const std::string& op, const std::optional<Json>& value, const Json& operand) {
  if (op == "$exists") return value.has_value();
  if (op == "$in") {
    for (const Json& each : operand) {
      if (one_holds("$eq", value, each)) return true;
    }
    return false;
  }
  const Json& actual = value ? *value : Json();
  if (rank(actual) != rank(operand)) return false;
  const int o = order(actual, operand);
  if (op == "$eq") return o == 0;
  if (op == "$gt") return o > 0;
  if (op == "$gte") return o >= 0;
  return op == "$lt" ? o < 0 : o <= 0;
}

bool operator_holds(const Json& document, const std::string& path, const std::string& op, const Json& operand) {
  if (op == "$ne") return !operator_holds(document, path, "$eq", operand);
  if (op == "$nin") return !operator_holds(document, path, "$in", operand);
  if (op == "$exists" && operand == false) return !operator_holds(document, path, op, true);
  if (op == "$not") {
    for (const auto& [inner, value] : operand.items()) {
      if (!operator_holds(document, path, inner, value)) return true;
    }
    return false;
  }
  Reached values;
  reach_object(document, parts_of(path), values);
  for (const auto& value : values) {
    if (one_holds(op, value, operand)) return true;
  }
  return false;
}

bool holds(const Json& filter, const Json& document) {
  for (const auto& [key, value] : filter.items()) {
    bool ok = true;
    if (key[0] == '$') {
      std::size_t holding = 0;
      for (const Json& each : value) holding += holds(each, document) ? 1 : 0;
      ok = key == "$and" ? holding == value.size() : (key == "$or" ? holding > 0 : holding == 0);
    } else if (value.is_object() && !value.empty() && value.begin().key()[0] == '$') {
      for (const auto& [op, operand] : value.items()) ok = ok && operator_holds(document, key, op, operand);
    } else {
      ok = operator_holds(document, key, "$eq", value);
    }
    if (!ok) return false;
  }
  return true;
}

// Few names and few values, so that conditions meet documents.
Json random_value(Random& random, int depth) {
  static const std::array<const char*, 5> kNames = {"a", "b", "0", "1", "c"};
  switch (random.below(depth > 0 ? 11 : 6)) {
    case 0:
      return nullptr;
    case 1:
      return random.chance(0.5);
    case 2:
      return std::string(1, static_cast<char>('x' + random.below(3)));
    case 3:
      return static_cast<double>(random.below(6)) / 2;
    case 4:
    case 5:
      return static_cast<int>(random.below(4));
    case 6:
    case 7:
    case 8: {
      Json array = Json::array();
      for (auto n = random.below(4); n > 0; --n) array.push_back(random_value(random, depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (auto n = random.below(4); n > 0; --n)
        object[kNames[random.below(kNames.size())]] = random_value(random, depth - 1);
      return object;
    }
  }
}

Json random_document(Random& random) {
  Json document = Json::object();
  for (const auto* name : {"a", "b", "c"}) {
    if (random.chance(0.8)) document[name] = random_value(random, 3);
  }
  return document;
}

Json random_operators(Random& random, int depth) {
  static const std::array<const char*, 10> kOps = {"$eq",  "$ne", "$gt",  "$gte",    "$lt",
                                                   "$lte", "$in", "$nin", "$exists", "$not"};
  Json result = Json::object();
  for (auto n = 1 + random.below(2); n > 0; --n) {
    const std::string op = kOps[random.below(kOps.size())];
    if (op == "$in" || op == "$nin") {
      Json list = Json::array();
      for (auto k = random.below(4); k > 0; --k) list.push_back(random_value(random, 1));
      result[op] = list;
    } else if (op == "$exists") {
      result[op] = random.chance(0.5);
    } else if (op == "$not") {
      result[op] = depth > 0 ? random_operators(random, depth - 1) : Json{{"$gt", 1}};
    } else {
      result[op] = random_value(random, 1);
    }
  }
  return result;
}

Json random_filter(Random& random, int depth) {
  static const std::array<const char*, 12> kPaths = {"a",     "b",     "a.b",   "a.0",   "a.a",     "b.1",
                                                     "a.b.0", "a.0.b", "a.0.0", "c.a.b", "a.1.0.b", "c"};
  Json filter = Json::object();
  for (auto n = 1 + random.below(2); n > 0; --n) {
    if (depth > 0 && random.chance(0.3)) {
      static const std::array<const char*, 3> kLogic = {"$and", "$or", "$nor"};
      Json list = Json::array();
      for (auto k = 1 + random.below(3); k > 0; --k) list.push_back(random_filter(random, depth - 1));
      filter[kLogic[random.below(kLogic.size())]] = list;
    } else {
      filter[kPaths[random.below(kPaths.size())]] =
          random.chance(0.3) ? random_value(random, 2) : random_operators(random, 2);
    }
  }
  return filter;
}

}  // namespace

TEST_CASE("random filters agree with the naive interpreter on random documents") {
  int matched = 0;
  int tried = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    const Json source = random_filter(random, 2);
    const auto filter_document = bson::from_nlohmann(source);
    REQUIRE(filter_document);
    const auto filter = db::Filter::compile(*filter_document);
    REQUIRE_MESSAGE(filter.has_value(), source.dump() << ": " << (filter ? "" : filter.error().message));
    for (int i = 0; i < 20; ++i) {
      const Json document = random_document(random);
      const bool expected = holds(source, document);
      ++tried;
      matched += expected ? 1 : 0;
      if (filter->matches(*bson::from_nlohmann(document)) != expected) {
        FAIL_CHECK("seed " << seed << ": " << source.dump() << " on " << document.dump() << " should be " << expected);
      }
    }
  }
  // The test says something only if both answers are frequent.
  CHECK(matched > tried / 10);
  CHECK(matched < tried * 9 / 10);
}
