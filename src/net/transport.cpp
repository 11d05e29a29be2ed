#include "distri/net/transport.hpp"

#include <asio/error.hpp>

namespace distri::net {
namespace {

constexpr std::size_t kSecureSendBytes = 128u << 10;  // encrypted and sent at a time
// More than is left of one piece: these are answers of TLS itself (updates of keys) that the other side does not read.
constexpr std::size_t kUnreadAnswersBytesMax = 192u << 10;

}  // namespace

void Transport::secure(std::unique_ptr<TlsStream> tls, TlsBuffers& buffers) {
  tls_ = std::move(tls);
  buffers_ = &buffers;
  buffers_->out.clear();
  tls_->start(buffers_->out);
  asio::error_code ignored;  // the next read or write meets it again
  send_encrypted(ignored);
}

std::size_t Transport::read_secure(char* buffer, std::size_t size, asio::error_code& error) {
  const std::size_t got = socket_.read_some(asio::buffer(buffers_->in), error);
  if (error) {
    if (error == asio::error::eof) tls_->end_of_input();
    return 0;
  }
  received_bytes_ += got;
  buffers_->out.clear();
  const std::size_t plain = tls_->receive(BytesView(buffers_->in.data(), got), buffer, size, buffers_->out);
  asio::error_code ignored;
  send_encrypted(ignored);
  if (unsent_bytes() > kUnreadAnswersBytesMax) tls_->fail_unread();
  return plain;
}

std::size_t Transport::write_secure(BytesView bytes, bool& progress, asio::error_code& error) {
  progress = send_unsent(error);
  if (error || bytes.empty()) return 0;
  if (!tls_->may_send()) {
    error = asio::error::broken_pipe;  // tls() says why
    return 0;
  }
  const BytesView piece = bytes.substr(0, kSecureSendBytes);
  buffers_->out.clear();
  tls_->send(piece, buffers_->out);
  progress = send_encrypted(error) || progress;
  return piece.size();
}

void Transport::finish() {
  if (!tls_) return;
  buffers_->out.clear();
  tls_->finish(buffers_->out);
  unsent_.append(buffers_->out);
}

bool Transport::send_unsent(asio::error_code& error) {
  bool progress = false;
  while (sent_ < unsent_.size() && !error) {
    const std::size_t size = socket_.write_some(asio::buffer(unsent_.data() + sent_, unsent_.size() - sent_), error);
    progress = progress || size > 0;
    sent_ += size;
  }
  if (sent_ == unsent_.size() && !unsent_.empty()) {
    Bytes().swap(unsent_);
    sent_ = 0;
  }
  return progress;
}

bool Transport::send_encrypted(asio::error_code& error) {
  const Bytes& out = buffers_->out;
  std::size_t size = 0;
  bool progress = false;
  if (unsent_bytes() > 0) progress = send_unsent(error);
  while (!error && size < out.size()) {
    size += socket_.write_some(asio::buffer(out.data() + size, out.size() - size), error);
    progress = progress || size > 0;
  }
  if (size < out.size()) unsent_.append(out, size);
  return progress;
}

}  // namespace distri::net
