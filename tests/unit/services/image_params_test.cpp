#include "distri/services/image_params.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sample_images.hpp"

namespace distri::services {
namespace {

using nlohmann::json;
using Style = ImageParams::Style;

ImageServiceConfig config_with_key() {
  ImageServiceConfig config;
  config.service_key.bytes.fill(5);
  return config;
}

void check_refused(const json& params, Code code, std::string_view part) {
  const auto result = parse_image_params(params, config_with_key());
  REQUIRE_FALSE(result.has_value());
  CHECK(code_name(result.error().code) == code_name(code));
  CHECK_MESSAGE(result.error().message.find(part) != std::string::npos, result.error().message);
}

TEST_CASE("without parameters the style is noise and the key is the cluster's") {
  const auto params = parse_image_params(json::object(), config_with_key());
  REQUIRE(params);
  CHECK(params->style == Style::kNoise);
  CHECK(params->key->bytes == config_with_key().service_key.bytes);
  CHECK_FALSE(params->passphrase);
}

TEST_CASE("a key or a passphrase takes the place of the cluster's key") {
  const auto keyed = parse_image_params({{"key", std::string(62, '0') + "fF"}}, config_with_key());
  REQUIRE(keyed);
  CHECK(keyed->key->bytes[31] == 0xff);
  const auto phrased = parse_image_params({{"passphrase", "open sesame"}, {"style", "cover"}}, config_with_key());
  REQUIRE(phrased);
  CHECK_FALSE(phrased->key);
  CHECK(phrased->passphrase->view() == "open sesame");
  CHECK(phrased->style == Style::kCover);
}

TEST_CASE("a cover alone implies the cover style") {
  const auto params = parse_image_params({{"cover", to_base64("picture")}}, config_with_key());
  REQUIRE(params);
  CHECK(params->style == Style::kCover);
  CHECK(params->cover == "picture");
}

TEST_CASE("an unknown parameter is named together with the known ones") {
  check_refused({{"colour", "red"}}, Code::kInvalidArgument,
                "unknown parameter 'colour'; the known ones are style, key, passphrase and cover");
  check_refused({{std::string(100'000, 'x'), 1}}, Code::kInvalidArgument, "unknown parameter");
}

TEST_CASE("wrong values are refused, naming the parameter") {
  check_refused(json::array(), Code::kInvalidArgument, "must be a JSON object");
  check_refused({{"style", 1}}, Code::kInvalidArgument, "parameter 'style' must be a string, not number");
  check_refused({{"style", "loud"}}, Code::kInvalidArgument, "\"noise\" or \"cover\"");
  check_refused({{"key", "abcd"}}, Code::kInvalidArgument, "parameter 'key': a key is 64 hexadecimal digits, not 4");
  check_refused({{"key", std::string(63, 'a') + "x"}}, Code::kInvalidArgument, "something else at position");
  check_refused({{"key", std::string(64, '0')}}, Code::kInvalidArgument, "all zero");
  check_refused({{"passphrase", ""}}, Code::kInvalidArgument, "'passphrase' is empty");
  check_refused({{"passphrase", std::string(1025, 'x')}}, Code::kInvalidArgument, "1025 bytes long; at most 1024");
  check_refused({{"cover", "***"}}, Code::kInvalidArgument, "parameter 'cover': not base64");
  check_refused({{"cover", ""}}, Code::kInvalidArgument, "'cover' is empty");
  check_refused({{"cover", to_base64("x")}, {"style", "noise"}}, Code::kInvalidArgument, "needs style \"cover\"");
  check_refused({{"key", std::string(64, 'a')}, {"passphrase", "x"}}, Code::kInvalidArgument, "not both");
}

TEST_CASE("a key in an error message is never repeated") {
  const std::string secret = "00112233445566778899aabbccddeeff";
  const auto result = parse_image_params({{"key", secret}}, config_with_key());
  CHECK(result.error().message.find(secret) == std::string::npos);
}

TEST_CASE("huge parameters are refused by size") {
  ImageServiceConfig config = config_with_key();
  config.limits.image_bytes_max = 1000;
  CHECK(parse_image_params({{"cover", to_base64(Bytes(2000, 'x'))}}, config).error().code == Code::kTooLarge);
  CHECK(parse_image_params({{"cover", to_base64(Bytes(1000, 'x'))}}, config).has_value());
}

TEST_CASE("a node without a service key asks for a key") {
  const auto result = parse_image_params(json::object(), ImageServiceConfig{});
  CHECK(result.error().code == Code::kUnauthenticated);
  CHECK(parse_image_params({{"passphrase", "x"}}, ImageServiceConfig{}).has_value());
}

}  // namespace
}  // namespace distri::services
