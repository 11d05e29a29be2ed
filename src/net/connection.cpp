// Beginning and handing on: how a connection comes to be and who hears its events. connection_impl.cpp moves the bytes.
#include "distri/net/connection.hpp"

#include <asio/connect.hpp>

#include "distri/net/connection_impl.hpp"

namespace distri::net {

using asio::ip::tcp;

std::shared_ptr<Connection> Connection::dial(Loop& loop, const Address& to, wire::Hello hello,
                                             const ConnectionOptions& options, ConnectionHandler& handler) {
  auto connection = std::make_shared<ConnectionImpl>(loop.impl(), wire::Side::kDialled, std::move(hello), options,
                                                     tcp::socket(loop.impl().io), to_string(to));
  connection->dial(to, handler);
  return connection;
}

ConnectionImpl::ConnectionImpl(LoopImpl& loop, wire::Side side, wire::Hello hello, const ConnectionOptions& options,
                               tcp::socket socket, std::string remote)
    : loop_(&loop),
      options_(options),
      transport_(std::in_place, std::move(socket)),
      remote_(std::move(remote)),
      side_(side),
      session_(side, std::move(hello), options.limits, *this),
      began_ms_(loop.now_ms()) {
  session_.set_output_ready([this] {
    if (dirty_ || loop_ == nullptr || state_ != State::kOpen) return;
    dirty_ = true;
    loop_->want_end_of_turn(self());
  });
  loop_->add_member(*this);
}

ConnectionImpl::~ConnectionImpl() {
  if (loop_ != nullptr && state_ != State::kGone) loop_->remove_member(*this);
}

void ConnectionImpl::dial(const Address& to, ConnectionHandler& handler) {
  handler_ = &handler;
  if (options_.expected_key && !options_.tls) {
    return end(Error{Code::kInvalidArgument,
                     fmt::format("{} is expected to have key {}, which a link that is not encrypted cannot prove; give "
                                 "the connection a Tls",
                                 remote_, options_.expected_key->hex())},
               false);
  }
  asio::error_code not_numeric;
  const auto ip = asio::ip::make_address(to.host, not_numeric);
  if (!not_numeric) {
    connect(tcp::resolver::results_type::create(tcp::endpoint(ip, to.port), to.host, std::to_string(to.port)));
    return;
  }
  resolver_ = std::make_unique<tcp::resolver>(loop_->io);
  resolver_->async_resolve(
      to.host, std::to_string(to.port), tcp::resolver::numeric_service,
      [self = self()](const asio::error_code& error, const tcp::resolver::results_type& endpoints) {
        if (self->loop_ == nullptr || self->state_ != State::kDialling) return;
        self->loop_->enter();
        if (error) {
          self->end(
              Error{Code::kUnavailable, fmt::format("cannot find the host of {}: {}", self->remote_, error.message())},
              false);
        } else {
          self->connect(endpoints);
        }
      });
}

void ConnectionImpl::connect(const tcp::resolver::results_type& endpoints) {
  asio::async_connect(
      transport_->socket(), endpoints, [self = self()](const asio::error_code& error, const tcp::endpoint&) {
        if (self->loop_ == nullptr || self->state_ != State::kDialling) return;
        self->loop_->enter();
        if (error) {
          self->end(Error{Code::kUnavailable, fmt::format("cannot connect to {}: {}", self->remote_, error.message())},
                    false);
        } else {
          self->on_connected();
        }
      });
}

void ConnectionImpl::on_connected() {
  transport_->set_options();
  resolver_.reset();
  began_ms_ = received_ms_ = loop_->now_ms();
  if (options_.tls) {
    secure();
  } else {
    state_ = State::kOpen;
    session_.start();
  }
  wait_readable();
}

void ConnectionImpl::accepted() {
  transport_->set_options();
  received_ms_ = began_ms_;
  if (options_.tls) {
    secure();
  } else {
    state_ = State::kOpen;
  }
}

void ConnectionImpl::begin(ConnectionHandler& handler) {
  handler_ = &handler;
  if (!closed()) wait_readable();
}

// ---- The handshake.

void ConnectionImpl::secure() {
  state_ = State::kSecuring;
  if (loop_->tls_buffers == nullptr) loop_->tls_buffers = std::make_unique<TlsBuffers>();
  transport_->secure(std::make_unique<TlsStream>(std::static_pointer_cast<TlsImpl>(options_.tls), side_, remote_,
                                                 options_.expected_key),
                     *loop_->tls_buffers);
}

bool ConnectionImpl::secured(const asio::error_code& error) {
  const TlsStream& tls = *transport_->tls();
  switch (tls.state()) {
    case TlsStream::State::kHandshake:
      if (error && !would_block(error)) {
        end(Error{Code::kConnectionLost,
                  fmt::format("the connection to {} ended during the TLS handshake: {}", remote_, error.message())},
            false);
        return false;
      }
      flush();
      wait_readable();
      return false;
    case TlsStream::State::kNotTls:
      on_plaintext_peer();
      return false;
    case TlsStream::State::kFailed:
      ended_by_tls(tls.failure());
      return false;
    case TlsStream::State::kOpen:
    case TlsStream::State::kEnded:
      break;
  }
  on_secured();
  return state_ == State::kOpen;
}

void ConnectionImpl::on_secured() {
  state_ = State::kOpen;
  received_ms_ = loop_->now_ms();
  peer_key_ = transport_->tls()->peer_key();
  resumed_ = transport_->tls()->resumed();
  if (options_.admit) {
    if (auto admitted = options_.admit(peer_key_); !admitted) return give_up(std::move(admitted).error());
  }
  if (side_ == wire::Side::kDialled) session_.start();
  flush();
}

// What it reads is not TLS either, so that the words of refusal are in the clear.
void ConnectionImpl::on_plaintext_peer() {
  Error reason = transport_->tls()->failure();
  if (side_ == wire::Side::kDialled) return end(std::move(reason), true);
  transport_->unsecure();
  state_ = State::kOpen;
  session_.abort(
      Error{Code::kProtocolError, "this node speaks TLS and the connection does not; dial it with encryption (a Tls)"});
  close(std::move(reason));
}

bool ConnectionImpl::refuse_tls(BytesView bytes) {
  if (detector_.see(bytes) != TlsDetector::Answer::kTls) return false;
  give_up(Error{Code::kProtocolError,
                fmt::format("{} speaks TLS and this side does not; {}", remote_,
                            side_ == wire::Side::kDialled ? "dial it with encryption (a Tls)"
                                                          : "dial it without encryption, or give it a key")});
  return true;
}

void ConnectionImpl::refuse() {
  session_.stop();
  if (state_ != State::kGone) drop();
}

void ConnectionImpl::on_hello(const wire::Hello& theirs) {
  if (state_ != State::kOpen) return;
  if (peer_key_ && theirs.role == wire::Role::kNode && theirs.node != *peer_key_) {
    return give_up(Error{Code::kUnauthenticated,
                         fmt::format("{} says that it is node {} and proves the key of node {}; the id of a node is "
                                     "its key",
                                     remote_, theirs.node.hex(), peer_key_->hex())});
  }
  handler_->on_hello(theirs);
}

void ConnectionImpl::on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) {
  if (state_ == State::kOpen) handler_->on_request(stream, head, body, end);
}

void ConnectionImpl::on_reply(std::uint32_t stream, const wire::ReplyHead& head, BytesView body, bool end) {
  if (state_ == State::kOpen) handler_->on_reply(stream, head, body, end);
}

void ConnectionImpl::on_data(std::uint32_t stream, BytesView chunk, bool end) {
  if (state_ == State::kOpen) handler_->on_data(stream, chunk, end);
}

void ConnectionImpl::on_writable(std::uint32_t stream) {
  if (state_ == State::kOpen) handler_->on_writable(stream);
}

void ConnectionImpl::on_reset(std::uint32_t stream, const Error& error) {
  if (state_ == State::kOpen) handler_->on_reset(stream, error);
}

void ConnectionImpl::on_message(std::uint16_t kind, BytesView payload) {
  if (state_ == State::kOpen) handler_->on_message(kind, payload);
}

void ConnectionImpl::on_goodbye(const Error& error) {
  if (state_ == State::kOpen) handler_->on_goodbye(error);
}

void ConnectionImpl::on_pong(std::uint64_t token) {
  if (state_ == State::kOpen) handler_->on_pong(token);
}

}  // namespace distri::net
