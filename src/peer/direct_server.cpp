#include "distri/peer/direct_server.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "distri/peer/direct_connection.hpp"

namespace distri::peer {
namespace {

constexpr std::int64_t kTickMs = 100;
// Before the hello is accepted. The handshake is not counted.
constexpr net::StrangerLimits kStrangerLimits{.bytes_max = 16u << 10, .frames_max = 4};

// Parameters and the part of a body that comes with them fit; one incomplete frame is kept for every caller.
constexpr std::uint32_t kFrameBytes = 256u << 10;

Result<> admit(const std::optional<NodeId>& key, const std::function<Result<>(const NodeId&)>& more) {
  if (!key) {
    return fail(Code::kUnauthenticated,
                "this peer answers callers that show a key only, and this one shows none; give the link a key");
  }
  return more ? more(*key) : Result<>{};
}

}  // namespace

DirectServer::Impl::Impl(SigningKey its_key, DirectServerOptions its_options)
    : options(std::move(its_options)),
      key(std::move(its_key)),
      shared(std::make_shared<DirectLoop>(loop)),
      census({options.connections_max, options.connections_per_address_max, 0, options.strangers_max}) {}

DirectServer::DirectServer(SigningKey key, DirectServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(key), std::move(options))) {}

DirectServer::~DirectServer() {
  stop();
}

Result<> DirectServer::serve(std::string service, Handler handler) {
  if (impl_->started) return fail(Code::kInvalidArgument, "the server runs; serve '{}' before start()", service);
  if (service.empty() || service.size() > wire::kServiceNameBytesMax || !handler) {
    return fail(Code::kInvalidArgument, "a service needs a name of 1 to {} bytes and a handler",
                wire::kServiceNameBytesMax);
  }
  if (service == kHereService || impl_->services.contains(service)) {
    return fail(Code::kAlreadyExists, "the service '{}' is there already", service);
  }
  impl_->services.emplace(std::move(service), std::move(handler));
  return {};
}

Result<> DirectServer::start() {
  if (impl_->started) return fail(Code::kInvalidArgument, "the server was started before");
  DISTRI_TRY_VOID(impl_->listen());
  impl_->started = true;
  // Streams have at most one piece each in the queue beside the requests that wait.
  impl_->pool = std::make_unique<WorkerPool>(std::max(impl_->options.workers, 1u),
                                             impl_->options.queue_max + impl_->options.requests_max);
  impl_->loop.at_end_of_turn([impl = impl_.get()] { impl->end_of_turn(); });
  impl_->tick();
  impl_->thread = std::thread([impl = impl_.get()] { impl->loop.run(); });
  return {};
}

void DirectServer::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->loop.post([impl = impl_.get()] { impl->begin_stop(); });
  impl_->thread.join();
  impl_->shared->close();
  impl_->pool->stop();
}

const Address& DirectServer::address() const {
  return impl_->address;
}

DirectServer::Counters DirectServer::counters() const {
  return {impl_->open_connections, impl_->open_requests, impl_->answered, impl_->refused};
}

Result<> DirectServer::Impl::listen() {
  net::ConnectionOptions link;
  DISTRI_TRY(link.tls, net::Tls::with_key(key));
  link.limits.streams_max = std::max(options.requests_per_connection_max, 1u);
  link.limits.frame_bytes_max = kFrameBytes;
  link.hello_ms = options.hello_ms;
  link.frame_ms = options.frame_ms;
  link.write_stall_ms = options.write_stall_ms;
  link.idle_ms = options.idle_ms;
  link.stranger = kStrangerLimits;
  link.admit = [this](const std::optional<NodeId>& caller) { return admit(caller, options.admit); };
  wire::Hello hello;
  hello.role = wire::Role::kNode;  // as seen from the calling side, which is a client
  hello.node = key.public_key();
  hello.software = "distri-peer";
  DISTRI_TRY(listener, net::Listener::listen(loop, options.listen, hello, link,
                                             [this](const auto& connection) { return accept(connection); }));
  listener->set_gate([this](const Address& from) { return census.may_enter(from.host, clock.monotonic_ms() * 1'000); });
  address = listener->address();
  return {};
}

net::ConnectionHandler* DirectServer::Impl::accept(const std::shared_ptr<net::Connection>& connection) {
  if (stopping) return nullptr;
  auto made = std::make_unique<DirectConnection>(connection, *this);
  auto* const handler = made.get();
  connections.emplace(handler, std::move(made));
  open_connections = connections.size();
  const std::string& remote = connection->remote();
  handler->enter(census.enter(parse_address(remote).value_or(Address{remote}).host,
                              [weak = std::weak_ptr(connection)](const Error& reason) {
                                const auto oldest = weak.lock();
                                if (!oldest) return;
                                oldest->session().abort(reason);
                                oldest->close(reason);
                              }));
  return handler;
}

void DirectServer::Impl::remove(DirectConnection& connection) {
  // It is still inside its last call.
  auto gone = connections.extract(&connection);
  loop.post([kept = std::shared_ptr<DirectConnection>(std::move(gone.mapped()))] {});
  open_connections = connections.size();
  if (stopping && connections.empty()) loop.stop();
}

void DirectServer::Impl::tick() {
  tick_timer = loop.after(kTickMs, [this] {
    const std::int64_t now_ms = clock.monotonic_ms();
    for (const auto& [raw, connection] : connections) connection->tick(now_ms);
    tick();
  });
}

void DirectServer::Impl::end_of_turn() {
  for (const auto& [raw, connection] : connections) {
    if (connection->starved()) connection->end_of_turn();
  }
}

void DirectServer::Impl::begin_stop() {
  stopping = true;
  listener->close();
  std::vector<DirectConnection*> open;
  for (const auto& [raw, connection] : connections) open.push_back(raw);
  for (auto* const each : open) each->turn_out({Code::kUnavailable, "this peer is stopping"});
  if (open.empty()) return loop.stop();
  stop_timer = loop.after(options.stop_ms, [this] { loop.stop(); });
}

}  // namespace distri::peer
