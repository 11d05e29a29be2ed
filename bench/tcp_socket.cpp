#include "tcp_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "closed_loop.hpp"

namespace bench {

using distri::Code;
using distri::Result;

namespace {

constexpr std::size_t kReadBytes = 64u << 10;

}  // namespace

TcpSocket::~TcpSocket() {
  if (socket_ >= 0) close(socket_);
}

Result<> TcpSocket::connect_to(const distri::Address& server) {
  server_ = distri::to_string(server);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.port);
  if (inet_pton(AF_INET, server.host.c_str(), &to.sin_addr) != 1)
    return distri::fail(Code::kInvalidArgument, "'{}' is no IPv4 address", server.host);
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    return distri::fail(Code::kUnavailable, "nobody answers at {}: {}", server_, std::strerror(errno));
  fcntl(socket_, F_SETFL, O_NONBLOCK);
  return {};
}

pollfd TcpSocket::waits_for() const {
  return {socket_, static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0};
}

Result<> TcpSocket::send_queued() {
  while (!out_.empty()) {
    const ssize_t sent = send(socket_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (sent < 0) return distri::fail(Code::kConnectionLost, "{}: {}", server_, std::strerror(errno));
    out_.erase(0, static_cast<std::size_t>(sent));
  }
  return {};
}

Result<> TcpSocket::read_available(distri::Bytes& in) {
  char buffer[kReadBytes];
  const ssize_t size = recv(socket_, buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (size <= 0) return distri::fail(Code::kConnectionLost, "{} closed the connection", server_);
  in.append(buffer, static_cast<std::size_t>(size));
  return {};
}

Result<> TcpSocket::exchange(distri::Bytes& in) {
  const std::size_t before = in.size();
  while (!out_.empty() || in.size() == before) {
    pollfd wait = waits_for();
    if (poll(&wait, 1, kStallMax_ms) == 0)
      return distri::fail(Code::kDeadlineExceeded, "{}: no reply for {} ms", server_, kStallMax_ms);
    if ((wait.revents & POLLOUT) != 0) DISTRI_TRY_VOID(send_queued());
    if ((wait.revents & ~POLLOUT) != 0) DISTRI_TRY_VOID(read_available(in));
  }
  return {};
}

}  // namespace bench
