// transport.hpp: the byte stream below a connection: TCP as it is, or encrypted. Private to this module.
//
// Non-blocking reads and writes that may say "would block", and a wait for either. An encrypted stream reads a large
// piece from the socket and decrypts all of it at once, and encrypts a piece at a time and sends it at once; what the
// socket does not take of an encrypted piece stays here (unsent_bytes()) and goes first the next time.
#pragma once

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>

#include <cstddef>
#include <memory>
#include <utility>

#include "distri/net/loop_impl.hpp"
#include "distri/net/tls_stream.hpp"
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

  // From now on encrypted; the dialling side begins the handshake. `buffers` outlives the transport.
  void secure(std::unique_ptr<TlsStream> tls, TlsBuffers& buffers);
  // Not encrypted after all: the other side does not speak TLS. What it has said is lost.
  void unsecure() { tls_.reset(); }
  // nullptr: not encrypted. While it is, its state says more than the error of a call.
  const TlsStream* tls() const { return tls_.get(); }

  // Encrypted: `size` is kReadBufferBytes; may return bytes and change the state of tls() in one call; 0 bytes without
  // an error is nothing unusual.
  std::size_t read(char* buffer, std::size_t size, asio::error_code& error) {
    if (tls_) return read_secure(buffer, size, error);
    return socket_.read_some(asio::buffer(buffer, size), error);
  }
  // Returns what was taken of `bytes`. `progress`: the socket took something. Encrypted, bytes are taken only when
  // nothing is left unsent from before, and then kSecureSendBytes at most; none before the handshake is done. Never
  // raises SIGPIPE: Asio sends with MSG_NOSIGNAL.
  std::size_t write(BytesView bytes, bool& progress, asio::error_code& error) {
    if (tls_) return write_secure(bytes, progress, error);
    const std::size_t size = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    progress = size > 0;
    return size;
  }
  // Of an encrypted stream, as they came.
  std::uint64_t received_bytes() const { return received_bytes_; }
  // Something has come and waits in the socket.
  bool unread() {
    asio::error_code error;
    return socket_.available(error) > 0 && !error;
  }
  std::size_t unsent_bytes() const { return unsent_.size() - sent_; }
  // Adds, once, the word that nothing more comes.
  void finish();
  // While nobody listens any more: reads to nowhere.
  void discard(char* buffer, std::size_t size, asio::error_code& error) {
    socket_.read_some(asio::buffer(buffer, size), error);
  }

  template <class Function>
  void wait_readable(Function function) {
    socket_.async_wait(asio::ip::tcp::socket::wait_read, std::move(function));
  }
  template <class Function>
  void wait_writable(Function function) {
    socket_.async_wait(asio::ip::tcp::socket::wait_write, std::move(function));
  }
  // No more bytes from us; the other side reads the end of the stream behind what was sent. What encryption holds is
  // given back.
  void shutdown_send() {
    asio::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    tls_.reset();
    Bytes().swap(unsent_);
    sent_ = 0;
  }
  void close() {
    asio::error_code ignored;
    socket_.close(ignored);
    tls_.reset();
  }

 private:
  std::size_t read_secure(char* buffer, std::size_t size, asio::error_code& error);
  std::size_t write_secure(BytesView bytes, bool& progress, asio::error_code& error);
  // Sends what is unsent, then what was just encrypted; keeps the rest of it.
  bool send_unsent(asio::error_code& error);
  bool send_encrypted(asio::error_code& error);

  asio::ip::tcp::socket socket_;
  std::unique_ptr<TlsStream> tls_;
  TlsBuffers* buffers_ = nullptr;
  Bytes unsent_;  // encrypted; bytes before sent_ are gone
  std::size_t sent_ = 0;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace distri::net
