// node_process.hpp: nodes on loopback for one benchmark, each a process of its own: distri-example in server mode.
//
// The program is the one beside this one. A node belongs to its object: the destructor kills it, and the kernel does
// when this process ends in any other way. Processes are addressed by their own id, and only while they are not reaped.
// Threads: the one that starts them must live as long as they should.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/utils/address.hpp"

namespace bench {

class NodeProcess {
 public:
  // `arguments`: beside --mode and --ips. `log`: its output.
  NodeProcess(distri::Address address, const std::vector<distri::Address>& cluster, std::vector<std::string> arguments,
              std::string log);
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  // kUnavailable: no program, or the system gives no process.
  distri::Result<> start();
  // SIGTERM, and waits. kInternal: it did not end well.
  distri::Result<> stop();
  // SIGKILL, and waits.
  void kill();

  const distri::Address& address() const { return address_; }
  pid_t pid() const { return pid_; }
  // Resident memory now.
  std::uint64_t rss_bytes() const;

 private:
  distri::Address address_;
  std::vector<std::string> arguments_;
  std::string log_;
  pid_t pid_ = 0;
};

// Ports of 127.0.0.1 that nothing listens at, below the range of outgoing connections.
std::vector<distri::Address> free_addresses(std::size_t count);

// A folder that is removed with all it holds.
class TemporaryFolder {
 public:
  // Below `parent`.
  explicit TemporaryFolder(const std::string& parent);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What lies in a folder, as the disk counts it.
std::uint64_t disk_bytes(const std::string& folder);

double seconds_since(std::int64_t start_ns);
std::int64_t monotonic_ns();

// `Stats` of this very node.
distri::Result<nlohmann::json> stats_of(distri::client::Client& client, const distri::Address& node);
// Waits until it serves and is connected to so many others. kDeadlineExceeded: with its last word.
distri::Result<> wait_serving(distri::client::Client& client, const distri::Address& node, std::uint64_t others,
                              std::int64_t timeout_ms);
// Waits until all of them have the same documents and have seen the same writes.
distri::Result<> wait_equal(distri::client::Client& client, const std::vector<distri::Address>& nodes,
                            std::int64_t timeout_ms);

// Calls document(i) for 0 .. count-1 and sends each to `service` with `in_flight` under way, until all are answered.
// `params`: of each call.
struct Bulk {
  std::string service;
  distri::Address node;
  std::uint64_t count = 0;
  std::uint64_t in_flight = 256;
  distri::Bytes (*body)(std::uint64_t number, std::uint32_t doc_bytes) = nullptr;  // none: no body
  nlohmann::json (*params)(std::uint64_t number) = nullptr;                        // none: no parameters
  std::uint64_t first = 0;
  std::uint32_t doc_bytes = 100;
};
distri::Result<> run_bulk(distri::client::Client& client, const Bulk& bulk);

}  // namespace bench
