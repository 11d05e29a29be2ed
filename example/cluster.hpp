// cluster.hpp: the servers a test runs against, and what can be asked of all of them.
//
// Threads: the program's first thread (see supervisor.hpp).
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "options.hpp"
#include "supervisor.hpp"

namespace example {

struct Cluster {
  std::vector<distri::Address> addresses;
  std::unique_ptr<Supervisor> own;  // none: the servers were there before

  // Keeps our own servers alive. Call often.
  distri::Result<> tend() { return own ? own->tend() : distri::Result<>{}; }
  // Stops our own servers. False, and a sentence printed, when one of them had died or did not end with exit code 0.
  bool stop();
};

// The servers of --ips, or those on the ports from --start-port on. When nothing at all listens there and --ips named
// none (or
// --spawn asks for it), they are started for the duration of the test. kUnavailable: some answer and some do not;
// kInvalidArgument.
distri::Result<Cluster> find_or_start_cluster(const Options& options);

// 127.0.0.1, ports from `start_port` on.
std::vector<distri::Address> local_addresses(std::uint16_t start_port, std::uint64_t count);
// Ports that were free a moment ago.
distri::Result<std::vector<distri::Address>> free_local_addresses(std::uint64_t count);
// kUnavailable: the port is taken. kInvalidArgument: not an address of this machine, or not a numeric one.
distri::Result<> check_port_free(const distri::Address& address);

// Empty when all nodes answer `Stats` and are connected to each other; else a sentence about one that is not.
std::string first_node_not_ready(const std::vector<distri::Address>& addresses);

// `Stats` of exactly these nodes; {"address", "error"} where one does not answer.
std::vector<nlohmann::json> stats_of(distri::client::Client& client, const std::vector<distri::Address>& addresses,
                                     std::int64_t timeout_ms);

// True when all answered, with the same digest.
bool digests_equal(const std::vector<nlohmann::json>& stats);

// Asks until the digests are equal or the time is up; returns the last answers.
std::vector<nlohmann::json> wait_for_equal_digests(distri::client::Client& client, Cluster& cluster,
                                                   std::int64_t timeout_ms);

// A client of exactly these nodes.
distri::client::Client direct_client(const std::vector<distri::Address>& addresses, std::int64_t timeout_ms);

// As many descriptors as the system allows us; true when that is at least `wanted`.
bool raise_descriptor_limit(std::uint64_t wanted);

}  // namespace example
