#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "random_document.hpp"

using namespace distri;
using namespace distri::bson;

namespace {

int sign(int v) {
  return (v > 0) - (v < 0);
}

// The values of several documents, which it owns.
struct Pool {
  std::deque<Document> documents;  // never moves: values point into them
  std::vector<Value> values;

  void add(Document document) {
    documents.push_back(std::move(document));
    for (const Element& element : documents.back().view()) {
      values.push_back(element.value);
    }
  }
};

}  // namespace

TEST_CASE("values of all types stand in MongoDB's order") {
  // Each line is below the next; values on one line are equal.
  const std::vector<std::vector<std::string>> lines = {
      {R"({"$minKey":1})"},
      {R"({"$undefined":true})"},
      {"null"},
      {R"({"$numberDouble":"NaN"})", R"({"$numberDecimal":"NaN"})"},
      {R"({"$numberDouble":"-Infinity"})", R"({"$numberDecimal":"-Infinity"})"},
      {R"({"$numberDecimal":"-1E+6000"})"},
      {"-1e308"},
      {R"({"$numberDecimal":"-9223372036854775808.5"})"},
      {"-9223372036854775808", "-9223372036854775808.0"},
      {"-9223372036854775807"},
      {"-1"},
      {R"({"$numberDecimal":"-1E-6000"})"},
      {"0", "0.0", "-0.0", R"({"$numberLong":"0"})", R"({"$numberDecimal":"-0E+5"})"},
      {R"({"$numberDecimal":"1E-6000"})"},
      {"5e-324"},
      {R"({"$numberDecimal":"0.1"})"},
      {"0.1"},
      {"0.5", R"({"$numberDecimal":"0.50"})"},
      {"1", "1.0", R"({"$numberLong":"1"})", R"({"$numberDecimal":"1.000"})"},
      {"9007199254740992", "9007199254740992.0"},
      {"9007199254740993", R"({"$numberDecimal":"9007199254740993"})"},
      {R"({"$numberDecimal":"9007199254740993.5"})"},
      {"9007199254740994", "9007199254740994.0"},
      {"9223372036854775806"},
      {"9223372036854775807"},
      {"9223372036854775808.0", R"({"$numberDecimal":"9223372036854775808"})"},
      {R"({"$numberDecimal":"1E+400"})"},
      {R"({"$numberDouble":"Infinity"})"},
      {R"("")"},
      {R"("\u0000")"},
      {R"("\u0000a")"},
      {R"("a")", R"({"$symbol":"a"})"},
      {R"("a\u0000")"},
      {R"("a\u0000\u0000")"},
      {R"("a\u0001")"},
      {R"("aa")"},
      {R"("\u00e9")"},
      {"{}"},
      {R"({"b":1})", R"({"b":1.0})"},
      {R"({"b":1,"a":0})"},
      {R"({"b":2})"},
      {R"({"c":1})"},
      {R"({"a":"x"})"},
      {"[]"},
      {"[1]"},
      {"[1,2]"},
      {"[2]"},
      {R"(["a"])"},
      {"[[]]"},
      {R"({"$binary":{"base64":"","subType":"05"}})"},
      {R"({"$binary":{"base64":"/w==","subType":"00"}})"},
      {R"({"$binary":{"base64":"AAA=","subType":"00"}})"},
      {R"({"$oid":"000000000000000000000001"})"},
      {R"({"$oid":"ff0000000000000000000000"})"},
      {"false"},
      {"true"},
      {R"({"$date":-1})"},
      {R"({"$date":1})"},
      {R"({"$timestamp":{"t":1,"i":9}})"},
      {R"({"$timestamp":{"t":2,"i":1}})"},
      {R"({"$regularExpression":{"pattern":"a","options":""}})"},
      {R"({"$regularExpression":{"pattern":"a","options":"i"}})"},
      {R"({"$code":"f"})"},
      {R"({"$code":"f","$scope":{}})"},
      {R"({"$maxKey":1})"},
  };
  struct Entry {
    std::size_t line;
    std::string text;
    Document document;
  };
  std::vector<Entry> entries;
  for (std::size_t line = 0; line < lines.size(); ++line) {
    for (const std::string& text : lines[line]) {
      auto document = from_json("{\"v\":" + text + "}");
      REQUIRE_MESSAGE(document.has_value(), text);
      entries.push_back({line, text, *std::move(document)});
    }
  }
  for (const Entry& a : entries) {
    for (const Entry& b : entries) {
      const int expected = a.line < b.line ? -1 : (a.line > b.line ? 1 : 0);
      const Value x = *a.document.view().find("v");
      const Value y = *b.document.view().find("v");
      CHECK_MESSAGE(sign(compare(x, y)) == expected, a.text << " against " << b.text);
      CHECK_MESSAGE(sign(order_key(x).compare(order_key(y))) == expected, "keys: " << a.text << " against " << b.text);
    }
  }
}

TEST_CASE("keys order as values do, for random values, and none begins with another") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    Pool pool;
    while (pool.values.size() < 100) pool.add(test::random_document(random));
    for (int i = 0; i < 30; ++i)
      pool.add(*from_json(R"({"v":{"$numberDecimal":")" + test::random_decimal(random) + "\"}}"));
    std::vector<Bytes> keys;
    for (const Value& value : pool.values) keys.push_back(order_key(value));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      for (std::size_t k = 0; k < keys.size(); ++k) {
        const int order = sign(compare(pool.values[i], pool.values[k]));
        if (order != sign(keys[i].compare(keys[k])) || (order != 0 && keys[k].starts_with(keys[i]))) {
          std::string a;
          std::string b;
          append_json(a, pool.values[i], JsonMode::kCanonical);
          append_json(b, pool.values[k], JsonMode::kCanonical);
          FAIL_CHECK("seed " << seed << ": " << a << " against " << b << ": " << order << ", " << to_hex(keys[i]) << " "
                             << to_hex(keys[k]));
        }
      }
    }
  }
}

TEST_CASE("comparison is a total order on random values") {
  for (std::uint64_t seed = 100; seed < 120; ++seed) {
    Random random(seed);
    Pool pool;
    while (pool.values.size() < 40) pool.add(test::random_document(random));
    const auto& v = pool.values;
    for (std::size_t a = 0; a < v.size(); ++a) {
      CHECK(compare(v[a], v[a]) == 0);
      for (std::size_t b = 0; b < v.size(); ++b) {
        const int ab = sign(compare(v[a], v[b]));
        CHECK(ab == -sign(compare(v[b], v[a])));
        for (std::size_t c = 0; c < v.size(); ++c) {
          if (ab <= 0 && compare(v[b], v[c]) <= 0) {
            if (compare(v[a], v[c]) > 0) FAIL_CHECK("not transitive, seed " << seed);
          }
        }
      }
    }
  }
}

TEST_CASE("whole documents compare by their fields in order") {
  const auto order = [](std::string_view a, std::string_view b) {
    return sign(compare(from_json(a)->view(), from_json(b)->view()));
  };
  CHECK(order("{}", "{}") == 0);
  CHECK(order("{}", R"({"a":1})") == -1);
  CHECK(order(R"({"a":1,"b":1})", R"({"b":1,"a":1})") == -1);
  CHECK(order(R"({"a":1})", R"({"a":1.0})") == 0);
}
