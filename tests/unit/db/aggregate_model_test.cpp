// Random pipelines on random documents against an interpreter written apart, on nlohmann::ordered_json, one whole list
// of documents after the other.
//
// The model knows ints, strings, booleans, null, arrays and objects; it reads the stages from their JSON text.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "pipeline_cases.hpp"

using namespace distri;
using namespace distri::db::test;
using json = nlohmann::ordered_json;

namespace {

using Documents = std::vector<json>;

int rank(const json& value) {
  if (value.is_null()) return 1;
  if (value.is_number()) return 2;
  if (value.is_string()) return 3;
  if (value.is_object()) return 4;
  if (value.is_array()) return 5;
  return 6;
}

int order(const json& a, const json& b) {
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (a.is_array()) {
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (const int each = order(a[i], b[i]); each != 0) return each;
    }
    return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
  }
  REQUIRE_FALSE(a.is_object());
  if (a == b) return 0;
  return a < b ? -1 : 1;
}

std::optional<json> field(const json& document, const std::string& name) {
  const auto at = document.find(name);
  return at == document.end() ? std::nullopt : std::optional<json>(*at);
}

// "$name", a constant, or {"$add": [...]} of ints.
std::optional<json> evaluate(const json& expression, const json& document) {
  if (expression.is_string() && expression.get<std::string>().starts_with("$")) {
    return field(document, expression.get<std::string>().substr(1));
  }
  if (!expression.is_object()) return expression;
  REQUIRE(expression.begin().key() == "$ifNull");
  const auto value = evaluate(expression.begin().value()[0], document);
  return value && !value->is_null() ? value : evaluate(expression.begin().value()[1], document);
}

// {name: {"$gte": constant}} by type brackets, arrays by their elements.
bool matches(const json& filter, const json& document) {
  const auto value = field(document, filter.begin().key());
  const json& bound = filter.begin().value()["$gte"];
  const auto holds = [&](const json& each) { return rank(each) == rank(bound) && order(each, bound) >= 0; };
  if (!value) return bound.is_null();
  return holds(*value) || (value->is_array() && std::any_of(value->begin(), value->end(), holds));
}

// What counts of a value when it is sorted by; the empty array (below null) is told apart.
std::pair<bool, json> sort_value(const json& document, const std::string& name, bool descending) {
  const auto value = field(document, name);
  if (!value) return {true, nullptr};
  if (!value->is_array()) return {true, *value};
  if (value->empty()) return {false, nullptr};
  const auto less = [](const json& a, const json& b) { return order(a, b) < 0; };
  return {true, descending ? *std::max_element(value->begin(), value->end(), less)
                           : *std::min_element(value->begin(), value->end(), less)};
}

json accumulate(const json& accumulator, const Documents& group) {
  const std::string name = accumulator.begin().key();
  const json& argument = accumulator.begin().value();
  std::vector<json> values;  // missing ones are left out
  for (const json& document : group) {
    if (const auto value = evaluate(argument, document)) values.push_back(*value);
  }
  if (name == "$push") return json(values);
  if (name == "$first") return evaluate(argument, group.front()).value_or(nullptr);
  if (name == "$last") return evaluate(argument, group.back()).value_or(nullptr);
  if (name == "$addToSet") {
    json set = json::array();
    for (const json& value : values) {
      if (std::none_of(set.begin(), set.end(), [&](const json& one) { return order(one, value) == 0; })) {
        set.push_back(value);
      }
    }
    return set;
  }
  if (name == "$sum") {
    int sum = 0;
    for (const json& value : values) sum += value.is_number() ? value.get<int>() : 0;
    return sum;
  }
  json best = nullptr;
  const int sign = name == "$max" ? 1 : -1;
  for (const json& value : values) {
    if (!value.is_null() && (best.is_null() || order(value, best) * sign > 0)) best = value;
  }
  return best;
}

Documents grouped(const json& spec, const Documents& in) {
  std::vector<std::pair<json, Documents>> groups;
  for (const json& document : in) {
    const json id = evaluate(spec["_id"], document).value_or(nullptr);
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& each) { return order(each.first, id) == 0; });
    if (at == groups.end()) at = groups.emplace(groups.end(), id, Documents());
    at->second.push_back(document);
  }
  Documents out;
  for (const auto& [id, documents] : groups) {
    json result = {{"_id", id}};
    for (const auto& [name, accumulator] : spec.items()) {
      if (name != "_id") result[name] = accumulate(accumulator, documents);
    }
    out.push_back(result);
  }
  return out;
}

Documents unwound(const json& spec, const Documents& in) {
  const std::string name = spec["path"].get<std::string>().substr(1);
  Documents out;
  for (const json& document : in) {
    const auto value = field(document, name);
    if (!value || value->is_null() || (value->is_array() && value->empty())) {
      if (!spec["preserveNullAndEmptyArrays"].get<bool>()) continue;
      json kept = document;
      if (value && value->is_array()) kept.erase(name);
      out.push_back(kept);
      continue;
    }
    for (const json& item : value->is_array() ? *value : json::array({*value})) {
      json one = document;
      one[name] = item;
      out.push_back(one);
    }
  }
  return out;
}

Documents joined(const json& spec, const Documents& in, const Documents& others) {
  const std::string foreign = spec["foreignField"];
  Documents out;
  for (const json& document : in) {
    const json local = field(document, spec["localField"]).value_or(nullptr);
    json found = json::array();
    for (const json& other : others) {
      const auto value = field(other, foreign);
      const auto equals = [&](const json& wanted) {
        if (!value) return wanted.is_null();
        if (order(*value, wanted) == 0) return true;
        return value->is_array() &&
               std::any_of(value->begin(), value->end(), [&](const json& each) { return order(each, wanted) == 0; });
      };
      if (local.is_array() ? std::any_of(local.begin(), local.end(), equals) : equals(local)) found.push_back(other);
    }
    json result = document;
    result[spec["as"].get<std::string>()] = found;
    out.push_back(result);
  }
  return out;
}

Documents run_model(const json& pipeline, Documents documents, const Documents& others);

Documents run_stage(const json& stage, Documents in, const Documents& others) {
  const std::string name = stage.begin().key();
  const json& spec = stage.begin().value();
  Documents out;
  if (name == "$match") {
    std::copy_if(in.begin(), in.end(), std::back_inserter(out), [&](const json& each) { return matches(spec, each); });
  } else if (name == "$set") {
    for (json& each : in) {
      const auto value = evaluate(spec.begin().value(), each);
      value ? void(each[spec.begin().key()] = *value) : void(each.erase(spec.begin().key()));
    }
    return in;
  } else if (name == "$project") {
    for (const json& each : in) {
      json result = json::object();
      for (const auto& [key, value] : each.items()) {
        if (key == "_id" || key == spec.begin().key()) result[key] = value;
      }
      out.push_back(result);
    }
  } else if (name == "$limit") {
    in.resize(std::min(in.size(), spec.get<std::size_t>()));
    return in;
  } else if (name == "$skip") {
    in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(std::min(in.size(), spec.get<std::size_t>())));
    return in;
  } else if (name == "$count") {
    if (!in.empty()) out.push_back({{spec.get<std::string>(), in.size()}});
  } else if (name == "$sort") {
    const bool descending = spec.begin().value() == -1;
    std::stable_sort(in.begin(), in.end(), [&](const json& a, const json& b) {
      const auto x = sort_value(a, spec.begin().key(), descending);
      const auto y = sort_value(b, spec.begin().key(), descending);
      const int way = x.first != y.first ? (y.first ? -1 : 1) : order(x.second, y.second);
      return descending ? way > 0 : way < 0;
    });
    return in;
  } else if (name == "$group") {
    return grouped(spec, in);
  } else if (name == "$unwind") {
    return unwound(spec, in);
  } else if (name == "$lookup") {
    return joined(spec, in, others);
  } else if (name == "$facet") {
    json result = json::object();
    for (const auto& [key, inner] : spec.items()) result[key] = run_model(inner, in, others);
    out.push_back(result);
  } else {
    FAIL(name);
  }
  return out;
}

Documents run_model(const json& pipeline, Documents documents, const Documents& others) {
  for (const json& stage : pipeline) documents = run_stage(stage, std::move(documents), others);
  return documents;
}

// Random values, documents and stages.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::string name() { return std::string(1, static_cast<char>('a' + random_.below(3))); }

  json value(bool nested = true) {
    switch (random_.below(nested ? 7 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return std::string(1, static_cast<char>('p' + random_.below(3)));
      case 2:
        return random_.chance(0.5);
      case 5:
      case 6: {
        json list = json::array();
        for (std::uint64_t i = random_.below(4); i > 0; --i) list.push_back(value(false));
        return list;
      }
      default:
        return static_cast<int>(random_.below(4));
    }
  }

  Documents documents() {
    Documents all;
    const auto count = static_cast<int>(random_.below(9));
    for (int id = 0; id < count; ++id) {
      json document = {{"_id", id}};
      for (const char* field : {"a", "b", "c"}) {
        if (random_.chance(0.8)) document[field] = value();
      }
      all.push_back(document);
    }
    return all;
  }

  // `joins`: the results have objects in arrays, which the model does not compare, so that it comes last.
  json pipeline(bool joins) {
    json stages = json::array();
    for (std::uint64_t i = random_.below(5); i > 0; --i) stages.push_back(stage());
    if (!joins) return stages;
    if (random_.chance(0.3)) {
      stages.push_back({{"$facet", {{"x", pipeline(false)}, {"y", pipeline(false)}}}});
    } else if (random_.chance(0.6)) {
      stages.push_back(
          {{"$lookup", {{"from", "o"}, {"localField", name()}, {"foreignField", name()}, {"as", name()}}}});
    }
    return stages;
  }

 private:
  json stage() {
    switch (random_.below(9)) {
      case 0:
        return {{"$match", {{name(), {{"$gte", value(false)}}}}}};
      case 1:
        return {{"$set", {{name(), random_.chance(0.5) ? json("$" + name()) : json{{"$ifNull", {"$" + name(), 7}}}}}}};
      case 2:
        return {{"$limit", 1 + random_.below(6)}};
      case 3:
        return {{"$skip", random_.below(4)}};
      case 4:
      case 5:
        return {{"$sort", {{name(), random_.chance(0.5) ? 1 : -1}}}};
      case 6:
        return {{"$unwind", {{"path", "$" + name()}, {"preserveNullAndEmptyArrays", random_.chance(0.5)}}}};
      case 7:
        return random_.chance(0.7) ? json{{"$project", {{name(), 1}}}} : json{{"$count", name()}};
      default: {
        json spec = {{"_id", "$" + name()}};
        constexpr const char* kAccumulators[] = {"$sum", "$min", "$max", "$first", "$last", "$push", "$addToSet"};
        for (const char* field : {"a", "b"}) spec[field] = {{kAccumulators[random_.below(7)], "$" + name()}};
        return {{"$group", spec}};
      }
    }
  }

  Random random_;
};

std::string text_of(const Documents& documents) {
  std::string text = "[";
  for (const json& each : documents) text += (text.size() > 1 ? "," : "") + each.dump();
  return text + "]";
}

}  // namespace

TEST_CASE("random pipelines give what a naive interpreter gives") {
  std::size_t not_empty = 0;
  for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
    Dice dice(seed);
    const Documents documents = dice.documents();
    const Documents others = dice.documents();
    const json pipeline = dice.pipeline(true);
    db::Database database;
    put_all(database, "c", text_of(documents));
    put_all(database, "o", text_of(others));
    const std::string expected = text_of(run_model(pipeline, documents, others));
    const std::string result = run_pipeline(pipeline.dump(), database);
    REQUIRE_MESSAGE(result == expected, "seed " << seed << ": " << pipeline.dump() << " on " << text_of(documents)
                                                << " and " << text_of(others));
    if (expected != "[]") ++not_empty;
  }
  CHECK(not_empty > 2'000);
}
