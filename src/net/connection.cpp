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
  state_ = State::kOpen;
  began_ms_ = received_ms_ = loop_->now_ms();
  session_.start();
  wait_readable();
}

void ConnectionImpl::accepted() {
  transport_->set_options();
  state_ = State::kOpen;
  received_ms_ = began_ms_;
}

void ConnectionImpl::begin(ConnectionHandler& handler) {
  handler_ = &handler;
  if (state_ == State::kOpen) wait_readable();
}

void ConnectionImpl::refuse() {
  session_.stop();
  if (state_ != State::kGone) drop();
}

void ConnectionImpl::on_hello(const wire::Hello& theirs) {
  if (state_ == State::kOpen) handler_->on_hello(theirs);
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
