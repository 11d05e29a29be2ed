// dispatcher.hpp: from a request to its reply.
//
// Decides what a request is, refuses what cannot be served (with the reason and, where it helps, a better node), runs
// document services on the spot, hands the others to workers, and sees to it that every accepted request ends by its
// deadline.
//
// Invariants: (1) accepted = completed + failed + in flight, for the node and for every service. (2) bytes of bodies
// and unsent replies held for requests are counted in buffered_bytes(), bounded by NodeConfig::buffered_bytes_max. (3)
// a request id is executed at most once while it is remembered (request_memory.hpp). Threads: the main thread; workers
// only touch what they are handed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "distri/cloud/cloud_node.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/registry.hpp"
#include "distri/cloud/request.hpp"
#include "distri/cloud/request_memory.hpp"
#include "distri/cloud/worker_pool.hpp"
#include "distri/net/loop.hpp"

namespace distri::cloud {

class Dispatcher {
 public:
  struct Parts {
    const NodeConfig& config;
    const Clock& clock;
    net::Loop& loop;
    replication::Replica& replica;
    ServiceRegistry& registry;
    WorkerPool& pool;
    DocumentServices& documents;
    // Replies of Stats and Nodes.
    std::function<bson::Document()> stats;
    std::function<bson::Document()> nodes;
    // "host:port" of a less loaded node, or empty.
    std::function<std::string()> better_node;
  };
  explicit Dispatcher(Parts parts);
  ~Dispatcher();

  // ---- Events of connections.
  void begin(ServerConnection& connection, std::uint32_t stream, const wire::RequestHead& head, BytesView body,
             bool end);
  void more(const std::shared_ptr<Request>& request, BytesView chunk, bool end);
  void writable(const std::shared_ptr<Request>& request);
  // The caller has gone or taken the request back (`by_caller`: said so). Work that may not be repeated goes on
  // unobserved.
  void abandon(const std::shared_ptr<Request>& request, const Error& reason, bool by_caller);

  // ---- Time and turns.
  void end_of_turn();
  void tick(std::int64_t now_ns);

  // Until this is called, document services answer kUnavailable: the node does not have the cluster's documents yet.
  void set_ready() { ready_ = true; }
  bool ready() const { return ready_; }

  const RequestMetrics& total() const { return total_; }
  const std::map<std::string, RequestMetrics, std::less<>>& built_in_metrics() const { return built_in_; }
  std::size_t buffered_bytes() const { return buffered_bytes_; }
  // Requests that hold something: a body, a worker, an unsent reply.
  std::size_t open_requests() const { return by_deadline_.size(); }

 private:
  struct Arrival;  // a request that has just come in

  void refuse(Arrival& arrival, const Error& error);
  void answer(Arrival& arrival, RequestMetrics& metrics, const Result<Bytes>& result);
  bool refused_for_load(Arrival& arrival, RequestMetrics& metrics);
  void begin_document(Arrival& arrival, DocumentService service);
  void begin_registered(Arrival& arrival, RegisteredService& service);
  void begin_echo(Arrival& arrival);
  std::shared_ptr<Request> open(Arrival& arrival, Request::Kind kind, RequestMetrics& metrics);

  Result<Bytes> run_document(const DocumentCall& call, const RequestId& id);
  void body_complete(const std::shared_ptr<Request>& request);
  void run_on_worker(const std::shared_ptr<Request>& request);
  void run_streamed(const std::shared_ptr<Request>& request);
  void service_pipe(const std::shared_ptr<Request>& request);
  void streamed_handler_done(const std::shared_ptr<Request>& request, const Result<>& result);
  void more_echo(const std::shared_ptr<Request>& request, BytesView chunk, bool end);
  // Sends the reply; the request ends now or when its last byte has gone.
  void finish(const std::shared_ptr<Request>& request, const Result<Bytes>& result);
  void finish_id(const RequestId& id, const Result<Bytes>& result);
  void close_request(const std::shared_ptr<Request>& request, bool succeeded);
  void account(RequestMetrics& metrics, std::int64_t arrived_ns, bool succeeded);
  void charge(Request& request, std::size_t bytes);
  // The replica has seen everything that the token names. (Bytes that are no token name nothing.)
  bool covered(BytesView token) const;
  void give_up_parked(std::int64_t now_ns);
  Bytes own_token() const;
  std::string unknown_service_text(std::string_view name) const;

  Parts parts_;
  RequestMemory memory_;
  RequestMetrics total_;
  std::map<std::string, RequestMetrics, std::less<>> built_in_;
  std::multimap<std::int64_t, std::shared_ptr<Request>> by_deadline_;
  std::vector<std::shared_ptr<Request>> parked_;
  std::uint64_t parked_seen_writes_ = 0;
  std::size_t buffered_bytes_ = 0;
  bool ready_ = false;
};

}  // namespace distri::cloud
