// dispatcher.hpp: from a request to its reply.
//
// Decides what a request is, refuses what cannot be served (with the reason and, where it helps, a better node), runs
// document services on the spot, hands the others to workers, and sees to it that every accepted request ends by its
// deadline.
//
// Invariants: (1) accepted = completed + failed + in flight, for the node and for every service. (2) bytes of bodies
// and unsent replies held for requests are counted in buffered_bytes(), bounded by NodeConfig::buffered_bytes_max. (3)
// a request id is executed at most once while it is remembered (request_memory.hpp). (4) a write is acknowledged only
// when it is durable here and as many members hold it as the caller asked for (write_concern.hpp). Threads: the main
// thread; workers only touch what they are handed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "distri/cloud/cloud_node.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/registry.hpp"
#include "distri/cloud/request.hpp"
#include "distri/cloud/request_memory.hpp"
#include "distri/cloud/watch.hpp"
#include "distri/utils/worker_pool.hpp"
#include "distri/net/loop.hpp"

namespace distri::cloud {

// A request of one of the services about membership: Members, Join, Identify, OpenInvitation, ChangeMembers.
struct MembershipCall {
  std::string service;
  std::string target;
  wire::Format format = wire::Format::kJson;
  Bytes body;
  Bytes binding;  // of the connection: Connection::channel_binding()
  std::function<void(Result<Bytes>)> done;
};

class Access;

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
    // Makes a backup; tells the outcome on the main thread, later or at once.
    std::function<void(const std::string& directory, std::function<void(Result<>)> done)> backup;
    // Ends with a call of its `done`, at once or later.
    std::function<void(MembershipCall)> membership;
    // Whose tokens and users count; nullptr: there are no keys.
    Access* access = nullptr;
    // How many nodes the cluster has.
    std::function<std::uint32_t()> members;
    // Writes are durable later than at once: own_writes_durable() says when.
    bool journal = false;
  };
  explicit Dispatcher(Parts parts);
  ~Dispatcher();

  // Names of services that are neither of documents nor registered.
  static const std::vector<std::string_view>& built_in_services();

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
  // After end_of_turn(), when all writes of the turn are in the log: sends watchers what has become visible.
  void feed_watches();
  // The node stops: every watcher gets its last token.
  void end_watches(std::string_view reason);

  // This node's own writes up to this counter are durable here, as its mode says.
  void own_writes_durable(std::uint64_t counter) { durable_counter_ = counter; }

  // Until this is called, document services answer kUnavailable: the node does not have the cluster's documents yet.
  void set_ready() { ready_ = true; }
  bool ready() const { return ready_; }

  const RequestMetrics& total() const { return total_; }
  const std::map<std::string, RequestMetrics, std::less<>>& built_in_metrics() const { return built_in_; }
  std::size_t buffered_bytes() const { return buffered_bytes_; }
  // Replies that wait for durability or for other members.
  std::size_t held_replies() const { return held_.size(); }
  // Of service Watch, with those that have not begun yet.
  std::size_t watchers() const { return watches_.size(); }
  const WatchCounters& watch_counters() const { return watch_counters_; }
  // Long reads that are not done, and slices of such so far.
  std::size_t readings() const { return readings_.size(); }
  std::uint64_t read_slices() const { return read_slices_; }
  // Requests that hold something: a body, a worker, an unsent reply.
  std::size_t open_requests() const { return by_deadline_.size(); }

 private:
  struct Arrival;  // a request that has just come in
  struct Outcome {
    Result<Bytes> result;
    std::uint64_t written = 0;  // counter of the newest own write to wait for; of a read: the commit; 0: none
    WriteConcern concern;
    bool by_id = false;                // a read of single documents
    std::unique_ptr<Reading> reading;  // set: it is not done yet, and there is no result
  };

  void refuse(Arrival& arrival, const Error& error);
  void answer(Arrival& arrival, RequestMetrics& metrics, Result<Bytes> result);
  // Why nothing more can be done now for a connection for which so much is held.
  std::optional<Error> overload(std::size_t connection_bytes) const;
  bool refused_for_load(Arrival& arrival, RequestMetrics& metrics);
  void begin_document(Arrival& arrival, DocumentService service);
  void begin_registered(Arrival& arrival, RegisteredService& service);
  void begin_echo(Arrival& arrival);
  void begin_backup(Arrival& arrival);
  void begin_membership(Arrival& arrival);
  // Authenticate, CreateToken, CreateUser, ListAccess, RevokeAccess (dispatcher_access.cpp).
  void begin_access(Arrival& arrival);
  void authenticate(const std::shared_ptr<Request>& request);
  void list_access(const std::shared_ptr<Request>& request);
  void create_token(const std::shared_ptr<Request>& request);
  void create_user(const std::shared_ptr<Request>& request);
  void revoke_access(const std::shared_ptr<Request>& request);
  // CreateToken, CreateUser, RevokeAccess: at most once for a request id.
  void change_access(const std::shared_ptr<Request>& request);
  // A repeated one that may have been executed where it is remembered, and not here.
  bool doubtful_access(const Request& request);
  void repeat_access_elsewhere(const std::shared_ptr<Request>& request,
                               const replication::Replica::AppliedRequest& applied);
  // Makes a change to system.access as a write of the request; `reply` when it is done.
  void write_access(const std::shared_ptr<Request>& request, const std::function<Result<>()>& change,
                    bson::Document reply);
  bool wanted(const Request& request);
  // The outcome of a request and of all that have come with the same id.
  void finish_access(const std::shared_ptr<Request>& request, const Result<Bytes>& result, std::uint64_t written = 0);
  // The reply when as many members hold the write as this one of them asked for.
  void settle_access(const std::shared_ptr<Request>& request, const Result<Bytes>& result, std::uint64_t written);
  std::int64_t now_ms() const { return parts_.clock.monotonic_ns() / 1'000'000; }
  // kPermissionDenied: the caller may not use a service that is none of documents.
  Result<> check_service_rights(const Arrival& arrival) const;
  void begin_watch(Arrival& arrival);
  std::shared_ptr<Request> open(Arrival& arrival, Request::Kind kind, RequestMetrics& metrics);
  // The same without its parameters and body, for a request that has been executed.
  std::shared_ptr<Request> open_executed(Arrival& arrival, Request::Kind kind, RequestMetrics& metrics);

  // ---- Writes (dispatcher_writes.cpp).
  Outcome run_document(const DocumentCall& call, const RequestId& id);
  Result<> run_write(const DocumentCall& call, const RequestId& id, Outcome& outcome, Preparation* prepared);
  Result<> repeat_elsewhere(const DocumentCall& call, const RequestId& id,
                            const replication::Replica::AppliedRequest& applied, Outcome& outcome);
  void wait_for_shown(Outcome& outcome, const Shown& shown) const;
  // Enough members hold the outcome's write, this node durably among them. Of a read: what it shows is durable here.
  bool settled(std::uint64_t counter, std::uint32_t needed) const;
  bool settled(const Outcome& outcome) const;
  void hold(const std::shared_ptr<Request>& request, Outcome outcome);
  void stop_holding(Request& request);
  void release_held();
  Error held_too_long(const Request& request) const;

  // ---- Long reads (dispatcher_reads.cpp).
  void run_reading(const DocumentCall& call, const RequestId& id, Outcome& outcome);
  // Of a read, or of what a write prepares; that is carried out when it is ready.
  void run_slice(const DocumentCall& call, const RequestId& id, Outcome& outcome);
  void start_reading(const std::shared_ptr<Request>& request, std::unique_ptr<Reading> reading);
  void go_on_reading();
  void set_reading_bytes(Request& request, std::size_t bytes);

  // ---- Watchers (dispatcher_watches.cpp).
  Result<Watch> admit_watch(const ServerConnection& connection, std::string_view target, const wire::RequestHead& head);
  bool watch_ready(const Request& request) const;
  void start_watch(const std::shared_ptr<Request>& request);
  void send_watch(const std::shared_ptr<Request>& request, BytesView bytes);
  std::size_t pump_watch(const std::shared_ptr<Request>& request, bool heartbeat);
  void tick_watches(std::int64_t now_ns);
  void end_watch(const std::shared_ptr<Request>& request, std::string_view reason);
  void end_watch(const std::shared_ptr<Request>& request, const Error& error);
  void forget_ended_watches();

  void body_complete(const std::shared_ptr<Request>& request);
  // What it waits for has come, or is known to be lost. Of document services and Watch.
  bool may_run(const Request& request);
  void run_on_worker(const std::shared_ptr<Request>& request);
  void run_streamed(const std::shared_ptr<Request>& request);
  void service_pipe(const std::shared_ptr<Request>& request);
  void streamed_handler_done(const std::shared_ptr<Request>& request, const Result<>& result);
  void more_echo(const std::shared_ptr<Request>& request, BytesView chunk, bool end);
  // Sends the reply; the request ends now or when its last byte has gone.
  void finish(const std::shared_ptr<Request>& request, const Result<Bytes>& result);
  void finish_id(const RequestId& id, const Result<Bytes>& result);
  // The window of a reply that is complete has opened.
  void send_rest(const std::shared_ptr<Request>& request);
  void close_request(const std::shared_ptr<Request>& request, bool succeeded);
  // `timed`: how long it took says something.
  void account(RequestMetrics& metrics, std::int64_t arrived_ns, bool succeeded, bool timed = true);
  void charge(Request& request, std::size_t bytes);
  // A repeated write that another node, or this one before it restarted, may have executed without our having seen
  // it: executed once more it could do more than it should (is_repeatable()).
  bool doubtful(const DocumentCall& call, const RequestId& id);
  // The replica has seen everything that the token names. (Bytes that are no token name nothing.)
  bool covered(BytesView token) const;
  void give_up_parked(std::int64_t now_ns);
  Bytes reply_token(BytesView seen) const;
  std::string unknown_service_text(std::string_view name) const;

  Parts parts_;
  RequestMemory memory_;
  RequestMemory access_memory_;  // of the services that change who may do what; its replies hold secrets
  RequestMetrics total_;
  std::map<std::string, RequestMetrics, std::less<>> built_in_;
  std::vector<RequestMetrics*> document_metrics_;  // in built_in_, by DocumentService
  std::multimap<std::int64_t, std::shared_ptr<Request>> by_deadline_;
  std::vector<std::shared_ptr<Request>> parked_;
  HeldReplies held_;
  std::uint64_t durable_counter_ = 0;
  std::uint64_t parked_seen_ = 0;  // writes and commits
  std::vector<std::shared_ptr<Request>> readings_;
  std::size_t readings_next_ = 0;  // whose turn it is
  std::uint64_t read_slices_ = 0;
  bool readings_waited_ = false;  // for the next turn
  std::int64_t others_ns_ = 0;    // what turns have taken since the last slice
  replication::ChangeFeed feed_;
  std::vector<std::shared_ptr<Request>> watches_;
  std::pair<std::uint64_t, std::uint64_t> watches_seen_;  // end of the log and durable commit
  std::size_t watches_next_ = 0;                          // whose turn it is
  std::size_t watches_left_ = 0;                          // to be looked at since then
  bool watches_behind_ = false;                           // some have more to look at
  WatchCounters watch_counters_;
  std::size_t buffered_bytes_ = 0;
  bool ready_ = false;
};

}  // namespace distri::cloud
