#include "distri/client/document_calls.hpp"

#include "distri/client/codec.hpp"

namespace distri::client {

std::string on(std::string_view service, std::string_view collection) {
  return fmt::format("{}<{}>", service, collection);
}

std::unexpected<Error> no_field(std::string_view service, std::string_view field, std::string_view type) {
  return fail(Code::kProtocolError, "the reply of {} has no field '{}' with {}", service, field, type);
}

Result<std::uint64_t> number_of(const nlohmann::json& answer, std::string_view field, std::string_view service) {
  const auto found = answer.find(field);
  if (found == answer.end() || !found->is_number()) return no_field(service, field, "a number");
  return found->get<std::uint64_t>();
}

Result<bool> bool_of(const nlohmann::json& answer, std::string_view field, std::string_view service) {
  const auto found = answer.find(field);
  if (found == answer.end() || !found->is_boolean()) return no_field(service, field, "true or false");
  return found->get<bool>();
}

Result<std::vector<nlohmann::json>> list_of(nlohmann::json& answer, std::string_view field, std::string_view service) {
  const auto found = answer.find(field);
  if (found == answer.end() || !found->is_array()) return no_field(service, field, "a list");
  return std::move(found->get_ref<nlohmann::json::array_t&>());
}

Result<Answer> ask(Client& client, std::string_view service, const nlohmann::json& params, const nlohmann::json* body,
                   const CallOptions& options) {
  const auto format = options.bson ? wire::Format::kBson : wire::Format::kJson;
  Bytes bytes;
  if (body != nullptr) {
    DISTRI_TRY(bytes, encode_object(*body, format, "a document"));
  }
  DISTRI_TRY(Reply reply, client.call(bytes, service, params, options));
  DISTRI_TRY(auto document, decode_object(reply.body, format, service));
  return Answer{std::move(document), std::move(reply.node)};
}

CallOptions reading(CallOptions options) {
  options.idempotent = true;
  return options;
}

nlohmann::json writing(const WriteOptions& options, nlohmann::json params) {
  if (options.w) params["w"] = options.w->parameter();
  return params;
}

}  // namespace distri::client
