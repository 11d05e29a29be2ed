// cloud_node.hpp: one node of the cluster: listens, keeps a replica, runs services, talks to its peers.
//
//   distri::cloud::NodeConfig config;
//   config.listen = {"127.0.0.1", 3000};
//   config.peers = {{"127.0.0.1", 3001}, {"127.0.0.1", 3002}};
//   distri::cloud::CloudNode node(config);
//   node.register_service("Reverse", [](const distri::cloud::ServiceRequest& request) -> distri::Result<distri::Bytes>
//   {
//     return distri::Bytes(request.body.rbegin(), request.body.rend());
//   });
//   auto result = node.run();   // until stop(), SIGTERM or SIGINT
//
// The calling thread of run() becomes the main thread: it owns connections, membership and the database, and never
// blocks. Workers run the services. docs/services.md lists the built-in ones.
//
// Stopping is graceful: no new connections or requests (they get kUnavailable with another node's address), what was
// accepted is finished within stop_ms, peers are told, then run() returns.
//
// Threads: register_service() before run(); run() once; stop() and address() from any thread. Errors: see each method.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/cloud/durability.hpp"
#include "distri/cloud/service.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/log.hpp"

namespace distri::storage {
class Journal;
}

namespace distri::cloud {

struct NodeConfig {
  Address listen{"127.0.0.1", 3000};  // port 0: any free one
  std::vector<Address> peers;         // other nodes; more are learned from them
  // Where others reach this node, when that differs from `listen`.
  std::string advertise;
  // A node whose data directory belongs to a cluster with keys (cluster_setup.hpp) encrypts all its links, and speaks
  // to members and to clients whose key is a member's or the root's. One without keys refuses to listen beyond loopback
  // unless this says that the network is trusted.
  bool insecure = false;
  // For a node with keys: programs on this machine may do everything at this loopback address, without keys and
  // encryption.
  std::optional<Address> local_listen;
  unsigned workers = 0;  // 0: one per core
  Log log;
  // Called on the main thread for every write that lost to a concurrent one, as soon as it is known here: the
  // collection, and the conflict as the service Conflicts lists it, in JSON. It must be quick; hand longer work to a
  // thread.
  std::function<void(std::string_view collection, std::string_view conflict)> on_conflict;
  bool handle_signals = true;  // SIGTERM and SIGINT stop the node
  // On the main thread, quick: it begins to serve, because it has what its peers had; and it begins to stop.
  std::function<void()> on_serving;
  std::function<void()> on_stopping;

  // ---- Durability (docs/services.md). Without a directory, everything is in memory only, and the node is a new one
  // with each start.
  std::string data_dir;
  std::optional<Durability> durability;  // default: kSync with a data directory, kMemory without
  // Configured size of the cluster with this node; what "majority" is counted of. 0: 1 + the number of `peers`.
  std::uint32_t members = 0;
  // For tests: opens the journal at that path, instead of RocksDB.
  std::function<Result<std::unique_ptr<storage::Journal>>(const std::string& path)> open_journal;

  // ---- Limits (each is named in the error of the request that meets it).
  std::size_t connections_max = 16'000;
  std::size_t connections_per_address_max = 1'024;  // an IPv4 address, or a /64 of IPv6
  // The same for programs of this machine; 0: no limit of its own.
  std::size_t connections_per_loopback_address_max = 0;
  // New connections of one address: so many may come at once, and then so many a second (0: no limit); of one loopback
  // address, so many a second.
  std::uint64_t connection_burst_max = 5'000;
  std::uint64_t connection_rate_max = 200;
  std::uint64_t connection_loopback_rate_max = 0;
  // Connections that have not shown yet that they may be here: with keys, by a key with rights; without, by a hello.
  // Beyond, the oldest is closed. Each of them may send so many bytes and frames; with TLS, 128 KiB more.
  std::size_t strangers_max = 4'096;
  std::size_t stranger_bytes_max = 64u << 10;
  std::size_t stranger_frames_max = 64;
  std::size_t stranger_streams_max = 8;            // its requests of those that are open to strangers
  std::size_t queue_max = 256;                     // requests waiting for a worker; beyond: busy
  std::size_t request_body_bytes_max = 64u << 20;  // buffered body of one request
  std::size_t buffered_bytes_max = 1u << 30;       // all buffered bodies of the node; beyond: busy
  std::size_t reply_page_bytes_max = 4u << 20;     // one page of ReadCollection
  std::size_t watchers_max = 10'000;               // requests of Watch at once; beyond: busy
  std::size_t watchers_per_connection_max = 256;
  std::size_t remembered_requests_max = 100'000;
  std::size_t remembered_bytes_max = 64u << 20;
  std::int64_t default_deadline_ms = 30'000;  // of requests that name none
  std::int64_t deadline_max_ms = 3'600'000;
  std::int64_t hello_ms = 5'000;         // to say hello after connecting
  std::int64_t stranger_ms = 10'000;     // with keys: for a connection without rights, to ask to join
  std::int64_t frame_ms = 30'000;        // to complete a frame once begun
  std::int64_t write_stall_ms = 30'000;  // to take any of what we send
  std::int64_t stop_ms = 10'000;         // to finish what was accepted when stopping
  std::int64_t gossip_ms = 1'000;
  // Of memory for documents, their indexes, conflicts and tombstones, by the node's own account (Stats, "memory"),
  // looked at 20 times a second; beyond: memory_full for writes of clients that would need more. 0: no limit.
  std::size_t memory_bytes_max = 0;
  // Of writes kept for peers that come back and for readers of changes: a quarter of the documents' bytes, but no less
  // and no more than these. Whoever needs more gets a snapshot.
  std::size_t log_bytes_min = 16u << 20;
  std::size_t log_bytes_max = 512u << 20;
};

class CloudNode {
 public:
  explicit CloudNode(NodeConfig config);
  ~CloudNode();
  CloudNode(const CloudNode&) = delete;
  CloudNode& operator=(const CloudNode&) = delete;

  // kAlreadyExists for a name that is taken, kInvalidArgument for one that is not 1 to 120 characters of
  // [A-Za-z0-9_.-].
  Result<> register_service(std::string name, ServiceHandler handler);
  Result<> register_stream_service(std::string name, StreamHandler handler);

  // Binds the address; then address() is known and connections wait to be served by run(). Optional: run() does it too.
  // kUnavailable: port in use; kPermissionDenied: not loopback without keys or `insecure`; this node was removed from
  // its cluster. The data directory: kInvalidArgument, kPermissionDenied (also: its key may be read by others),
  // kStorageFailed (another process uses it), kDataLoss (node_id or membership is damaged), kStorageFull.
  Result<> listen();
  // Loads the data directory, then serves until stopped. Errors: listen()'s, and kStorageFull and kStorageFailed of the
  // journal. Data that fails its checks is moved aside with a line in the log; the node then starts empty.
  Result<> run();
  // From any thread, also before run(); returns at once.
  void stop();
  Address address() const;
  // Of local_listen; nullopt: there is none.
  std::optional<Address> local_address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::cloud
