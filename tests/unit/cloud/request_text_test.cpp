#include "distri/cloud/request_text.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/compare.hpp"
#include "distri/cloud/service_params.hpp"

using namespace distri;
using namespace distri::cloud;

TEST_CASE("A service name is read with and without a target") {
  CHECK(parse_service_name("Stats")->name == "Stats");
  CHECK(parse_service_name("Stats")->target.empty());
  CHECK(parse_service_name("AddDocument<photos.2026>")->name == "AddDocument");
  CHECK(parse_service_name("AddDocument<photos.2026>")->target == "photos.2026");
}

TEST_CASE("Malformed service names are refused") {
  for (const auto* bad : {"", "<", "<x>", "A<", "A<>", "A<x", "A>x<", "A b", "A\n", "Ä", "A<x>y"}) {
    CAPTURE(bad);
    const auto name = parse_service_name(bad);
    REQUIRE_FALSE(name);
    CHECK(name.error().code == Code::kInvalidArgument);
  }
  CHECK_FALSE(parse_service_name(std::string(121, 'a')));
  CHECK(parse_service_name(std::string(120, 'a')));
}

TEST_CASE("Documents are read in the caller's format, and errors name the part") {
  CHECK(parse_document("", wire::Format::kJson, "body")->view().empty());
  CHECK(parse_document(R"({"a":1})", wire::Format::kJson, "body")->view().find("a")->as_int32() == 1);
  CHECK(parse_document(R"({"a":1)", wire::Format::kJson, "body").error().message.starts_with("body: "));
  CHECK(parse_document("[1]", wire::Format::kJson, "parameters").error().code == Code::kInvalidArgument);
  CHECK(parse_document("garbage", wire::Format::kBson, "parameters").error().message.starts_with("parameters: "));
  const auto document = parse_document(R"({"a":1})", wire::Format::kJson, "body");
  CHECK(render_document(*document, wire::Format::kJson) == R"({"a":1})");
  CHECK(parse_document(render_document(*document, wire::Format::kBson), wire::Format::kBson, "body") == *document);
  CHECK((*parse_params(R"({"views":3})", wire::Format::kJson))["views"] == 3);
}

TEST_CASE(
    "The usual question for one _id is read without a parser as the parser reads it, and anything else is left to it") {
  for (const auto* id : {R"("a")", R"("")", R"("a b~")", "1", "-7", "2147483648", "-999999999999999999"}) {
    CAPTURE(id);
    const std::string text = std::string(R"({"filter":{"_id":)") + id + "}}";
    const auto read = only_id_in_json(text);
    REQUIRE(read);
    const auto parsed = parse_document(text, wire::Format::kJson, "parameters");
    REQUIRE(parsed);
    CHECK(bson::compare(*read->view().find("_id"), *parsed->view().find("filter")->as_object().find("_id")) == 0);
  }
  for (const auto* params : {"",
                             "{}",
                             R"({"filter":{"_id":}})",
                             R"({"filter":{"_id":"}})",
                             R"({"filter":{"_id":"a"b"}})",
                             R"({"filter":{"_id":"\n"}})",
                             R"({"filter":{"_id":"ä"}})",
                             "{\"filter\":{\"_id\":\"\x01\"}}",
                             R"({"filter":{"_id":0}})",
                             R"({"filter":{"_id":01}})",
                             R"({"filter":{"_id":-}})",
                             R"({"filter":{"_id":-0}})",
                             R"({"filter":{"_id":1.0}})",
                             R"({"filter":{"_id":1e3}})",
                             R"({"filter":{"_id":9223372036854775808}})",
                             R"({"filter":{"_id":null}})",
                             R"({"filter":{"_id":{"$gt":1}}})",
                             R"({"filter":{"_id":1,"a":2}})",
                             R"({"filter":{"_id":1},"limit":1}})",
                             R"({"filter":{"_id": 1}})",
                             R"({"filter":{"_id":"a"},"sort":{"a":"b"}})"}) {
    CAPTURE(params);
    CHECK_FALSE(only_id_in_json(params));
  }
}
