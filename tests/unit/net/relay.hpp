// relay.hpp: a bad line between two ends: small buffers, small pieces, and an end wherever a test wants one.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "distri/utils/address.hpp"

namespace distri::net {

// One connection: accepts it, dials `to`, and passes on bytes in a thread of its own until one end closes or a limit is
// reached.
class Relay {
 public:
  struct Options {
    int buffer_bytes = 4096;                      // of each socket, each way
    std::size_t piece_bytes = 2048;               // passed on at a time
    std::uint64_t bytes_max[2] = {~0ull, ~0ull};  // from the dialling end, from the accepting end; then the line ends
    bool reset = false;                           // with a reset, else with the end of the stream
  };

  Relay(const Address& to, const Options& options) : options_(options), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    shrink(listening_);
    sockaddr_in address = loopback(0);
    REQUIRE(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listening_, 1) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    address_ = Address{"127.0.0.1", ntohs(address.sin_port)};
    thread_ = std::thread([this, port = to.port] { run(port); });
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    stop_ = true;
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }

  const Address& address() const { return address_; }
  // Passed on so far.
  std::uint64_t bytes(int direction) const { return passed_[static_cast<std::size_t>(direction)]; }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void shrink(int descriptor) const {
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &options_.buffer_bytes, sizeof options_.buffer_bytes);
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &options_.buffer_bytes, sizeof options_.buffer_bytes);
    // Segments that fit the buffers: else the system waits a fifth of a second for each of them to have room.
    const int segment = options_.buffer_bytes / 4;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  void run(std::uint16_t port) {
    const int dialler = ::accept(listening_, nullptr, nullptr);
    if (dialler < 0) return;
    const int target = ::socket(AF_INET, SOCK_STREAM, 0);
    shrink(target);
    const sockaddr_in address = loopback(port);
    if (::connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) pass(dialler, target);
    for (const int end : {dialler, target}) {
      const linger hard{1, 0};
      if (options_.reset) ::setsockopt(end, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      ::close(end);
    }
  }
  // Until it ends. Never waits for one end while the other has something.
  void pass(int dialler, int target) {
    const std::array<int, 2> ends{dialler, target};
    std::array<std::string, 2> held;
    while (!stop_) {
      std::array<pollfd, 2> wanted{};
      for (std::size_t i = 0; i < 2; ++i) {
        wanted[i] = {ends[i], static_cast<short>((held[i].empty() ? POLLIN : 0) | (held[1 - i].empty() ? 0 : POLLOUT)),
                     0};
      }
      if (::poll(wanted.data(), 2, 20) <= 0) continue;
      for (std::size_t i = 0; i < 2; ++i) {
        if (held[i].empty() && (wanted[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
          const std::uint64_t left = options_.bytes_max[i] - passed_[i];
          std::string piece(std::min<std::uint64_t>(options_.piece_bytes, left), '\0');
          if (piece.empty()) return;
          const ssize_t size = ::recv(ends[i], piece.data(), piece.size(), MSG_DONTWAIT);
          if (size <= 0) return;
          held[i] = piece.substr(0, static_cast<std::size_t>(size));
        }
        if (!held[i].empty()) {
          const ssize_t size = ::send(ends[1 - i], held[i].data(), held[i].size(), MSG_NOSIGNAL | MSG_DONTWAIT);
          if (size > 0) {
            held[i].erase(0, static_cast<std::size_t>(size));
            passed_[i] += static_cast<std::uint64_t>(size);
            if (passed_[i] >= options_.bytes_max[i]) return;
          } else if (errno != EAGAIN) {
            return;
          }
        }
      }
    }
  }

  Options options_;
  int listening_;
  Address address_;
  std::atomic<bool> stop_{false};
  std::array<std::atomic<std::uint64_t>, 2> passed_{};
  std::thread thread_;
};

}  // namespace distri::net
