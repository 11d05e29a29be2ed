// keyed_node.hpp: the only node of a cluster with keys, in this process.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>

#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"
#include "distri/cloud/cluster_setup.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/key_file.hpp"

namespace distri::test {

template <class T>
T take(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return *std::move(result);
}

class KeyedNode {
 public:
  KeyedNode() {
    static std::atomic<int> count = 0;
    directory_ = std::filesystem::temp_directory_path() / fmt::format("distri-access-{}-{}", ::getpid(), ++count);
    cluster_ = take(cloud::found_cluster(directory_ / "node", "node")).cluster;
    cloud::NodeConfig config;
    config.listen = {"127.0.0.1", 0};
    config.handle_signals = false;
    config.data_dir = directory_ / "node";
    node_ = std::make_unique<cloud::CloudNode>(config);
    REQUIRE(node_->listen().has_value());
    thread_ = std::thread([this] { CHECK(node_->run().has_value()); });
  }
  ~KeyedNode() {
    node_->stop();
    thread_.join();
    std::filesystem::remove_all(directory_);
  }
  KeyedNode(const KeyedNode&) = delete;
  KeyedNode& operator=(const KeyedNode&) = delete;

  Address address() const { return node_->address(); }
  const std::string& cluster() const { return cluster_; }
  // With the root key, which may do everything.
  client::Client owner() const {
    client::ClientOptions options;
    options.tls = take(net::Tls::with_key(take(read_key_file(directory_ / "node" / "root_key"))));
    options.cluster = cluster_;
    return client::Client({address()}, options);
  }
  nlohmann::json ask_owner(std::string_view service, const nlohmann::json& params) const {
    auto client = owner();
    return nlohmann::json::parse(take(client.send_data_with_params("", service, params)));
  }
  nlohmann::json make_token(const nlohmann::json& grants) const {
    return ask_owner("CreateToken", {{"name", "test"}, {"grants", grants}});
  }

 private:
  std::filesystem::path directory_;
  std::string cluster_;
  std::unique_ptr<cloud::CloudNode> node_;
  std::thread thread_;
};

}  // namespace distri::test
