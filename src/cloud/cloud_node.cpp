#include "distri/cloud/cloud_node.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "distri/cloud/node_impl.hpp"
#include "distri/cloud/request_text.hpp"

namespace distri::cloud {
namespace {

constexpr std::int64_t kTickMs = 50;
// A starting node that reaches other nodes waits so long for their documents before it serves with what it has.
constexpr std::int64_t kCompleteMs = 60'000;
// A new member that waits says so this often.
constexpr std::int64_t kWaitingWarnedMs = 10'000;
// A starting node that reaches nobody serves alone after this, even if some address neither answers nor refuses.
constexpr std::int64_t kAloneMs = 3'000;
// See Loop::end_turns_after().
constexpr std::int64_t kAloneTurnNs = 50'000;
// A slice of building indexes is over after so many documents or keys, or so long.
constexpr std::size_t kIndexSlice = 400;
constexpr std::int64_t kIndexSliceNs = 500'000;
// Between two looks at the clock.
constexpr std::size_t kIndexedAtOnce = 50;
constexpr std::size_t kSweepSlice = 100;  // documents of a turn
constexpr std::int64_t kIndexPauseMs = 1;
constexpr std::int64_t kRefusalLogNs = 10'000'000'000;  // between two lines that say that connections are refused

unsigned worker_count(unsigned configured) {
  if (configured > 0) return configured;
  const unsigned cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : cores;
}

}  // namespace

CloudNode::Impl::Impl(NodeConfig node_config)
    : config(std::move(node_config)),
      // A node without keys or disk is a new node with every start; a data directory has a lasting id.
      node_id(random.id<NodeId>()),
      incarnation(static_cast<std::uint64_t>(clock.wall_ms())),
      census({.connections_max = config.connections_max,
              .per_address_max = config.connections_per_address_max,
              .per_loopback_address_max = config.connections_per_loopback_address_max,
              .strangers_max = config.strangers_max,
              .stranger_streams_max = config.stranger_streams_max,
              .rate_max = config.connection_rate_max,
              .burst_max = config.connection_burst_max,
              .loopback_rate_max = config.connection_loopback_rate_max}) {}

CloudNode::CloudNode(NodeConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}

CloudNode::~CloudNode() {
  if (impl_->pool) impl_->pool->stop();
  if (impl_->storage) impl_->storage->stop();
}

Result<> CloudNode::register_service(std::string name, ServiceHandler handler) {
  DISTRI_TRY_VOID(check_service_name(name));
  const auto& built_in = Dispatcher::built_in_services();
  const bool taken = find_document_service(name) || std::ranges::find(built_in, name) != built_in.end();
  if (taken || impl_->registry.contains(name))
    return fail(Code::kAlreadyExists, "the service '{}' is there already", name);
  impl_->registry.emplace(name, RegisteredService{name, std::move(handler), {}});
  return {};
}

Result<> CloudNode::register_stream_service(std::string name, StreamHandler handler) {
  DISTRI_TRY_VOID(register_service(name, ServiceHandler()));
  impl_->registry.find(name)->second.handler = std::move(handler);
  return {};
}

Result<> CloudNode::listen() {
  return impl_->listen();
}
Result<> CloudNode::run() {
  return impl_->run();
}

void CloudNode::stop() {
  impl_->stop_requested = true;
  impl_->loop.post([impl = impl_.get()] { impl->begin_stop("stop() was called"); });
}

Address CloudNode::address() const {
  return impl_->listener ? impl_->listener->address() : impl_->config.listen;
}

std::optional<Address> CloudNode::local_address() const {
  return impl_->local_listener ? std::optional(impl_->local_listener->address()) : std::nullopt;
}

Result<> CloudNode::Impl::listen() {
  if (listener) return {};
  DISTRI_TRY_VOID(open_data_directory());
  if (!cluster && !is_loopback(config.listen) && !config.insecure) {
    return fail(Code::kPermissionDenied,
                "{} is not a loopback address and this node has no key: anybody who reaches it could read and write "
                "everything; make it a member of a cluster ('distri cluster init' or 'distri serve --join'), listen on "
                "127.0.0.1, or allow it on a network you trust with --insecure",
                to_string(config.listen));
  }
  net::ConnectionOptions options;
  if (cluster) options.tls = cluster->tls();
  options.hello_ms = config.hello_ms;
  options.frame_ms = config.frame_ms;
  options.write_stall_ms = config.write_stall_ms;
  options.stranger = {config.stranger_bytes_max, config.stranger_frames_max};
  wire::Hello hello;
  hello.role = wire::Role::kNode;
  hello.node = node_id;
  hello.incarnation = incarnation;
  hello.address = config.advertise;
  hello.software = kSoftware;
  // Who dials us knows our address already; with port 0 it is known only after this.
  DISTRI_TRY(auto bound, net::Listener::listen(loop, config.listen, hello, options,
                                               [this](const auto& connection) { return accept(connection, false); }));
  listener = std::move(bound);
  listener->set_gate([this](const Address& from) { return may_connect(from); });
  own_address = listener->address();
  if (!config.advertise.empty()) {
    DISTRI_TRY(own_address, parse_address(config.advertise));
  }
  if (config.local_listen) {
    if (auto local = listen_locally(options, hello); !local) {
      listener.reset();
      return local;
    }
  }
  return {};
}

Result<> CloudNode::Impl::listen_locally(const net::ConnectionOptions& options, const wire::Hello& hello) {
  if (!cluster) {
    return fail(Code::kInvalidArgument,
                "local_listen is for nodes with keys; this one has none, and serves programs of this machine at {}",
                to_string(listener->address()));
  }
  if (!is_loopback(*config.local_listen)) {
    return fail(Code::kPermissionDenied,
                "local_listen {} is not a loopback address; whoever reaches it may do everything, so it must be one of "
                "127.0.0.1",
                to_string(*config.local_listen));
  }
  net::ConnectionOptions plain = options;
  plain.tls = nullptr;
  DISTRI_TRY(local_listener,
             net::Listener::listen(loop, *config.local_listen, hello, plain,
                                   [this](const auto& connection) { return accept(connection, true); }));
  local_listener->set_gate([this](const Address& from) { return may_connect(from); });
  return {};
}

Result<> CloudNode::Impl::run() {
  DISTRI_TRY_VOID(listen());
  started_ns = clock.monotonic_ns();
  pool = std::make_unique<WorkerPool>(worker_count(config.workers), config.queue_max);
  DISTRI_TRY_VOID(make_replica());
  documents = std::make_unique<DocumentServices>(*replica, clock, random, config.reply_page_bytes_max);
  peers = std::make_unique<Peers>(loop, *replica, clock, random, config.log, cluster.get());
  if (cluster) {
    // Members say their wall time as an incarnation: it is greater with every start.
    detector = std::make_unique<membership::Swim>(node_id, incarnation, membership::SwimOptions(),
                                                  Random(random.next()), clock.monotonic_ns() / 1'000'000);
    peers->on_probe([this](const NodeId& from, BytesView bytes) { return receive_probe(from, bytes); });
    access = std::make_unique<Access>(
        Access::Parts{*replica, clock, cluster->table().cluster(),
                      [this](std::function<void()> task) { return pool->submit(std::move(task)); },
                      [this](std::function<void()> function) { loop.post(std::move(function)); }, config.log});
  }
  dispatcher = std::make_unique<Dispatcher>(Dispatcher::Parts{
      config, clock, loop, *replica, registry, *pool, *documents, [this] { return stats(); },
      [this] { return nodes(); }, [this] { return better_node(); },
      [this](const std::string& directory, std::function<void(Result<>)> done) { backup(directory, std::move(done)); },
      [this](MembershipCall call) { run_membership(std::move(call)); }, access.get(), [this] { return members; },
      storage != nullptr});

  std::vector<std::string> services;
  for (const auto name : document_service_names()) services.emplace_back(name);
  for (const auto& [name, service] : registry) services.push_back(name);
  replica->set_services(std::move(services));

  wire::Hello hello;
  hello.role = wire::Role::kNode;
  hello.node = node_id;
  hello.incarnation = incarnation;
  hello.address = to_string(own_address);
  hello.software = kSoftware;
  net::ConnectionOptions options;
  options.write_stall_ms = config.write_stall_ms;
  std::vector<Address> others = config.peers;
  if (cluster) {
    // They are waited for like configured ones: who has just joined has nothing yet.
    for (const auto& member : cluster->table().members()) {
      if (member.node != node_id) others.insert(others.end(), member.addresses.begin(), member.addresses.end());
    }
  }
  replica->set_newcomer(cluster && cluster->is_newcomer());
  peers->start(others, own_address, hello, options);
  if (cluster) start_cluster();

  loop.at_end_of_turn([this] { end_of_turn(); });
  if (config.handle_signals) {
    loop.on_signals({SIGINT, SIGTERM}, [this](int signal) { begin_stop(signal == SIGTERM ? "SIGTERM" : "SIGINT"); });
  }
  config.log.info("node {} listens on {} with {} workers", node_id.short_hex(), to_string(own_address),
                  pool->workers());
  tick();
  if (stop_requested) begin_stop("stop() was called");
  loop.run();
  pool->stop();
  if (cluster) cluster->stop();
  stop_storage();
  config.log.info("node {} has stopped", node_id.short_hex());
  if (stop_error) return fail(*stop_error);
  return {};
}

Result<> CloudNode::Impl::may_connect(const Address& from) {
  auto open = census.may_enter(from.host, clock.monotonic_ns() / 1'000);
  if (open || (refusal_logged_ns != 0 && clock.monotonic_ns() - refusal_logged_ns < kRefusalLogNs)) return open;
  refusal_logged_ns = clock.monotonic_ns();
  config.log.warning("connections are refused, among them one from {}: {}", from.host, open.error().message);
  return open;
}

net::ConnectionHandler* CloudNode::Impl::accept(const std::shared_ptr<net::Connection>& connection, bool local) {
  if (state == State::kStopping || !dispatcher) return nullptr;
  auto handler = std::make_unique<ServerConnection>(
      connection, *dispatcher, *peers, local ? nullptr : cluster.get(), access.get(), local,
      [this](ServerConnection* closed) {
        // The connection is still inside the handler's last call.
        const auto it = connections.find(closed);
        loop.post([gone = std::shared_ptr<ServerConnection>(std::move(it->second))] {});
        connections.erase(it);
      });
  if (cluster && !local) handler->expect_key_within(loop, config.stranger_ms);
  const std::string& remote = connection->remote();
  handler->enter(census.enter(parse_address(remote).value_or(Address{remote}).host,
                              [weak = std::weak_ptr(connection)](const Error& reason) {
                                const auto oldest = weak.lock();
                                if (!oldest) return;
                                oldest->session().abort(reason);
                                oldest->close(reason);
                              }));
  auto* raw = handler.get();
  connections.emplace(raw, std::move(handler));
  return raw;
}

void CloudNode::Impl::end_of_turn() {
  replica->end_turn(clock.wall_ms());
  // Peers before clients: by the time a client hears that its write is done, the write is on its way.
  peers->send_outgoing();
  dispatcher->end_of_turn();
  // Parked requests may have written.
  replica->end_turn(clock.wall_ms());
  peers->send_outgoing();
  dispatcher->feed_watches();
  submit_commit();
  // With nobody to send batches to, short turns cost nothing.
  loop.end_turns_after(storage || peers->connected_count() > 0 ? 0 : kAloneTurnNs);
  log_notices();
  tell_conflicts();
  if (state == State::kStarting) become_ready_if_complete();
  if (state == State::kStopping) finish_stop_if_idle();
}

void CloudNode::Impl::tick() {
  const auto now_ms = clock.wall_ms();
  loop_lag_us = loop.take_longest_turn_us();
  replica->set_load(load());
  replica->set_known_addresses(peers->connected_addresses());
  replica->set_newcomer(cluster && cluster->is_newcomer());
  replica->tick(now_ms);
  dispatcher->tick(clock.monotonic_ns());
  documents->set_memory(memory().total(), config.memory_bytes_max);
  if (replica->database().building_indexes() && !building_indexes) build_indexes();
  if (!sweeping) sweep();
  if (cluster) {
    cluster->tick();
    if (clock.monotonic_ns() - gossiped_ns > Cluster::kGossipMs * 1'000'000) {
      gossiped_ns = clock.monotonic_ns();
      peers->tell_all(cluster->digest());
    }
    check_access();
    probe();
  }
  tick_timer = loop.after(kTickMs, [this] { tick(); });
}

// A slice, and the next one soon: what came in the meantime has its turn between them.
void CloudNode::Impl::build_indexes() {
  const std::int64_t end_ns = clock.monotonic_ns() + kIndexSliceNs;
  std::size_t indexed = 0;
  do {
    building_indexes = replica->build_indexes(kIndexedAtOnce);
    indexed += kIndexedAtOnce;
  } while (building_indexes && indexed < kIndexSlice && clock.monotonic_ns() < end_ns);
  if (building_indexes) index_timer = loop.after(kIndexPauseMs, [this] { build_indexes(); });
}

void CloudNode::Impl::sweep() {
  sweeping = state == State::kServing && replica->sweep(kSweepSlice, clock.wall_ms());
  if (sweeping) sweep_timer = loop.after(kIndexPauseMs, [this] { sweep(); });
}

void CloudNode::Impl::warn_of_waiting(std::int64_t age_ms) {
  if (age_ms < std::max(kAloneMs, next_waiting_warning_ms)) return;
  next_waiting_warning_ms = age_ms + kWaitingWarnedMs;
  config.log.warning(
      "this new member waits for its first copy of the database, {} of {} other members connected; it serves when it "
      "has one from a member that is not new itself, or when all members left are new and connected",
      peers->connected_count(), cluster->table().members().size() - 1);
}

void CloudNode::Impl::become_ready_if_complete() {
  const std::int64_t age_ms = (clock.monotonic_ns() - started_ns) / 1'000'000;
  const bool connected = peers->connected_count() > 0;
  // A new member knows no tombstones that others have removed: it could write below them (docs/replication.md). Nor
  // does one whose documents were lost. Another newcomer's copy is none, unless there is nobody else.
  const bool newcomer = cluster && cluster->is_newcomer();
  const bool there_is_more =
      newcomer && !peers->hears_one_that_knows() && peers->connected_count() + 1 < cluster->table().members().size();
  const bool complete =
      connected && peers->all_tried() && peers->heard_from_all() && replica->caught_up() && !there_is_more;
  const bool knows_nothing = cluster && replica->vector().total() == 0 && !replica->caught_up();
  const bool alone = !connected && !newcomer && (peers->all_tried() || age_ms > kAloneMs);
  const bool late = connected && age_ms > kCompleteMs && !newcomer && !knows_nothing;
  if (newcomer && !complete) warn_of_waiting(age_ms);
  if (!complete && !alone && !late) return;
  if (cluster) cluster->has_caught_up();
  if (late) config.log.warning("still incomplete after {} ms; serving with what is here", age_ms);
  state = State::kServing;
  dispatcher->set_ready();
  config.log.info("serving after {} ms: {} nodes connected, {} writes known", age_ms, peers->connected_count(),
                  replica->vector().total());
  if (config.on_serving) config.on_serving();
}

void CloudNode::Impl::begin_stop(const std::string& reason) {
  if (state == State::kStopping) return;
  config.log.info("stopping: {}", reason);
  state = State::kStopping;
  if (config.on_stopping) config.on_stopping();
  stop_deadline_ns = clock.monotonic_ns() + config.stop_ms * 1'000'000;
  listener->close();
  if (local_listener) local_listener->close();
  dispatcher->end_watches("the node is stopping");
  for (const auto& [raw, connection] : connections) {
    if (connection->connection().session().ready())
      connection->connection().session().goodbye({Code::kUnavailable, "the node is stopping"});
  }
  peers->leave(reason);
}

void CloudNode::Impl::finish_stop_if_idle() {
  if (closing) {
    if (connections.empty() || clock.monotonic_ns() >= stop_deadline_ns) loop.stop();
    return;
  }
  const bool idle = dispatcher->open_requests() == 0;
  if (!idle && clock.monotonic_ns() < stop_deadline_ns) return;
  if (!idle) config.log.warning("{} requests did not finish within {} ms", dispatcher->open_requests(), config.stop_ms);
  closing = true;
  stop_deadline_ns = clock.monotonic_ns() + 2'000'000'000;  // for the last bytes to leave
  peers->close();
  std::vector<ServerConnection*> open;
  for (const auto& [raw, connection] : connections) open.push_back(raw);
  for (auto* each : open) each->connection().close(Error{Code::kUnavailable, "the node is stopping"});
}

void CloudNode::Impl::log_notices() {
  using Kind = replication::Notice::Kind;
  for (const auto& notice : replica->take_notices()) {
    if (notice.kind == Kind::kDivergence || notice.kind == Kind::kDuplicateIdentity) {
      config.log.error("{}: {}", notice.peer.short_hex(), notice.text);
    } else {
      config.log.warning("{}: {}", notice.peer.short_hex(), notice.text);
    }
  }
}

void CloudNode::Impl::tell_conflicts() {
  for (const auto& conflict : replica->take_conflict_events()) {
    ++conflicts_seen;
    config.log.info("conflict in collection '{}': a {} by actor {} lost to a concurrent write; see Conflicts",
                    conflict.name.collection, replication::conflict_kind_name(conflict.loser.kind),
                    conflict.name.loser.actor.short_hex());
    if (config.on_conflict) config.on_conflict(conflict.name.collection, documents->conflict_json(conflict));
  }
}

replication::Load CloudNode::Impl::load() const {
  return {.queued = static_cast<std::uint32_t>(pool->queued()),
          .running = static_cast<std::uint32_t>(pool->running()),
          .workers = pool->workers(),
          .loop_lag_us = static_cast<std::uint32_t>(loop_lag_us)};
}

}  // namespace distri::cloud
