// direct_rig.hpp: what the tests of direct links share: peers that serve, one that calls, a caller without manners, a
// line between two ends that breaks, a folder that goes, and a wait that ends.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "distri/net/connection.hpp"
#include "distri/net/listener.hpp"
#include "distri/net/loop.hpp"
#include "distri/peer/direct_client.hpp"
#include "distri/peer/direct_server.hpp"
#include "distri/utils/random.hpp"

namespace distri::peer {

// Until `condition` holds; false: it never did. The time is for machines that are busy with other things.
inline bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 3'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

template <class T>
void check_refused(const Result<T>& result, Code code, std::string_view words) {
  CAPTURE(words);
  REQUIRE_FALSE(result.has_value());
  CAPTURE(result.error().message);
  CHECK(result.error().code == code);
  CHECK(contains(result.error().message, words));
}

inline SigningKey key_number(unsigned char number) {
  return SigningKey::from_seed(Bytes(kSeedBytes, static_cast<char>(number)));
}

inline Bytes random_bytes(std::size_t size, std::uint64_t seed = 1) {
  Random random(seed);
  Bytes bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

struct Served {
  std::string service;
  DirectServer::Handler handler;
};

// A peer that listens until it goes.
class TestPeer {
 public:
  TestPeer(unsigned char key, const std::vector<Served>& services, DirectServerOptions options = {})
      : key_(key_number(key).public_key()), server_(key_number(key), std::move(options)) {
    for (const auto& each : services) REQUIRE(server_.serve(each.service, each.handler));
    const auto started = server_.start();
    REQUIRE_MESSAGE(started.has_value(), started.error().message);
  }
  DirectServer& server() { return server_; }
  const NodeId& key() const { return key_; }
  PeerAt at() const { return {key_, {server_.address()}}; }

 private:
  NodeId key_;
  DirectServer server_;
};

inline std::unique_ptr<DirectClient> caller(unsigned char key = 1, DirectClientOptions options = {}) {
  auto made = DirectClient::create(key_number(key), std::move(options));
  REQUIRE(made);
  return *std::move(made);
}

inline DirectServer::Handler answering(Bytes answer) {
  return [answer](const DirectRequest&, const Responder& to) { to.reply(answer); };
}

// Blocks handlers until it is opened.
class Gate {
 public:
  void open() { open_ = true; }
  void wait(const Responder& responder) {
    ++waiting_;
    while (!open_ && !responder.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    --waiting_;
  }
  int waiting() const { return waiting_; }

 private:
  std::atomic<bool> open_{false};
  std::atomic<int> waiting_{0};
};

// A connection to a peer, spoken by the test itself.
class RawCaller : public net::ConnectionHandler {
 public:
  RawCaller(const Address& to, unsigned char key, wire::Role role = wire::Role::kClient) {
    net::ConnectionOptions options;
    options.tls = net::Tls::with_key(key_number(key)).value();
    wire::Hello hello;
    hello.role = role;
    if (role == wire::Role::kNode) hello.node = key_number(key).public_key();
    connection_ = net::Connection::dial(loop_, to, hello, options, *this);
  }

  // Runs until it is greeted, refused, or has lost the connection.
  void greet() {
    run_until([this] { return greeted_ || closed_; });
  }
  void run_until_closed() {
    run_until([this] { return closed_.has_value(); });
  }
  void run_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 3'000 && !condition(); ++i) {
      const net::Timer pause = loop_.after(10, [this] { loop_.stop(); });
      loop_.run();
    }
    REQUIRE(condition());
  }
  wire::Session& session() { return connection_->session(); }
  void say(BytesView raw) {
    session().output().append(raw);
    connection_->flush();
  }
  bool greeted() const { return greeted_; }
  const std::optional<Error>& closed() const { return closed_; }
  const std::optional<Error>& goodbye() const { return goodbye_; }

  void on_hello(const wire::Hello&) override { greeted_ = true; }
  void on_goodbye(const Error& error) override { goodbye_ = error; }
  void on_closed(const Error& reason) override { closed_ = reason; }

 private:
  net::Loop loop_;
  std::shared_ptr<net::Connection> connection_;
  bool greeted_ = false;
  std::optional<Error> goodbye_;
  std::optional<Error> closed_;
};

inline int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return socket;
}

// Passes on the bytes of any number of connections, and breaks them as it is told.
class Line {
 public:
  explicit Line(const Address& to) : to_(to.port), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listening_, 64) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    address_ = {"127.0.0.1", ntohs(address.sin_port)};
    thread_ = std::thread([this] { accept_all(); });
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    stop_ = true;
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    for (auto& each : lines_) each.join();
    ::close(listening_);
  }

  const Address& address() const { return address_; }
  // Each connection that brings more than this from the far end is cut there.
  void cut_after(std::uint64_t bytes) { cut_after_ = bytes; }
  // One bit of what comes behind so many bytes from the far end is another one, on each connection.
  void corrupt_after(std::uint64_t bytes) { corrupt_after_ = bytes; }
  int cuts() const { return cuts_; }
  int corrupted() const { return corrupted_; }

 private:
  void accept_all() {
    while (!stop_) {
      const int near = ::accept(listening_, nullptr, nullptr);
      if (near < 0) return;
      lines_.emplace_back([this, near] { pass(near); });
    }
  }
  void pass(int near) {
    const int far = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(to_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(far, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      std::uint64_t from_far = 0;
      while (!stop_) {
        pollfd ends[2] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
        if (::poll(ends, 2, 20) <= 0) continue;
        if (ends[0].revents != 0 && !move(near, far, nullptr)) break;
        if (ends[1].revents != 0 && !move(far, near, &from_far)) break;
      }
    }
    ::close(near);
    ::close(far);
  }
  bool move(int from, int to, std::uint64_t* count) {
    char buffer[16u << 10];
    const ssize_t size = ::recv(from, buffer, sizeof buffer, 0);
    if (size <= 0) return false;
    if (count != nullptr) {
      const std::uint64_t before = std::exchange(*count, *count + static_cast<std::uint64_t>(size));
      if (*count > cut_after_) {
        ++cuts_;
        return false;
      }
      if (before <= corrupt_after_ && *count > corrupt_after_) {
        ++corrupted_;
        buffer[size - 1] = static_cast<char>(buffer[size - 1] ^ 1);
      }
    }
    for (ssize_t sent = 0; sent < size;) {
      const ssize_t taken = ::send(to, buffer + sent, static_cast<std::size_t>(size - sent), MSG_NOSIGNAL);
      if (taken <= 0) return false;
      sent += taken;
    }
    return true;
  }

  std::uint16_t to_;
  int listening_;
  Address address_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> cut_after_{~0ull};
  std::atomic<std::uint64_t> corrupt_after_{~0ull};
  std::atomic<int> cuts_{0};
  std::atomic<int> corrupted_{0};
  std::vector<std::thread> lines_;  // the accepting thread's until it has ended
  std::thread thread_;
};

// A port at which nobody listens now.
inline Address nobody() {
  net::Loop loop;
  auto listener = net::Listener::listen(loop, {"127.0.0.1", 0}, {}, {}, [](const auto&) { return nullptr; });
  REQUIRE(listener);
  return (*listener)->address();
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "distri_peer_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  // Names of what is in it, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(path_))
      names.push_back(each.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace distri::peer
