#include "node_processes.hpp"

#include <fmt/format.h>

#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"
#include "waiting.hpp"

namespace distri::test {

NodeProcesses::NodeProcesses(std::size_t count, const std::filesystem::path& below, Relays& relays)
    : below_(below), relays_(relays), nodes_(count) {
  for (std::size_t i = 0; i < count; ++i) begin(i);
  for (std::size_t i = 0; i < count; ++i) await(i);
}

void NodeProcesses::begin(std::size_t node) {
  std::vector<std::string> arguments = {std::string(kNodeRole), below_ / fmt::format("node{}", node),
                                        to_string(nodes_[node].address), to_string(relays_.address(node))};
  for (std::size_t other = 0; other < nodes_.size(); ++other) {
    if (other != node) arguments.push_back(to_string(relays_.address(other)));
  }
  Node& one = nodes_[node];
  one.process = std::make_unique<OwnProcess>(std::move(arguments));
  const auto listens = parse_address(one.process->line());
  REQUIRE_MESSAGE(listens.has_value(), "node ", node, " does not listen");
  one.address = *listens;
  relays_.forward(node, *listens);
}

void NodeProcesses::await(std::size_t node) {
  REQUIRE(nodes_[node].process->line() == "serving");
}

void NodeProcesses::kill(std::size_t node) {
  nodes_[node].process->kill();
}

void NodeProcesses::start(std::size_t node) {
  begin(node);
  await(node);
}

std::vector<Address> NodeProcesses::addresses() const {
  std::vector<Address> all;
  for (const Node& each : nodes_) all.push_back(each.address);
  return all;
}

Result<nlohmann::json> NodeProcesses::read(std::size_t node, const std::string& collection) const {
  client::ClientOptions options;
  options.discover = false;
  client::Client client({address(node)}, options);
  DISTRI_TRY(const auto documents, client.read_collection(collection, nullptr, {{"_id", 1}}));
  return nlohmann::json(documents);
}

std::string NodeProcesses::differences() const {
  std::string found;
  comes_true([&] {
    found.clear();
    for (const std::string name : {"users", "catalog", "requests", "grants", "viewkeys", "receipts"}) {
      const auto first = read(0, name);
      for (std::size_t i = 0; i < count(); ++i) {
        const auto here = read(i, name);
        if (here && first && *here == *first) continue;
        found +=
            fmt::format("{} of node 0: {}\n{} of node {}: {}\n", name, first ? first->dump() : first.error().message,
                        name, i, here ? here->dump() : here.error().message);
      }
    }
    return found.empty();
  });
  return found;
}

void be_node(const std::vector<std::string>& arguments) {
  OwnProcess::be_child();
  cloud::NodeConfig config;
  config.data_dir = arguments.at(2);
  config.listen = *parse_address(arguments.at(3));
  config.advertise = arguments.at(4);
  for (std::size_t i = 5; i < arguments.size(); ++i) config.peers.push_back(*parse_address(arguments[i]));
  config.workers = 2;
  config.handle_signals = false;
  config.gossip_ms = 200;
  const auto say = [](const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
  };
  config.on_serving = [&] { say("serving"); };
  cloud::CloudNode node(config);
  const auto listening = node.listen();
  if (listening) say(to_string(node.address()));
  const auto run = listening ? node.run() : listening;
  if (!run) std::fprintf(stderr, "a node ends: %s\n", run.error().message.c_str());
  std::_Exit(1);
}

}  // namespace distri::test
