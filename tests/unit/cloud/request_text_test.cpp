#include "distri/cloud/request_text.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

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
