#include "distri/services/image_params.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace distri::services {
namespace {

using Style = ImageParams::Style;

Result<const std::string*> text_of(const std::string& name, const nlohmann::json& value) {
  if (!value.is_string())
    return fail(Code::kInvalidArgument, "parameter '{}' must be a string, not {}", name, value.type_name());
  return &value.get_ref<const std::string&>();
}

Result<> read_style(const std::string& text, ImageParams& params, bool& style_given) {
  if (text != "noise" && text != "cover") {
    return fail(Code::kInvalidArgument, "parameter 'style' must be \"noise\" or \"cover\"");
  }
  params.style = text == "noise" ? Style::kNoise : Style::kCover;
  style_given = true;
  return {};
}

Result<> read_key(const std::string& text, ImageParams& params) {
  auto key = Key32::from_hex(text);
  if (!key) return fail(key.error().code, "parameter 'key': {}", key.error().message);
  if (key->empty()) return fail(Code::kInvalidArgument, "parameter 'key' is all zero, which is no key");
  params.key = *key;
  return {};
}

Result<> read_passphrase(const std::string& text, ImageParams& params) {
  if (text.empty()) return fail(Code::kInvalidArgument, "parameter 'passphrase' is empty");
  if (text.size() > kPassphraseBytesMax) {
    return fail(Code::kInvalidArgument, "parameter 'passphrase' is {} bytes long; at most {} are allowed", text.size(),
                kPassphraseBytesMax);
  }
  params.passphrase = SecretText(text);
  return {};
}

Result<> read_cover(const std::string& text, ImageParams& params) {
  if (text.size() / 4 * 3 > params.limits.image_bytes_max + 3) {
    return fail(Code::kTooLarge, "parameter 'cover' is over the limit of {} bytes", params.limits.image_bytes_max);
  }
  auto cover = from_base64(text);
  if (!cover) return fail(cover.error().code, "parameter 'cover': {}", cover.error().message);
  if (cover->empty())
    return fail(Code::kInvalidArgument, "parameter 'cover' is empty; leave it out to have a cover generated");
  params.cover = *std::move(cover);
  return {};
}

}  // namespace

Result<ImageParams> parse_image_params(const nlohmann::json& params, const ImageServiceConfig& config) {
  if (!params.is_object()) {
    return fail(Code::kInvalidArgument, "the parameters must be a JSON object, not {}", params.type_name());
  }
  ImageParams result;
  result.limits = config.limits;
  bool style_given = false;
  for (const auto& [name, value] : params.items()) {
    if (name != "style" && name != "key" && name != "passphrase" && name != "cover") {
      return fail(Code::kInvalidArgument, "unknown parameter '{}'; the known ones are style, key, passphrase and cover",
                  name.substr(0, 64));
    }
    DISTRI_TRY(const std::string* text, text_of(name, value));
    if (name == "style") DISTRI_TRY_VOID(read_style(*text, result, style_given));
    if (name == "key") DISTRI_TRY_VOID(read_key(*text, result));
    if (name == "passphrase") DISTRI_TRY_VOID(read_passphrase(*text, result));
    if (name == "cover") DISTRI_TRY_VOID(read_cover(*text, result));
  }
  if (result.key && result.passphrase) {
    return fail(Code::kInvalidArgument, "give either parameter 'key' or parameter 'passphrase', not both");
  }
  if (!result.cover.empty()) {
    if (style_given && result.style == Style::kNoise) {
      return fail(Code::kInvalidArgument, "parameter 'cover' needs style \"cover\", not \"noise\"");
    }
    result.style = Style::kCover;
  }
  if (!result.key && !result.passphrase) {
    if (config.service_key.empty()) {
      return fail(Code::kUnauthenticated,
                  "this node has no service key; give parameter 'key' or parameter 'passphrase'");
    }
    result.key = config.service_key;
  }
  return result;
}

}  // namespace distri::services
