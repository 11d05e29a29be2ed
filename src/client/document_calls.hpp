// document_calls.hpp: asking a document service and reading its answer. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "distri/client/client.hpp"

namespace distri::client {

struct Answer {
  nlohmann::json document;
  Address node;
};

// "Count<photos>"
std::string on(std::string_view service, std::string_view collection);
// Parameters and, if there is one, a body; all documents.
Result<Answer> ask(Client& client, std::string_view service, const nlohmann::json& params, const nlohmann::json* body,
                   const CallOptions& options);
CallOptions reading(CallOptions options);
// Parameters of a write: `params` and the write concern.
nlohmann::json writing(const WriteOptions& options, nlohmann::json params = nullptr);

// Fields of an answer; kProtocolError: it has none of that name and type.
std::unexpected<Error> no_field(std::string_view service, std::string_view field, std::string_view type);
Result<std::uint64_t> number_of(const nlohmann::json& answer, std::string_view field, std::string_view service);
Result<bool> bool_of(const nlohmann::json& answer, std::string_view field, std::string_view service);
Result<std::vector<nlohmann::json>> list_of(nlohmann::json& answer, std::string_view field, std::string_view service);

}  // namespace distri::client
