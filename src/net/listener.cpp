#include "distri/net/listener.hpp"

#include <asio/ip/tcp.hpp>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "distri/net/connection_impl.hpp"
#include "distri/net/loop_impl.hpp"

namespace distri::net {
namespace {

using asio::ip::tcp;

constexpr std::int64_t kBackoffMs = 100;  // after the operating system could not give us another connection
constexpr int kBacklog = 4096;            // connections waiting to be accepted (the system may allow fewer)
// A record of TLS in the clear, as they are before the handshake: fatal alert, internal_error.
constexpr BytesView kRefusalAlert("\x15\x03\x03\x00\x02\x02\x50", 7);

// Held by the Listener and by the accept operation under way.
class Acceptor final : public LoopMember, public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(Loop& loop, tcp::acceptor acceptor, Address address, wire::Hello hello, const ConnectionOptions& options,
           Listener::Accept accept)
      : outer_(&loop),
        loop_(&loop.impl()),
        acceptor_(std::move(acceptor)),
        address_(std::move(address)),
        hello_(std::move(hello)),
        options_(options),
        accept_(std::move(accept)) {
    loop_->add_member(*this);
  }

  const Address& address() const { return address_; }

  void wait() {
    acceptor_->async_accept([self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
      if (self->loop_ == nullptr) return;
      self->loop_->enter();
      if (!self->acceptor_->is_open()) return;
      if (!error) {
        self->accepted(std::move(socket));
      } else if (error != asio::error::connection_aborted) {
        // No descriptors or memory left: trying again at once would keep the processor busy with failing.
        self->backoff_ = self->outer_->after(kBackoffMs, [self] { self->wait(); });
        return;
      }
      if (self->acceptor_->is_open()) self->wait();
    });
  }

  void set_gate(Listener::Gate gate) { gate_ = std::move(gate); }

  void close() {
    if (loop_ == nullptr || !acceptor_->is_open()) return;
    backoff_.cancel();
    asio::error_code ignored;
    acceptor_->close(ignored);
    loop_->remove_member(*this);
  }

 private:
  void accepted(tcp::socket socket) {
    asio::error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    if (error) return;  // gone already
    const Address from{endpoint.address().to_string(), endpoint.port()};
    if (gate_) {
      if (const auto open = gate_(from); !open) return turn_away(socket, open.error());
    }
    auto connection = std::make_shared<ConnectionImpl>(*loop_, wire::Side::kAccepted, hello_, options_,
                                                       std::move(socket), to_string(from));
    connection->accepted();
    if (ConnectionHandler* const handler = accept_(connection)) {
      connection->begin(*handler);
    } else {
      connection->refuse();
    }
  }

  // Cheaply: no handshake for a sentence. Whoever dials learns what it was from the alert, too (tls_stream.cpp).
  void turn_away(tcp::socket& socket, const Error& reason) {
    Bytes words;
    if (options_.tls) {
      words = kRefusalAlert;
    } else {
      wire::encode_goodbye(words, reason);
    }
    asio::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(words), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    // What has come is taken away, as it would turn closing into a reset, which can destroy the words.
    std::array<char, 1024> nowhere;
    socket.read_some(asio::buffer(nowhere), ignored);
  }

  void on_tick(std::int64_t) override {}
  void on_end_of_turn() override {}
  void on_loop_destroyed() override {
    backoff_.cancel();
    loop_ = nullptr;
    acceptor_.reset();
  }

  Loop* outer_;
  LoopImpl* loop_;  // nullptr when the loop is destroyed
  std::optional<tcp::acceptor> acceptor_;
  Address address_;
  wire::Hello hello_;
  ConnectionOptions options_;
  Listener::Accept accept_;
  Listener::Gate gate_;
  Timer backoff_;
};

class ListenerImpl final : public Listener {
 public:
  explicit ListenerImpl(std::shared_ptr<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
  ~ListenerImpl() override { acceptor_->close(); }

  Address address() const override { return acceptor_->address(); }
  void set_gate(Gate gate) override { acceptor_->set_gate(std::move(gate)); }
  void close() override { acceptor_->close(); }

 private:
  std::shared_ptr<Acceptor> acceptor_;
};

std::unexpected<Error> cannot_listen(const Address& address, const asio::error_code& error) {
  const std::string text = to_string(address);
  if (error == asio::error::address_in_use) {
    return fail(Code::kUnavailable,
                "address {} is already in use; choose another port or stop the program that holds it", text);
  }
  if (error == asio::error::access_denied) {
    return fail(Code::kPermissionDenied, "this user may not listen on {}; choose a port above 1023", text);
  }
  if (error.value() == EADDRNOTAVAIL) {
    return fail(Code::kInvalidArgument, "{} is not an address of this machine; choose one that is, or 0.0.0.0 for all",
                text);
  }
  return fail(Code::kUnavailable, "cannot listen on {}: {}", text, error.message());
}

Result<tcp::endpoint> resolve(asio::io_context& io, const Address& address) {
  asio::error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  if (!error) return tcp::endpoint(ip, address.port);
  const auto found =
      tcp::resolver(io).resolve(address.host, std::to_string(address.port), tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail(Code::kInvalidArgument, "cannot find host '{}' to listen on: {}", address.host,
                error ? error.message() : "it has no address");
  }
  return found.begin()->endpoint();
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::listen(Loop& loop, const Address& address, wire::Hello hello,
                                                   const ConnectionOptions& options, Accept accept) {
  if (options.tls && !options.tls->key()) {
    return fail(Code::kInvalidArgument, "cannot listen on {} with encryption and without a key; make one for this node",
                to_string(address));
  }
  asio::io_context& io = loop.impl().io;
  DISTRI_TRY(const tcp::endpoint endpoint, resolve(io, address));
  tcp::acceptor acceptor(io);
  asio::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  const std::uint16_t port = error ? address.port : acceptor.local_endpoint(error).port();
  if (error) return cannot_listen(address, error);

  auto held = std::make_shared<Acceptor>(loop, std::move(acceptor), Address{address.host, port}, std::move(hello),
                                         options, std::move(accept));
  held->wait();
  return std::make_unique<ListenerImpl>(std::move(held));
}

}  // namespace distri::net
