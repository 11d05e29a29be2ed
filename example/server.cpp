// server.cpp: one node in this process.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "distri/cloud/cloud_node.hpp"
#include "modes.hpp"
#include "pictures.hpp"

namespace example {

distri::Result<int> run_server(const Options& options) {
  distri::cloud::NodeConfig config;
  config.listen = options.addresses.front();
  config.peers.assign(options.addresses.begin() + 1, options.addresses.end());
  std::erase(config.peers, config.listen);
  config.insecure = options.insecure;
  config.workers = options.workers;
  config.data_dir = options.data_dir;
  config.durability = options.durability;
  config.members = options.members;
  if (options.log_budget_bytes) config.log_bytes_min = config.log_bytes_max = *options.log_budget_bytes;
  config.memory_bytes_max = options.memory_max_bytes;
  config.log = distri::Log::to_stderr("node", options.log_level);

  distri::cloud::CloudNode node(config);
  DISTRI_TRY_VOID(register_images(node, options.service_key));
  DISTRI_TRY_VOID(node.listen());
  if (options.service_key_is_default && !distri::is_loopback(config.listen) && images_available()) {
    config.log.warning(
        "images are encrypted with the demo key, which everybody knows; set --service-key or DISTRI_SERVICE_KEY");
  }
  fmt::print("listening at {}\n", distri::to_string(node.address()));
  std::fflush(stdout);
  DISTRI_TRY_VOID(node.run());
  return kExitOk;
}

}  // namespace example
