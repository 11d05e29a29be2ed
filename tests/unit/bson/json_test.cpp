#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/json.hpp"
#include "distri/bson/nlohmann.hpp"
#include "random_document.hpp"

using namespace distri;
using namespace distri::bson;

namespace {

std::string error_of(std::string_view text) {
  const auto result = from_json(text);
  return result ? "accepted as " + to_json(*result) : result.error().message;
}

}  // namespace

TEST_CASE("values have the bytes, the canonical and the relaxed form of the specification") {
  struct Row {
    const char* hex;        // of {"x": value}
    const char* canonical;  // of the value
    const char* relaxed;    // nullptr: the same
  };
  const Row rows[] = {
      {"0c0000001078000100000000", R"({"$numberInt":"1"})", "1"},
      {"0c000000107800ffffffff00", R"({"$numberInt":"-1"})", "-1"},
      {"10000000127800000000800000000000", R"({"$numberLong":"2147483648"})", "2147483648"},
      {"10000000017800000000000000f03f00", R"({"$numberDouble":"1.0"})", "1.0"},
      {"10000000017800000000000000008000", R"({"$numberDouble":"-0.0"})", "-0.0"},
      {"10000000017800000000000000f07f00", R"({"$numberDouble":"Infinity"})", nullptr},
      {"10000000017800000000000000f0ff00", R"({"$numberDouble":"-Infinity"})", nullptr},
      {"10000000017800000000000000f87f00", R"({"$numberDouble":"NaN"})", nullptr},
      {"0e00000002780002000000610000", R"("a")", nullptr},
      {"0f0000000278000300000061000000", R"("a\u0000")", nullptr},
      {"09000000087800"
       "0100",
       "true", nullptr},
      {"080000000a780000", "null", nullptr},
      {"0800000006780000", R"({"$undefined":true})", nullptr},
      {"08000000ff780000", R"({"$minKey":1})", nullptr},
      {"080000007f780000", R"({"$maxKey":1})", nullptr},
      {"1400000007780056e1fc72e0c917e9c471416100", R"({"$oid":"56e1fc72e0c917e9c4714161"})", nullptr},
      {"10000000097800c5d8d6cc3b01000000", R"({"$date":{"$numberLong":"1356351330501"}})",
       R"({"$date":"2012-12-24T12:15:30.501Z"})"},
      {"10000000097800000000000000000000", R"({"$date":{"$numberLong":"0"}})", R"({"$date":"1970-01-01T00:00:00Z"})"},
      {"10000000097800c33ce7b9bdffffff00", R"({"$date":{"$numberLong":"-284643869501"}})", nullptr},
      {"0d000000057800000000000000", R"({"$binary":{"base64":"","subType":"00"}})", nullptr},
      {"0f0000000578000200000080ffff00", R"({"$binary":{"base64":"//8=","subType":"80"}})", nullptr},
      {"13000000057800060000000202000000ffff00", R"({"$binary":{"base64":"//8=","subType":"02"}})", nullptr},
      {"100000001178002a00000015cd5b0700", R"({"$timestamp":{"t":123456789,"i":42}})", nullptr},
      {"0d0000000b78006162006900"
       "00",
       R"({"$regularExpression":{"pattern":"ab","options":"i"}})", nullptr},
      {"0e0000000d780002000000620000", R"({"$code":"b"})", nullptr},
      {"0e0000000e780002000000620000", R"({"$symbol":"b"})", nullptr},
      {"1a0000000f7800120000000200000062000700000008"
       "79000000",
       nullptr, nullptr},
      {"1a0000000c780002000000620056e1fc72e0c917e9c471416100",
       R"({"$dbPointer":{"$ref":"b","$id":{"$oid":"56e1fc72e0c917e9c4714161"}}})", nullptr},
      {"180000001378000100000000000000000000000000403000", R"({"$numberDecimal":"1"})", nullptr},
      {"0d00000003780005000000"
       "0000",
       "{}", nullptr},
      {"0d00000004780005000000"
       "0000",
       "[]", nullptr},
  };
  for (const Row& row : rows) {
    if (row.canonical == nullptr) continue;
    const Bytes bytes = *from_hex(row.hex);
    const std::string canonical = std::string(R"({"x":)") + row.canonical + "}";
    const std::string relaxed = row.relaxed == nullptr ? canonical : std::string(R"({"x":)") + row.relaxed + "}";
    const auto view = validate(bytes);
    REQUIRE_MESSAGE(view.has_value(), canonical << ": " << (view ? "" : view.error().message));
    CHECK(to_json(*view, JsonMode::kCanonical) == canonical);
    CHECK(to_json(*view) == relaxed);
    for (const std::string& text : {canonical, relaxed}) {
      const auto document = from_json(text);
      REQUIRE_MESSAGE(document.has_value(), text << ": " << (document ? "" : document.error().message));
      CHECK_MESSAGE(document->bytes() == bytes, text);
    }
  }
}

TEST_CASE("all accepted forms of a value are read as that value") {
  struct Row {
    const char* text;
    const char* canonical;
  };
  const Row rows[] = {
      {"0", R"({"$numberInt":"0"})"},
      {"-0", R"({"$numberInt":"0"})"},
      {"2147483647", R"({"$numberInt":"2147483647"})"},
      {"-2147483649", R"({"$numberLong":"-2147483649"})"},
      {"9223372036854775807", R"({"$numberLong":"9223372036854775807"})"},
      {"-9223372036854775808", R"({"$numberLong":"-9223372036854775808"})"},
      {"9223372036854775808", R"({"$numberDouble":"9223372036854775808.0"})"},
      {"18446744073709551616", R"({"$numberDouble":"18446744073709551616.0"})"},
      {"-123456789012345678901234567890", R"({"$numberDouble":"-1.2345678901234568e+29"})"},
      {"1.0", R"({"$numberDouble":"1.0"})"},
      {"1e2", R"({"$numberDouble":"100.0"})"},
      {"1E-7", R"({"$numberDouble":"1e-07"})"},
      {"0.12345678901234567890123", R"({"$numberDouble":"0.12345678901234568"})"},
      {"902345678901234630656.0", R"({"$numberDouble":"902345678901234630656.0"})"},
      {"5e-324", R"({"$numberDouble":"5e-324"})"},
      {R"({"$numberDouble":"nan"})", R"({"$numberDouble":"NaN"})"},
      {R"({"$numberLong":"5"})", R"({"$numberLong":"5"})"},
      {R"("\u00e9\ud83d\ude00\/\"\\\b\f\n\r\t")", "\"\xc3\xa9\xf0\x9f\x98\x80/\\\"\\\\\\b\\f\\n\\r\\t\""},
      {R"({"$date":5})", R"({"$date":{"$numberLong":"5"}})"},
      {R"({"$date":"2012-12-24T12:15:30.501+01:00"})", R"({"$date":{"$numberLong":"1356347730501"}})"},
      {R"({"$date":"2012-12-24T12:15:30-0130"})", R"({"$date":{"$numberLong":"1356356730000"}})"},
      {R"({"$date":"2000-02-29T00:00Z"})", R"({"$date":{"$numberLong":"951782400000"}})"},
      {R"({"$date":"1969-12-31T23:59:59.999999Z"})", R"({"$date":{"$numberLong":"-1"}})"},
      {R"({"$binary":{"subType":"5","base64":"AQ=="}})", R"({"$binary":{"base64":"AQ==","subType":"05"}})"},
      {R"({"$uuid":"c8edabc3-f738-4ca3-b68d-ab92a91478a3"})",
       R"({"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}})"},
      {R"({"$timestamp":{"i":2,"t":4294967295}})", R"({"$timestamp":{"t":4294967295,"i":2}})"},
      {R"({"$scope":{"a":1},"$code":"f"})", R"({"$code":"f","$scope":{"a":{"$numberInt":"1"}}})"},
      {R"({"$code":"f","$scope":{"a":{"$oid":"56e1fc72e0c917e9c4714161"}}})",
       R"({"$code":"f","$scope":{"a":{"$oid":"56e1fc72e0c917e9c4714161"}}})"},
      {R"({"$dbPointer":{"$id":{"$oid":"56e1fc72e0c917e9c4714161"},"$ref":"b"}})",
       R"({"$dbPointer":{"$ref":"b","$id":{"$oid":"56e1fc72e0c917e9c4714161"}}})"},
      {R"({"$gt":1})", R"({"$gt":{"$numberInt":"1"}})"},
      {R"({"$ref":"c","$id":1})", R"({"$ref":"c","$id":{"$numberInt":"1"}})"},
      {" [ 1 , [ ] , { } ] ", R"([{"$numberInt":"1"},[],{}])"},
      {"[0,1,2,3,4,5,6,7,8,9,{\"a\":null}]",
       R"([{"$numberInt":"0"},{"$numberInt":"1"},{"$numberInt":"2"},{"$numberInt":"3"},{"$numberInt":"4"},{"$numberInt":"5"},{"$numberInt":"6"},{"$numberInt":"7"},{"$numberInt":"8"},{"$numberInt":"9"},{"a":null}])"},
  };
  for (const Row& row : rows) {
    const auto document = from_json(std::string(R"({"x":)") + row.text + "}");
    REQUIRE_MESSAGE(document.has_value(), row.text << ": " << (document ? "" : document.error().message));
    REQUIRE_MESSAGE(validate(document->bytes()).has_value(), row.text);
    CHECK(to_json(*document, JsonMode::kCanonical) == std::string(R"({"x":)") + row.canonical + "}");
  }
}

TEST_CASE("decimals keep their digits and exponents through text") {
  struct Row {
    const char* text;
    const char* written;
  };
  const Row rows[] = {{"0", "0"},
                      {"-0", "-0"},
                      {"0.00", "0.00"},
                      {"0E+3", "0E+3"},
                      {"+1", "1"},
                      {"1.000", "1.000"},
                      {"-.5", "-0.5"},
                      {"12E3", "1.2E+4"},
                      {"0.000001", "0.000001"},
                      {"0.0000001", "1E-7"},
                      {"1E6111", "1E+6111"},
                      {"1E6112", "1.0E+6112"},
                      {"1E-6176", "1E-6176"},
                      {"10E-6177", "1E-6176"},
                      {"9999999999999999999999999999999999", "9999999999999999999999999999999999"},
                      {"99999999999999999999999999999999990", "9.999999999999999999999999999999999E+34"},
                      {"0E-9999", "0E-6176"},
                      {"Infinity", "Infinity"},
                      {"-inf", "-Infinity"},
                      {"nAn", "NaN"},
                      {"1234567890123456789012345678901234e-10", "123456789012345678901234.5678901234"}};
  for (const Row& row : rows) {
    const auto document = from_json(std::string(R"({"x":{"$numberDecimal":")") + row.text + "\"}}");
    REQUIRE_MESSAGE(document.has_value(), row.text);
    const std::string written = to_json(*document);
    CHECK(written == std::string(R"({"x":{"$numberDecimal":")") + row.written + "\"}}");
    CHECK(from_json(written)->bytes() == document->bytes());
  }
  for (const auto* text : {"", ".", "-", "1E", "E5", "1.2.3", "1e+-2", "1E+6145", "1E-6177",
                           "12345678901234567890123456789012345", "1x", "0x1", " 1"}) {
    CHECK_MESSAGE(!from_json(std::string(R"({"x":{"$numberDecimal":")") + text + "\"}}"), text);
  }
}

TEST_CASE("malformed text is refused, and the error says where and why") {
  struct Row {
    std::string text;
    const char* part;
  };
  const Row rows[] = {
      {"", "empty"},
      {"   ", "empty"},
      {"[1]", "not an object"},
      {"3", "not an object"},
      {"nul", "not an object"},
      {R"({"a":1)", "ended early"},
      {R"({"a":1} x)", "JSON: "},
      {R"({"a":1} {)", "JSON: "},
      {R"({"a":1}})", "something after"},
      {R"({"a":[1})", "JSON: "},
      {R"({"a":[1})"
       "}",
       "JSON: "},
      {R"({"a":1,})", "structure"},
      {R"({a:1})", "structure"},
      {R"({"a" 1})", "structure"},
      {R"({"a":})", "JSON: "},
      {R"({"a":tru})", "not a value at field 'a'"},
      {R"({"a":truely})", "not a value"},
      {R"({"a":nul})", "not a value"},
      {R"({"a":01})", "'01' is not a number"},
      {R"({"a":1.})", "not a number"},
      {R"({"a":.5})", "JSON: "},
      {R"({"a":+1})", "JSON: "},
      {R"({"a":-})", "not a number"},
      {R"({"a":1e})", "not a number"},
      {R"({"a":0x10})", "not a number"},
      {R"({"a":{"b":[0,{"c":1e999}]}})", "beyond the range of a double at field 'a.b.1.c'"},
      {R"({"a":NaN})", "JSON: "},
      {R"({"a":"x)", "JSON: "},
      {"{\"a\":\"\x01\"}", "JSON: "},
      {"{\"a\":\"\xff\"}", "JSON: "},
      {R"({"a":"\x"})", "string"},
      {R"({"a":"\ud800"})", "JSON: "},
      {R"({"a":"\ud800\u0041"})", "JSON: "},
      {R"({"a":"\udc00"})", "JSON: "},
      {R"({"a\udc00":1})", "JSON: "},
      {R"({"a\u0000b":1})", "zero byte"},
      {R"({"a":1,"b":2,"a":3})", "'a' occurs twice"},
      {R"({"x":{"a":1,"\u0061":3}})", "'a' occurs twice in one object at field 'x'"},
      {R"({"a":{"$oid":"12"}})", "24 hexadecimal digits at field 'a'"},
      {R"({"a":{"$oid":5}})", "'$oid' takes a string"},
      {R"({"a":{"$oid":"56e1fc72e0c917e9c4714161","b":1}})", "no other field ('b')"},
      {R"({"a":{"b":1,"$oid":"56e1fc72e0c917e9c4714161"}})", "no other field"},
      {R"({"a":{"$numberInt":"2147483648"}})", "32 bits"},
      {R"({"a":{"$numberInt":""}})", "32 bits"},
      {R"({"a":{"$numberInt":5}})", "takes a string"},
      {R"({"a":{"$numberLong":"1.5"}})", "64 bits"},
      {R"({"a":{"$numberDouble":"x"}})", "takes a number"},
      {R"({"a":{"$numberDouble":"1 "}})", "takes a number"},
      {R"({"a":{"$numberDecimal":"1..2"}})", "34 digits"},
      {R"({"a":{"$date":"yesterday"}})", "YYYY"},
      {R"({"a":{"$date":"2021-02-29T00:00:00Z"}})", "YYYY"},
      {R"({"a":{"$date":"2021-02-28T24:00:00Z"}})", "YYYY"},
      {R"({"a":{"$date":"2021-02-28T00:00:00Zx"}})", "YYYY"},
      {R"({"a":{"$date":1.5}})", "whole milliseconds"},
      {R"({"a":{"$date":null}})", "takes a text"},
      {R"({"a":{"$date":{"$numberLong":"x"}}})", "whole milliseconds"},
      {R"({"a":{"$binary":{"base64":"A","subType":"00"}}})", "base64"},
      {R"({"a":{"$binary":{"base64":"AQ==","subType":"xyz"}}})", "subType"},
      {R"({"a":{"$binary":{"base64":"AQ=="}}})", "needs 'subType'"},
      {R"({"a":{"$binary":{"base64":"AQ==","base64":"AQ=="}}})", "no field 'base64'"},
      {R"({"a":{"$binary":"AQ=="}})", "takes an object"},
      {R"({"a":{"$uuid":"c8edabc3f738-4ca3-b68d-ab92a91478a3"}})", "8-4-4-4-12"},
      {R"({"a":{"$timestamp":{"t":-1,"i":1}}})", "4294967295"},
      {R"({"a":{"$timestamp":{"t":1}}})", "'t' and 'i'"},
      {R"({"a":{"$regularExpression":{"pattern":"a\u0000","options":""}}})", "zero byte"},
      {R"({"a":{"$scope":{}}})", "needs '$code'"},
      {R"({"a":{"$code":"f","$scope":5}})", "takes an object"},
      {R"({"a":{"$code":"f","$scope":{},"x":1}})", "no other field"},
      {R"({"a":{"$minKey":2}})", "take 1"},
      {R"({"a":{"$undefined":false}})", "takes true"},
      {R"({"a":{"$dbPointer":{"$ref":"b"}}})", "'$ref' and '$id'"},
  };
  for (const Row& row : rows) {
    const std::string error = error_of(row.text);
    CHECK_MESSAGE(error.find(row.part) != std::string::npos, row.text << ": " << error);
    CHECK_MESSAGE(error.starts_with("JSON: "), row.text << ": " << error);
  }
}

TEST_CASE("a reader that has failed reads the next text as if nothing had been") {
  const std::string good = R"({"a":[1,{"b":"c"}]})";
  for (const auto* bad : {R"({"a":[1,{"b":{"$oid":"x"}}]})", R"({"a":[1,)", R"({"a":1,"a":2})", "", "[[["}) {
    CHECK_FALSE(from_json(bad));
    const auto document = from_json(good);
    REQUIRE(document);
    CHECK(to_json(*document) == good);
  }
}

TEST_CASE("depth and size are limited in text too") {
  const auto nested = [](int depth) {
    std::string text = "{\"a\":";
    for (int i = 1; i < depth; ++i) text += "[";
    for (int i = 1; i < depth; ++i) text += "]";
    return text + "}";
  };
  CHECK(from_json(nested(2)));
  CHECK(from_json(nested(kDepthMax)));
  CHECK(error_of(nested(kDepthMax + 1)).find("deeper than 100") != std::string::npos);
  CHECK(error_of(nested(5000)).find("JSON: ") != std::string::npos);
  const auto large = from_json("{\"a\":\"" + std::string(kDocumentBytesMax, 'x') + "\"}");
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Code::kTooLarge);
  std::string many = "{\"a\":[";
  for (std::size_t i = 0; i < kDocumentBytesMax / 8; ++i) many += "0,";
  many += "0]}";
  CHECK(from_json(many).error().code == Code::kTooLarge);
  CHECK(from_json(std::string(9 * kDocumentBytesMax, ' ')).error().code == Code::kTooLarge);
}

TEST_CASE("what needs an escape is found wherever it stands, and nothing else is escaped") {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 0x80; ++byte) {
        for (const std::string_view filler : {"x", "\x7f", "!", "[", " "}) {
          std::string text;
          for (std::size_t i = 0; i < size; ++i) text += filler;
          text[at] = static_cast<char>(byte);
          bson::Builder out;
          out.append_string("s", text);
          const bson::Document document = std::move(out).finish();
          const std::string json = bson::to_json(document);
          const bool escaped = byte < 0x20 || byte == '"' || byte == '\\';
          REQUIRE((json.find('\\') != std::string::npos) == escaped);
          REQUIRE(json.size() >= size + 8 + (escaped ? 1 : 0));
          REQUIRE(*bson::from_json(json) == document);
        }
      }
    }
  }
  CHECK(bson::to_json(*bson::from_json(R"({"s":"äöü€\u0001ß\"äöü€ \\"})")) == R"({"s":"äöü€\u0001ß\"äöü€ \\"})");
}

TEST_CASE("objects with many fields are read, and duplicates among them found") {
  std::string text = "{";
  for (int i = 0; i < 2000; ++i) text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  CHECK(from_json(text + "\"last\":1}")->view().count() == 2001);
  CHECK(error_of(text + "\"k77\":1}").find("'k77' occurs twice") != std::string::npos);
}

TEST_CASE("random documents survive the way through canonical text and back, byte for byte") {
  Random random(21);
  for (int i = 0; i < 2000; ++i) {
    const Document document = test::random_document(random);
    const std::string text = to_json(document, JsonMode::kCanonical);
    const auto back = from_json(text);
    REQUIRE_MESSAGE(back.has_value(), text << ": " << (back ? "" : back.error().message));
    // A NaN may have other bits.
    if (text.find("NaN") == std::string::npos) CHECK_MESSAGE(back->bytes() == document.bytes(), text);
    CHECK(to_json(*back, JsonMode::kCanonical) == text);
    CHECK(to_json(*from_json(to_json(document))) == to_json(document));
  }
}

TEST_CASE("nlohmann values and documents map as text does") {
  Random random(22);
  for (int i = 0; i < 1000; ++i) {
    const Document document = test::random_document(random);
    const nlohmann::json value = to_nlohmann(document);
    CHECK(value == nlohmann::json::parse(to_json(document)));
    const auto back = from_nlohmann(value);
    REQUIRE_MESSAGE(back.has_value(), value.dump() << ": " << (back ? "" : back.error().message));
    CHECK(to_nlohmann(*back) == value);
    CHECK(to_json(*back) == to_json(*from_json(value.dump())));
  }
}

TEST_CASE("nlohmann values that no document can be are refused") {
  using Json = nlohmann::json;
  const auto error = [](const Json& value) {
    const auto result = from_nlohmann(value);
    return result ? std::string("accepted") : result.error().message;
  };
  CHECK(error(Json::array()).find("must be an object, not array") != std::string::npos);
  CHECK(error(Json()).find("must be an object") != std::string::npos);
  CHECK(error({{std::string("a\0b", 3), 1}}).find("zero byte") != std::string::npos);
  CHECK(error({{"a", "\xff"}}).find("UTF-8") != std::string::npos);
  CHECK(error({{"\xff", 1}}).find("UTF-8") != std::string::npos);
  CHECK(error({{"a", {{"$oid", "x"}}}}).find("24 hexadecimal") != std::string::npos);
  CHECK(error({{"a", {{"$oid", "56e1fc72e0c917e9c4714161"}, {"b", 1}}}}).find("no other field") != std::string::npos);
  Json deep = 1;
  for (int i = 0; i < 200; ++i) deep = Json{{"a", deep}};
  CHECK(error(deep).find("deeper") != std::string::npos);
  CHECK(error({{"a", std::string(kDocumentBytesMax, 'x')}}).find("larger") != std::string::npos);
}

TEST_CASE("nlohmann numbers and bytes become the narrowest fitting type") {
  using Json = nlohmann::json;
  const Json value = {{"i", 5},      {"l", 1LL << 40}, {"u", ~0ULL}, {"d", 2.0}, {"b", Json::binary({1, 2}, 5)},
                      {"n", nullptr}};
  const auto document = from_nlohmann(value);
  REQUIRE(document);
  const View view = *document;
  CHECK(view.find("i")->type() == Type::kInt32);
  CHECK(view.find("l")->type() == Type::kInt64);
  CHECK(view.find("u")->type() == Type::kDouble);
  CHECK(view.find("d")->type() == Type::kDouble);
  CHECK(view.find("b")->binary_subtype() == 5);
  CHECK(view.find("n")->type() == Type::kNull);
}
