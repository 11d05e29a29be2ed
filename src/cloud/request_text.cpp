#include "distri/cloud/request_text.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "distri/bson/json.hpp"
#include "distri/bson/nlohmann.hpp"

namespace distri::cloud {
namespace {

constexpr std::size_t kServiceNameMax = 120;

constexpr auto kNameChars = [] {
  std::array<bool, 256> allowed{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"))
    allowed[static_cast<unsigned char>(c)] = true;
  return allowed;
}();

bool is_name_char(char c) {
  return kNameChars[static_cast<unsigned char>(c)];
}

}  // namespace

Result<> check_service_name(std::string_view name) {
  if (name.empty() || name.size() > kServiceNameMax || !std::all_of(name.begin(), name.end(), is_name_char)) {
    return fail(Code::kInvalidArgument, "service name '{}' must be 1 to {} characters of A-Z a-z 0-9 _ . -",
                name.substr(0, 80), kServiceNameMax);
  }
  return {};
}

Result<ServiceName> parse_service_name(std::string_view text) {
  ServiceName result{text, {}};
  if (const auto open = text.find('<'); open != std::string_view::npos) {
    if (text.back() != '>' || text.size() < open + 3) {
      return fail(Code::kInvalidArgument, "service '{}': write Name or Name<target>", text.substr(0, 80));
    }
    result.name = text.substr(0, open);
    result.target = text.substr(open + 1, text.size() - open - 2);
  }
  DISTRI_TRY_VOID(check_service_name(result.name));
  return result;
}

Result<bson::Document> parse_document(BytesView bytes, wire::Format format, std::string_view what) {
  if (bytes.empty()) return bson::Document();
  auto document = format == wire::Format::kBson ? bson::Document::parse(Bytes(bytes)) : bson::from_json(bytes);
  if (!document) return fail(document.error().code, "{}: {}", what, document.error().message);
  return document;
}

Result<nlohmann::json> parse_params(BytesView bytes, wire::Format format) {
  DISTRI_TRY(const bson::Document document, parse_document(bytes, format, "parameters"));
  return bson::to_nlohmann(document);
}

Bytes render_document(bson::Document document, wire::Format format) {
  if (format == wire::Format::kBson) return std::move(document).release();
  return bson::to_json(document);
}

}  // namespace distri::cloud
