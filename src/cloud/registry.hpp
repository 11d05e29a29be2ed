// registry.hpp: the user services of a node, by name.
//
// Threads: filled before run(), read-only afterwards; the metrics belong to the main thread.
#pragma once

#include <map>
#include <string>
#include <variant>

#include "distri/cloud/metrics.hpp"
#include "distri/cloud/service.hpp"

namespace distri::cloud {

struct RegisteredService {
  std::string name;
  std::variant<ServiceHandler, StreamHandler> handler;
  RequestMetrics metrics;

  bool streamed() const { return std::holds_alternative<StreamHandler>(handler); }
};

// std::map: entries never move.
using ServiceRegistry = std::map<std::string, RegisteredService, std::less<>>;

}  // namespace distri::cloud
