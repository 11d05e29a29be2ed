// A program outside the repository: starts a node, adds a document through a client and reads it back.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "distri/bson/document.hpp"
#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"

namespace {

int failed(const char* what, const distri::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}

int use(distri::client::Client& client) {
  const auto id = client.add_document("photos", {{"name", "dune"}, {"stars", 5}});
  if (!id) return failed("add_document", id.error());
  const auto found = client.read_collection("photos", {{"stars", {{"$gte", 4}}}});
  if (!found) return failed("read_collection", found.error());
  if (found->size() != 1 || found->front().at("name") != "dune" || found->front().at("_id") != *id) {
    std::fprintf(stderr, "read something else than was written\n");
    return 1;
  }
  std::printf("read back: %s\n", found->front().dump().c_str());
  return 0;
}

}  // namespace

int main() {
  distri::cloud::NodeConfig config;
  config.listen = {"127.0.0.1", 0};
  config.handle_signals = false;
  distri::cloud::CloudNode node(config);
  if (const auto listening = node.listen(); !listening) return failed("listen", listening.error());

  std::thread server([&node] { (void)node.run(); });
  int exit_code = 1;
  {
    distri::client::Client client({node.address()});
    exit_code = use(client);
  }
  node.stop();
  server.join();
  return exit_code;
}
