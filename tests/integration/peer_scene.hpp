// peer_scene.hpp: users with their peers, nodes for them, and images that they share. Everything below one directory.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "distri/peer/peer.hpp"
#include "keyed_node.hpp"
#include "waiting.hpp"

namespace distri::test {

inline Bytes sample_image(std::uint64_t seed, int side = 96) {
  cv::RNG random(seed);
  cv::Mat image(side, side, CV_8UC3);
  random.fill(image, cv::RNG::UNIFORM, 0, 256);
  cv::blur(image, image, cv::Size(5, 5));
  std::vector<unsigned char> file;
  cv::imencode(".png", image, file);
  return {file.begin(), file.end()};
}

inline void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  const std::filesystem::path part = path.parent_path() / ".part";
  std::ofstream(part, std::ios::binary) << bytes;
  std::filesystem::rename(part, path);
}

class TestDirectory {
 public:
  TestDirectory() {
    static std::atomic<int> count = 0;
    path_ = std::filesystem::temp_directory_path() / fmt::format("distri-sharing-{}-{}", ::getpid(), ++count);
    std::filesystem::create_directories(path_);
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Nodes without keys, each with a disk.
class Nodes {
 public:
  Nodes(std::size_t count, const std::filesystem::path& below) : below_(below), nodes_(count), threads_(count) {
    for (std::size_t i = 0; i < count; ++i) addresses_.push_back({"127.0.0.1", 0});
    for (std::size_t i = 0; i < count; ++i) start(i);
  }
  ~Nodes() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) stop(i);
  }
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  const std::vector<Address>& addresses() const { return addresses_; }
  void stop(std::size_t i) {
    if (nodes_[i]) nodes_[i]->stop();
    if (threads_[i].joinable()) threads_[i].join();
    nodes_[i].reset();
  }
  void start_again() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) start(i);
  }

 private:
  void start(std::size_t i) {
    cloud::NodeConfig config;
    config.listen = addresses_[i];
    for (std::size_t other = 0; other < addresses_.size(); ++other) {
      if (other != i && addresses_[other].port != 0) config.peers.push_back(addresses_[other]);
    }
    config.workers = 2;
    config.handle_signals = false;
    config.gossip_ms = 200;
    config.data_dir = below_ / fmt::format("node{}", i);
    nodes_[i] = std::make_unique<cloud::CloudNode>(config);
    const auto listening = nodes_[i]->listen();
    REQUIRE_MESSAGE(listening.has_value(), listening.error().message);
    addresses_[i] = nodes_[i]->address();
    threads_[i] = std::thread([node = nodes_[i].get()] { CHECK(node->run().has_value()); });
  }

  const std::filesystem::path below_;
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<cloud::CloudNode>> nodes_;
  std::vector<std::thread> threads_;
};

// A user, his machine, and his peer when it is on.
class Agent {
 public:
  using Adjust = std::function<void(peer::PeerOptions&)>;

  // `user`: whose other machine it is; none: a new user's.
  Agent(const std::filesystem::path& below, std::string name, Adjust adjust = nullptr, const Agent* user = nullptr)
      : key_(user != nullptr ? user->key_.copy() : SigningKey::generate()),
        name_(std::move(name)),
        directory_(below / name_),
        adjust_(std::move(adjust)) {
    std::filesystem::create_directories(directory_ / "pictures");
  }
  ~Agent() { off(); }

  PublicKey id() const { return key_.public_key(); }
  const SigningKey& key() const { return key_; }
  std::filesystem::path pictures() const { return directory_ / "pictures"; }
  std::filesystem::path data() const { return directory_ / "data"; }
  peer::PeerOptions options() const {
    peer::PeerOptions options;
    options.name = name_;
    options.data_directory = data();
    options.key = key_.copy();
    options.poll_ms = 20;
    options.reconcile_ms = 200;
    options.retry_ms_max = 200;
    options.cloud_ms = 2'000;
    if (adjust_) adjust_(options);
    return options;
  }
  void on() {
    auto options = this->options();
    options.on_event = [this](const peer::PeerEvent& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    };
    peer_ = take(peer::Peer::open(std::move(options)));
    const auto started = peer_->start();
    REQUIRE_MESSAGE(started.has_value(), started.error().message);
  }
  void off() { peer_.reset(); }
  bool is_on() const { return peer_ != nullptr; }
  void publish() {
    const auto published = peer_->publish(pictures());
    REQUIRE_MESSAGE(published.has_value(), published.error().message);
  }
  peer::Peer* operator->() { return peer_.get(); }

  std::size_t count(peer::PeerEvent::Kind kind) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count(events_, kind, &peer::PeerEvent::kind));
  }
  std::string troubles() const {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const auto& each : events_) {
      if (each.kind == peer::PeerEvent::Kind::kTrouble) all += each.text + "\n";
    }
    return all;
  }

  // ---- What it comes to, waited for
  // The other one, at the address that he tells now.
  bool knows(Agent& other) {
    std::vector<Address> told = other.options().advertised;
    if (told.empty()) told = {other->address()};
    return comes_true([&] {
      return std::ranges::any_of(peer_->contacts(), [&](const peer::Contact& each) {
        return each.user.owner == other.id() && each.user.addresses == told;
      });
    });
  }
  bool has_to_answer(const peer::GrantId& id) {
    return comes_true([&] {
      return std::ranges::any_of(peer_->pending_approvals(), [&](const auto& each) { return each.request.id == id; });
    });
  }
  std::optional<peer::InboxEntry> asked(const peer::GrantId& id) {
    for (auto& each : peer_->inbox()) {
      if (each.request.id == id) return each;
    }
    return std::nullopt;
  }
  bool hears(const peer::GrantId& id, peer::Holding::State state) {
    return comes_true([&] {
      const auto entry = asked(id);
      return entry && entry->state == state;
    });
  }
  bool has_picture(const peer::GrantId& id) {
    return comes_true([&] {
      for (const auto& each : peer_->available()) {
        if (each.grant.id == id) return each.picture_here;
      }
      return false;
    });
  }
  peer::SharedResource shares(const peer::GrantId& id) {
    for (auto& each : peer_->shared()) {
      if (each.grant.id == id) return each;
    }
    FAIL("nothing is shared under this id");
    return {};
  }
  bool has_in_escrow(const peer::GrantId& id, std::uint32_t keys) {
    return comes_true([&] { return shares(id).in_escrow == keys; });
  }

 private:
  const SigningKey key_;
  const std::string name_;
  const std::filesystem::path directory_;
  const Adjust adjust_;
  mutable std::mutex mutex_;
  std::vector<peer::PeerEvent> events_;
  std::unique_ptr<peer::Peer> peer_;
};

inline void let_in(const KeyedNode& node, const Agent& agent, std::string_view name) {
  node.ask_owner("CreateUser",
                 {{"name", name},
                  {"key", agent.id().hex()},
                  {"grants",
                   {{{"roles", {"write"}},
                     {"collections", {"users", "catalog", "requests", "grants", "viewkeys", "receipts"}}}}}});
}

}  // namespace distri::test
