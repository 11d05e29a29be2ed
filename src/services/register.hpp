// register.hpp: hangs the image services on a node.
//
// A template, because services stand beside the cloud module and know nothing of it. Node is anything with
// register_service(name, handler) where handler is callable as Result<Bytes>(const Request&) and a request has `params`
// (a JSON object) and `body` (Bytes). Whatever register_service() returns is discarded: both names are new on a fresh
// node.
#pragma once

#include <nlohmann/json.hpp>

#include "distri/services/image_cipher.hpp"

namespace distri::services {

// Registers "Encrypt" and "Decrypt". The handlers are safe to be called from several workers at once.
template <class Node>
void register_image_services(Node& node, ImageServiceConfig config) {
  static_cast<void>(node.register_service("Encrypt", [config](const auto& request) -> Result<Bytes> {
    DISTRI_TRY(const ImageParams params, parse_image_params(request.params, config));
    return encrypt_image(request.body, params);
  }));
  static_cast<void>(node.register_service("Decrypt", [config](const auto& request) -> Result<Bytes> {
    DISTRI_TRY(const ImageParams params, parse_image_params(request.params, config));
    return decrypt_image(request.body, params);
  }));
}

}  // namespace distri::services
