#include "cluster.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

namespace example {
namespace {

using distri::Address;
using distri::Code;
using distri::Result;
using nlohmann::json;

constexpr std::int64_t kAsk_ms = 1'000;
constexpr std::int64_t kReady_ms = 20'000;
constexpr std::int64_t kStop_ms = 15'000;
constexpr auto kPoll = std::chrono::milliseconds(50);

// An open socket bound to the address.
Result<int> bind_socket(const Address& address, int& error) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  sockaddr* name = reinterpret_cast<sockaddr*>(&v4);
  socklen_t name_bytes = sizeof v4;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  v4.sin_family = AF_INET;
  v4.sin_port = htons(address.port);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    name = reinterpret_cast<sockaddr*>(&v6);
    name_bytes = sizeof v6;
  } else if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) {
    return distri::fail(Code::kInvalidArgument, "address {} is not a numeric IP address", distri::to_string(address));
  }
  const int socket = ::socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(socket, name, name_bytes) == 0 && ::listen(socket, 1) == 0) return socket;
  error = errno;
  close(socket);
  return distri::fail(Code::kUnavailable, "cannot listen at {}: {}", distri::to_string(address), std::strerror(error));
}

}  // namespace

bool Cluster::stop() {
  if (!own) return true;
  const std::uint64_t deaths = own->restarts();
  const bool clean = own->stop(kStop_ms);
  if (deaths > 0) fmt::print("  {} times a server died and was started again\n", deaths);
  if (!clean) fmt::print("  a server had died, or reported an error when stopping\n");
  return clean && deaths == 0;
}

std::vector<Address> local_addresses(std::uint16_t start_port, std::uint64_t count) {
  std::vector<Address> addresses;
  for (std::uint64_t i = 0; i < count; ++i)
    addresses.push_back({"127.0.0.1", static_cast<std::uint16_t>(start_port + i)});
  return addresses;
}

Result<> check_port_free(const Address& address) {
  int error = 0;
  const auto socket = bind_socket(address, error);
  if (socket) {
    close(*socket);
    return {};
  }
  if (error != EADDRINUSE) return distri::fail(socket.error());
  return distri::fail(Code::kUnavailable,
                      "address {} is already in use; choose another --start-port or stop the program that holds it",
                      distri::to_string(address));
}

Result<std::vector<Address>> free_local_addresses(std::uint64_t count) {
  std::vector<Address> addresses;
  std::vector<int> sockets;  // all held until the last is found, so that none comes twice
  Result<> result;
  while (addresses.size() < count && result) {
    int error = 0;
    auto socket = bind_socket({"127.0.0.1", 0}, error);
    if (!socket) {
      result = distri::fail(socket.error());
      break;
    }
    sockets.push_back(*socket);
    sockaddr_in name{};
    socklen_t name_bytes = sizeof name;
    getsockname(*socket, reinterpret_cast<sockaddr*>(&name), &name_bytes);
    addresses.push_back({"127.0.0.1", ntohs(name.sin_port)});
  }
  for (const int socket : sockets) close(socket);
  if (!result) return distri::fail(result.error());
  return addresses;
}

distri::client::Client direct_client(const std::vector<Address>& addresses, std::int64_t timeout_ms) {
  distri::client::ClientOptions options;
  options.discover = false;
  options.timeout_ms = timeout_ms;
  return distri::client::Client(addresses, std::move(options));
}

std::vector<json> stats_of(distri::client::Client& client, const std::vector<Address>& addresses,
                           std::int64_t timeout_ms) {
  std::vector<json> result;
  for (const Address& address : addresses) {
    distri::client::CallOptions options;
    options.timeout_ms = timeout_ms;
    options.idempotent = true;
    options.only_node = address;
    const auto reply = client.send_data("", "Stats", options);
    json stats = reply ? json::parse(*reply, nullptr, false) : json();
    if (!stats.is_object()) {
      stats = {{"error", reply ? std::string("the answer is not a JSON object") : distri::to_string(reply.error())}};
    }
    stats["address"] = distri::to_string(address);
    result.push_back(std::move(stats));
  }
  return result;
}

std::string first_node_not_ready(const std::vector<Address>& addresses) {
  auto client = direct_client(addresses, kAsk_ms);
  for (const json& stats : stats_of(client, addresses, kAsk_ms)) {
    const std::string name = stats["address"];
    if (stats.contains("error")) return fmt::format("{} does not answer: {}", name, stats["error"].get<std::string>());
    const json peers = stats.value("peers", json::array());
    const auto connected =
        std::count_if(peers.begin(), peers.end(), [](const json& peer) { return peer.value("connected", false); });
    if (static_cast<std::size_t>(connected) + 1 < addresses.size()) {
      return fmt::format("{} is connected to {} of {} peers", name, connected, addresses.size() - 1);
    }
  }
  return {};
}

bool digests_equal(const std::vector<json>& stats) {
  return std::all_of(stats.begin(), stats.end(), [&](const json& node) {
    return node.contains("digest") && stats.front().contains("digest") && node["digest"] == stats.front()["digest"];
  });
}

std::vector<json> wait_for_equal_digests(distri::client::Client& client, Cluster& cluster, std::int64_t timeout_ms) {
  const Moment start = now();
  while (true) {
    std::vector<json> stats = stats_of(client, cluster.addresses, kAsk_ms);
    if (digests_equal(stats) || us_since(start) >= timeout_ms * 1000 || !cluster.tend()) return stats;
    std::this_thread::sleep_for(kPoll);
  }
}

Result<Cluster> find_or_start_cluster(const Options& options) {
  Cluster cluster;
  const bool named = !options.addresses.empty();
  cluster.addresses = named ? options.addresses : local_addresses(options.start_port, options.servers);
  {
    auto client = direct_client(cluster.addresses, kAsk_ms);
    std::string answering;
    std::string silent;
    for (const json& stats : stats_of(client, cluster.addresses, kAsk_ms)) {
      (stats.contains("error") ? silent : answering) = stats["address"];
    }
    if (silent.empty()) {
      fmt::print("Servers: {} (found running)\n", join_addresses(cluster.addresses));
      return cluster;
    }
    if (!answering.empty()) {
      return distri::fail(
          Code::kUnavailable,
          "{} answers, but {} does not; start it, or lower --n-servers, or stop all for the test to start its own",
          answering, silent);
    }
    if (named && !options.spawn) {
      return distri::fail(Code::kUnavailable, "no server answers at {}; start them, or add --spawn",
                          join_addresses(cluster.addresses));
    }
  }
  fmt::print("Servers: nothing listens at {}; starting {} for this test\n", join_addresses(cluster.addresses),
             cluster.addresses.size());
  std::fflush(stdout);
  cluster.own = std::make_unique<Supervisor>(supervise_like(options, cluster.addresses));
  DISTRI_TRY_VOID(cluster.own->start());
  DISTRI_TRY_VOID(cluster.own->wait_ready(kReady_ms));
  return cluster;
}

bool raise_descriptor_limit(std::uint64_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur >= wanted;
}

}  // namespace example
