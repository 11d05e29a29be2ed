// transport.hpp: the byte stream below a connection. Private to this module.
//
// TCP as it is. An encrypted stream takes this class's place with the same few calls: non-blocking reads and writes
// that may say "would block", and a wait for either.
#pragma once

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>

#include <cstddef>
#include <utility>

#include "distri/utils/bytes.hpp"

namespace distri::net {

class Transport {
 public:
  explicit Transport(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  asio::ip::tcp::socket& socket() { return socket_; }
  void set_options() {
    asio::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  }
  std::size_t read(char* buffer, std::size_t size, asio::error_code& error) {
    return socket_.read_some(asio::buffer(buffer, size), error);
  }
  // Never raises SIGPIPE: Asio sends with MSG_NOSIGNAL.
  std::size_t write(BytesView bytes, asio::error_code& error) {
    return socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
  }
  template <class Function>
  void wait_readable(Function function) {
    socket_.async_wait(asio::ip::tcp::socket::wait_read, std::move(function));
  }
  template <class Function>
  void wait_writable(Function function) {
    socket_.async_wait(asio::ip::tcp::socket::wait_write, std::move(function));
  }
  // No more bytes from us; the other side reads the end of the stream behind what was sent.
  void shutdown_send() {
    asio::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void close() {
    asio::error_code ignored;
    socket_.close(ignored);
  }

 private:
  asio::ip::tcp::socket socket_;
};

}  // namespace distri::net
