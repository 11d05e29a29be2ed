// service_rig.hpp: a database of its own, driven through the document services by JSON text.
#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "distri/cloud/document_services.hpp"

namespace distri::test {

struct ServiceRig {
  SystemClock clock;
  Random random{1};
  replication::Replica replica{[] {
    replication::ReplicaConfig config;
    config.node.bytes[0] = 1;
    return config;
  }()};
  cloud::DocumentServices services{replica, clock, random, 1u << 20};
  const cloud::Rights* rights = nullptr;  // of who calls; nullptr: everything

  Result<nlohmann::json> call_on(std::string_view collection, std::string_view service, std::string_view params = "",
                                 std::string_view body = "", std::uint8_t attempt = 0) {
    const auto found = cloud::find_document_service(service);
    REQUIRE(found);
    const auto reply = services.execute({*found, collection, params, body, wire::Format::kJson, attempt, rights});
    if (!reply) return fail(reply.error());
    return nlohmann::json::parse(*reply);
  }
  // On the collection "c".
  Result<nlohmann::json> call(std::string_view service, std::string_view params, std::string_view body = "",
                              std::uint8_t attempt = 0) {
    return call_on("c", service, params, body, attempt);
  }
  nlohmann::json good(std::string_view service, std::string_view params, std::string_view body = "") {
    const auto reply = call(service, params, body);
    REQUIRE_MESSAGE(reply.has_value(), (reply ? "" : reply.error().message));
    return *reply;
  }
  Error bad(std::string_view service, std::string_view params, std::string_view body = "") {
    const auto reply = call(service, params, body);
    REQUIRE_FALSE(reply.has_value());
    return reply.error();
  }
};

}  // namespace distri::test
