// net_rig.hpp: what the tests of this module share: a loop that must come to an end, a handler that writes down its
// events, a server, the two kinds of links, and a blocking socket for everything a well-behaved client would not do,
// in the clear or encrypted.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "distri/net/connection.hpp"
#include "distri/net/listener.hpp"
#include "distri/net/loop.hpp"
#include "tls_rig.hpp"

namespace distri::net {

// Runs until stop(); a test that would hang fails instead.
inline void run_bounded(Loop& loop, std::int64_t limit_ms = 20'000) {
  bool expired = false;
  const Timer guard = loop.after(limit_ms, [&] {
    expired = true;
    loop.stop();
  });
  loop.run();
  REQUIRE_FALSE(expired);
}

// Handles everything that is ready, and whatever that brings about within `turns` more turns.
inline void run_turns(Loop& loop, int turns) {
  std::function<void()> next = [&] {
    if (turns-- > 0) {
      loop.post(next);
    } else {
      loop.stop();
    }
  };
  loop.post(next);
  run_bounded(loop);
}

class TestHandler : public ConnectionHandler {
 public:
  std::shared_ptr<Connection> connection;
  std::vector<std::string> events;
  std::vector<Error> closed;
  std::size_t body_bytes = 0;
  std::function<void()> when_ready;
  std::function<void(std::uint32_t, BytesView, bool)> when_request;
  std::function<void(std::uint32_t, BytesView, bool)> when_reply;
  std::function<void(std::uint32_t, BytesView, bool)> when_data;
  std::function<void(std::uint32_t)> when_writable;
  std::function<void()> when_message;
  std::function<void()> when_closed;

  wire::Session& session() { return connection->session(); }

  void on_hello(const wire::Hello&) override {
    note("hello");
    if (when_ready) when_ready();
  }
  void on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) override {
    note("request " + std::string(head.service));
    body_bytes += body.size();
    if (when_request) when_request(stream, body, end);
  }
  void on_reply(std::uint32_t stream, const wire::ReplyHead&, BytesView body, bool end) override {
    note("reply");
    body_bytes += body.size();
    if (when_reply) when_reply(stream, body, end);
  }
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override {
    if (events.empty() || events.back() != "data") note("data");
    CHECK(closed.empty());
    body_bytes += chunk.size();
    if (when_data) when_data(stream, chunk, end);
  }
  void on_writable(std::uint32_t stream) override {
    if (when_writable) when_writable(stream);
  }
  void on_goodbye(const Error& error) override { note("goodbye " + to_string(error)); }
  void on_message(std::uint16_t, BytesView payload) override {
    note("message");
    body_bytes += payload.size();
    if (when_message) when_message();
  }
  void on_closed(const Error& reason) override {
    closed.push_back(reason);
    if (when_closed) when_closed();
  }

 private:
  void note(std::string event) {
    CHECK(closed.empty());  // nothing comes after on_closed()
    events.push_back(std::move(event));
  }
};

inline wire::Hello hello_of(wire::Role role) {
  wire::Hello hello;
  hello.role = role;
  hello.software = "test";
  return hello;
}

inline std::uint32_t send_request(Connection& connection, BytesView service, BytesView body = {}, bool end = true) {
  wire::RequestHead head;
  head.service = service;
  std::size_t taken = 0;
  const auto stream = connection.session().open_request(head, body, end, taken);
  REQUIRE(stream.has_value());
  REQUIRE(taken == body.size());
  return *stream;
}

// With encryption a node's id is its key.
inline wire::Hello hello_for(wire::Role role, const ConnectionOptions& options) {
  wire::Hello hello = hello_of(role);
  if (role == wire::Role::kNode && options.tls && options.tls->key()) hello.node = *options.tls->key();
  return hello;
}

// Accepts with a TestHandler each; `prepare` sets it up.
struct Server {
  Server(Loop& loop, ConnectionOptions options = {}, std::function<void(TestHandler&)> prepare = {}) {
    auto result = Listener::listen(loop, Address{"127.0.0.1", 0}, hello_for(wire::Role::kNode, options), options,
                                   [this, prepare](const std::shared_ptr<Connection>& connection) {
                                     auto& handler = *handlers.emplace_back(std::make_unique<TestHandler>());
                                     handler.connection = connection;
                                     if (prepare) prepare(handler);
                                     return &handler;
                                   });
    REQUIRE(result.has_value());
    listener = std::move(*result);
  }

  Address address() const { return listener->address(); }

  std::vector<std::unique_ptr<TestHandler>> handlers;
  std::unique_ptr<Listener> listener;
};

inline void dial(Loop& loop, TestHandler& handler, const Address& to, const ConnectionOptions& options = {},
                 wire::Role role = wire::Role::kClient) {
  handler.connection = Connection::dial(loop, to, hello_for(role, options), options, handler);
}

// A blocking TCP socket with a bound on every call.
class RawSocket {
 public:
  RawSocket(Loop&, const Address& to, int receive_buffer_bytes = 0) : RawSocket(to, receive_buffer_bytes) {}
  explicit RawSocket(const Address& to, int receive_buffer_bytes = 0) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    REQUIRE(descriptor_ >= 0);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    const timeval limit{10, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;
  ~RawSocket() { close(); }

  int descriptor() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }
  void send(BytesView bytes) {
    REQUIRE(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  // Everything until the other side closes.
  Bytes read_all() {
    Bytes all;
    char buffer[4096];
    for (;;) {
      const ssize_t size = ::recv(descriptor_, buffer, sizeof buffer, 0);
      REQUIRE(size >= 0);  // neither a reset nor the bound
      if (size == 0) return all;
      all.append(buffer, static_cast<std::size_t>(size));
    }
  }

 private:
  int descriptor_;
};

// The same, encrypted by OpenSSL alone; the handshake is done when it is made.
class RawTls {
 public:
  RawTls(Loop& loop, const Address& to, int receive_buffer_bytes = 0)
      : context_(make_context(PeerSettings{})), socket_(to, receive_buffer_bytes), ssl_(SSL_new(context_.get())) {
    SSL_set_fd(ssl_.get(), socket_.descriptor());
    const int flags = ::fcntl(socket_.descriptor(), F_GETFL);
    ::fcntl(socket_.descriptor(), F_SETFL, flags | O_NONBLOCK);
    for (int turns = 0;; ++turns) {
      const int result = SSL_connect(ssl_.get());
      if (result == 1) break;
      REQUIRE(SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ);
      REQUIRE(turns < 10'000);
      run_turns(loop, 1);
    }
    run_turns(loop, 2);  // the node has our last flight
    ::fcntl(socket_.descriptor(), F_SETFL, flags);
  }

  void send(BytesView bytes) {
    std::size_t size = 0;
    REQUIRE(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size) == 1);
  }
  // Everything until the other side closes, as it must.
  Bytes read_all() {
    Bytes all;
    char buffer[4096];
    std::size_t size = 0;
    for (;;) {
      const int result = SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &size);
      if (result != 1) {
        REQUIRE(SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN);
        return all;
      }
      all.append(buffer, size);
    }
  }
  SSL* ssl() { return ssl_.get(); }
  RawSocket& socket() { return socket_; }

 private:
  SslContext context_;
  RawSocket socket_;
  SslHandle ssl_;
};

// The kinds of links that most tests run over.
struct Plain {
  static ConnectionOptions on(ConnectionOptions options = {}) { return options; }
  using Raw = RawSocket;
};
struct Encrypted {
  static ConnectionOptions on(ConnectionOptions options = {}) {
    static const std::shared_ptr<Tls> tls = make_tls(SigningKey::generate());
    options.tls = tls;
    return options;
  }
  using Raw = RawTls;
};

inline Bytes client_hello_bytes() {
  Bytes bytes;
  wire::Hello hello = hello_of(wire::Role::kClient);
  const wire::Limits limits;
  hello.frame_bytes_max = limits.frame_bytes_max;
  hello.stream_window_bytes = limits.stream_window_bytes;
  hello.streams_max = limits.streams_max;
  hello.params_bytes_max = limits.params_bytes_max;
  hello.inline_body_bytes_max = limits.inline_body_bytes_max;
  wire::encode_hello(bytes, hello);
  return bytes;
}

// The goodbye among the frames that were received.
inline Error goodbye_in(BytesView bytes) {
  while (bytes.size() >= wire::kFrameHeaderBytes) {
    const auto header = wire::decode_frame_header(bytes);
    REQUIRE(header.has_value());
    const BytesView payload = bytes.substr(wire::kFrameHeaderBytes, header->payload_bytes);
    if (header->type == wire::FrameType::kGoodbye) return *wire::decode_error(payload);
    bytes.remove_prefix(wire::kFrameHeaderBytes + header->payload_bytes);
  }
  return Error{Code::kOk, "no goodbye"};
}

}  // namespace distri::net
